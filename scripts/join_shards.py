"""Join the shards of all models into the long table, sorted by its keys."""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from prophet_pipeline.command import ConfigurationError, run
from prophet_pipeline.tables import write_table


def main() -> None:
    """Read shards, check their sizes, write the joined table once per output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path, nargs="+", help="Parquet shards, named by model")
    parser.add_argument("--rows-per-shard", type=int, required=True, help="rows that each shard must hold")
    parser.add_argument("--output", type=Path, nargs="+", required=True, help=".parquet and .csv files to write")
    args = parser.parse_args()
    # A shard is sorted within itself (scripts/sweep_model.py), so sorting the shards by model sorts the rows.
    tables = []
    for shard in sorted(args.shards, key=lambda shard: shard.stem):
        table = pl.read_parquet(shard)
        if table.height != args.rows_per_shard:
            raise ConfigurationError(f"{shard}: rows: {table.height}; allowed: {args.rows_per_shard}, as the config promises")
        tables.append(table)
    joined = pl.concat(tables)
    for output in args.output:
        write_table(joined, output)


if __name__ == "__main__":
    run(main)
