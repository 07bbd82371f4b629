"""The most sequences of each context that fit at once, for every model, GPU, layout, law, precision and policy of the sweep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from prophet_memory.concurrency import ORDER, Concurrency
from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import (
    ENGINES_FILE,
    GPUS_FILE,
    leaving_out,
    read_engines,
    read_gpus,
    read_model,
    said_of_profile,
)
from prophet_memory.edge.documents import checked
from prophet_memory.edge.messages import described_by, error
from prophet_memory.edge.results import grid_of, taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, AxesSettings
from prophet_memory.edge.tables import write_table
from prophet_memory.grid import Model
from prophet_memory.parallelism import ParallelismError


def main(
    *, models: list[Path], gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, sweep: dict[str, Any],
    assumptions: dict[str, Any] | None = None, context_tokens: list[int], leave_out: bool = False, output: Path,
) -> None:  # fmt: skip
    """Read config, search, write; contexts beyond a model's own maximum are left out.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        sweep: JSON of the grid, whose batch sizes are not asked for
        assumptions: JSON of the assumptions; default: those of config/config.yaml
        leave_out: models on which the engine's profile is silent
        output: Parquet file
    """
    axes = checked(AxesSettings, sweep, SETTINGS_FILE)
    taken, known, parts = taken_assumptions(assumptions, read_engines(engines)), read_gpus(gpus), []
    for file in sorted(models, key=lambda file: file.stem):
        model = Model(file.stem, read_model(file).architecture)
        limit = model.architecture.max_context_tokens
        contexts = [tokens for tokens in sorted(context_tokens) if limit is None or tokens <= limit]
        if not contexts:
            continue
        grid = replace(grid_of([model], axes, known), batch_sizes=[1], context_tokens=contexts, order=ORDER)
        try:
            with described_by(file), leaving_out(model.name) if leave_out else said_of_profile(taken.engine.name, engines):
                parts.append(Concurrency(grid, taken).to_polars())
        except ParallelismError as problem:
            raise error(SETTINGS_FILE, f"sweep.{problem.key}", problem.value, f"{problem.allowed}, {model.name}") from None
    if not parts:
        allowed = "at least one context that a model of the sweep takes"
        raise error(SETTINGS_FILE, "concurrency.context_tokens", context_tokens, allowed)
    write_table(pl.concat(parts), output)


if __name__ == "__main__":
    script(main)
