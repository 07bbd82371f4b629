"""Where in the design space Prophet at least doubles the KV capacity: counts over all points, read lazily from the shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from prophet_pipeline.command import ConfigurationError, script
from prophet_pipeline.configuration import GPUS_FILE
from prophet_pipeline.design_space import DesignSpace, open_design_space
from prophet_pipeline.shards import REMEDY, check_shard
from prophet_pipeline.tables import write_table

DOUBLED = 2
COUNTS = {
    "configurations": pl.len(),
    "fits": (pl.col("fit_verdict") == "fits").sum(),
    "newly_fits": (pl.col("fit_verdict") == "newly_fits").sum(),
    "at_least_doubled": (pl.col("kv_extension") >= DOUBLED).sum(),
}


def check_shards(shards: Sequence[Path], design: DesignSpace) -> None:
    """Every shard is whole; together they hold each model's points exactly once.

    Raises:
        ConfigurationError: one line that names the shard.
    """
    for number, shard in enumerate(shards):
        members = design.members_of_shard(number)
        check_shard(shard, len(members) * design.rows_per_model)
        held = pl.scan_parquet(shard).group_by("architecture").len().collect(engine="streaming").sort("architecture")
        if held.rows() != [(member, design.rows_per_model) for member in members]:
            numbers = f"{members.start} to {members.stop - 1}"
            raise ConfigurationError(
                f"{shard}: architecture: other than the config's; allowed: {numbers}, {design.rows_per_model} rows each, {REMEDY}"
            )


def counted(points: pl.LazyFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Points, and how many of them fit, newly fit and at least double, by keys."""
    return points.group_by(keys).agg(**COUNTS).sort(keys).collect(engine="streaming")


def load_bin(steps: int) -> pl.Expr:
    """Lower end of the step of the share of the GPU's memory that all experts resident would take; the last holds all from 1."""
    step = (pl.col("all_resident_fraction").cast(pl.Float64) * steps).floor().clip(0, steps)
    return (step / steps).alias("all_resident_fraction_from")


def main(
    *, models: list[Path], shards: list[Path], architectures: Path, design: Path, gpus: Path = GPUS_FILE, by_load: Path,
    by_sparsity: Path,
) -> None:  # fmt: skip
    """Check, scan, count, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        shards: Parquet shards in their order, each with its .json
        architectures: the models by number
        design: config/design_space.yaml
        gpus: catalogue of GPUs
        by_load: CSV: by share of the memory that all experts would take
        by_sparsity: CSV: by number of experts and top-k
    """
    space = open_design_space(design, gpus, models)
    if len(shards) != space.settings["shards"]:
        raise ConfigurationError(f"--shards: {len(shards)}; allowed: {space.settings['shards']}, as {design} says")
    check_shards(shards, space)
    scanned = pl.scan_parquet(shards)
    split = ["routing", "precision"]
    loaded = scanned.with_columns(load_bin(space.settings["load_steps"]))
    write_table(counted(loaded, [*split, "all_resident_fraction_from", "batch_size"]), by_load)
    sparsity = pl.scan_parquet(architectures).select("architecture", "experts", "top_k")
    write_table(counted(scanned.join(sparsity, on="architecture"), [*split, "experts", "top_k", "batch_size"]), by_sparsity)


if __name__ == "__main__":
    script(main)
