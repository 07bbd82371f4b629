"""Where in the design space Prophet at least doubles the KV capacity: the counts of all shards, added up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.configuration import GPUS_FILE
from prophet_memory.edge.tables import readable, write_table
from prophet_paper.design_space import DesignSpace, added_up, open_design_space
from prophet_paper.shards import REMEDY, check_beside


def checked_counts(shards: Sequence[Path], counts: Sequence[Path], design: DesignSpace) -> list[pl.DataFrame]:
    """The counts of every shard, once they are known to be whole and to count what the config promises.

    Raises:
        ConfigurationError: one line that names the shard.
    """
    tables = []
    for number, (shard, counted) in enumerate(zip(shards, counts, strict=True)):
        promised = len(design.members_of_shard(number)) * design.rows_per_model
        check_beside(shard, promised, counted)
        with readable(counted):
            table = pl.read_parquet(counted)
            found = table["configurations"].sum()
        if found != promised:
            raise ConfigurationError(f"{counted}: configurations: {found}; allowed: {promised}, as the config promises, {REMEDY}")
        tables.append(table)
    return tables


def main(
    *, models: list[Path], shards: list[Path], counts: list[Path], design: Path, gpus: Path = GPUS_FILE, by_load: Path,
    by_sparsity: Path,
) -> None:  # fmt: skip
    """Check, add up, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        shards: Parquet shards in their order, each with its .json
        counts: Parquet files of the shards' counts, in the same order
        design: config/design_space.yaml
        gpus: catalogue of GPUs
        by_load: CSV: by share of the memory that all experts would take
        by_sparsity: CSV: by number of experts and top-k
    """
    space = open_design_space(design, gpus, models)
    if len(shards) != space.settings.shards or len(counts) != len(shards):
        raise ConfigurationError(
            f"--shards: {len(shards)}; allowed: {space.settings.shards}, as {design} says, with their counts"
        )
    tables = checked_counts(shards, counts, space)
    write_table(added_up(tables, ["routing", "precision", "all_resident_fraction_from", "batch_size"]), by_load)
    write_table(added_up(tables, ["routing", "precision", "experts", "top_k", "batch_size"]), by_sparsity)


if __name__ == "__main__":
    script(main)
