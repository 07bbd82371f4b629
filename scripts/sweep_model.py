"""Evaluate the memory model for one model over the whole grid: one shard of the results, and its sidecar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import (
    ENGINES_FILE,
    GPUS_FILE,
    read_engines,
    read_gpus,
    read_model,
    said_of_profile,
)
from prophet_memory.edge.documents import checked
from prophet_memory.edge.messages import described_by, error
from prophet_memory.edge.results import grid_of, taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, AxesSettings, read_settings
from prophet_memory.edge.tables import write_table
from prophet_memory.grid import Model
from prophet_memory.parallelism import ParallelismError
from prophet_memory.sweeps import sweep as swept
from prophet_paper.shards import write_sidecar


def main(
    *, model: Path, gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, sweep: dict[str, Any] | None = None, assumptions:
    dict[str, Any] | None = None, output: Path,
) -> None:  # fmt: skip
    """Read config, sweep, write.

    Args:
        model: catalogue file, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        sweep: JSON of the grid; default: that of config/config.yaml
        assumptions: JSON of the assumptions; default: as above
        output: Parquet file of the shard; a .json beside it records rows and checksum
    """
    axes = read_settings().sweep if sweep is None else checked(AxesSettings, sweep, SETTINGS_FILE)
    grid = grid_of([Model(model.stem, read_model(model).architecture)], axes, read_gpus(gpus))
    try:
        taken = taken_assumptions(assumptions, read_engines(engines))
        with described_by(model), said_of_profile(taken.engine.name, engines):
            table = swept(grid, taken).to_polars()
    except ParallelismError as problem:
        raise error(SETTINGS_FILE, f"sweep.{problem.key}", problem.value, f"{problem.allowed}, {model.stem}") from None
    write_table(table, output, receipt=False)  # the sidecar is its record
    write_sidecar(output, table.height)


if __name__ == "__main__":
    script(main)
