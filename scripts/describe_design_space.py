"""The models of the design space by number: what a model is that the points name only by its number."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from prophet_memory.architecture import Architecture
from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import GPUS_FILE
from prophet_memory.edge.tables import Row, write_table
from prophet_memory.parameters import count_parameters
from prophet_paper.design_space import open_design_space


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


def main(*, models: list[Path], design: Path, gpus: Path = GPUS_FILE, output: Path) -> None:
    """Read config, count, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        design: config/design_space.yaml
        gpus: catalogue of GPUs
        output: Parquet file
    """
    space = open_design_space(design, gpus, models)
    table = pl.DataFrame([description(number, model.name, model.architecture) for number, model in enumerate(space.models)])
    write_table(table.with_columns(pl.col("architecture").cast(pl.UInt32)), output)


if __name__ == "__main__":
    script(main)
