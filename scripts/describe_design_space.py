"""The models of the design space by number: what a model is that the points name only by its number."""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from prophet_memory.architecture import Architecture
from prophet_memory.parameters import count_parameters
from prophet_pipeline.command import run
from prophet_pipeline.configuration import GPUS_FILE
from prophet_pipeline.design_space import open_design_space
from prophet_pipeline.tables import Row, write_table


def description(number: int, name: str, architecture: Architecture) -> Row:
    """One model's row."""
    counts, moe = count_parameters(architecture), architecture.moe
    return {
        "architecture": number,
        "model": name,
        "experts": moe.routed_experts,
        "top_k": moe.top_k,
        "layers": architecture.layer_count,
        "hidden_size": architecture.hidden_size,
        "expert_intermediate_size": moe.expert_intermediate_size,
        "total_params": counts.total,
        "routed_expert_params": counts.routed_expert,
    }


def main() -> None:
    """Read config, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="*", help="catalogue files, config/models/<slug>.yaml")
    parser.add_argument("--design", type=Path, required=True, help="config/design_space.yaml")
    parser.add_argument("--gpus", type=Path, default=GPUS_FILE, help="catalogue of GPUs")
    parser.add_argument("--output", type=Path, required=True, help="Parquet file")
    args = parser.parse_args()
    design = open_design_space(args.design, args.gpus, args.models)
    table = pl.DataFrame([description(number, *model) for number, model in enumerate(design.models)])
    write_table(table.with_columns(pl.col("architecture").cast(pl.UInt32)), args.output)


if __name__ == "__main__":
    run(main)
