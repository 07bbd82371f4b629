"""Figure 10: expert savings with pools for the mean and for a quantile, as bands from uniform to skewed routing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, in_paper_order, read_rows
from prophet_memory.provision import MEAN, PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, BLUE, LIGHT_GREY, ORANGE

ENDS = ("uniform_savings_fraction", "skewed_savings_fraction")
SHIFT = 0.17  # of a line, by which the two provisions stand apart
LOOKS: tuple[dict[str, Any], dict[str, Any]] = (
    {"color": BLUE, "marker": "o", "markersize": 3.4},
    {"color": ORANGE, "marker": "s", "markersize": 2.8},
)


def draw_batch(axes: Axes, rows: Sequence[Sequence[Row]]) -> None:
    """One panel: for each pair of E and k, a band for each provision; its uniform end is the point."""
    for y, provisions in enumerate(rows):
        for row, look, shift in zip(provisions, LOOKS, (-SHIFT, SHIFT), strict=False):
            low, high = (100 * row[end] for end in ENDS)
            axes.plot([low, high], [y + shift] * 2, color=look["color"], linewidth=2.2, alpha=0.35, solid_capstyle="butt")
            axes.plot(low, y + shift, linestyle="none", clip_on=False, zorder=3, **look)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    for y in range(1, len(rows)):
        axes.axhline(y - 0.5, color=LIGHT_GREY, linewidth=0.4, zorder=0)
    axes.grid(visible=False, axis="y")


def main(*, band: Path, catalogue: Path, provision: str, batch_sizes: list[int], output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        band: savings_band.csv
        catalogue: model_catalogue.csv
        provision: beside the mean
        batch_sizes: a panel each
        output: .pdf and .png files
    """
    found = by_key(band, keys=("model", "batch_size"), at={"provision": provision})
    meant = by_key(band, keys=("model", "batch_size"), at={"provision": MEAN.name})
    of_pair: dict[tuple[int, int], list[Row]] = {}
    for model in in_paper_order(read_rows(catalogue)):
        of_pair.setdefault((model["experts"], model["top_k"]), []).append(model)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 0.85 + 0.185 * len(of_pair))
    panels = figure.subplots(1, len(batch_sizes), sharey=True, squeeze=False)[0]
    for panel, batch in zip(panels, sorted(batch_sizes), strict=True):
        draw_batch(panel, [[rows[models[0]["model"], batch] for rows in (found, meant)] for models in of_pair.values()])
        panel.set_title(f"batch {batch}")
    panels[0].set_yticks(range(len(of_pair)), [f"{experts}, top-{top_k}" for experts, top_k in of_pair])
    panels[0].set_ylabel("Routed experts per layer")
    figure.supxlabel("Expert savings (%)", fontsize=7.5)
    labels = [f"pools for {PROVISIONS[one].words}" for one in (provision, MEAN.name)]
    handles = [
        Line2D([], [], linestyle="none", label=f"{label}, uniform", **look) for label, look in zip(labels, LOOKS, strict=True)
    ]
    handles.append(Line2D([], [], color=BLACK, linewidth=2.2, alpha=0.35, label="up to the median measured skew"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    save(figure, output)


if __name__ == "__main__":
    script(main)
