"""Figure 7: the fewest GPUs on which each model fits, all experts resident against Prophet, and the KV capacity left there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name
from prophet_memory.provision import PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, GREY, LIGHT_GREY

GIB = 2**30
# Steps of lightness, dark for little: told apart in grey.
CAPACITY_STEPS = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
CAPACITY_COLOURS = ListedColormap(["#3b0f70", "#8c2981", "#de4968", "#fe9f6d", "#fcfdbf"])
CAPACITY_NORM = BoundaryNorm(CAPACITY_STEPS, CAPACITY_COLOURS.N)
NOWHERE = 1.75  # where the cross of what never fits stands, as a factor of the largest swept number


BASELINE: dict[str, Any] = {
    "marker": "s",
    "markersize": 5.6,
    "markerfacecolor": "white",
    "markeredgecolor": GREY,
    "markeredgewidth": 0.8,
}
POLICY: dict[str, Any] = {"marker": "o", "markersize": 4, "markeredgecolor": BLACK, "markeredgewidth": 0.4}
NEITHER: dict[str, Any] = {"marker": "x", "markersize": 3.6, "color": GREY, "markeredgewidth": 0.8}


class Cell(NamedTuple):
    """Fewest GPUs of the baseline and of a policy, None where no swept number is enough, and the policy's KV capacity there."""

    baseline: int | None
    policy: int | None
    kv_capacity_tokens: int | None


def draw_cell(axes: Axes, y: float, cell: Cell, most: int) -> None:
    """From the number that everything resident needs (hollow) to what the policy needs (filled by its KV capacity)."""
    start, end = (number or most * NOWHERE for number in (cell.baseline, cell.policy))
    axes.plot([end, start], [y, y], color=LIGHT_GREY, linewidth=1.4, zorder=2)
    axes.plot(start, y, **(BASELINE if cell.baseline else NEITHER), zorder=3)
    if cell.policy:
        capacity = np.clip(cell.kv_capacity_tokens or 0, CAPACITY_STEPS[0], CAPACITY_STEPS[-1] - 1)
        axes.plot(end, y, **POLICY, markerfacecolor=CAPACITY_COLOURS(CAPACITY_NORM(capacity)), zorder=4)


def draw_gpu(axes: Axes, gpu: Row, models: Sequence[Row], found: Mapping[tuple[str, str], Cell], counts: Sequence[int]) -> None:
    """One panel: a GPU type, a line for each model."""
    for y, model in enumerate(models):
        draw_cell(axes, y, found[model["model"], gpu["gpu"]], max(counts))
    family, _, rest = gpu["name"].replace(" ", "-").partition("-")
    lines = [family, *([rest] if rest else []), f"{gpu['memory_bytes'] / GIB:.0f} GiB"]
    axes.set_title("\n".join(lines), fontsize=7, loc="center")
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_xlim(min(counts) / 1.5, max(counts) * NOWHERE * 1.3)
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def explain(figure: Figure, axes: Sequence[Axes], most: int, baseline: str, policy: str, taken: str) -> None:
    """The legend and the colour scale below the panels."""
    handles = [
        Line2D([], [], **BASELINE, linestyle="none", label=baseline),
        Line2D([], [], **POLICY, markerfacecolor=GREY, linestyle="none", label=f"{policy}, {taken}"),
        Line2D([], [], **NEITHER, linestyle="none", label=f"does not fit on {most}"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, columnspacing=1.6, handletextpad=0.3)
    bar = figure.colorbar(
        ScalarMappable(CAPACITY_NORM, CAPACITY_COLOURS), ax=list(axes), location="bottom", aspect=60, shrink=0.6, pad=0.03
    )
    bar.set_ticks(list(CAPACITY_STEPS), labels=["", "10k", "100k", "1M", "10M", ""])
    bar.ax.tick_params(length=0)
    bar.outline.set_linewidth(0.4)
    bar.set_label(f"KV capacity in tokens that {policy} has on the GPUs it needs")


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
    columns = (f"{baseline['policy']}_n_gpus", f"{policy}_n_gpus", f"{policy}_kv_capacity_tokens")
    rows = by_key(smallest, keys=("model", "gpu"), at=at)
    found = {(model, gpu): Cell(*(row[column] for column in columns)) for (model, gpu), row in rows.items()}
    gpus = sorted(read_rows(gpu_catalogue), key=lambda gpu: int(gpu["memory_bytes"]))
    everyone = in_paper_order(read_rows(catalogue))
    # Of interest is what needs more than one GPU of some type, or does not fit at all.
    models = [m for m in everyone if any(cell.baseline != 1 for (model, _), cell in found.items() if model == m["model"])]
    figure = new_figure(DOUBLE_COLUMN_INCHES, 1.35 + 0.165 * len(models))
    axes = figure.subplots(1, len(gpus), sharey=True, squeeze=False)[0]
    for panel, gpu in zip(axes, gpus, strict=True):
        draw_gpu(panel, gpu, models, found, n_gpus)
    names = [marked_name(m["name"], m["published_precision"], precision) for m in models]
    axes[0].set_yticks(range(len(models)), names)
    axes[len(axes) // 2].set_xlabel(f"Fewest GPUs on which the model fits, {PRECISION_LABELS[precision]}, batch {batch_size}")
    taken = f"{catalogued(laws, 'routing')[routing]['label']}, {PROVISIONS[provision].label}"
    explain(figure, axes, max(n_gpus), baseline["label"], compared["label"], taken)
    save(figure, output)


if __name__ == "__main__":
    script(main)
