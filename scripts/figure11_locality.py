"""Figure 11: the hit rate of caches of experts against what is resident, by policy and batch, and what others published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, read_rows
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILLION

POLICIES: dict[str, tuple[str, dict[str, Any]]] = {
    "belady": ("Belady's optimum", {"color": BLACK, "linestyle": (0, (5, 1.4, 1.2, 1.4)), "marker": "D"}),
    "lru": ("least recently used", {"color": BLUE, "linestyle": "-", "marker": "o"}),
    "lfu": ("least frequently used", {"color": GREEN, "linestyle": (0, (4, 1.5)), "marker": "^"}),
    "popular": ("most popular of other sequences", {"color": ORANGE, "linestyle": (0, (1.2, 1.2)), "marker": "s"}),
}
MARKS = {"lru": "P", "engine": "X", "static": "v", "hindsight": "*"}
KINDS = {
    "lru": "least recently used",
    "engine": "an engine's cache",
    "static": "a fixed list",
    "hindsight": "the best list afterwards",
}
OTHERS: dict[str, Any] = {"marker": "o", "markersize": 4.2, "markeredgewidth": 0.8, "linestyle": "none", "color": VERMILLION}
DIAGONAL: dict[str, Any] = {"color": GREY, "linewidth": 0.6, "linestyle": (0, (1, 2))}
START = "warm"


def draw_batch(axes: Axes, rows: Sequence[Row], batch: int) -> None:
    """A panel of the measured routing: a line for each policy."""
    for policy, (_, look) in POLICIES.items():
        own = [row for row in rows if row["policy"] == policy and row["start"] == START and row["batch_size"] == batch]
        own.sort(key=lambda row: float(row["resident_fraction"]))
        axes.plot([r["resident_fraction"] for r in own], [r["hit_rate"] for r in own], markersize=3, clip_on=False, **look)


def draw_published(axes: Axes, rows: Sequence[Row]) -> None:
    """A panel of what others published of a model, at batch 1: points, hollow where the residency was inferred."""
    for row in rows:
        face = OTHERS["color"] if row["residency_is_stated"] else "white"
        look = OTHERS | {"marker": MARKS[row["policy"]], "markerfacecolor": face}
        axes.plot(row["resident_fraction"], row["hit_rate"], clip_on=False, zorder=4, **look)


def explain(axes: Axes) -> None:
    """The legend, in the place of a panel."""
    axes.set_axis_off()
    lines = [Line2D([], [], markersize=3, label=label, **look) for label, look in POLICIES.values()]
    points = [Line2D([], [], **OTHERS | {"marker": MARKS[kind], "label": label}) for kind, label in KINDS.items()]
    points.append(Line2D([], [], **OTHERS | {"markerfacecolor": "white", "label": "hollow: residency inferred"}))
    lines.append(Line2D([], [], **DIAGONAL, label="a random list"))
    axes.legend(handles=[*lines, *points], loc="center left", bbox_to_anchor=(-0.12, 0.5), handlelength=2.2, labelspacing=0.35)


def main(*, hits: Path, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        hits: cache_hits.csv
        output: .pdf and .png files
    """
    rows = read_rows(hits)
    measured, published = ([row for row in rows if row["origin"] == origin] for origin in ("measured", "published"))
    batches = sorted({row["batch_size"] for row in measured})
    models = list(dict.fromkeys(row["model"] for row in published))
    figure = new_figure(DOUBLE_COLUMN_INCHES, 3.3)
    above, below = figure.subplots(2, max(len(batches) + 1, len(models)), sharex=True, sharey=True, squeeze=False)
    for panel, batch in zip(above, batches, strict=False):
        draw_batch(panel, measured, batch)
        panel.set_title(f"gpt-oss-20b, batch {batch}", fontsize=7.5)
    explain(above[-1])
    for panel, model in zip(below, models, strict=False):
        draw_published(panel, [row for row in published if row["model"] == model])
        panel.set_title(model, fontsize=7)
        panel.set_xlabel("Resident experts (%)")
    for panel in (*above[:-1], *below):
        panel.plot([0, 1], [0, 1], **DIAGONAL)
        panel.set_xlim(0, 1)
        panel.set_ylim(0, 1)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(PercentFormatter(1, symbol=""))
    for row, words in ((above, "Hit rate (%), measured"), (below, "Hit rate (%), published, batch 1")):
        row[0].set_ylabel(words)
    save(figure, output)


if __name__ == "__main__":
    script(main)
