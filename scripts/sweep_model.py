"""Evaluate the memory model for one model over the whole grid: one shard of the results, and its sidecar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prophet_memory.parallelism import ParallelismError
from prophet_memory.sweep import Assumptions, sweep_model
from prophet_pipeline.command import script
from prophet_pipeline.configuration import (
    GPUS_FILE,
    SETTINGS_FILE,
    described_by,
    error,
    model_architecture,
    read_gpus,
    read_model,
    read_settings,
)
from prophet_pipeline.results import grid_of, model_rows
from prophet_pipeline.shards import write_sidecar
from prophet_pipeline.tables import write_table


def main(
    *, model: Path, gpus: Path = GPUS_FILE, sweep: dict[str, Any] | None = None, assumptions: dict[str, Any] | None = None,
    output: Path,
) -> None:  # fmt: skip
    """Read config, sweep, write.

    Args:
        model: catalogue file, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        sweep: JSON of the grid; default: that of config/config.yaml
        assumptions: JSON of the assumptions; default: as above
        output: Parquet file of the shard; a .json beside it records rows and checksum
    """
    settings: dict[str, Any] = {"sweep": sweep, "assumptions": assumptions}
    if None in settings.values():
        settings = read_settings() | {key: value for key, value in settings.items() if value is not None}
    grid = grid_of(settings["sweep"], read_gpus(gpus))
    architecture = model_architecture(read_model(model), model)
    try:
        with described_by(model):
            columns = sweep_model(architecture, grid, Assumptions(**settings["assumptions"]))
    except ParallelismError as problem:
        raise error(SETTINGS_FILE, f"sweep.{problem.key}", problem.value, f"{problem.allowed}, {model.stem}") from None
    table = model_rows(model.stem, grid, columns)
    write_table(table, output, receipt=False)  # the sidecar is its record
    write_sidecar(output, table.height)


if __name__ == "__main__":
    script(main)
