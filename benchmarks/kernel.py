"""Points per second of the sweep's kernel on one core, and the bytes that it writes against a plain memory fill in the same run.

A point is one (model, GPU, batch size, routing law, precision); the kernel writes what is left for the cache, both contexts,
capacity, extension and verdict of each. Only the ratios travel from machine to machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from measure import best_s, parser, report

from prophet_memory.kv_cache import KVLayout
from prophet_memory.sweep import evaluate

GIB = 2**30
BYTES_OF_A_POINT = 4 * 8 + 8 + 1  # four counts, the extension and the verdict
LAYOUTS = {"plain": KVLayout(0, 131072), "windows": KVLayout(0, 36864, ((128, 36864),))}
SIZES = ((10, 64), (10, 6_400), (16, 65_536))  # GPUs x the other axes: one model, a block of models, more than the caches hold


def inputs(gpus: int, points: int) -> tuple[np.ndarray, ...]:
    """Made-up GPUs of 16 to 300 GiB, demands up to that size and batches, the same on every run."""
    random = np.random.default_rng(0)
    usable = np.linspace(16 * GIB, 300 * GIB, gpus).astype(np.int64)
    need = random.integers(GIB, 300 * GIB, points)
    return usable, need, need + random.integers(0, 50 * GIB, points), 2 ** random.integers(0, 8, points)


def kernels(gpus: int, points: int) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Kernel, layout and a call; numba's only where it is installed."""
    usable, need, baseline, batch = inputs(gpus, points)
    for name, layout in LAYOUTS.items():
        yield "numpy", name, partial(evaluate, usable[:, None], need[None], baseline[None], batch[None], layout)
    try:
        from prophet_memory.compiled import empty_outcome, evaluate_plain  # noqa: PLC0415
    except ImportError:
        return
    rate = LAYOUTS["plain"].unbounded_bytes_per_token
    out, floats = empty_outcome(gpus, points), partial(np.asarray, dtype=np.float64)
    memory, demand, other, sequences = map(floats, (usable, need, baseline, batch))
    yield "numba", "plain", partial(evaluate_plain, memory, demand, other, sequences, 0 * sequences, rate * sequences, out)


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__, "kernel.csv")
    arguments.add_argument("--repeat", type=int, default=10, help="the best of this many calls counts")
    args = arguments.parse_args()
    rows: list[dict[str, Any]] = []
    for gpus, points in SIZES:
        for kernel, layout, run in kernels(gpus, points):
            written = gpus * points * BYTES_OF_A_POINT
            buffer = np.empty(written // 8, np.int64)
            seconds, fill = best_s(run, args.repeat), best_s(partial(buffer.fill, 1), args.repeat)
            rows.append({
                "kernel": kernel, "cache": layout, "points": gpus * points, "points_per_s": gpus * points / seconds,
                "written_bytes_per_s": written / seconds, "fill_bytes_per_s": written / fill, "fraction_of_fill": fill / seconds,
            })  # fmt: skip
    report(rows, args.output)


if __name__ == "__main__":
    main()
