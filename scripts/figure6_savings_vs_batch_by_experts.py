"""Figure 6: expert savings against batch size, by group of expert counts, under both routing laws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from prophet_pipeline.command import script
from prophet_pipeline.figures import (
    BLACK,
    DOUBLE_COLUMN_INCHES,
    LAW_DASHES,
    LAW_LABELS,
    SERIES,
    log2_batches,
    new_figure,
    save,
)
from prophet_pipeline.tables import Row, in_paper_order, points, read_rows

COLUMNS = 3
POINTS_BELOW_AXIS = 27  # room for tick labels and axis label
LABEL_CHARACTERS = 34
NOTE = """Savings depend on E/k alone, so models that
share it share a curve. For independent,
identically distributed tokens the solid curve is
the least saving on average: favouring some
experts saves more. Where a dashed curve lies
below it, the power law counts experts that such
tokens do not activate on average."""


def wrapped(text: str) -> str:
    """A label on as many lines as the width of a panel needs, model names unbroken."""
    return fill(text, LABEL_CHARACTERS, break_on_hyphens=False)


def draw_group(axes: Axes, models: Sequence[Row], curves: dict[tuple[str, str], list[Row]], batches: Sequence[int]) -> None:
    """One panel: a curve per ratio E/k, named after every model that lies on it."""
    # Savings 1 - U/E depend on E/k alone, so models that share it share the curve.
    together: dict[Fraction, list[Row]] = defaultdict(list)
    for model in models:
        together[Fraction(model["experts"], model["top_k"])].append(model)
    handles = []
    for (colour, marker), (ratio, members) in zip(SERIES, sorted(together.items()), strict=False):
        for law, dash in LAW_DASHES.items():
            points = curves.get((members[0]["model"], law), [])
            x = [p["batch_size"] for p in points]
            y = [100 * p["expert_savings_fraction"] for p in points]
            swept = [i for i, batch in enumerate(x) if batch in batches]
            exact = law == "uniform"
            axes.plot(
                x, y, color=colour, linestyle=dash, linewidth=1.3 if exact else 0.9,
                marker=marker, markevery=swept, markersize=3.4 if exact else 2.6,
                markerfacecolor=colour if exact else "white", markeredgecolor=colour,
                markeredgewidth=0 if exact else 0.7, clip_on=False, zorder=3,
            )  # fmt: skip
        label = wrapped(", ".join(model["name"] for model in members) + f" (E/k\u00a0=\u00a0{float(ratio):.4g})")
        handles.append(Line2D([], [], color=colour, marker=marker, label=label))
    axes.set_ylim(0, 100)
    axes.set_yticks(range(0, 101, 25))
    log2_batches(axes, batches)
    below = axes.transAxes + ScaledTranslation(0, -POINTS_BELOW_AXIS / 72, axes.figure.dpi_scale_trans)
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0,
                borderpad=0, fontsize=7, labelspacing=0.4, handlelength=1.6)  # fmt: skip


def main(*, catalogue: Path, curves: Path, batch_sizes: list[int], output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        catalogue: model_catalogue.csv
        curves: expert_savings_curves.parquet
        batch_sizes: of the sweep: ticks and markers
        output: .pdf and .png files
    """
    models = in_paper_order(read_rows(catalogue))
    frame = points(curves, keys=("model", "routing", "batch_size"))
    drawn = {key: part.to_dicts() for key, part in frame.partition_by(["model", "routing"], as_dict=True).items()}
    groups: dict[str, list[Row]] = defaultdict(list)
    for model in models:
        groups[model["expert_count_group"]].append(model)

    rows = -(-(len(groups) + 1) // COLUMNS)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.45 * rows)
    panels = figure.subplots(rows, COLUMNS, sharey=True).ravel()
    for panel, (label, members) in zip(panels, groups.items(), strict=False):
        draw_group(panel, members, drawn, batch_sizes)
        panel.set_title(f"{label.replace('-', '–')} experts per layer")
        panel.set_xlabel("Batch size (tokens per decode step)")
        panel.tick_params(labelleft=True)
    for panel in panels[::COLUMNS]:
        panel.set_ylabel("Expert savings 1 − U/E (%)")
    for panel in panels[len(groups) :]:
        panel.axis("off")
    laws = [
        Line2D([], [], color=BLACK, linestyle=dash, linewidth=1.3 if law == "uniform" else 0.9, marker="o",
               markerfacecolor=BLACK if law == "uniform" else "white", markeredgecolor=BLACK,
               markeredgewidth=0 if law == "uniform" else 0.7, label=LAW_LABELS[law])
        for law, dash in LAW_DASHES.items()
    ]  # fmt: skip
    key = panels[len(groups)]
    key.legend(handles=laws, loc="upper left", fontsize=8, handlelength=3.2)
    key.text(0.02, 0.56, NOTE, transform=key.transAxes, va="top", fontsize=7, linespacing=1.35)
    save(figure, output)


if __name__ == "__main__":
    script(main)
