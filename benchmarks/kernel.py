"""Points per second of the sweep's columns on one core, and their bytes against a plain memory fill in the same run.

A point is one (GPU, model, batch size, routing law, precision, context) of the design space; its columns are those that are kept
there. Only the ratios travel from machine to machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from measure import best_s, parser, report

from prophet_memory.architecture import Architecture
from prophet_memory.design_space import POINT_AXES, Family
from prophet_memory.edge.configuration import MODELS_FOLDER, read_engines, read_model
from prophet_memory.edge.results import assumptions_of
from prophet_memory.edge.settings import read_settings
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import Assumptions
from prophet_memory.residency import residency_policies
from prophet_memory.routing import routing_laws
from prophet_memory.sweeps import sweep

GIB = 2**30
COLUMNS = (
    "expert_savings_fraction", "all_resident_fraction", "free_for_kv_bytes", "max_context_tokens", "kv_capacity_tokens",
    "kv_extension", "fit_verdict",
)  # fmt: skip
WINDOWED = "gpt-oss-120b"
SIZES = (1, 16, 160)  # models in a block


def models() -> dict[str, list[Architecture]]:
    """Models whose cache grows by the same bytes for every token, and as many with windows."""
    family = Family((64,), (4,), tuple(range(1, max(SIZES) + 1)), (4096,), (0.5,), (8,), 128, 32000)
    file = MODELS_FOLDER / f"{WINDOWED}.yaml"
    return {"plain": list(family.members()), "windows": [read_model(file).architecture] * max(SIZES)}


def grid_of(architectures: list[Architecture]) -> Grid:
    """The axes of the design space in small."""
    return Grid(
        [Model(str(i), architecture) for i, architecture in enumerate(architectures)],
        gpus=[Gpu(str(size), size * GIB) for size in range(16, 304, 32)],
        batch_sizes=[1, 2, 4, 8, 16, 32, 64, 128],
        routings=routing_laws(["power_law", "uniform"]),
        precisions=["bf16", "int8_experts"],
        policies=residency_policies(["prophet"]),
        context_tokens=[1024 * 2**i for i in range(8)],
        order=POINT_AXES,
    )


def columns(grid: Grid, assumptions: Assumptions) -> Callable[[], object]:
    """All columns of a grid, computed anew at each call."""

    def run() -> list[Any]:
        swept = sweep(grid, assumptions)
        return [np.ascontiguousarray(np.ma.getdata(np.broadcast_to(swept.column(name), grid.shape))) for name in COLUMNS]

    return run


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__, "kernel.csv")
    arguments.add_argument("--repeat", type=int, default=10, help="the best of this many calls counts")
    args = arguments.parse_args()
    assumptions = assumptions_of(read_settings().assumptions, read_engines())
    rows: list[dict[str, Any]] = []
    for count in SIZES:
        for cache, architectures in models().items():
            grid = grid_of(architectures[:count])
            run = columns(grid, assumptions)
            points, written = int(np.prod(grid.shape)), sum(array.nbytes for array in run())  # type: ignore[attr-defined]
            buffer = np.empty(written // 8, np.int64)
            seconds, fill = best_s(run, args.repeat), best_s(partial(buffer.fill, 1), args.repeat)
            rows.append({
                "cache": cache, "models": count, "points": points, "points_per_s": points / seconds,
                "written_bytes_per_s": written / seconds, "fill_bytes_per_s": written / fill, "fraction_of_fill": fill / seconds,
            })  # fmt: skip
    report(rows, args.output)


if __name__ == "__main__":
    main()
