"""Evaluate the memory model for one model over the whole grid: one shard of the results, and its sidecar."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl

from prophet_memory.parallelism import ParallelismError
from prophet_memory.sweep import FIT_VERDICTS, Assumptions, Grid, sweep_model
from prophet_pipeline.command import run
from prophet_pipeline.configuration import (
    GPUS_FILE,
    SETTINGS_FILE,
    error,
    model_architecture,
    read_gpus,
    read_model,
    read_settings,
)
from prophet_pipeline.shards import write_sidecar
from prophet_pipeline.tables import write_table


def shard(slug: str, grid: Grid, columns: dict[str, np.ndarray]) -> pl.DataFrame:
    """The rows of a model in the order of the results contract: the keys, then the values; masked values are null."""
    verdicts = {"fit_verdict": np.asarray(FIT_VERDICTS)[columns["fit_verdict"]]}
    table = pl.DataFrame({name: np.ma.getdata(array).ravel() for name, array in (grid.keys() | columns | verdicts).items()})
    for name, array in columns.items():
        if np.ma.isMaskedArray(array):
            defined = pl.Series(~np.ma.getmaskarray(array).ravel())
            table = table.with_columns(pl.when(defined).then(pl.col(name)).alias(name))
    return table.insert_column(0, pl.lit(slug).alias("model"))


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
    # Every axis in the order of its values, so that the order of the lists in config changes no byte.
    grid = Grid(
        gpu_memory_bytes={name: gpus[name]["memory"]["bytes"] for name in sorted(sweep["gpus"])},
        n_gpus=sorted(sweep["n_gpus"]),
        batch_sizes=sorted(sweep["batch_sizes"]),
        routings=sorted(sweep["routings"]),
        precisions=sorted(sweep["precisions"]),
        policies=sorted(sweep["policies"]),
    )
    architecture = model_architecture(read_model(args.model), args.model)
    try:
        columns = sweep_model(architecture, grid, Assumptions(**settings["assumptions"]))
    except ParallelismError as problem:
        raise error(SETTINGS_FILE, f"sweep.{problem.key}", problem.value, f"{problem.allowed}, {args.model.stem}") from None
    table = shard(args.model.stem, grid, columns)
    write_table(table, args.output)
    write_sidecar(args.output, table.height)


if __name__ == "__main__":
    run(main)
