"""`prophet-memory sweep`: a grid of one's own into a table like the paper's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from prophet_memory.parallelism import ParallelismError
from prophet_memory.precision import PRECISIONS
from prophet_memory.sweep import Assumptions, sweep_model
from prophet_pipeline.cli.options import BATCH, CACHE, GPUS, POLICY, ROUTING, Among, Several, open_model
from prophet_pipeline.command import ConfigurationError
from prophet_pipeline.configuration import MODELS_FOLDER, read_gpus, read_settings_alone
from prophet_pipeline.results import grid_of, model_rows
from prophet_pipeline.tables import write_table

SUFFIXES = (".parquet", ".csv")


def swept(models: list[str], sweep: dict[str, Any], assumptions: Assumptions, progress: Progress) -> pl.DataFrame:
    """The rows of all models, sorted as the paper's are."""
    opened = sorted((open_model(name) for name in models), key=lambda model: model[0])
    slugs = [slug for slug, _, _ in opened]
    if twice := {slug for slug in slugs if slugs.count(slug) > 1}:
        raise ConfigurationError(f"--models: {min(twice)}; allowed: each model once")
    grid, parts = grid_of(sweep, read_gpus()), []
    for slug, _, architecture in progress.track(opened, description="Sweeping"):
        try:
            parts.append(model_rows(slug, grid, sweep_model(architecture, grid, assumptions)))
        except ParallelismError as problem:
            raise ConfigurationError(f"--n-gpus: {problem.value}; allowed for {slug}: {problem.allowed}") from None
    return pl.concat(parts)


@click.command(name="sweep")
@click.option("--models", required=True, help="names, catalogue files or config.json, with commas; or all")
@click.option("--gpus", required=True, help="names with commas, or all")
@click.option("--n-gpus", type=Several(GPUS), help="with commas; this and the lists below: default as in config/config.yaml")
@click.option("--batches", "batch_sizes", type=Several(BATCH), help="batch sizes with commas")
@click.option("--routings", type=Several(ROUTING))
@click.option("--precisions", type=Several(Among(PRECISIONS)), help="of the weights")
@click.option("--policies", type=Several(POLICY))
@click.option("--kv", "kv_format", type=CACHE, help="format of keys, values and latents")
@click.option("--state", "state_format", type=CACHE, help="format of recurrent state")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help=".parquet or .csv file")
def command(
    *, models: str, gpus: str, out: Path, kv_format: str | None, state_format: str | None, **axes: list[Any] | None
) -> None:
    """Every combination of the lists as a row, in the columns of the paper's results (docs/results.md)."""
    if out.suffix not in SUFFIXES:
        raise ConfigurationError(f"--out: {out}; allowed: a file that ends in {' or '.join(SUFFIXES)}")
    settings = read_settings_alone()
    known = sorted(path.stem for path in MODELS_FOLDER.glob("*.yaml"))
    names = known if models == "all" else list(dict.fromkeys(models.split(",")))
    own = {axis: values for axis, values in axes.items() if values is not None}
    sweep = settings["sweep"] | own | {"gpus": Several(Among(read_gpus())).convert(gpus, gpus_option(), None)}
    formats = {"kv_format": kv_format, "state_format": state_format}
    assumptions = Assumptions(**settings["assumptions"] | {name: form for name, form in formats.items() if form})
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("models"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not os.isatty(2)) as progress:
        table = swept(names, sweep, assumptions, progress)
    write_table(table, out)
    click.echo(f"{out}: {table.height:,} rows", err=True)


def gpus_option() -> click.Parameter:
    """The option that a wrong GPU is reported under."""
    return next(option for option in command.params if option.name == "gpus")
