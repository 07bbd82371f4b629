"""Join the shards of all models into the long table, sorted by its keys."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import polars as pl

from prophet_memory.axes import AXES, KEYS
from prophet_pipeline.command import ConfigurationError, run
from prophet_pipeline.shards import REMEDY, check_shard
from prophet_pipeline.tables import write_table


def promised_keys(model: str, sweep: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """The keys of a model's rows that the config promises, sorted."""
    rows = product([model], *(sorted(sweep[axis]) for axis in AXES.values()))
    return pl.DataFrame(list(rows), schema=KEYS, orient="row")


def checked(shard: Path, sweep: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """A shard's rows, once they are known to be exactly those that the config promises."""
    check_shard(shard, prod(len(sweep[axis]) for axis in AXES.values()))
    table, keys = pl.read_parquet(shard), promised_keys(shard.stem, sweep)
    if not table.select(keys.columns).equals(keys):
        raise ConfigurationError(f"{shard}: keys: other than the config's; allowed: {' x '.join(keys.columns)} sorted, {REMEDY}")
    return table


def main() -> None:
    """Check every shard, write the joined table once per output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path, nargs="+", help="Parquet shards, named by model, each with its .json")
    parser.add_argument("--sweep", type=json.loads, required=True, help="JSON of the grid that each shard must hold")
    parser.add_argument("--output", type=Path, nargs="+", required=True, help=".parquet and .csv files to write")
    args = parser.parse_args()
    # A shard is sorted within itself (scripts/sweep_model.py), so sorting the shards by model sorts the rows.
    joined = pl.concat([checked(shard, args.sweep) for shard in sorted(args.shards, key=lambda shard: shard.stem)])
    for output in args.output:
        write_table(joined, output)


if __name__ == "__main__":
    run(main)
