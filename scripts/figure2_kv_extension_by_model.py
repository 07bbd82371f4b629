"""Figure 2: KV extension of every model at the reference GPU and batch size, and what happens where none is defined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name, multiplied, thousands
from prophet_memory.provision import MEAN, PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, Law, laws_in_order, new_figure, save
from prophet_paper.looks import BLACK, GREY, LIGHT_GREY

GIB = 2**30
LAWS_BESIDE_WORDS = 2  # whose legend finds room beside the words of what does not fit
EXTENSIONS = ("kv_extension", "usable_kv_extension")
AT_MEAN: dict[str, Any] = {"marker": "|", "markersize": 6, "markeredgewidth": 1.2, "linestyle": "none"}
BEYOND = {"alpha": 0.3}  # what sequences longer than the model's own maximum would add
OVER_GRID = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # keeps grid lines out of text


def draw_model(axes: Axes, y: float, rows: Sequence[Row], at_mean: Sequence[Row], laws: Sequence[Law]) -> None:
    """One line of the plot: a point per law where the ratio is defined, and in words what every law gives; a row for each law.

    A tick stands where pools sized for the mean would put the point, if elsewhere.
    """
    fitting = [row for row in rows if row["fit_verdict"] == "fits"]
    meant = [row for row, own in zip(at_mean, rows, strict=True) if differs(row, own)]
    ends = [row[column] for row in fitting for column in EXTENSIONS] + [row["usable_kv_extension"] for row in meant]
    if ends:
        axes.plot([min(1, *ends), max(ends)], [y, y], color=LIGHT_GREY, linewidth=1.2, zorder=2)
    for law, row in reversed(list(zip(laws, rows, strict=True))):
        if row["fit_verdict"] == "fits":
            axes.plot(row["kv_extension"], y, **point_look(law) | BEYOND, zorder=3)
            axes.plot(row["usable_kv_extension"], y, **point_look(law), zorder=4)
    for law, row in zip(laws, at_mean, strict=True):
        if row in meant:
            axes.plot(row["usable_kv_extension"], y, color=law.colour, **AT_MEAN, zorder=4)
    fits = any(row["fit_verdict"] != "does_not_fit" for row in rows)
    words = axes.annotate(one_line(map(outcome, rows)), (max(ends, default=1), y), (6 if ends else 3, 0),
                          textcoords="offset points", va="center", fontsize=7, bbox=OVER_GRID, color=BLACK if fits else GREY,
                          style="normal" if fits else "italic")  # fmt: skip
    if any(row["kv_extension"] != row["usable_kv_extension"] for row in fitting):
        beyond = one_line(multiplied(row["kv_extension"]) if row in fitting else "–" for row in rows)
        axes.annotate(f"[{beyond}]", (1, 0.5), (4, 0), xycoords=words, textcoords="offset points", va="center", fontsize=7,
                      color=GREY, bbox=OVER_GRID)  # fmt: skip


def differs(row: Row, own: Row) -> bool:
    """Whether a usable extension at the mean is another."""
    return row["fit_verdict"] == "fits" and bool(row["usable_kv_extension"] != own["usable_kv_extension"])


def one_line(outcomes: Iterable[str]) -> str:
    """What each law gives, those after the first in parentheses."""
    first, *others = outcomes
    return "   ".join([first, *(f"({other})" for other in others)])


def point_look(law: Law) -> dict[str, Any]:
    """Marker of a law: all but the first hollow and larger, so that all show where they coincide."""
    return {
        "color": law.colour, "marker": law.marker, "markersize": 4.2 if law.is_first else 5.4, "linestyle": "none",
        "markerfacecolor": law.colour if law.is_first else "none", "markeredgewidth": 1,
    }  # fmt: skip


def outcome(row: Row) -> str:
    """The usable KV extension, or why there is none."""
    if row["fit_verdict"] == "fits":
        return multiplied(row["usable_kv_extension"])
    if row["fit_verdict"] == "newly_fits":
        return f"newly fits: {thousands(row['usable_kv_capacity_tokens'])} tokens"
    short = -row["free_for_kv_bytes"] / GIB
    return f"does not fit: {short:.0f} GiB short" if short > 0 else "does not fit"


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
    order = laws_in_order(laws)
    models = in_paper_order(read_rows(catalogue))
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    baseline, compared = compared_policies(policies, policy)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 0.3 + 0.158 * len(models))
    axes = figure.subplots()
    for y, model in enumerate(models):
        own, meant = ([rows[model["model"], law.name] for law in order] for rows in (found, at_mean))
        draw_model(axes, y, own, meant, order)
    names = [marked_name(m["name"], m["published_precision"], precision) for m in models]
    labels = [f"{name}  ({m['experts']}, top-{m['top_k']})" for name, m in zip(names, models, strict=True)]
    axes.set_yticks(range(len(models)), labels)
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.axvline(1, color=BLACK, linewidth=0.8)
    farthest = max((row["kv_extension"] or 1 for row in found.values()), default=1)
    axes.set_xlim(0.985, 1 + 1.17 * max(farthest - 1, 0.1))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    ratio = f"Usable KV extension of {compared['label']} over {baseline['label'].lower()}"
    sized = PROVISIONS[provision].label
    axes.set_xlabel(f"{ratio}, {shown}, batch {batch_size}, {PRECISION_LABELS[precision]}, {sized}")
    handles = [Line2D([], [], **point_look(law), label=law.label + ("" if law.is_first else ", in parentheses")) for law in order]
    if provision != MEAN.name:
        handles.append(Line2D([], [], color=BLACK, **AT_MEAN, label="tick: pools sized for the mean"))
    handles.append(Line2D([], [], **point_look(order[0]) | BEYOND, label="pale, in brackets: beyond the model's own maximum"))
    if len(order) > LAWS_BESIDE_WORDS:
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    else:
        axes.legend(handles=handles, loc="upper right")
    save(figure, output)


if __name__ == "__main__":
    script(main)
