"""Figure 14: the bound on a step against what others measured, with everything resident and with experts elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, read_rows
from prophet_memory.edge.text import multiplied
from prophet_memory.residency import BASELINE, residency_policy
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

MS = 1e3
MARKS = {"all_resident": "s", "on_demand_offload": "X", "lru_cache": "v", "cpu_compute": "^"}
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
NAMED = 1  # of the rows that lie farthest from the bound


def draw(axes: Axes, rows: Sequence[Row], colours: dict[str, str], bound: str, ratio: str, named: int) -> None:
    """A panel: measured against computed, and the line on which both are the same; nothing may lie below it."""
    for row in rows:
        colour = colours[row["name"]]
        hollow = {"markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 0.8}
        look: dict[str, Any] = {"marker": MARKS[row["policy"]], "color": colour, "linestyle": "none", "markersize": 4.2}
        axes.plot(MS * row[bound], MS * row["measured_s"], **look | (hollow if row["doubt"] else {}))
    ends = MS * min(row[bound] for row in rows) / 1.5, MS * max(row["measured_s"] for row in rows) * 1.5
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
        look = {"xytext": (5, -2), "textcoords": "offset points", "fontsize": 7, "color": GREY}
        axes.annotate(f"{row['engine']}, {multiplied(row[ratio])}", place, **look)
    middle = median(row[ratio] for row in rows)
    axes.text(0.97, 0.04, f"median {multiplied(middle)}, {len(rows)} runs", transform=axes.transAxes, ha="right", fontsize=7)


def main(*, observed: Path, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        observed: latency_observed.csv
        output: .pdf and .png files
    """
    rows = read_rows(observed)
    colours = dict(zip(dict.fromkeys(row["name"] for row in rows), cycle(COLOURS), strict=False))
    resident = [row for row in rows if row["policy"] == BASELINE.name]
    elsewhere = [row for row in rows if row["policy"] != BASELINE.name]
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.9)
    panels = figure.subplots(1, 3, squeeze=False)[0]
    draw(panels[0], resident, colours, "bound_s", "ratio", 0)
    draw(panels[1], elsewhere, colours, "bound_s", "ratio", NAMED)
    draw(panels[2], elsewhere, colours, "bound_with_fixed_costs_s", "ratio_with_fixed_costs", NAMED)
    titles = "everything resident, bound", "experts elsewhere, bound", "experts elsewhere, with fixed costs"
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=7.5)
    panels[0].set_ylabel("Measured (ms a step)")
    for axes in panels:
        axes.set_xlabel("Computed (ms a step)")
    marks = [Line2D([], [], linestyle="none", marker=mark, color=GREY, label=residency_policy(policy).words.label)
             for policy, mark in MARKS.items()]  # fmt: skip
    marks.append(Line2D([], [], linestyle="none", marker="o", color=GREY, markerfacecolor="white", markeredgecolor=GREY,
                        markeredgewidth=0.8, label="doubtful"))  # fmt: skip
    own = [Line2D([], [], linestyle="none", marker="o", color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=[*marks, *own], loc="outside lower center", ncols=5, fontsize=7, columnspacing=1.2, handletextpad=0.4)
    save(figure, output)


if __name__ == "__main__":
    script(main)
