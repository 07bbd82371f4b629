"""Where in the design space Prophet at least doubles the KV capacity: the counts of all shards, added up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.tables import readable, write_table
from prophet_paper.counts import added_up
from prophet_paper.shards import REMEDY, check_beside


def checked_counts(shards: Sequence[Path], counts: Sequence[Path], promised: Sequence[int]) -> list[pl.DataFrame]:
    """The counts of every shard, once they are known to be whole and to count what the config promises.

    Raises:
        ConfigurationError: one line that names the shard.
    """
    tables = []
    for shard, counted, rows in zip(shards, counts, promised, strict=True):
        check_beside(shard, rows, counted)
        with readable(counted):
            table = pl.read_parquet(counted)
            found = table["configurations"].sum()
        if found != rows:
            raise ConfigurationError(f"{counted}: configurations: {found}; allowed: {rows}, as the config promises, {REMEDY}")
        tables.append(table)
    return tables


def main(*, shards: list[Path], counts: list[Path], promised: list[int], by_load: Path, by_sparsity: Path) -> None:
    """Check, add up, write.

    Args:
        shards: Parquet shards in their order, each with its .json
        counts: Parquet files of the shards' counts, in the same order
        promised: rows of each shard, in the same order
        by_load: CSV: by share of the memory that all experts would take
        by_sparsity: CSV: by number of experts and top-k
    """
    if not len(shards) == len(counts) == len(promised):
        raise ConfigurationError(f"--shards: {len(shards)}; allowed: {len(promised)}, as promised, with their counts")
    tables = checked_counts(shards, counts, promised)
    write_table(added_up(tables, ["routing", "precision", "all_resident_fraction_from", "batch_size"]), by_load)
    write_table(added_up(tables, ["routing", "precision", "experts", "top_k", "batch_size"]), by_sparsity)


if __name__ == "__main__":
    script(main)
