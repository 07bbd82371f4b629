"""Evaluate and count one shard of the design space, a block of models at a time: a Parquet file, its counts and its sidecar."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from prophet_memory.design_space import POINT_AXES
from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.configuration import ENGINES_FILE, GPUS_FILE, read_engines, said_of_profile
from prophet_memory.edge.files import sha256, write_text
from prophet_memory.edge.results import taken_assumptions
from prophet_memory.edge.tables import replacing_table, write_table
from prophet_memory.memory import Assumptions
from prophet_memory.sweeps import FIT_VERDICTS, Sweep, sweep
from prophet_paper.counts import added_up
from prophet_paper.design_space import DesignSpace, counts_of, open_design_space
from prophet_paper.shards import write_sidecar

KIBIBYTES_PER_MEBIBYTE = 1024
VALUES = (
    "expert_savings_fraction", "all_resident_fraction", "free_for_kv_bytes", "max_context_tokens", "kv_capacity_tokens",
    "kv_extension", "fit_verdict",
)  # fmt: skip


def peak_mib() -> int | None:
    """Largest resident memory of this process, where Linux tells; getrusage would count what the parent had before exec."""
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"), re.MULTILINE) if status.exists() else None
    return None if found is None else round(int(found[1]) / KIBIBYTES_PER_MEBIBYTE)


def points_of(swept: Sweep, members: range) -> pl.DataFrame:
    """The rows of some models: keys in the order of POINT_AXES, then values; an undefined extension is null."""
    grid = swept.grid
    labels = {axis: grid.names(axis) for axis in ("gpu", "routing", "precision")} | {"fit_verdict": FIT_VERDICTS}
    values = {"model": members, "batch_size": grid.batch_sizes, "context_tokens": grid.context_tokens}
    kinds = {"model": np.uint32, "batch_size": np.uint16, "context_tokens": np.uint32}
    axes = [np.asarray(values.get(name, range(len(labels.get(name, ())))), kinds.get(name, np.uint8)) for name in POINT_AXES]
    series = dict(zip(POINT_AXES, np.meshgrid(*axes, indexing="ij", copy=False), strict=True))
    series |= {name: np.broadcast_to(np.ma.getdata(swept.column(name)), grid.shape) for name in VALUES}
    table = pl.DataFrame({"architecture" if name == "model" else name: array.ravel() for name, array in series.items()})
    fits = pl.col("fit_verdict") == FIT_VERDICTS[0]
    return table.with_columns(
        *(pl.col(name).cast(pl.UInt8).cat.to(pl.Enum(list(names))) for name, names in labels.items()),
        pl.col("expert_savings_fraction", "all_resident_fraction").cast(pl.Float32),
    ).with_columns(pl.when(fits).then(pl.col("kv_extension")))


def blocks(
    design: DesignSpace, members: range, assumptions: Assumptions, counted: list[pl.DataFrame], progress: Path | None
) -> Iterator[pl.DataFrame]:
    """The shard's blocks in order, their counts added to `counted`; `progress` is told how many rows are done."""
    for first in range(members.start, members.stop, design.models_per_block):
        block = range(first, min(first + design.models_per_block, members.stop))
        swept = sweep(design.grid(block), assumptions)
        counted.append(counts_of(swept, design.settings.load_steps))
        yield points_of(swept, block)
        if progress is not None:
            progress.write_text(str((block.stop - members.start) * design.settings.rows_per_model), encoding="utf-8")


def write_shard(
    design: DesignSpace, members: range, assumptions: Assumptions, points: Path, counts: Path, progress: Path | None
) -> None:
    """Stream the blocks into the file and count them on the way; nothing holds more than a few of them."""
    schema = points_of(sweep(design.grid(members[:1]), assumptions), members[:1]).schema
    counted: list[pl.DataFrame] = []
    rows = len(members) * design.settings.rows_per_model
    start = time.perf_counter()
    with replacing_table(points, receipt=False) as temporary:  # the sidecar is its record
        source = register_io_source(lambda *_: blocks(design, members, assumptions, counted, progress), schema=schema)
        source.sink_parquet(temporary, compression="zstd", row_group_size=design.settings.chunk_rows, maintain_order=True)
    write_table(added_up(counted), counts, receipt=False)
    seconds = time.perf_counter() - start
    write_sidecar(points, rows, seconds=round(seconds, 3), peak_mib=peak_mib(), counts_sha256=sha256(counts))


def main(
    *, models: list[Path], design: Path, gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, shard: int, assumptions:
    dict[str, Any] | None = None, progress: Path | None = None, counts: Path, output: Path,
) -> None:  # fmt: skip
    """Read config, sweep, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        design: config/design_space.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        shard: which of the config's shards, from 0
        assumptions: JSON of the assumptions; default: config/config.yaml's
        progress: file to which the number of finished rows is written
        counts: Parquet file of the shard's counts
        output: Parquet shard; a .json beside it records what it holds
    """
    space = open_design_space(design, gpus, models)
    shards = space.settings.shards
    if not 0 <= shard < shards:
        raise ConfigurationError(f"{design}: --shard: {shard}; allowed: 0 to {shards - 1}")
    taken = taken_assumptions(assumptions, read_engines(engines))
    if progress is not None:
        write_text(progress, "0", receipt=False)
    with said_of_profile(taken.engine.name, engines):
        write_shard(space, space.settings.members_of_shard(shard), taken, output, counts, progress)


if __name__ == "__main__":
    script(main)
