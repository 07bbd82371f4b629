"""Figure 5: KV extension and expert savings against the number of experts, every model and the mean of each expert count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from prophet_pipeline.command import script
from prophet_pipeline.figures import (
    BLACK,
    DOUBLE_COLUMN_INCHES,
    GREY,
    LAW_DASHES,
    LAW_LABELS,
    LAW_MARKS,
    new_figure,
    save,
)
from prophet_pipeline.tables import Row, laws_present, points
from prophet_pipeline.text import PRECISION_LABELS

VERDICTS = ("fits", "newly_fits", "does_not_fit")
POINTS_BELOW_AXIS, POINTS_PER_LINE = 26, 9


def draw(axes: Axes, models: Sequence[Row], means: Sequence[Row], column: str, scale: float) -> None:
    """Models as small points, the mean of each expert count as a line, in the colour of the law."""
    counts = sorted({row["experts"] for row in means})
    place = {count: x for x, count in enumerate(counts)}

    def points(rows: Sequence[Row], law: str) -> tuple[list[int], list[float]]:
        own = [row for row in rows if row["routing"] == law]
        return [place[r["experts"]] for r in own], [math.nan if r[column] is None else scale * r[column] for r in own]

    for law in laws_present(means)[::-1]:
        colour, marker = LAW_MARKS[law]
        axes.plot(*points(models, law), linestyle="none", marker=marker, markersize=3.6, markerfacecolor="none",
                  markeredgecolor=colour, markeredgewidth=0.6, alpha=0.8)  # fmt: skip
        axes.plot(*points(means, law), color=colour, linestyle=LAW_DASHES[law], marker=marker, label=LAW_LABELS[law])
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set_xlim(-0.5, len(counts) - 0.5)
    axes.set_xlabel("Routed experts per layer E")


def count_configurations(axes: Axes, means: Sequence[Row]) -> None:
    """Under the axis: how many configurations each mean covers, and how many it leaves out."""
    last_law = laws_present(means)[-1]
    exact = [row for row in means if row["routing"] == last_law]
    for line, verdict in enumerate(VERDICTS):
        down = POINTS_BELOW_AXIS + POINTS_PER_LINE * line
        look: dict[str, Any] = {
            "textcoords": "offset points",
            "va": "top",
            "fontsize": 7,
            "color": BLACK if line == 0 else GREY,
        }
        axes.annotate(verdict.replace("_", " "), (0, 0), (-2, -down), xycoords="axes fraction", ha="right", **look)
        for x, row in enumerate(exact):
            number = str(row[f"configurations_{verdict}"])
            axes.annotate(number, (x, 0), (0, -down), xycoords=("data", "axes fraction"), ha="center", **look)


def main(*, by_model: Path, by_experts: Path, precision: str, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        by_model: mean_extension_by_model.csv
        by_experts: mean_extension_by_expert_count.csv
        output: .pdf and .png files
    """
    at = {"precision": precision}
    models = points(by_model, keys=("model", "routing"), at=at).to_dicts()
    means = points(by_experts, keys=("experts", "routing"), at=at).to_dicts()
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.6)
    left, right = figure.subplots(1, 2)
    draw(left, models, means, "mean_kv_extension", 1)
    left.axhline(1, color=BLACK, linewidth=0.8)
    left.set_ylabel(f"Mean KV extension, {PRECISION_LABELS[precision]}")
    left.set_title("KV extension, and the configurations it covers")
    right.set_title("Expert savings")
    count_configurations(left, means)
    draw(right, models, means, "mean_expert_savings_fraction", 100)
    right.set_ylim(0, 102)
    right.set_ylabel("Mean expert savings 1 − U/E (%)")
    right.legend(loc="lower right")
    save(figure, output)


if __name__ == "__main__":
    script(main)
