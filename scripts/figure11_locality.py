"""Figure 11: the hit rate of caches of experts against what is resident, by policy and batch, and what others published."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, read_rows
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION

POLICIES: dict[str, tuple[str, dict[str, Any]]] = {
    "belady": ("Belady's optimum", {"color": BLACK, "linestyle": (0, (5, 1.4, 1.2, 1.4)), "marker": "D"}),
    "lru": ("least recently used", {"color": BLUE, "linestyle": "-", "marker": "o"}),
    "lfu": ("least frequently used", {"color": GREEN, "linestyle": (0, (4, 1.5)), "marker": "^"}),
    "popular": ("most popular of other sequences", {"color": ORANGE, "linestyle": (0, (1.2, 1.2)), "marker": "s"}),
}
# Of what others published: the model is told by the colour, what is kept by the mark.
MODEL_COLOURS = (PURPLE, VERMILLION, GREY, GREEN)
MARKS = {"lru": "P", "engine": "X", "static": "v", "hindsight": "*"}
KINDS = {"lru": "LRU", "engine": "an engine's cache", "static": "a fixed list", "hindsight": "the best list afterwards"}
START = "warm"


def draw_batch(axes: Axes, rows: Sequence[Row], batch: int) -> None:
    """One panel: a line for each policy of the measured routing; the chance of a random list is the diagonal."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (1, 2)))
    for policy, (_, look) in POLICIES.items():
        own = [row for row in rows if row["policy"] == policy and row["start"] == START and row["batch_size"] == batch]
        own.sort(key=lambda row: float(row["resident_fraction"]))
        axes.plot([r["resident_fraction"] for r in own], [r["hit_rate"] for r in own], markersize=3, clip_on=False, **look)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=""))


def draw_published(axes: Axes, rows: Sequence[Row]) -> list[Line2D]:
    """What others published as points; hollow where the residency was inferred. Returns the legend's handles."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    colours = dict(zip(models, cycle(MODEL_COLOURS), strict=False))
    for row in rows:
        face = colours[row["model"]] if row["residency_is_stated"] else "white"
        look: dict[str, Any] = {"marker": MARKS[row["policy"]], "markersize": 4.6, "markeredgewidth": 0.6}
        look |= {"markeredgecolor": colours[row["model"]], "markerfacecolor": face}
        axes.plot(row["resident_fraction"], row["hit_rate"], linestyle="none", clip_on=False, zorder=4, **look)
    handles = [Line2D([], [], linestyle="none", marker="o", color=colours[model], label=model) for model in models]
    kept = [kind for kind in MARKS if any(row["policy"] == kind for row in rows)]
    return handles + [Line2D([], [], linestyle="none", marker=MARKS[kind], color=GREY, label=KINDS[kind]) for kind in kept]


def main(*, hits: Path, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        hits: cache_hits.csv
        output: .pdf and .png files
    """
    rows = read_rows(hits)
    measured, published = ([row for row in rows if row["origin"] == origin] for origin in ("measured", "published"))
    batches = sorted({row["batch_size"] for row in measured})
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.3)
    panels = figure.subplots(1, len(batches) + 1, sharey=True, squeeze=False)[0]
    for panel, batch in zip(panels, batches, strict=False):
        draw_batch(panel, measured, batch)
        panel.set_title(f"gpt-oss-20b, batch {batch}")
    handles = draw_published(panels[-1], published)
    panels[-1].plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (1, 2)))
    panels[-1].set_title("published, batch 1")
    panels[-1].set_xlim(0, 1)
    panels[-1].xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    panels[0].set_ylabel("Hit rate (%)")
    for panel in panels:
        panel.set_xlabel("Resident experts (%)")
    lines = [Line2D([], [], markersize=3, label=label, **look) for label, look in POLICIES.values()]
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines))
    figure.legend(handles=handles, loc="outside right center")
    save(figure, output)


if __name__ == "__main__":
    script(main)
