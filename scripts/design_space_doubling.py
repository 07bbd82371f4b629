"""Where in the design space Prophet at least doubles the KV capacity: counts over all points, read lazily from the shards."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from prophet_pipeline.command import ConfigurationError, run
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


def main() -> None:
    """Check, scan, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="*", help="catalogue files, config/models/<slug>.yaml")
    parser.add_argument(
        "--shards", type=Path, nargs="+", required=True, help="Parquet shards in their order, each with its .json"
    )
    parser.add_argument("--architectures", type=Path, required=True, help="the models by number")
    parser.add_argument("--design", type=Path, required=True, help="config/design_space.yaml")
    parser.add_argument("--gpus", type=Path, default=GPUS_FILE, help="catalogue of GPUs")
    parser.add_argument("--by-load", type=Path, required=True, help="CSV: by share of the memory that all experts would take")
    parser.add_argument("--by-sparsity", type=Path, required=True, help="CSV: by number of experts and top-k")
    args = parser.parse_args()
    design = open_design_space(args.design, args.gpus, args.models)
    if len(args.shards) != design.settings["shards"]:
        raise ConfigurationError(f"--shards: {len(args.shards)}; allowed: {design.settings['shards']}, as {args.design} says")
    check_shards(args.shards, design)
    points = pl.scan_parquet(args.shards)
    split = ["routing", "precision"]
    loaded = points.with_columns(load_bin(design.settings["load_steps"]))
    by_load = counted(loaded, [*split, "all_resident_fraction_from", "batch_size"])
    sparsity = pl.scan_parquet(args.architectures).select("architecture", "experts", "top_k")
    by_sparsity = counted(points.join(sparsity, on="architecture"), [*split, "experts", "top_k", "batch_size"])
    write_table(by_load, args.by_load)
    write_table(by_sparsity, args.by_sparsity)


if __name__ == "__main__":
    run(main)
