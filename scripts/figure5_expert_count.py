"""Figure 5: KV extension and expert savings against the number of experts, every model and the mean of each expert count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import seaborn as sns
from matplotlib.axes import Axes

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, label_of, points
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.provision import PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, Law, laws_in_order, new_figure, save
from prophet_paper.looks import BLACK, GREY

VERDICTS = ("fits", "newly_fits", "does_not_fit")
POINTS_BELOW_AXIS, POINTS_PER_LINE = 26, 9


def draw(axes: Axes, models: Sequence[Row], means: Sequence[Row], laws: Sequence[Law], column: str, scale: float) -> None:
    """Models as small points, the mean of each expert count as a line, in the colour of the law."""
    counts = sorted({row["experts"] for row in means})
    place = {count: x for x, count in enumerate(counts)}

    def placed(rows: Sequence[Row], law: Law) -> tuple[list[int], list[float]]:
        own = [row for row in rows if row["routing"] == law.name]
        return [place[r["experts"]] for r in own], [math.nan if r[column] is None else scale * r[column] for r in own]

    for law in laws:
        x, y = placed(models, law)
        sns.scatterplot(x=x, y=y, ax=axes, marker=law.marker, s=13, facecolor="none", edgecolor=law.colour, linewidth=0.6,
                            alpha=0.8, legend=False)  # fmt: skip
        # Not seaborn's line, which leaps over a count of experts that has no mean.
        axes.plot(*placed(means, law), color=law.colour, linestyle=law.dash, marker=law.marker, label=law.label)
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set_xlim(-0.5, len(counts) - 0.5)
    axes.set_xlabel("Routed experts per layer E")


def count_configurations(axes: Axes, means: Sequence[Row]) -> None:
    """Under the axis: how many configurations each mean of one law covers, and how many it leaves out."""
    for line, verdict in enumerate(VERDICTS):
        down = POINTS_BELOW_AXIS + POINTS_PER_LINE * line
        look: dict[str, Any] = {
            "textcoords": "offset points",
            "va": "top",
            "fontsize": 7,
            "color": BLACK if line == 0 else GREY,
        }
        axes.annotate(verdict.replace("_", " "), (0, 0), (-2, -down), xycoords="axes fraction", ha="right", **look)
        for x, row in enumerate(means):
            number = str(row[f"configurations_{verdict}"])
            axes.annotate(number, (x, 0), (0, -down), xycoords=("data", "axes fraction"), ha="center", **look)


def main(
    *, by_model: Path, by_experts: Path, laws: Path, policies: Path, policy: str, provision: str, routing: str,
    precision: str, output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        by_model: mean_extension_by_model.csv
        by_experts: mean_extension_by_expert_count.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        policy: compared with the baseline
        routing: the law whose configurations are counted
        output: .pdf and .png files
    """
    at = {"precision": precision, "policy": policy, "provision": provision}
    models = points(by_model, keys=("model", "routing"), at=at).to_dicts()
    means = points(by_experts, keys=("experts", "routing"), at=at).to_dicts()
    order, figure = laws_in_order(laws), new_figure(DOUBLE_COLUMN_INCHES, 2.6)
    left, right = figure.subplots(1, 2)
    sized = PROVISIONS[provision].label
    draw(left, models, means, order, "mean_kv_extension", 1)
    left.axhline(1, color=BLACK, linewidth=0.8)
    left.set_ylabel(f"Mean KV extension of {label_of(policies, policy)} ({sized}), {PRECISION_LABELS[precision]}")
    left.set_title("KV extension, and the configurations it covers")
    right.set_title("Expert savings")
    count_configurations(left, [row for row in means if row["routing"] == routing])
    draw(right, models, means, order, "mean_expert_savings_fraction", 100)
    right.set_ylim(0, 102)
    right.set_ylabel(f"Mean expert savings, {sized} (%)")
    right.legend(loc="lower right")
    save(figure, output)


if __name__ == "__main__":
    script(main)
