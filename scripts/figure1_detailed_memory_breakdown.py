"""Figure 1: where a GPU's memory goes, all experts resident against Prophet, what that gains, and a table of every component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.provision import MEAN, PROVISIONS
from prophet_paper import breakdown as parts
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, GREY, VERMILLION

OVER_BARS = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
AXIS_TOP_IN_CAPACITIES = 1.28  # a bar above this is cut and labelled with its height
ROW_HEAD = -1.0
TWO_DIGITS = 9.95
LEAST_SLICE = 0.045  # of the axis: a slice that holds a number
POINTS, POINTS_OF_MANY, BARS_AT_FULL_SIZE = 7, 5.5, 3  # type of the numbers, by the bars of a model


def draw_bar(axes: Axes, x: float, row: Row, baseline: Row, top: float) -> None:
    """One stacked bar, in which what the cache gains stands out; what is above the axis is cut off and told in words."""
    base = 0.0
    for component in parts.COMPONENTS:
        height = max(row[component.column], 0) / parts.GIB
        axes.bar(x, height, 0.88, bottom=base, **component.look, linewidth=0.3, zorder=2)
        base += height
    gained = parts.gained_bytes(row, baseline) / parts.GIB
    if gained > 0:
        bottom = base - max(row[parts.CACHE], 0) / parts.GIB
        axes.bar(x, gained, 0.88, bottom=bottom, **parts.GAINED, linewidth=0.3, zorder=2)
        if gained > LEAST_SLICE * top:
            said = f"+{gained:.{0 if gained >= TWO_DIGITS else 1}f}"
            axes.text(x, bottom + gained / 2, said, ha="center", va="center", fontsize=7, zorder=5, bbox=OVER_BARS)
    if base <= top:
        return
    cut = 0.93 * top
    axes.add_patch(Rectangle((x - 0.5, cut), 1, top, facecolor="white", edgecolor="none", zorder=3))
    for shift in (0, 0.012 * top):
        zigzag = [cut + shift + (0.01 * top if i % 2 else 0) for i in range(7)]
        axes.plot([x - 0.48 + 0.16 * i for i in range(7)], zigzag, color=GREY, linewidth=0.6, zorder=4, clip_on=False)
    axes.text(x, cut + 0.03 * top, f"{base:.0f}", ha="center", va="bottom", fontsize=7, zorder=5)


def point_at_thin(axes: Axes, x: float, row: Row, above: float) -> None:
    """A leader from above the bars to the slices of one that are too thin to see."""
    base = (row["non_expert_bytes"] + row["resident_expert_bytes"]) / parts.GIB
    thin = sum(max(row[column], 0) for column in parts.THIN) / parts.GIB
    axes.annotate(
        f"activations, reserve: {thin:.1f} GiB", (x, base + thin / 2), (x - 0.44, above), fontsize=7, va="bottom", ha="left",
        arrowprops={"arrowstyle": "-", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0, "relpos": (0.1, 0)}, zorder=8,
        bbox=OVER_BARS,
    )  # fmt: skip


def draw_heads(axes: Axes, heads: Sequence[str], components: Sequence[parts.Component], last: float) -> None:
    """The heads of the rows, a swatch of each component, and its unit behind the last bar."""
    for y, head in enumerate(heads):
        axes.text(ROW_HEAD, y, head, ha="right", va="center", fontsize=7)
    looks = [*((component.look, component.unit) for component in components), (parts.GAINED, parts.GIB)]
    for y, (look, one) in enumerate(looks, start=2):
        swatch = Rectangle((ROW_HEAD + 0.1, y - 0.3), 0.35, 0.6, **look, linewidth=0.3, clip_on=False)
        axes.add_patch(swatch)
        unit = "MiB" if one == parts.MIB else "GiB"
        axes.text(last + 0.55, y, unit, ha="left", va="center", fontsize=7, color=GREY)


def draw_table(
    axes: Axes, groups: parts.Groups, components: Sequence[parts.Component], policies: tuple[Row, Row], laws: dict[str, Row],
    extensions: Mapping[tuple[str, str], parts.Groups],
) -> None:  # fmt: skip
    """The numbers under the bars, column by column; the row heads are the legend of the bars."""
    last = list(parts.places(groups))[-1][0]
    named = (c.label.format(policy=policies[1]["label"]) for c in components)
    gain = f"of it gained by {policies[1]['label']}"
    heads = [
        "Residency",
        "Routing law",
        *named,
        gain,
        *(f"{parts.EXTENSIONS[column]}, {label}" for column, label in extensions),
    ]
    axes.set_ylim(len(heads) - 0.4, -0.6)
    axes.axis("off")

    size = POINTS if max(map(len, groups)) <= BARS_AT_FULL_SIZE else POINTS_OF_MANY

    def write(x: float, y: int, text: str, **look: Any) -> None:  # noqa: ANN401 - properties of a text
        axes.text(x, y, text, ha="center", va="center", fontsize=size, **look)

    draw_heads(axes, heads, components, last)
    baseline, compared = policies
    for first in parts.starts(groups):
        write(first, 0, baseline["abbreviation"])
        write(first + (1 + len(laws)) / 2, 0, compared["abbreviation"])
    for x, row in parts.places(groups):
        if row["policy"] != baseline["policy"]:
            write(x, 1, laws[row["routing"]]["abbreviation"])
        for y, component in enumerate(components, start=2):
            short = row[component.column] < 0
            look = {"color": VERMILLION, "fontweight": "semibold"} if short else {}
            write(x, y, parts.amount(row[component.column] / component.unit), **look)
    write_gains(write, groups, len(components), extensions)
    left, right = ROW_HEAD - 3.1, last + 1.3
    for line in (1.5, 2.5 + len(components)):
        axes.plot([left, right], [line, line], color=GREY, linewidth=0.5, clip_on=False)


def write_gains(
    write: Callable[..., None], groups: parts.Groups, components: int, extensions: Mapping[tuple[str, str], parts.Groups]
) -> None:
    """The last lines: what the cache gains, and the extensions."""
    for first, group in zip(parts.starts(groups), groups, strict=True):
        for j, row in enumerate(group[1:], start=1):
            write(first + j, 2 + components, parts.amount(parts.gained_bytes(row, group[0]) / parts.GIB))
    for y, ((column, _), rows) in enumerate(extensions.items(), start=3 + components):
        for x, row in parts.places(rows):
            write(x, y, parts.verdict(row, column), color=VERMILLION if row["fit_verdict"] == "does_not_fit" else BLACK)


def main(
    *, data: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, policy: str, provision: str, gpu: str,
    batch_size: int, precision: str, models: list[str], output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        data: the long table, Parquet
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        policy: beside the baseline
        provision: what resident pools are sized for; the extension at the mean stands below
        models: in the order of the bars
        output: .pdf and .png files
    """
    point = {"gpu": gpu, "n_gpus": 1, "batch_size": batch_size, "precision": precision}
    found, at_mean = (
        by_key(data, keys=("model", "policy", "routing"), at=point | {"provision": one}) for one in (provision, MEAN.name)
    )
    names = {slug: row["name"] for slug, row in catalogued(catalogue, "model").items()}
    shown = catalogued(gpu_catalogue, "gpu")[gpu]
    by_law = catalogued(laws, "routing")
    baseline, compared = compared_policies(policies, policy)
    everything = (baseline["policy"], next(iter(by_law)))  # under any law

    def bars_of(rows: Mapping[tuple[Any, ...], Row]) -> parts.Groups:
        return [[rows[model, *everything], *(rows[model, policy, law] for law in by_law)] for model in models]

    groups = bars_of(found)
    rows = [row for _, row in parts.places(groups)]
    components = [c for c in parts.COMPONENTS if any(row[c.column] for row in rows)]

    capacity, usable = shown["memory_bytes"] / parts.GIB, rows[0]["usable_bytes"] / parts.GIB
    top = AXIS_TOP_IN_CAPACITIES * capacity
    figure = new_figure(DOUBLE_COLUMN_INCHES, 4.1)
    figure.set_layout_engine("none")
    bars, table = figure.subplots(
        2, 1, sharex=True,
        gridspec_kw={"left": 0.208, "right": 0.955, "top": 0.9, "bottom": 0.02, "hspace": 0.04, "height_ratios": [1.3, 1]},
    )  # fmt: skip
    for group, first in zip(groups, parts.starts(groups), strict=True):
        for j, row in enumerate(group):
            draw_bar(bars, first + j, row, group[0], top)
    if fitting := [first for first, group in zip(parts.starts(groups), groups, strict=True) if group[0]["fit_verdict"] == "fits"]:
        (row,) = (row for x, row in parts.places(groups) if x == fitting[0])
        point_at_thin(bars, fitting[0], row, usable + 0.06 * top)
    middles = [first + (len(group) - 1) / 2 for first, group in zip(parts.starts(groups), groups, strict=True)]
    above = {"ha": "center", "va": "bottom"}
    for middle, group in zip(middles, groups, strict=True):
        bars.text(middle, 1.08 * top, names[group[0]["model"]], **above, fontsize=8, fontweight="medium")
        if all(row["fit_verdict"] == "does_not_fit" for row in group):
            bars.text(middle, 1.02 * top, "does not fit", **above, fontsize=7, color=VERMILLION)
    bars.axhline(usable, color=BLACK, linewidth=1, linestyle=(0, (5, 2)), zorder=6)
    label = f"{shown['name']} holds {capacity:.1f} GiB" + (f", {usable:.1f} usable" if usable < capacity else "")
    bars.text(middles[parts.roomiest(groups)], usable + 0.015 * top, label, **above, fontsize=7, zorder=7, bbox=OVER_BARS)
    bars.set_xlim(-0.6, list(parts.places(groups))[-1][0] + 0.6)
    bars.set_ylim(0, top)
    bars.set_ylabel(f"GPU memory at batch {batch_size}, {PRECISION_LABELS[precision]} (GiB)")
    bars.grid(visible=False, axis="x")
    bars.tick_params(bottom=False, labelbottom=False)
    shown_lines = (("kv_extension", provision, found), ("usable_kv_extension", provision, found),
                   ("usable_kv_extension", MEAN.name, at_mean))  # fmt: skip
    last_lines = {(column, PROVISIONS[one].label): bars_of(rows) for column, one, rows in shown_lines}
    draw_table(table, groups, components, (baseline, compared), by_law, last_lines)
    save(figure, output)


if __name__ == "__main__":
    script(main)
