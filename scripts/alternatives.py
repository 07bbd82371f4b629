"""Policies and precisions at equal GPU memory, for every model, GPU and batch of the study: bytes, times and concurrency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from prophet_memory.alternatives import Asked, alternatives, within_target
from prophet_memory.axes import KEYS
from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import ENGINES_FILE, GPUS_FILE, read_engines, read_gpus, read_model, said_of_profile
from prophet_memory.edge.counting import caches_of, counts_of
from prophet_memory.edge.documents import checked
from prophet_memory.edge.messages import described_by, error
from prophet_memory.edge.results import grid_of, taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, AlternativesSettings, LatencySettings
from prophet_memory.edge.tables import write_table
from prophet_memory.formats import NATIVE
from prophet_memory.grid import Grid, Model
from prophet_memory.parallelism import ParallelismError


def grids(file: Path, axes: AlternativesSettings, gpus: Path) -> Iterator[Grid]:
    """The grids of a model, without what it has not: laws that were not measured, and `native` where that is another row.

    A law that does not say which experts are popular answers for no cache: its grid has the other policies.
    """
    model = Model(file.stem, read_model(file).architecture, counts_of(file.stem), caches_of(file.stem))
    laws = [law for law in axes.routings if model.counts is not None or not law.needs_counts]
    published = model.architecture.published_precision
    precisions = tuple(name for name in axes.precisions if name != NATIVE or published not in axes.precisions)
    says = {law: law.bind(model.architecture.moe, model.counts).popularity() is not None for law in laws}
    kept = {True: axes.policies, False: tuple(policy for policy in axes.policies if policy.cache is None)}
    for is_said, policies in kept.items():
        if own := tuple(law for law in laws if says[law] is is_said):
            yield grid_of([model], replace(axes, routings=own, precisions=precisions, policies=policies), read_gpus(gpus))


def main(
    *, models: list[Path], gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, study: dict[str, Any], latency: dict[str, Any],
    assumptions: dict[str, Any] | None = None, output: list[Path],
) -> None:  # fmt: skip
    """Read config, compare, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        study: JSON of the study
        latency: JSON of what times are computed with
        assumptions: JSON of the assumptions; default: those of config/config.yaml
        output: Parquet file of every point, CSV file of the largest batches within a time per token
    """
    axes, timing = checked(AlternativesSettings, study, SETTINGS_FILE), checked(LatencySettings, latency, SETTINGS_FILE)
    taken, asked = taken_assumptions(assumptions, read_engines(engines)), Asked(timing.context_tokens, timing.timing())
    points, targets = [], []
    for file in sorted(models, key=lambda file: file.stem):
        for grid in grids(file, axes, gpus):
            try:
                with described_by(file), said_of_profile(taken.engine.name, engines):
                    points.append(alternatives(grid, taken, asked))
                    targets.append(within_target(grid, taken, asked, axes.step_target_s))
            except ParallelismError as problem:
                raise error(
                    SETTINGS_FILE, f"alternatives.{problem.key}", problem.value, f"{problem.allowed}, {file.stem}"
                ) from None
    for table, file in zip((points, targets), output, strict=True):
        keys = [key for key in KEYS if key in table[0].columns]
        write_table(pl.concat(table).sort(keys, maintain_order=True), file)


if __name__ == "__main__":
    script(main)
