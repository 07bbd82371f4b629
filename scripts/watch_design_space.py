"""Run a command that sweeps the design space and show one bar over all shards: rows done, rows per second, time left.

Rows are those of finished shards (their sidecars) and of running ones (what they report); the command's own lines pass above the
bar. Where the output is not a terminal, a line is printed now and then instead.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from prophet_memory.edge.command import ConfigurationError, run
from prophet_memory.edge.configuration import GPUS_FILE, read_gpus
from prophet_memory.edge.settings import DesignSettings, read_design_space
from prophet_paper.shards import read_sidecar

LOOK_EVERY_S = 0.5
LINE_EVERY_S = 10
MILLION = 1e6


def rows_done(design: DesignSettings, points: Path, reports: Path) -> int:
    """Rows of finished shards, and what the running ones report."""
    done = 0
    for number, promised in enumerate(design.rows_of_shards):
        shard, report = points / f"shard={number:04}" / "points.parquet", reports / f"{number:04}.rows"
        try:
            done += min(promised, read_sidecar(shard)["rows"] if shard.exists() else int(report.read_text(encoding="utf-8")))
        except (ConfigurationError, OSError, ValueError):  # not begun, or just being written
            continue
    return done


def pass_on(process: subprocess.Popen[str], console: Console) -> None:
    """The command's lines, above the bar."""
    for line in process.stdout or ():
        console.print(line.rstrip(), markup=False, highlight=False)


def pace(done: int, total: int, since: int, seconds: float) -> str:
    """Rows per second since the start, and what is left at that rate; where nothing was swept, why."""
    rate = (done - since) / seconds
    if rate <= 0:
        return "all rows are there" if done >= total else "no rows yet"
    left = f"{timedelta(seconds=round((total - done) / rate))} left" if done < total else "all swept"
    return f"{rate / MILLION:.1f} M rows/s, {left}"


def watch(design: DesignSettings, count: Callable[[], int], command: list[str]) -> int:
    """Run the command to its end; its exit status."""
    console, total = Console(stderr=True), sum(design.rows_of_shards)
    bar = Progress(
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows"), BarColumn(None), TextColumn("{task.percentage:.0f} %"),
        TextColumn("{task.description}"), console=console, disable=not console.is_terminal,
    )  # fmt: skip
    before, start, said = count(), time.monotonic(), time.monotonic()
    with bar, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:  # noqa: S603
        lines = threading.Thread(target=pass_on, args=(process, console))
        lines.start()
        task = bar.add_task(pace(before, total, before, 1), total=total, completed=before)
        while process.poll() is None:
            time.sleep(LOOK_EVERY_S)
            done, now = count(), time.monotonic()
            status = pace(done, total, before, now - start)
            bar.update(task, completed=done, description=status)
            if bar.disable and now - said >= LINE_EVERY_S and before < done < total:
                said = now
                print(f"{done:,} of {total:,} rows, {status}", flush=True)
        lines.join()
        done = count()
        bar.update(task, completed=done, description=pace(done, total, before, time.monotonic() - start))
    return process.returncode


def main() -> None:
    """Read config, run, watch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="*", help="catalogue files, config/models/<slug>.yaml")
    parser.add_argument("--design", type=Path, required=True, help="config/design_space.yaml")
    parser.add_argument("--gpus", type=Path, default=GPUS_FILE, help="catalogue of GPUs")
    parser.add_argument("--points", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--reports", type=Path, required=True, help="folder in which running shards report their rows")
    parser.add_argument("--command", nargs=argparse.REMAINDER, required=True, help="what to run; last, all that follows")
    args = parser.parse_args()
    design = read_design_space([path.stem for path in args.models], read_gpus(args.gpus), args.design)
    for report in args.reports.glob("*.rows"):  # of an earlier run
        report.unlink()
    sys.exit(watch(design, lambda: rows_done(design, args.points, args.reports), args.command))


if __name__ == "__main__":
    run(main)
