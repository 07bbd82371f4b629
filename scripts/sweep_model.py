"""Evaluate the memory model for one model over the whole grid: one shard of the results, and its sidecar."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from prophet_memory.parallelism import ParallelismError
from prophet_memory.sweep import Assumptions, sweep_model
from prophet_pipeline.command import run
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


def main() -> None:
    """Read config, sweep, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="catalogue file, config/models/<slug>.yaml")
    parser.add_argument("--gpus", type=Path, default=GPUS_FILE, help="catalogue of GPUs")
    parser.add_argument("--sweep", type=json.loads, help="JSON of the grid; default: that of config/config.yaml")
    parser.add_argument("--assumptions", type=json.loads, help="JSON of the assumptions; default: as above")
    parser.add_argument(
        "--output", type=Path, required=True, help="Parquet file of the shard; a .json beside it records rows and checksum"
    )
    args = parser.parse_args()
    settings = {"sweep": args.sweep, "assumptions": args.assumptions}
    if None in settings.values():
        settings = read_settings() | {key: value for key, value in settings.items() if value is not None}
    sweep, gpus = settings["sweep"], read_gpus(args.gpus)
    grid = grid_of(sweep, gpus)
    architecture = model_architecture(read_model(args.model), args.model)
    try:
        with described_by(args.model):
            columns = sweep_model(architecture, grid, Assumptions(**settings["assumptions"]))
    except ParallelismError as problem:
        raise error(SETTINGS_FILE, f"sweep.{problem.key}", problem.value, f"{problem.allowed}, {args.model.stem}") from None
    table = model_rows(args.model.stem, grid, columns)
    write_table(table, args.output, receipt=False)  # the sidecar is its record
    write_sidecar(args.output, table.height)


if __name__ == "__main__":
    run(main)
