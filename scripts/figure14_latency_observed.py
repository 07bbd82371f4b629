"""Figure 14: the bound on a step against what others measured, with everything resident and with experts elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, read_rows
from prophet_memory.edge.text import multiplied
from prophet_memory.formats import DEFAULT_FORMAT
from prophet_memory.residency import BASELINE, residency_policy
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

MS = 1e3
POLICIES: dict[str, dict[str, Any]] = {
    "on_demand_offload": {"marker": "X", "color": VERMILLION},
    "lru_cache": {"marker": "v", "color": PURPLE},
    "cpu_compute": {"marker": "^", "color": GREEN},
}
# Of what is all resident: published formats have fewer bits, which kernels unpack.
RESIDENT: dict[tuple[bool, bool], tuple[str, dict[str, Any]]] = {
    (True, True): ("16-bit weights, one GPU", {"marker": "s", "color": BLACK, "markersize": 3.6}),
    (False, True): ("published format, one GPU", {"marker": "D", "color": ORANGE, "markersize": 3.4}),
    (True, False): ("16-bit weights, 2 to 8 GPUs", {"marker": ".", "color": BLUE, "markersize": 3.4}),
    (False, False): ("published format, 2 to 8 GPUs", {"marker": "x", "color": SKY, "markersize": 2.8}),
}
POINT: dict[str, Any] = {"linestyle": "none", "markersize": 4.2, "markeredgewidth": 0.8}
NAMED = 1  # of the rows that lie farthest from the bound


def look_of(row: Row) -> dict[str, Any]:
    """How a row is marked: by its policy, or by its weights and GPUs."""
    if row["policy"] != BASELINE.name:
        return POLICIES[row["policy"]]
    return RESIDENT[row["weights"] == DEFAULT_FORMAT, row["n_gpus"] == 1][1]


def draw(axes: Axes, rows: Sequence[Row], bound: str, ratio: str, named: int, ends: tuple[float, float]) -> None:
    """A panel: measured against computed, and the line on which both are the same; nothing may lie below it."""
    for row in sorted(rows, key=lambda row: -row["n_gpus"]):
        look = POINT | look_of(row)
        hollow = {"markerfacecolor": "white", "markeredgecolor": look["color"], "zorder": 4}
        axes.plot(MS * row[bound], MS * row["measured_s"], **look | (hollow if row["doubt"] else {}))
    axes.plot(ends, ends, color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    for row in sorted(rows, key=lambda row: -row[ratio])[:named]:
        place = MS * row[bound], MS * row["measured_s"]
        beside: dict[str, Any] = {"xytext": (0, 4), "textcoords": "offset points", "ha": "center", "fontsize": 7, "color": GREY}
        axes.annotate(f"{row['engine']}, {multiplied(row[ratio])}", place, **beside)
    middle = median(row[ratio] for row in rows)
    words = f"median {multiplied(middle)},\n{len(rows)} steps"
    axes.text(0.97, 0.05, words, transform=axes.transAxes, ha="right", va="bottom", fontsize=7)


def main(*, observed: Path, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        observed: latency_observed.csv
        output: .pdf and .png files
    """
    rows = read_rows(observed)
    resident = [row for row in rows if row["policy"] == BASELINE.name]
    elsewhere = [row for row in rows if row["policy"] != BASELINE.name]
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.7)
    panels = figure.subplots(1, 4, squeeze=False)[0]
    bounds = ("bound_s", "ratio", "bound"), ("bound_with_fixed_costs_s", "ratio_with_fixed_costs", "with fixed costs")
    each = (("everything resident", resident, 0), ("experts elsewhere", elsewhere, NAMED))
    for axes, ((name, own, named), (bound, ratio, words)) in zip(panels, product(each, bounds), strict=True):
        # The same for both bounds, so that the way to the line can be seen.
        ends = MS * min(row["bound_s"] for row in own) / 1.5, MS * max(row["measured_s"] for row in own) * 4
        draw(axes, own, bound, ratio, named, ends)
        axes.set_title(f"{name},\n{words}", fontsize=7.5)
        axes.set_xlabel("Computed (ms a step)")
    panels[0].set_ylabel("Measured (ms a step)")
    handles = [Line2D([], [], **POINT | look, label=label) for label, look in RESIDENT.values()]
    handles += [Line2D([], [], **POINT | look, label=residency_policy(policy).words.label) for policy, look in POLICIES.items()]
    handles.append(
        Line2D([], [], **POINT, marker="o", markerfacecolor="white", markeredgecolor=GREY, label="doubtful (any hollow mark)")
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7, columnspacing=1.2, handletextpad=0.4)
    save(figure, output)


if __name__ == "__main__":
    script(main)
