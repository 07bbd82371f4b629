"""Figure 1: where a GPU's memory goes, all experts resident against Prophet, with a table so that every component can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies
from prophet_memory.edge.text import PRECISION_LABELS, multiplied, significant
from prophet_memory.provision import MEAN, PROVISIONS
from prophet_paper.breakdown import COMPONENTS, GIB, MIB, Component
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, GREY, VERMILLION

Groups = Sequence[Sequence[Row]]  # for each model its bars: the baseline, then the policy under each law


OVER_BARS = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
GROUP_GAP = 0.7  # in widths of a bar
AXIS_TOP_IN_CAPACITIES = 1.28  # a bar above this is cut and labelled with its height
ROW_HEAD = -1.0
POINTS, POINTS_OF_MANY, BARS_AT_FULL_SIZE = 7, 5.5, 3  # type of the numbers, by the bars of a model


def draw_bar(axes: Axes, x: float, row: Row, top: float) -> None:
    """One stacked bar; what is above the axis is cut off and told in words."""
    base = 0.0
    for component in COMPONENTS:
        height = max(row[component.column], 0) / GIB
        axes.bar(x, height, 0.88, bottom=base, **component.look, linewidth=0.3, zorder=2)
        base += height
    if base <= top:
        return
    cut = 0.93 * top
    axes.add_patch(Rectangle((x - 0.5, cut), 1, top, facecolor="white", edgecolor="none", zorder=3))
    for shift in (0, 0.012 * top):
        zigzag = [cut + shift + (0.01 * top if i % 2 else 0) for i in range(7)]
        axes.plot([x - 0.48 + 0.16 * i for i in range(7)], zigzag, color=GREY, linewidth=0.6, zorder=4, clip_on=False)
    axes.text(x, cut + 0.03 * top, f"{base:.0f}", ha="center", va="bottom", fontsize=7, zorder=5)


def amount(value: float) -> str:
    """A number of the table with a true minus; a dash for nothing."""
    return "–" if value == 0 else significant(value).replace("-", "−")


def verdict(row: Row) -> str:
    """The KV extension, or why there is none."""
    return {"fits": "{}", "newly_fits": "newly", "does_not_fit": "no fit"}[row["fit_verdict"]].format(
        multiplied(row["kv_extension"] or 0)
    )


def draw_heads(axes: Axes, heads: Sequence[str], components: Sequence[Component], last: float) -> None:
    """The heads of the rows, a swatch of each component, and its unit behind the last bar."""
    for y, head in enumerate(heads):
        axes.text(ROW_HEAD, y, head, ha="right", va="center", fontsize=7)
    for y, component in enumerate(components, start=2):
        swatch = Rectangle((ROW_HEAD + 0.1, y - 0.3), 0.35, 0.6, **component.look, linewidth=0.3, clip_on=False)
        axes.add_patch(swatch)
        unit = "MiB" if component.unit == MIB else "GiB"
        axes.text(last + 0.55, y, unit, ha="left", va="center", fontsize=7, color=GREY)


def draw_table(
    axes: Axes, groups: Groups, components: Sequence[Component], policies: tuple[Row, Row], laws: dict[str, Row],
    extensions: Mapping[str, Groups],
) -> None:  # fmt: skip
    """The numbers under the bars, column by column; the row heads are the legend of the bars."""
    last = list(places(groups))[-1][0]
    named = (c.label.format(policy=policies[1]["label"]) for c in components)
    heads = ["Residency", "Routing law", *named, *(f"KV extension, {label}" for label in extensions)]
    axes.set_ylim(len(heads) - 0.4, -0.6)
    axes.axis("off")

    size = POINTS if max(map(len, groups)) <= BARS_AT_FULL_SIZE else POINTS_OF_MANY

    def write(x: float, y: int, text: str, **look: Any) -> None:  # noqa: ANN401 - properties of a text
        axes.text(x, y, text, ha="center", va="center", fontsize=size, **look)

    draw_heads(axes, heads, components, last)
    baseline, compared = policies
    for first in starts(groups):
        write(first, 0, baseline["abbreviation"])
        write(first + (1 + len(laws)) / 2, 0, compared["abbreviation"])
    for x, row in places(groups):
        if row["policy"] != baseline["policy"]:
            write(x, 1, laws[row["routing"]]["abbreviation"])
        for y, component in enumerate(components, start=2):
            short = row[component.column] < 0
            look = {"color": VERMILLION, "fontweight": "semibold"} if short else {}
            write(x, y, amount(row[component.column] / component.unit), **look)
    for y, rows in enumerate(extensions.values(), start=2 + len(components)):
        for x, row in places(rows):
            write(x, y, verdict(row), color=VERMILLION if row["fit_verdict"] == "does_not_fit" else BLACK)
    left, right = ROW_HEAD - 3.1, last + 1.3
    for line in (1.5, 1.5 + len(components)):
        axes.plot([left, right], [line, line], color=GREY, linewidth=0.5, clip_on=False)


def starts(groups: Groups) -> list[float]:
    """Where the first bar of each group stands."""
    return [i * (len(group) + GROUP_GAP) for i, group in enumerate(groups)]


def places(groups: Groups) -> Iterator[tuple[float, Row]]:
    """Every bar with its place."""
    for group, first in zip(groups, starts(groups), strict=True):
        yield from ((first + j, row) for j, row in enumerate(group))


def roomiest(groups: Groups) -> int:
    """Index of a group in the middle whose bars leave the space above the capacity line free."""
    free = [i for i, group in enumerate(groups) if all(row["free_for_kv_bytes"] >= 0 for row in group)]
    return free[len(free) // 2] if free else 0


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

    def bars_of(rows: Mapping[tuple[Any, ...], Row]) -> Groups:
        return [[rows[model, *everything], *(rows[model, policy, law] for law in by_law)] for model in models]

    groups = bars_of(found)
    rows = [row for _, row in places(groups)]
    components = [c for c in COMPONENTS if any(row[c.column] for row in rows)]

    capacity, usable = shown["memory_bytes"] / GIB, rows[0]["usable_bytes"] / GIB
    top = AXIS_TOP_IN_CAPACITIES * capacity
    figure = new_figure(DOUBLE_COLUMN_INCHES, 4.0)
    figure.set_layout_engine("none")
    bars, table = figure.subplots(
        2, 1, sharex=True,
        gridspec_kw={"left": 0.208, "right": 0.955, "top": 0.9, "bottom": 0.02, "hspace": 0.04, "height_ratios": [1.45, 1]},
    )  # fmt: skip
    for x, row in places(groups):
        draw_bar(bars, x, row, top)
    middles = [first + (len(group) - 1) / 2 for first, group in zip(starts(groups), groups, strict=True)]
    above = {"ha": "center", "va": "bottom"}
    for middle, group in zip(middles, groups, strict=True):
        bars.text(middle, 1.08 * top, names[group[0]["model"]], **above, fontsize=8, fontweight="medium")
        if all(row["fit_verdict"] == "does_not_fit" for row in group):
            bars.text(middle, 1.02 * top, "does not fit", **above, fontsize=7, color=VERMILLION)
    bars.axhline(usable, color=BLACK, linewidth=1, linestyle=(0, (5, 2)), zorder=6)
    label = f"{shown['name']} holds {capacity:.1f} GiB" + (f", {usable:.1f} usable" if usable < capacity else "")
    bars.text(middles[roomiest(groups)], usable + 0.015 * top, label, **above, fontsize=7, zorder=7, bbox=OVER_BARS)
    bars.set_xlim(-0.6, list(places(groups))[-1][0] + 0.6)
    bars.set_ylim(0, top)
    bars.set_ylabel(f"GPU memory at batch {batch_size}, {PRECISION_LABELS[precision]} (GiB)")
    bars.grid(visible=False, axis="x")
    bars.tick_params(bottom=False, labelbottom=False)
    last_lines = {PROVISIONS[one].label: bars_of(rows) for one, rows in ((provision, found), (MEAN.name, at_mean))}
    draw_table(table, groups, components, (baseline, compared), by_law, last_lines)
    save(figure, output)


if __name__ == "__main__":
    script(main)
