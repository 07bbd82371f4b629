"""Figure 13: GPU memory against the time of a step, every policy and precision, and what the source document claims of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, read_rows
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.formats import DEFAULT_FORMAT
from prophet_memory.provision import PROVISIONS
from prophet_memory.residency import BASELINE, residency_policy
from prophet_paper.alternatives import ClaimedPoint, claimed_points
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, BLUE, GREEN, GREY, LIGHT_GREY, ORANGE, PURPLE, VERMILLION

GIB, MS = 2**30, 1e3
LEGEND_LINES = 4
COLUMNS = 4
MARKS = {
    "all_resident": "s", "prophet": "o", "lru_cache": "v", "static_cache": "<", "oracle_cache": "*", "cpu_compute": "^",
    "on_demand_offload": "X", "layer_offload": "d",
}  # fmt: skip
# Fewer bits are a smaller mark; what is published has an edge.
PRECISIONS: dict[str, dict[str, Any]] = {
    "bf16": {"color": BLUE, "markersize": 6, "markeredgewidth": 0},
    "int8": {"color": ORANGE, "markersize": 4.8, "markeredgewidth": 0},
    "int4": {"color": GREEN, "markersize": 3.7, "markeredgewidth": 0},
    "native": {"color": PURPLE, "markersize": 4.8, "markeredgecolor": BLACK, "markeredgewidth": 0.6},
}
SUBJECT = "prophet"
ALONE = 0.35  # the opacity of what another choice dominates


def draw_case(
    axes: Axes, found: Mapping[tuple[Any, ...], Row], limit_gib: float, claimed: Sequence[tuple[float, float, float]]
) -> None:
    """A panel: choices as marks, those that none dominates joined; what is right of the GPU's memory does not fit."""
    real = [row for row in found.values() if row["fits"] and not residency_policy(row["policy"]).is_bound]
    front = sorted((row["gpu_bytes"] / GIB, MS * row["step_s"]) for row in real if not row["is_dominated"])
    axes.plot(*zip(*front, strict=True), color=GREY, linewidth=0.8, zorder=1.5, drawstyle="steps-post")
    for (precision, policy), row in found.items():
        is_bound = residency_policy(policy).is_bound
        own = PRECISIONS[precision]
        look: dict[str, Any] = {"marker": MARKS[policy], "linestyle": "none"} | own
        if not row["fits"] or is_bound:
            look |= {"markerfacecolor": "white", "markeredgecolor": own["color"], "markeredgewidth": 0.7}
        pale = row["is_dominated"] and row["fits"] and not is_bound
        place = (2 if pale else 3) + (0.5 if policy == SUBJECT else 0)  # above what lies at the same place
        axes.plot(row["gpu_bytes"] / GIB, MS * row["step_s"], alpha=ALONE if pale else 1, zorder=place, **look)
    for size, first, last in claimed:
        look = {"color": VERMILLION, "linewidth": 1, "marker": "+", "markersize": 5, "markeredgewidth": 1, "zorder": 3.5}
        axes.plot([size, size], [first, last], **look)
    axes.axvspan(limit_gib, 1e4, color=LIGHT_GREY, alpha=0.45, linewidth=0, zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = [row["gpu_bytes"] / GIB for row in found.values()]
    axes.set_xlim(min(sizes) / 1.5, max(*sizes, limit_gib) * 1.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_locator(LogLocator(numticks=6))


def claimed_of(points: Sequence[ClaimedPoint], whole: Row) -> list[tuple[float, float, float]]:
    """What the source document's shares and factors would be for a model: GiB on the GPU, and ms from and to."""
    experts, step_ms = whole["resident_expert_bytes"], MS * whole["resident_step_s"]
    rest = whole["gpu_bytes"] - experts
    return [((rest + point.share * experts) / GIB, point.factors[0] * step_ms, point.factors[1] * step_ms) for point in points]


def main(
    *, alternatives: Path, claims: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, cases: list[Any], batch_size: int,
    routing: str, provision: str, output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        alternatives: alternatives.parquet
        claims: claims.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        cases: JSON of the cases, each a model, a GPU and how many
        provision: what resident pools are sized for
        output: .pdf and .png files
    """
    models, gpus = catalogued(catalogue, "model"), catalogued(gpu_catalogue, "gpu")
    points = claimed_points(read_rows(claims))
    lines = -(-len(cases) // COLUMNS)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 1.0 + 1.42 * lines)
    panels = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axes, case in zip(panels, cases, strict=False):
        at = case | {"routing": routing, "provision": provision, "batch_size": batch_size}
        found = by_key(alternatives, keys=("precision", "policy"), at=at)
        whole = found[DEFAULT_FORMAT, BASELINE.name]
        name, gpu = models[case["model"]]["name"], gpus[case["gpu"]]
        draw_case(axes, found, gpu["memory_bytes"] / GIB, claimed_of(points, whole))
        count = "" if case["n_gpus"] == 1 else f"{case['n_gpus']} × "
        axes.set_title(f"{name}, {count}{gpu['name']}", fontsize=7)
    for axes in panels[len(cases) :]:
        axes.set_visible(False)
    figure.supxlabel("GiB beside the KV cache, on the fullest GPU (grey: more than it has)", fontsize=7.5)
    law = catalogued(laws, "routing")[routing]["label"]
    sized = PROVISIONS[provision].label
    figure.supylabel(f"ms of a step at batch {batch_size} ({law}, {sized})", fontsize=7.5)
    shown = handles()
    figure.legend(handles=shown, loc="outside upper center", ncols=-(-len(shown) // LEGEND_LINES), fontsize=7, columnspacing=1,
                  handletextpad=0.2)  # fmt: skip
    save(figure, output)


def handles() -> list[Line2D]:
    """What marks and colours mean."""

    def mark(label: str, marker: str, **look: Any) -> Line2D:  # noqa: ANN401 - matplotlib's
        own: dict[str, Any] = {"color": GREY, "markersize": 4.2} | look
        return Line2D([], [], linestyle="none", marker=marker, label=label, **own)

    hollow: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": GREY, "markeredgewidth": 0.7}
    policies = [residency_policy(name) for name in MARKS]
    return [
        *(mark(one.words.label, MARKS[one.kind], **(hollow if one.is_bound else {})) for one in policies),
        *(mark(PRECISION_LABELS[precision], "s", **look) for precision, look in PRECISIONS.items()),
        mark("dominated (pale)", "s", alpha=ALONE),
        mark("does not fit, or a bound", "s", **hollow),
        mark("claimed by the source", "+", color=VERMILLION, markeredgewidth=1),
        Line2D([], [], color=GREY, linewidth=0.8, label="dominated by nothing"),
    ]


if __name__ == "__main__":
    script(main)
