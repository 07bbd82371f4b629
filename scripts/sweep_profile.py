"""Evaluate the memory model under an engine's profile for every model on which it is not silent, over the grid with one GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.configuration import ENGINES_FILE, GPUS_FILE, leaving_out, read_engines, read_gpus, read_model
from prophet_memory.edge.documents import checked
from prophet_memory.edge.messages import described_by
from prophet_memory.edge.results import grid_of, taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, AxesSettings
from prophet_memory.edge.tables import write_table
from prophet_memory.grid import Model
from prophet_memory.sweeps import sweep as swept


def main(
    *, models: list[Path], gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, sweep: dict[str, Any],
    assumptions: dict[str, Any], output: Path,
) -> None:  # fmt: skip
    """Read config, sweep, write: the columns and the order of the long table.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        sweep: JSON of the grid
        assumptions: JSON of the assumptions, the profile among them
        output: Parquet file
    """
    axes = checked(AxesSettings, sweep, SETTINGS_FILE)
    taken, known, parts = taken_assumptions(assumptions, read_engines(engines)), read_gpus(gpus), []
    for file in sorted(models, key=lambda file: file.stem):
        with described_by(file), leaving_out(file.stem):
            parts.append(swept(grid_of([Model(file.stem, read_model(file).architecture)], axes, known), taken).to_polars())
    if not parts:
        raise ConfigurationError(f"{engines}: {taken.engine.name}: silent on every model; allowed: one that answers for some")
    write_table(pl.concat(parts), output)


if __name__ == "__main__":
    script(main)
