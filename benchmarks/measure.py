"""What the benchmarks share: one thread for each library, the best of several runs, and tables in evaluation/benchmarks."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "evaluation" / "benchmarks"
KIBIBYTES_PER_MEBIBYTE = 1024
SINGLE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
os.environ.update(SINGLE_THREAD)  # before numpy or polars is imported
os.environ.setdefault("PROPHET_RECEIPTS", str(REPOSITORY / ".snakemake" / "receipts"))  # as the workflow's jobs leave them


def best_s(run: Callable[[], object], repeat: int) -> float:
    """Seconds of the fastest of several calls, after one that touches the memory for the first time."""
    run()
    return min(timed(run) for _ in range(repeat))


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def script(name: str, *arguments: object) -> int:
    """Run one of the project's scripts as a process of its own, as the rules do; its peak memory in MiB."""
    command = [sys.executable, str(REPOSITORY / "scripts" / f"{name}.py"), *map(str, arguments)]
    with subprocess.Popen(command, cwd=REPOSITORY) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return round(usage.ru_maxrss / KIBIBYTES_PER_MEBIBYTE)


def parser(description: str | None, output: str | Path) -> argparse.ArgumentParser:
    """Arguments that every benchmark takes; a name is one of evaluation/benchmarks."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--output", type=Path, default=FOLDER / output, help="CSV file")
    return made


def report(rows: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Write a table and print it."""
    from prophet_memory.edge.tables import write_rows  # noqa: PLC0415 - after the thread counts

    write_rows(rows, output)
    columns = list(rows[0])
    print(f"{output.stem}: {', '.join(columns)}")
    for row in rows:
        print("  " + "  ".join(f"{row[name]:,.4g}" if isinstance(row[name], float) else str(row[name]) for name in columns))
