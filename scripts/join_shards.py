"""Join the shards of all models into the long table, sorted by its keys."""

from __future__ import annotations

from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import polars as pl

from prophet_memory.axes import KEYS
from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.documents import checked
from prophet_memory.edge.results import key_values
from prophet_memory.edge.settings import SETTINGS_FILE, AxesSettings
from prophet_memory.edge.tables import write_table
from prophet_paper.shards import REMEDY, check_shard


def promised_keys(model: str, axes: AxesSettings) -> pl.DataFrame:
    """The keys of a model's rows that the config promises, sorted."""
    rows = product([model], *key_values(axes).values())
    return pl.DataFrame(list(rows), schema=KEYS, orient="row")


def joinable(shard: Path, axes: AxesSettings) -> pl.DataFrame:
    """A shard's rows, once they are known to be exactly those that the config promises."""
    check_shard(shard, prod(map(len, key_values(axes).values())))
    table, keys = pl.read_parquet(shard), promised_keys(shard.stem, axes)
    if not table.select(keys.columns).equals(keys):
        raise ConfigurationError(f"{shard}: keys: other than the config's; allowed: {' x '.join(keys.columns)} sorted, {REMEDY}")
    return table


def main(*, shards: list[Path], sweep: dict[str, Any], output: list[Path]) -> None:
    """Check every shard, write the joined table once per output.

    Args:
        shards: Parquet shards, named by model, each with its .json
        sweep: JSON of the grid that each shard must hold
        output: .parquet and .csv files to write
    """
    # A shard is sorted within itself (scripts/sweep_model.py), so sorting the shards by model sorts the rows.
    axes = checked(AxesSettings, sweep, SETTINGS_FILE)
    joined = pl.concat([joinable(shard, axes) for shard in sorted(shards, key=lambda shard: shard.stem)])
    for file in output:
        write_table(joined, file)


if __name__ == "__main__":
    script(main)
