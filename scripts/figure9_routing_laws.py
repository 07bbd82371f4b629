"""Figure 9: distinct experts against the batch where routing was measured, and what each law says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, read_rows
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, laws_in_order, log2_batches, new_figure, save
from prophet_paper.looks import BLACK, GREEN, GREY, LIGHT_GREY

MEASURED, FREQUENCY, SKEWED, UNIFORM = "measured", "frequency", "median_skew", "uniform"
OF_FREQUENCY: dict[str, Any] = {"color": GREEN, "linestyle": (0, (6, 1.2)), "linewidth": 1.3}
POINT: dict[str, Any] = {
    "color": BLACK, "marker": "o", "markersize": 3.6, "linestyle": "none", "capsize": 1.8, "elinewidth": 0.8, "capthick": 0.8,
}  # fmt: skip
RUN: dict[str, Any] = {
    "color": GREY, "marker": "o", "markersize": 3.6, "markerfacecolor": "white", "markeredgewidth": 0.8, "linestyle": "none",
}  # fmt: skip
BAND: dict[str, Any] = {"color": LIGHT_GREY, "alpha": 0.6, "linewidth": 0}
MEASURED_BY = {"tokens": "measured token by token", "counts": "measured counts of domains"}


def draw_model(axes: Axes, series: Mapping[str, Sequence[Row]], looks: Mapping[str, dict[str, Any]]) -> None:
    """One panel: the laws as lines, the band from uniform to the median skew, what was measured as points with bars."""
    batches = [row["batch_size"] for row in series[MEASURED]]
    mean = {name: [row["distinct_experts"] for row in rows] for name, rows in series.items()}
    axes.fill_between(batches, mean[SKEWED], mean[UNIFORM], **BAND)
    for name, look in looks.items():
        axes.plot(batches, mean[name], **look, zorder=2.5)
    low, high = (
        [max(0.0, sign * (row[bound] - row["distinct_experts"])) for row in series[MEASURED]]
        for bound, sign in (("p05", -1), ("p95", 1))
    )
    axes.errorbar(batches, mean[MEASURED], yerr=[low, high], zorder=4, **POINT)
    runs = [row["run_experts"] for row in series[MEASURED]]
    if any(run is not None for run in runs):
        axes.plot(batches, [math.nan if run is None else run for run in runs], zorder=3, **RUN)
    log2_batches(axes, batches)
    experts = series[MEASURED][0]["experts"]
    axes.axhline(experts, color=BLACK, linewidth=0.6, linestyle=(0, (1, 2)))
    axes.set_ylim(0, 1.04 * experts)
    axes.set_xlabel("Batch size (tokens of a step)")


def main(*, distinct: Path, laws: Path, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        distinct: distinct_experts.csv
        laws: law_catalogue.csv
        output: .pdf and .png files
    """
    found: dict[str, dict[str, list[Row]]] = {}
    for row in read_rows(distinct):
        found.setdefault(row["model"], {}).setdefault(row["routing"], []).append(row)
    order = laws_in_order(laws)
    looks: dict[str, dict[str, Any]] = {law.name: {"color": law.colour, "linestyle": law.dash} for law in order}
    looks = {name: look for name, look in looks.items() if all(name in series for series in found.values())}
    looks[FREQUENCY] = OF_FREQUENCY
    # The models whose tokens were measured first, then those of which counts are known.
    models = sorted(found, key=lambda model: (found[model][MEASURED][0]["measured_by"] != "tokens", model))
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.7)
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    panels[0].set_ylabel("Distinct experts of a layer")
    for panel, model in zip(panels, models, strict=True):
        draw_model(panel, found[model], looks)
        first = found[model][MEASURED][0]
        panel.set_title(
            f"{first['name']} ({first['experts']}, top-{first['top_k']})\n{MEASURED_BY[first['measured_by']]}", fontsize=7.5
        )
    labels = {law.name: law.label for law in order} | {FREQUENCY: "measured frequencies"}
    handles: list[Any] = [Line2D([], [], **look, label=labels[name]) for name, look in looks.items()]
    handles.append(Patch(**BAND, label="uniform to the median skew (Zipf)"))
    handles.append(Line2D([], [], color=BLACK, marker="o", linestyle="none", label="measured, p5 to p95"))
    handles.append(Line2D([], [], **RUN, label="consecutive tokens of a sequence"))
    figure.legend(handles=handles, loc="outside lower center", ncols=-(-len(handles) // 2), handlelength=1.9)
    save(figure, output)


if __name__ == "__main__":
    script(main)
