"""Figure 6: expert savings against batch size. Above: E/k decides, with what was measured. Below: by number of experts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple, cast

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, in_paper_order, points, read_rows
from prophet_memory.provision import MEAN, PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, Law, laws_in_order, log2_batches, new_figure, save
from prophet_paper.looks import BLACK, GREY

COLOURS, DARKEST, LIGHTEST = "viridis", 0.0, 0.8  # told apart in grey, and none too pale to read
LABEL_HEIGHTS = (50, 30, 70)  # percent, in turn, where a curve is named
ON_CURVE: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.7}
MARKERS = ("o", "s", "^")  # of measured models
LINE_CHARACTERS, LINE_OF_LIST, LIST_POINTS = 38, 0.0605, 7  # of the list of models; a line over the height of the panel

Curves = Mapping[tuple[str, str, str], Sequence[Row]]  # by model, law and provision, along the batch


class Drawn(NamedTuple):
    """The models of one E/k, and the colour that stands for it."""

    ratio: Fraction
    models: Sequence[Row]
    colour: Any

    @property
    def label(self) -> str:
        """E/k as people read it."""
        return f"{float(self.ratio):.1f}".removesuffix(".0")

    @property
    def names(self) -> str:
        """The models."""
        return ", ".join(model["name"] for model in self.models)


def by_ratio(models: Sequence[Row]) -> list[Drawn]:
    """The models by E/k, ascending, from dark to light."""
    found: dict[Fraction, list[Row]] = defaultdict(list)
    for model in models:
        found[Fraction(model["experts"], model["top_k"])].append(model)
    shades = mpl.colormaps[COLOURS]
    span = max(len(found) - 1, 1)
    tones = [shades(DARKEST + (LIGHTEST - DARKEST) * place / span) for place in range(len(found))]
    return [Drawn(ratio, found[ratio], tone) for tone, ratio in zip(tones, sorted(found), strict=True)]


def along(rows: Sequence[Row]) -> tuple[list[int], list[float]]:
    """Batches and savings in percent."""
    return [row["batch_size"] for row in rows], [100 * row["expert_savings_fraction"] for row in rows]


def name_curve(axes: Axes, batches: Sequence[int], savings: Sequence[float], height: float, drawn: Drawn) -> None:
    """E/k on its curve, where that crosses a height; at the end of one that stays above."""
    below = next((i for i, value in enumerate(savings) if value < height), None)
    if below is None:
        end = (batches[-1], savings[-1])
        axes.annotate(drawn.label, end, (4, 0), textcoords="offset points", va="center", fontsize=7, color=drawn.colour)
        return
    i = max(below, 1)
    share = (savings[i - 1] - height) / (savings[i - 1] - savings[i])
    at = batches[i - 1] * (batches[i] / batches[i - 1]) ** share
    axes.text(at, height, drawn.label, ha="center", va="center", fontsize=7, color=drawn.colour, bbox=ON_CURVE, zorder=5)


def draw_measured(axes: Axes, distinct: pl.DataFrame, colours: Mapping[float, Any]) -> list[Line2D]:
    """What routers were seen to save, a marker a model in the colour of its E/k; the handles of the legend."""
    handles = []
    models = distinct.filter(law="measured").partition_by("model", maintain_order=True)
    for marker, rows in zip(MARKERS, models, strict=False):
        first = rows.row(0, named=True)
        ratio = first["experts"] / first["top_k"]
        look: dict[str, Any] = {
            "color": colours.get(ratio, BLACK), "marker": marker, "linestyle": "none", "markerfacecolor": "white",
            "markeredgewidth": 0.9, "markersize": 4,
        }  # fmt: skip
        axes.plot(rows["batch_size"], 100 * (1 - rows["measured_experts"] / rows["experts"]), **look, zorder=6)
        handles.append(Line2D([], [], **look, label=f"{first['name']}, measured (E/k = {ratio:.3g})"))
    return handles


def draw_ratios(axes: Axes, groups: Sequence[Drawn], curves: Curves, law: Law, band: Mapping[str, pl.DataFrame]) -> None:
    """The main panel: a curve for each E/k on average under one law, and above it up to the skew that was measured."""
    for place, drawn in enumerate(groups):
        model = drawn.models[0]["model"]
        batches, savings = along(curves[model, law.name, MEAN.name])
        axes.plot(batches, savings, color=drawn.colour, linewidth=1.4, clip_on=False)
        skewed = band[model]
        least, most = (100 * skewed[f"{end}_savings_fraction"] for end in ("uniform", "skewed"))
        axes.fill_between(skewed["batch_size"], least, most, color=drawn.colour, alpha=0.18, linewidth=0)
        name_curve(axes, batches, savings, LABEL_HEIGHTS[place % len(LABEL_HEIGHTS)], drawn)


def list_models(axes: Axes, groups: Sequence[Drawn], handles: Sequence[Any]) -> None:
    """Beside the main panel: which models have an E/k, and what else is drawn."""
    axes.axis("off")
    look: dict[str, Any] = {"transform": axes.transAxes, "fontsize": LIST_POINTS, "va": "top"}
    y = 1.03
    for ratio, words, colour in [("E/k", "models", BLACK), *((own.label, own.names, own.colour) for own in groups)]:
        weight = "medium" if colour == BLACK else "normal"
        lines = wrap(words, LINE_CHARACTERS, break_on_hyphens=False)
        axes.text(0, y, ratio, color=colour, **look, fontweight="medium")
        axes.text(0.13, y, "\n".join(lines), **look, linespacing=1.1, fontweight=weight)
        y -= LINE_OF_LIST * len(lines)
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.03, y), fontsize=LIST_POINTS, handlelength=1.6, borderpad=0,
                labelspacing=0.3)  # fmt: skip


def draw_group(
    axes: Axes, members: Sequence[Row], ratios: Sequence[Drawn], curves: Curves, laws: Sequence[Law], provision: str
) -> None:
    """A small panel: the models of some numbers of experts, in the colours of their E/k."""
    for drawn in ratios:
        own = [model for model in drawn.models if model in members]
        for law in laws if own else ():
            batches, savings = along(curves[own[0]["model"], law.name, provision])
            look: dict[str, Any] = {"linestyle": law.dash, "linewidth": 1.2 if law.is_first else 0.9}
            axes.plot(batches, savings, color=drawn.colour, **look, clip_on=False)


def finish(axes: Axes, batch_sizes: Sequence[int], batch_size: int) -> None:
    """Axes of both kinds of panels, and the batch at which figures and tables stand."""
    axes.set_ylim(0, 100)
    axes.set_yticks(range(0, 101, 25))
    log2_batches(axes, batch_sizes)
    axes.axvline(batch_size, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)


def main(
    *, catalogue: Path, curves: Path, distinct: Path, band: Path, laws: Path, provision: str, routing: str, batch_size: int,
    batch_sizes: list[int], output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        catalogue: model_catalogue.csv
        curves: expert_savings_curves.parquet
        distinct: distinct_experts.csv: what was measured
        band: savings_band.csv
        laws: law_catalogue.csv
        provision: what resident pools are sized for, in the small panels
        routing: the law of the main panel
        batch_size: at which figures and tables stand
        batch_sizes: of the sweep: ticks
        output: .pdf and .png files
    """
    models, order = in_paper_order(read_rows(catalogue)), laws_in_order(laws)
    frame = points(curves, keys=("model", "routing", "batch_size", "provision"))
    parts = frame.sort("batch_size").partition_by("model", "routing", "provision", as_dict=True)
    drawn = {key: part.to_dicts() for key, part in parts.items()}
    skewed = points(band, keys=("model", "batch_size"), at={"provision": MEAN.name}).partition_by("model", as_dict=True)
    groups: dict[str, list[Row]] = defaultdict(list)
    for model in models:
        groups[model["expert_count_group"]].append(model)
    ratios = by_ratio(models)
    (law,) = (law for law in order if law.name == routing)

    figure = new_figure(DOUBLE_COLUMN_INCHES, 4.7)
    above, below = cast("Any", figure.subfigures(2, 1, height_ratios=[2.05, 1]))
    main_panel, beside = above.subplots(1, 2, width_ratios=[1.5, 1])
    draw_ratios(main_panel, ratios, drawn, law, {model: rows for (model,), rows in skewed.items()})
    colours = {float(own.ratio): own.colour for own in ratios}
    handles: list[Any] = draw_measured(main_panel, points(distinct, keys=("model", "batch_size", "routing")), colours)
    handles.append(Patch(facecolor=GREY, alpha=0.3, label="up to the skew of the median measured layer"))
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), label=f"operating batch {batch_size}"))
    handles += [
        Line2D([], [], color=BLACK, linestyle=one.dash, label=f"{one.label}{'' if one == law else ', below'}") for one in order
    ]
    list_models(beside, ratios, handles)
    finish(main_panel, batch_sizes, batch_size)
    main_panel.set_title(f"E/k decides: {law.label}, on average (numbers: E/k)")
    main_panel.set_ylabel("Expert savings (%)")
    main_panel.set_xlabel("Batch size (tokens per decode step)")
    panels = below.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for panel, (label, members) in zip(panels, groups.items(), strict=True):
        draw_group(panel, members, ratios, drawn, order, provision)
        finish(panel, batch_sizes, batch_size)
        panel.set_xticks(batch_sizes[::2], [str(batch) for batch in batch_sizes[::2]])
        panel.set_title(f"{label.replace('-', '–')} experts", fontsize=7.5)
        panel.set_xlabel("Batch size")
    panels[0].set_ylabel(f"Savings, {PROVISIONS[provision].label} (%)")
    save(figure, output)


if __name__ == "__main__":
    script(main)
