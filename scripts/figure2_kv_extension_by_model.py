"""Figure 2: the usable KV extension of every model at the reference GPU and batch size, by verdict; below what has no ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name, multiplied, thousands
from prophet_memory.provision import MEAN, PROVISIONS
from prophet_memory.sweeps import FIT_VERDICTS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, Law, laws_in_order, new_figure, save
from prophet_paper.looks import BLACK, GREY, LIGHT_GREY

GIB = 2**30
EXTENSIONS = ("kv_extension", "usable_kv_extension")
AT_MEAN: dict[str, Any] = {"marker": "|", "markersize": 6, "markeredgewidth": 1.2, "linestyle": "none"}
BEYOND = {"alpha": 0.3}  # what sequences longer than the model's own maximum would add
OVER_GRID = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # keeps grid lines out of text
HEADS = {"fits": "Fits with all experts resident", "newly_fits": "Fits only with {policy}", "does_not_fit": "Does not fit"}
HEAD_LINES = 1.05  # of the lines of models

Lines = Mapping[
    str, Sequence[tuple[Row, Sequence[Row], Sequence[Row]]]
]  # by verdict: a model, its rows under each law, at the mean


def point_look(law: Law) -> dict[str, Any]:
    """Marker of a law: all but the first hollow and larger, so that all show where they coincide."""
    return {
        "color": law.colour, "marker": law.marker, "markersize": 4.2 if law.is_first else 5.4, "linestyle": "none",
        "markerfacecolor": law.colour if law.is_first else "none", "markeredgewidth": 1,
    }  # fmt: skip


def draw_ratios(axes: Axes, y: float, rows: Sequence[Row], at_mean: Sequence[Row], laws: Sequence[Law]) -> None:
    """A model that has a ratio: a point a law, pale beyond the model's own maximum, a tick for pools sized for the mean."""
    fitting = [(law, row) for law, row in zip(laws, rows, strict=True) if row["fit_verdict"] == "fits"]
    ticks = [(law, row) for law, row in zip(laws, at_mean, strict=True) if row["fit_verdict"] == "fits"]
    ends = [row[column] for _, row in fitting for column in EXTENSIONS] + [row["usable_kv_extension"] for _, row in ticks]
    axes.plot([min(1, *ends), max(ends)], [y, y], color=LIGHT_GREY, linewidth=1.2, zorder=2)
    for law, row in reversed(fitting):
        axes.plot(row["kv_extension"], y, **point_look(law) | BEYOND, zorder=3)
        axes.plot(row["usable_kv_extension"], y, **point_look(law), zorder=4)
    for law, row in ticks:
        if row["usable_kv_extension"] not in {own["usable_kv_extension"] for _, own in fitting}:
            axes.plot(row["usable_kv_extension"], y, color=law.colour, **AT_MEAN, zorder=4)
    (_, first), *_ = fitting
    said = multiplied(first["usable_kv_extension"])
    if first["kv_extension"] != first["usable_kv_extension"]:
        said += f"  ({multiplied(first['kv_extension'])} beyond its maximum)"
    axes.annotate(said, (max(ends), y), (6, 0), textcoords="offset points", va="center", fontsize=7, bbox=OVER_GRID)


def draw_words(axes: Axes, y: float, rows: Sequence[Row]) -> None:
    """A model without a ratio, in words of the first law."""
    row = rows[0]
    if row["fit_verdict"] == "newly_fits":
        said, colour = f"{thousands(row['usable_kv_capacity_tokens'])} usable tokens", BLACK
    else:
        said, colour = f"{-row['free_for_kv_bytes'] / GIB:,.0f} GiB short", GREY
    axes.annotate(said, (1, y), (3, 0), textcoords="offset points", va="center", fontsize=7, color=colour, bbox=OVER_GRID)


def sorted_lines(models: Sequence[Row], found: Mapping[Any, Row], at_mean: Mapping[Any, Row], laws: Sequence[Law]) -> Lines:
    """The models by their verdict under the first law, the largest gain or the least shortfall first."""
    lines: dict[str, list[tuple[Row, Sequence[Row], Sequence[Row]]]] = {verdict: [] for verdict in FIT_VERDICTS}
    for model in models:
        own, meant = ([rows[model["model"], law.name] for law in laws] for rows in (found, at_mean))
        lines[own[0]["fit_verdict"]].append((model, own, meant))
    for group in lines.values():
        group.sort(key=lambda line: (-(line[1][0]["usable_kv_extension"] or 0), -line[1][0]["free_for_kv_bytes"]))
    return lines


def draw(axes: Axes, lines: Lines, laws: Sequence[Law], precision: str, policy: str) -> float:
    """All models under the heads of their verdicts; the height of it all, in lines."""
    y, ticks = 0.0, []
    for verdict, own in lines.items():
        if not own:
            continue
        axes.annotate(HEADS[verdict].format(policy=policy), (0, y), (-2, 0), xycoords=("axes fraction", "data"),
                      textcoords="offset points", ha="right", va="center", fontsize=7, fontweight="medium")  # fmt: skip
        y += HEAD_LINES
        for model, rows, at_mean in own:
            name = marked_name(model["name"], model["published_precision"], precision)
            ticks.append((y, f"{name}  ({model['experts']}, top-{model['top_k']})"))
            if verdict == "fits":
                draw_ratios(axes, y, rows, at_mean, laws)
            else:
                draw_words(axes, y, rows)
            y += 1
        y += 0.3
    axes.set_yticks([place for place, _ in ticks], [label for _, label in ticks])
    return y


def main(
    *, reference: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, policy: str, provision: str,
    gpu: str, batch_size: int, precision: str, output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        reference: kv_extension_at_reference.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        policy: compared with the baseline
        output: .pdf and .png files
    """
    at = {"gpu": gpu, "batch_size": batch_size, "precision": precision, "policy": policy}
    found, at_mean = (by_key(reference, keys=("model", "routing"), at=at | {"provision": one}) for one in (provision, MEAN.name))
    order, models = laws_in_order(laws), in_paper_order(read_rows(catalogue))
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    baseline, compared = compared_policies(policies, policy)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 0.75 + 0.145 * len(models))
    axes = figure.subplots()
    height = draw(axes, sorted_lines(models, found, at_mean, order), order, precision, compared["label"])
    axes.set_ylim(height - 0.5, -0.7)
    axes.axvline(1, color=BLACK, linewidth=0.8)
    farthest = max((row["kv_extension"] or 1 for row in found.values()), default=1)
    axes.set_xlim(0.985, 1 + 1.17 * max(farthest - 1, 0.1))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    ratio = f"Usable KV extension of {compared['label']} over {baseline['label'].lower()}"
    sized = PROVISIONS[provision].label
    axes.set_xlabel(f"{ratio}, {shown}, batch {batch_size}, {PRECISION_LABELS[precision]}, {sized}")
    handles = [Line2D([], [], **point_look(law), label=law.label + (" (number)" if law.is_first else "")) for law in order]
    if provision != MEAN.name:
        handles.append(Line2D([], [], color=BLACK, **AT_MEAN, label="pools sized for the mean"))
    handles.append(Line2D([], [], **point_look(order[0]) | BEYOND, label="pale: beyond the model's own maximum"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), handletextpad=0.3, columnspacing=1.4)
    save(figure, output)


if __name__ == "__main__":
    script(main)
