"""Points per second of the sweep kernel on one core, and against filling memory.

A point is one (GPU, batch size, routing law, precision, policy); the kernel writes what is left for the cache, context, capacity,
extension and verdict of each. Only the ratios travel from machine to machine.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

import numpy as np

from prophet_memory.architecture import Architecture
from prophet_memory.precision import PRECISIONS
from prophet_memory.residency import POLICIES
from prophet_memory.routing import ROUTING_LAW_NAMES
from prophet_memory.sweep import Assumptions, Grid, sweep_model
from prophet_pipeline.configuration import MODELS_FOLDER, model_architecture, read_models, read_settings

GIB = 2**30
MODELS_SHOWN = ("mixtral-8x7b", "deepseek-v3", "gpt-oss-120b", "switch-base-128")  # plain, MLA, windows, constant state


def grid(gpus: int) -> Grid:
    """A grid over made-up GPUs of 16 to 300 GiB, sized so that its arrays stay in cache."""
    sizes = np.linspace(16 * GIB, 300 * GIB, gpus).astype(np.int64)
    return Grid({f"g{i}": int(size) for i, size in enumerate(sizes)}, range(1, 65), ROUTING_LAW_NAMES, [*PRECISIONS], [*POLICIES])


def best_s(run: Callable[[], object], repeat: int) -> float:
    """Seconds of the fastest of many calls, after one that touches the memory for the first time."""
    run()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(architecture: Architecture, assumptions: Assumptions, gpus: int, repeat: int) -> tuple[int, float]:
    """Points, and seconds of one sweep over them."""
    points = grid(gpus)
    return int(np.prod(points.shape)), best_s(lambda: sweep_model(architecture, points, assumptions), repeat)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=30, help="the best of this many calls counts")
    parser.add_argument("--gpus", type=int, default=40, help="length of the GPU axis; a point for every 512 others")
    args = parser.parse_args()
    entries, assumptions = read_models(), Assumptions(**read_settings()["assumptions"])
    rates = []
    for slug in MODELS_SHOWN:
        points, seconds = measure(model_architecture(entries[slug], MODELS_FOLDER / slug), assumptions, args.gpus, args.repeat)
        rates.append(points / seconds)
        print(f"{slug:18} {points} points  {points / seconds / 1e6:6.1f} million points/s")
    buffer = np.empty(points, np.int64)
    fill = points / best_s(lambda: buffer.fill(1), args.repeat)
    print(f"slowest / 10 million points/s          {min(rates) / 1e7:6.2f}")
    print(f"slowest / filling one int64 a point    {min(rates) / fill:6.3f}")


if __name__ == "__main__":
    main()
