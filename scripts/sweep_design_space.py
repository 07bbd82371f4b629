"""Evaluate one shard of the design space, a block of models at a time, into one Parquet file and its sidecar."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.io.plugins import register_io_source

from prophet_memory.design_space import POINT_AXES, PlainKernel, sweep_block
from prophet_memory.sweep import FIT_VERDICTS, Assumptions, Outcome
from prophet_pipeline.command import ConfigurationError, script
from prophet_pipeline.configuration import GPUS_FILE, read_settings
from prophet_pipeline.design_space import DesignSpace, open_design_space
from prophet_pipeline.files import write_text
from prophet_pipeline.shards import write_sidecar
from prophet_pipeline.tables import replacing_table

KIBIBYTES_PER_MEBIBYTE = 1024
Floats = npt.NDArray[np.float64]


def peak_mib() -> int | None:
    """Largest resident memory of this process, where Linux tells; getrusage would count what the parent had before exec."""
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"), re.MULTILINE) if status.exists() else None
    return None if found is None else round(int(found[1]) / KIBIBYTES_PER_MEBIBYTE)


def compiled_kernel() -> PlainKernel | None:
    """The kernel that numba compiles where the extra `scale` is installed; numpy alone gives the same results."""
    try:
        from prophet_memory.compiled import empty_outcome, evaluate_plain  # noqa: PLC0415 - numba takes half a second
    except ImportError:
        return None
    memory: dict[tuple[int, int], Outcome] = {}

    def kernel(usable: Floats, need: Floats, baseline: Floats, sequences: Floats, fixed: Floats, step: Floats) -> Outcome:
        size = (usable.size, need.size)
        out = memory[size] if size in memory else memory.setdefault(size, empty_outcome(*size))
        evaluate_plain(usable, need, baseline, sequences, fixed, step, out)
        return out

    return kernel


def block_table(design: DesignSpace, members: range, assumptions: Assumptions, kernel: PlainKernel | None) -> pl.DataFrame:
    """The rows of some models: keys in the order of POINT_AXES, then values; an undefined extension is null."""
    grid, contexts = design.grid, design.context_tokens
    columns = sweep_block([design.models[i][1] for i in members], grid, contexts, assumptions, kernel)
    gpus = list(grid.gpu_memory_bytes)
    labels = {"gpu": gpus, "routing": grid.routings, "precision": grid.precisions, "fit_verdict": FIT_VERDICTS}
    values = {"architecture": members, "batch_size": grid.batch_sizes, "context_tokens": contexts}
    kinds = {"architecture": np.uint32, "batch_size": np.uint16, "context_tokens": np.uint32}
    axes = [np.asarray(values.get(name, range(len(labels.get(name, ())))), kinds.get(name, np.uint8)) for name in POINT_AXES]
    shape = tuple(map(len, axes))
    series = dict(zip(POINT_AXES, np.meshgrid(*axes, indexing="ij", copy=False), strict=True)) | columns
    table = pl.DataFrame({name: np.broadcast_to(np.ma.getdata(array), shape).ravel() for name, array in series.items()})
    fits = pl.col("fit_verdict") == FIT_VERDICTS[0]
    return table.with_columns(
        *(pl.col(name).cast(pl.UInt8).cat.to(pl.Enum(list(names))) for name, names in labels.items()),
        pl.col("expert_savings_fraction", "all_resident_fraction").cast(pl.Float32),
    ).with_columns(pl.when(fits).then(pl.col("kv_extension")))


def blocks(design: DesignSpace, members: range, assumptions: Assumptions, progress: Path | None) -> Iterator[pl.DataFrame]:
    """The shard's blocks in order; `progress` is told how many rows are done."""
    kernel = compiled_kernel()
    for first in range(members.start, members.stop, design.models_per_block):
        block = range(first, min(first + design.models_per_block, members.stop))
        yield block_table(design, block, assumptions, kernel)
        if progress is not None:
            progress.write_text(str((block.stop - members.start) * design.rows_per_model), encoding="utf-8")


def write_shard(design: DesignSpace, members: range, assumptions: Assumptions, output: Path, progress: Path | None) -> None:
    """Stream the blocks into the file; nothing holds more than a few of them."""
    schema = block_table(design, members[:1], assumptions, None).schema
    rows = len(members) * design.rows_per_model
    start = time.perf_counter()
    with replacing_table(output, receipt=False) as temporary:  # the sidecar is its record
        source = register_io_source(lambda *_: blocks(design, members, assumptions, progress), schema=schema)
        source.sink_parquet(temporary, compression="zstd", row_group_size=design.settings["chunk_rows"], maintain_order=True)
    seconds = time.perf_counter() - start
    write_sidecar(output, rows, seconds=round(seconds, 3), peak_mib=peak_mib())


def main(
    *, models: list[Path], design: Path, gpus: Path = GPUS_FILE, shard: int, assumptions: dict[str, Any] | None = None,
    progress: Path | None = None, output: Path,
) -> None:  # fmt: skip
    """Read config, sweep, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        design: config/design_space.yaml
        gpus: catalogue of GPUs
        shard: which of the config's shards, from 0
        assumptions: JSON of the assumptions; default: config/config.yaml's
        progress: file to which the number of finished rows is written
        output: Parquet shard; a .json beside it records what it holds
    """
    space = open_design_space(design, gpus, models)
    shards = space.settings["shards"]
    if not 0 <= shard < shards:
        raise ConfigurationError(f"{design}: --shard: {shard}; allowed: 0 to {shards - 1}")
    taken = Assumptions(**(assumptions or read_settings()["assumptions"]))
    if progress is not None:
        write_text(progress, "0", receipt=False)
    write_shard(space, space.members_of_shard(shard), taken, output, progress)


if __name__ == "__main__":
    script(main)
