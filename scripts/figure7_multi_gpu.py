"""Figure 7: the fewest GPUs on which each model fits, all experts resident against Prophet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name
from prophet_memory.provision import PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, BLUE, LIGHT_GREY

GIB = 2**30
BEYOND = 2  # where what no swept number fits stands, as a factor of the largest
BASELINE: dict[str, Any] = {
    "marker": "s", "markersize": 5.8, "markerfacecolor": "white", "markeredgecolor": BLACK, "markeredgewidth": 0.8,
}  # fmt: skip
POLICY: dict[str, Any] = {"marker": "o", "markersize": 3.4, "color": BLACK, "markeredgewidth": 0}
FEWER: dict[str, Any] = {"color": BLUE, "linewidth": 2.2, "solid_capstyle": "butt"}


class Cell(NamedTuple):
    """Fewest GPUs of the baseline and of a policy, None where no swept number is enough."""

    baseline: int | None
    policy: int | None


def draw_cell(axes: Axes, y: float, cell: Cell, most: int) -> None:
    """From the number that everything resident needs (hollow) to what the policy needs (filled)."""
    start, end = (number or most * BEYOND for number in cell)
    if end < start:
        axes.plot([end, start], [y, y], **FEWER, zorder=2)
    if cell.policy is None:
        axes.axhspan(y - 0.5, y + 0.5, color=LIGHT_GREY, alpha=0.35, linewidth=0, zorder=0)
    axes.plot(start, y, **BASELINE, zorder=3)
    axes.plot(end, y, **POLICY, zorder=4)


def draw_gpu(axes: Axes, gpu: Row, models: Sequence[Row], found: Mapping[tuple[str, str], Cell], counts: Sequence[int]) -> None:
    """One panel: a GPU type, a line for each model."""
    for y, model in enumerate(models):
        draw_cell(axes, y, found[model["model"], gpu["gpu"]], max(counts))
    family, _, rest = gpu["name"].replace(" ", "-").partition("-")
    lines = [family, *([rest] if rest else []), f"{gpu['memory_bytes'] / GIB:.0f} GiB"]
    axes.set_title("\n".join(lines), fontsize=7, loc="center")
    axes.set_xscale("log", base=2)
    most = max(counts)
    axes.set_xticks([*counts, most * BEYOND], [*map(str, counts), f">{most}"])
    axes.minorticks_off()
    axes.set_xlim(min(counts) / 1.5, most * BEYOND * 1.5)
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def explain(figure: Figure, most: int, baseline: str, policy: str, taken: str) -> None:
    """The legend above the panels."""
    handles = [
        Line2D([], [], **BASELINE, linestyle="none", label=baseline),
        Line2D([], [], **POLICY, linestyle="none", label=f"{policy}, {taken}"),
        Line2D([], [], **FEWER, label="fewer GPUs"),
        Patch(facecolor=LIGHT_GREY, alpha=0.35, label=f"more than {most} either way"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), columnspacing=1.6, handletextpad=0.5)


def main(
    *, smallest: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, n_gpus: list[int], batch_size: int,
    precision: str, routing: str, policy: str, provision: str, output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        smallest: smallest_gpu_counts.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        n_gpus: the swept numbers of GPUs
        provision: what resident pools are sized for
        output: .pdf and .png files
    """
    at = {"batch_size": batch_size, "precision": precision, "routing": routing, "provision": provision}
    baseline, compared = compared_policies(policies, policy)
    columns = (f"{baseline['policy']}_n_gpus", f"{policy}_n_gpus")
    rows = by_key(smallest, keys=("model", "gpu"), at=at)
    found = {(model, gpu): Cell(*(row[column] for column in columns)) for (model, gpu), row in rows.items()}
    gpus = sorted(read_rows(gpu_catalogue), key=lambda gpu: int(gpu["memory_bytes"]))
    everyone = in_paper_order(read_rows(catalogue))
    # Of interest is what needs more than one GPU of some type, or does not fit at all.
    models = [m for m in everyone if any(cell.baseline != 1 for (model, _), cell in found.items() if model == m["model"])]
    figure = new_figure(DOUBLE_COLUMN_INCHES, 0.95 + 0.155 * len(models))
    axes = figure.subplots(1, len(gpus), sharey=True, squeeze=False)[0]
    for panel, gpu in zip(axes, gpus, strict=True):
        draw_gpu(panel, gpu, models, found, n_gpus)
    names = [marked_name(m["name"], m["published_precision"], precision) for m in models]
    axes[0].set_yticks(range(len(models)), names)
    axes[len(axes) // 2].set_xlabel(f"Fewest GPUs on which the model fits, {PRECISION_LABELS[precision]}, batch {batch_size}")
    taken = f"{catalogued(laws, 'routing')[routing]['label']}, {PROVISIONS[provision].label}"
    explain(figure, max(n_gpus), baseline["label"], compared["label"], taken)
    save(figure, output)


if __name__ == "__main__":
    script(main)
