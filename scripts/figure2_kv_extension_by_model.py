"""Figure 2: KV extension of every model at the reference GPU and batch size, and what happens where none is defined."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name, multiplied, thousands
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, Law, laws_in_order, new_figure, save
from prophet_paper.looks import BLACK, GREY, LIGHT_GREY

GIB = 2**30
LAWS_BESIDE_WORDS = 2  # whose legend finds room beside the words of what does not fit
OVER_GRID = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # keeps grid lines out of text


def draw_model(axes: Axes, y: float, rows: Sequence[Row], laws: Sequence[Law]) -> None:
    """One line of the plot: a point per law where the ratio is defined, and in words what every law gives; a row for each law."""
    ends = [row["kv_extension"] for row in rows if row["fit_verdict"] == "fits"]
    if ends:
        axes.plot([min(1, *ends), max(ends)], [y, y], color=LIGHT_GREY, linewidth=1.2, zorder=2)
    for law, row in reversed(list(zip(laws, rows, strict=True))):
        if row["fit_verdict"] == "fits":
            axes.plot(row["kv_extension"], y, **point_look(law), zorder=3)
    first, *others = map(outcome, rows)
    text = "   ".join([first, *(f"({other})" for other in others)])
    fits = any(row["fit_verdict"] != "does_not_fit" for row in rows)
    axes.annotate(text, (max(ends, default=1), y), (6 if ends else 3, 0), textcoords="offset points", va="center", fontsize=7,
                  bbox=OVER_GRID, color=BLACK if fits else GREY, style="normal" if fits else "italic")  # fmt: skip


def point_look(law: Law) -> dict[str, Any]:
    """Marker of a law: all but the first hollow and larger, so that all show where they coincide."""
    return {
        "color": law.colour, "marker": law.marker, "markersize": 4.2 if law.is_first else 5.4, "linestyle": "none",
        "markerfacecolor": law.colour if law.is_first else "none", "markeredgewidth": 1,
    }  # fmt: skip


def outcome(row: Row) -> str:
    """The KV extension, or why there is none."""
    if row["fit_verdict"] == "fits":
        return multiplied(row["kv_extension"])
    if row["fit_verdict"] == "newly_fits":
        return f"newly fits: {thousands(row['kv_capacity_tokens'])} tokens"
    short = -row["free_for_kv_bytes"] / GIB
    return f"does not fit: {short:.0f} GiB short" if short > 0 else "does not fit"


def main(
    *, reference: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, policy: str, gpu: str,
    batch_size: int, precision: str, output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        reference: kv_extension_at_reference.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        policy: compared with the baseline
        output: .pdf and .png files
    """
    at = {"gpu": gpu, "batch_size": batch_size, "precision": precision, "policy": policy}
    found, order = by_key(reference, keys=("model", "routing"), at=at), laws_in_order(laws)
    models = in_paper_order(read_rows(catalogue))
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    baseline, compared = compared_policies(policies, policy)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 0.3 + 0.158 * len(models))
    axes = figure.subplots()
    for y, model in enumerate(models):
        draw_model(axes, y, [found[model["model"], law.name] for law in order], order)
    names = [marked_name(m["name"], m["published_precision"], precision) for m in models]
    labels = [f"{name}  ({m['experts']}, top-{m['top_k']})" for name, m in zip(names, models, strict=True)]
    axes.set_yticks(range(len(models)), labels)
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.axvline(1, color=BLACK, linewidth=0.8)
    farthest = max((row["kv_extension"] or 1 for row in found.values()), default=1)
    axes.set_xlim(0.985, 1 + 1.17 * max(farthest - 1, 0.1))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    ratio = f"KV extension of {compared['label']} over {baseline['label'].lower()}"
    axes.set_xlabel(f"{ratio}, {shown}, batch {batch_size}, {PRECISION_LABELS[precision]}")
    handles = [Line2D([], [], **point_look(law), label=law.label + ("" if law.is_first else ", in parentheses")) for law in order]
    if len(order) > LAWS_BESIDE_WORDS:
        figure.legend(handles=handles, loc="outside upper right", ncols=len(order))
    else:
        axes.legend(handles=handles, loc="upper right")
    save(figure, output)


if __name__ == "__main__":
    script(main)
