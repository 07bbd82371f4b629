"""A simulated schedule of a design space far past this machine, from the measured costs of a shard and of planning.

Jobs are submitted at a limited rate once the head has built its graph, start on the first free core, take the measured time with
some spread, and touch a file system that serves so many operations a second; each counts its own rows, and at the end one
process adds up. What was not measured here is an argument with its reason.
"""

from __future__ import annotations

import argparse
import heapq
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import FOLDER, parser, report

from prophet_memory.edge.tables import read_rows

SHARDS = (300, 1_000, 3_000, 10_000, 30_000, 100_000)
SECONDS_PER_HOUR = 3600
ASSUMED = ("nodes", "cores", "submissions_per_s", "file_operations", "file_operations_per_s", "spread")


@dataclass(frozen=True)
class Costs:
    """Measured on one core of one machine."""

    start_s: float  # of a shard, whatever its size: Python, config, imports
    row_s: float  # of a row to Parquet
    head_start_s: float  # of Snakemake inside each job
    plan_base_s: float  # of the head's graph...
    plan_shard_s: float  # ...and of each shard in it
    count_base_s: float  # of the count at the end...
    count_shard_s: float  # ...and of each shard in it


def fitted(x: list[float], y: list[float]) -> tuple[float, float]:
    """Constant and slope of a line, neither below zero."""
    slope, constant = np.polyfit(x, y, 1)
    return max(0.0, float(constant)), max(0.0, float(slope))


def costs(folder: Path) -> Costs:
    """From the tables that the other benchmarks wrote."""
    scaling, pipeline = (
        read_rows(folder / "scaling.csv"),
        {row["run"]: row["seconds"] for row in read_rows(folder / "pipeline.csv")},
    )
    sweeps = [row for row in scaling if row["step"] == "sweep"]
    counts = [row for row in scaling if row["step"] == "count"]
    count = fitted([row["shards"] for row in counts], [row["seconds"] for row in counts])
    planned = {int(run.split()[1]): seconds for run, seconds in pipeline.items() if run.startswith("planning ")}
    start, row = fitted([s["rows"] for s in sweeps], [s["seconds"] for s in sweeps])
    base, shard = fitted(list(planned), list(planned.values()))
    return Costs(start, row, pipeline["snakemake, nothing to do"], base, shard, *count)


def simulate(measured: Costs, shards: int, args: argparse.Namespace) -> dict[str, Any]:
    """Hours from the command to the last count, and where they go."""
    rows = args.points / shards
    planning = measured.plan_base_s + shards * measured.plan_shard_s
    spread = np.random.default_rng(0).lognormal(0, args.spread, shards)
    work = (measured.start_s + rows * measured.row_s) * spread
    reading_s = args.file_operations / args.file_operations_per_s  # of a job, from a server that serves one after the other
    free = [0.0] * min(shards, args.nodes * args.cores)
    served = end = 0.0
    for job in range(shards):
        submitted = planning + job / args.submissions_per_s
        served = max(served, submitted, heapq.heappop(free)) + reading_s
        finished = served + measured.head_start_s + float(work[job])
        heapq.heappush(free, finished)
        end = max(end, finished)
    hours = {
        "planning_h": planning, "submitting_h": shards / args.submissions_per_s, "sweeping_h": float(work.sum()) / len(free),
        "file_system_h": shards * reading_s, "snakemake_in_jobs_h": shards * measured.head_start_s / len(free),
        "until_last_shard_h": end,
        "adding_up_h": measured.count_base_s + shards * measured.count_shard_s,
    }  # fmt: skip
    assumed = {name: getattr(args, name) for name in ASSUMED}
    whole = {"shards": shards, "rows_per_shard": rows, "seconds_per_shard": measured.start_s + rows * measured.row_s}
    return whole | {name: seconds / SECONDS_PER_HOUR for name, seconds in hours.items()} | assumed


def main() -> None:
    """Read the measured costs, simulate, write."""
    arguments = parser(__doc__, "schedule.csv")
    arguments.add_argument("--measured", type=Path, default=FOLDER, help="folder of scaling.csv and pipeline.csv")
    arguments.add_argument("--points", type=float, default=1e12)
    arguments.add_argument("--nodes", type=int, default=1000)
    arguments.add_argument("--cores", type=int, default=32, help="cores of a node that the sweep gets")
    arguments.add_argument("--submissions-per-s", type=float, default=10, help="Snakemake's own limit of jobs a second")
    # strace -f -c -e trace=%file: 14,768 of Snakemake's start in the job, 6,742 of the sweep's.
    arguments.add_argument("--file-operations", type=int, default=21_500, help="of a job, environment on a shared disk")
    arguments.add_argument("--file-operations-per-s", type=float, default=100_000, help="that a shared file system serves in all")
    arguments.add_argument("--spread", type=float, default=0.2, help="of the shards' times, as the deviation of their logarithm")
    args = arguments.parse_args()
    measured = costs(args.measured)
    report([simulate(measured, shards, args) for shards in SHARDS], args.output)


if __name__ == "__main__":
    main()
