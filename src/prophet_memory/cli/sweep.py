"""`prophet-memory sweep`: a grid of one's own into a table like the paper's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from prophet_memory.alternatives import Asked
from prophet_memory.architecture import MoE
from prophet_memory.axes import KEYS
from prophet_memory.cli.options import (
    BATCH,
    CACHE,
    CUSTOM_FORMS,
    ENGINE,
    FIXED_COSTS,
    GPUS,
    HOST_MEMORY_OPTION,
    HOST_OPTION,
    MTP,
    POLICY,
    ROUTING,
    STEP_TOKENS,
    Among,
    Number,
    Several,
    asked_timing,
    changed_assumptions,
    checked_context,
    default_layout_error,
    model_with_counts,
    open_gpus,
)
from prophet_memory.cli.render import print_table
from prophet_memory.cli.said import left_out, say_notes, say_warnings
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import known_models, said_of_profile
from prophet_memory.edge.counting import counted_models
from prophet_memory.edge.messages import described_by, relative
from prophet_memory.edge.model_files import OpenedModel, open_model
from prophet_memory.edge.results import grid_of
from prophet_memory.edge.settings import SETTINGS_FILE, AxesSettings, read_settings_alone
from prophet_memory.edge.tables import write_table
from prophet_memory.edge.text import multiplied
from prophet_memory.engine import EngineError
from prophet_memory.formats import DEFAULT_FORMAT, NATIVE, PRECISIONS
from prophet_memory.gpu import Gpu
from prophet_memory.memory import Assumptions, stored_as
from prophet_memory.parallelism import ParallelismError
from prophet_memory.placement import CutBlocksError
from prophet_memory.provision import PROVISIONS
from prophet_memory.residency import ResidencyPolicy
from prophet_memory.routing import RoutingLaw
from prophet_memory.steps import StepTimes
from prophet_memory.sweeps import sweep as swept_grid

ANY_EXPERTS = MoE(2, 1, expert_intermediate_size=1)
NUMBERS = ("n_gpus", "batch_size")
DEFAULTED = ("n_gpus", "batch_sizes", "routings", "precisions", "policies", "provisions")
SUFFIXES = (".parquet", ".csv")
TIMED_HEADS = (("step ms", True), ("× resident", True))
MOST_ROWS = 200  # of a table at a terminal
HEADS = (
    *((key, key in NUMBERS) for key in KEYS), ("usable KV tokens", True), ("memory holds a sequence", True),
    ("usable extension", True), ("verdict", False),
)  # fmt: skip


def opened_models(names: list[str], *, with_native: bool, mtp: bool) -> list[OpenedModel]:
    """The models in the order of their rows, each once; without native rows a published precision need not be understood."""
    stored = None if with_native else DEFAULT_FORMAT
    opened = [open_model(name, stored=stored, remedy=f"--precisions without {NATIVE}", mtp=mtp) for name in names]
    for model in opened if with_native else ():
        with described_by(model.file):
            stored_as(NATIVE, model.architecture)  # refuses what not all layers share
    by_slug: dict[str, OpenedModel] = {}
    for model in opened:
        if other := by_slug.get(model.slug):
            raise ConfigurationError(
                f"--models: {model.file}; allowed: each model once, and {other.file} is called {model.slug}, too"
            )
        by_slug[model.slug] = model
    return sorted(opened, key=lambda model: model.slug)


def long_enough(models: list[OpenedModel], context: int) -> list[OpenedModel]:
    """The models whose sequences can be so long, after a note that names the others."""
    taken = [model for model in models if (model.architecture.max_context_tokens or context) >= context]
    if not taken:
        longest = max(model.architecture.max_context_tokens or 0 for model in models)
        raise ConfigurationError(f"--context: {context}; allowed: at most {longest}, the longest of the models' own maxima")
    if shorter := [model.slug for model in models if model not in taken]:
        say_notes([f"sequences of {context:,} tokens are beyond {', '.join(shorter)}, which are left out"])
    return taken


def measured_ones(models: list[OpenedModel]) -> list[OpenedModel]:
    """The models whose routing was measured, after a note that names the others."""
    measured = counted_models()
    if others := [model.slug for model in models if model.slug not in measured]:
        say_notes([f"routing was not measured of {', '.join(others)}, which are left out"])
    return [model for model in models if model.slug in measured]


def known_to_predict() -> list[str]:
    """The models of the catalogue with layers that predict further tokens, after a note that names the others."""
    known = known_models()
    taken = [name for name in known if open_model(name).architecture.next_token_layers]
    others = ", ".join(name for name in known if name not in taken)
    say_notes([f"no layer that predicts further tokens is known of {others}, which are left out"])
    return taken


def swept(
    models: list[OpenedModel],
    axes: AxesSettings,
    gpus: Mapping[str, Gpu],
    assumptions: Assumptions,
    context: int | None,
    tokens_per_sequence: int | None,
    latency: Asked | None,
    progress: Progress,
) -> pl.DataFrame:
    """The rows of all models, sorted as the paper's are; with a context the verdicts say whether each sequence can have it.

    What was asked for beside the grid's lists stands in columns of its own.
    """
    parts = []
    for model in progress.track(models, description="Sweeping"):
        try:
            with described_by(model.file):
                own = model_with_counts(model, axes.routings, option="--routings")
                asked = checked_context(context, model.architecture, model.slug) or 1
                grid = replace(grid_of([own], axes, gpus), context_tokens=[asked])
                found = swept_grid(grid, assumptions)
                timed = [] if latency is None else StepTimes(found, latency.timing, latency.context_tokens).series()
                parts.append(found.to_polars().with_columns(*timed, *said_in_columns(latency, model), *said_of_layers(model)))
        except CutBlocksError as problem:
            raise default_layout_error(problem, model.slug) from None
        except ParallelismError as problem:
            raise ConfigurationError(f"--n-gpus: {problem.value}; allowed for {model.slug}: {problem.allowed}") from None
        except EngineError as problem:
            swept_numbers = ",".join(map(str, axes.n_gpus))
            allowed = f"{problem.allowed} (swept are --n-gpus {swept_numbers})"
            raise EngineError(problem.key, problem.value, allowed) from None
    beside = {"context_tokens": context, "tokens_per_sequence": tokens_per_sequence}
    return pl.concat(parts).with_columns(pl.lit(value).alias(name) for name, value in beside.items() if value is not None)


def said_in_columns(latency: Asked | None, model: OpenedModel) -> list[pl.Expr]:
    """What the times of a model rest on."""
    if latency is None:
        return []
    own = {
        "timed_context_tokens": min(latency.context_tokens, model.architecture.max_context_tokens or latency.context_tokens),
        "host_memory": latency.timing.host_memory,
        "has_fixed_costs": bool(latency.timing.layer_s),
    }
    return [pl.lit(value).alias(name) for name, value in own.items()]


def said_of_layers(model: OpenedModel) -> list[pl.Expr]:
    """The layers that predict further tokens, where they are counted."""
    layers = model.architecture.counted_next_token_layers
    return [pl.lit(layers).alias("counted_next_token_layers")] if layers else []


@click.command(name="sweep")
@click.option(
    "--models", type=Several(click.STRING), required=True, help="names, catalogue files or config.json, with commas; or all"
)
@MTP
@click.option("--gpus", type=Several(click.STRING), required=True, help=f"names or {CUSTOM_FORMS}, with commas; or all")
@click.option(
    "--n-gpus",
    type=Several(GPUS),
    help="numbers of GPUs, with commas; this and the lists below: default as in config/config.yaml",
)
@click.option("--batches", "batch_sizes", type=Several(BATCH), help="batch sizes with commas")
@click.option("--routings", type=Several(ROUTING), help="laws with commas, each as in power_law:exponent=0.9; or all")
@click.option("--precisions", type=Several(Among(PRECISIONS)), help="of the weights, with commas; or all")
@click.option("--policies", type=Several(POLICY), help="with commas, each as in prophet:overhead_bytes=0; or all")
@click.option("--provisions", type=Several(Among(PROVISIONS)), help="what resident pools are sized for, with commas; or all")
@click.option("--kv", "kv_format", type=CACHE, help="format of keys, values and latents")
@click.option("--state", "state_format", type=CACHE, help="format of recurrent state")
@click.option("--context", type=Number(1, 2**40), help="tokens that each sequence must have, for the verdicts; default: one")
@STEP_TOKENS
@click.option("--usable-fraction", type=Number(fraction=True), help="of each GPU's memory; serving engines take 0.9")
@ENGINE
@click.option("--latency", is_flag=True, help="columns with the time of a step, too, of --context tokens, else config's")
@HOST_MEMORY_OPTION
@HOST_OPTION
@FIXED_COSTS
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help=".parquet or .csv file; without it a table is printed"
)
def command(  # noqa: PLR0913 - one argument an option
    *,
    models: list[str],
    mtp: bool,
    gpus: list[str],
    out: Path | None,
    context: int | None,
    usable_fraction: float | None,
    tokens_per_sequence: int | None,
    kv_format: str | None,
    state_format: str | None,
    engine: str | None,
    latency: bool,
    host_memory: str | None,
    host: tuple[int, int | None] | None,
    fixed_costs: bool | None,
    **axes: list[Any] | None,
) -> None:
    """Every combination of the lists as a row, in the columns of the paper's results (docs/results.md)."""
    check_file(out)
    settings = read_settings_alone()
    own = {axis: tuple(values) for axis, values in axes.items() if values is not None}
    taken_gpus = {gpu.name: gpu for gpu in open_gpus(gpus)}
    own["gpus"] = tuple(taken_gpus)
    sweep = replace(settings.sweep, **own)
    changes = {
        "kv_format": kv_format, "state_format": state_format, "usable_fraction": usable_fraction,
        "tokens_per_sequence": tokens_per_sequence,
    }  # fmt: skip
    assumptions, _ = changed_assumptions(settings.assumptions, engine, changes)
    everything = models == ["all"]
    known = known_to_predict if mtp else known_models
    opened = opened_models(list(known()) if everything else models, with_native=NATIVE in sweep.precisions, mtp=mtp)
    if everything and context is not None:
        opened = long_enough(opened, context)
    if everything and any(law.needs_counts for law in sweep.routings):
        opened = measured_ones(opened)
    timing = asked_timing(settings.latency, host_memory, host, fixed_costs, asked=latency)
    timed = None if timing is None else Asked(context or settings.latency.context_tokens, timing)
    if latency and axes["routings"] is None:
        sweep = replace(sweep, routings=answering(sweep.routings, sweep.policies))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("models"), TimeElapsedColumn())
    console = Console(stderr=True)
    shown = Progress(*columns, console=console, disable=not os.isatty(2))
    with said_of_profile(assumptions.engine.name), shown as progress:
        found = swept(opened, sweep, taken_gpus, assumptions, context, tokens_per_sequence, timed, progress)
    if out is None:
        heads = (*HEADS, *TIMED_HEADS) if latency else HEADS
        print_table(heads, map(line, found.head(MOST_ROWS).to_dicts()))
        if found.height > MOST_ROWS:
            click.echo(f"{MOST_ROWS} of {found.height:,} rows: --out FILE.csv writes all of them", err=True)
    else:
        write_table(found, out)
        click.echo(f"{out}: {found.height:,} rows", err=True)
    if taken := [name for name in DEFAULTED if axes[name] is None]:
        say_notes([f"as in {relative(SETTINGS_FILE)}: {'; '.join(of_config(name, getattr(sweep, name)) for name in taken)}"])
    for model in opened:
        say_warnings(left_out(model))
        say_notes(f"{model.slug}: {note}" for note in model.notes)


def answering(laws: Iterable[RoutingLaw], policies: Iterable[ResidencyPolicy]) -> tuple[RoutingLaw, ...]:
    """Config's laws that can time the policies, after a note that names the others."""
    cached = [policy.name for policy in policies if policy.cache is not None]
    silent = [law for law in laws if cached and not law.needs_counts and law.bind(ANY_EXPERTS).popularity() is None]
    if silent:
        names = ", ".join(law.name for law in silent)
        say_notes([f"{names} does not say which experts are popular, which --latency asks for {', '.join(cached)}: left out"])
    return tuple(law for law in laws if law not in silent)


def of_config(axis: str, values: Iterable[object]) -> str:
    """The values of an axis that no option gave."""
    option = "batches" if axis == "batch_sizes" else axis.replace("_", "-")
    return f"--{option} {','.join(str(getattr(one, 'name', one)) for one in values)}"


def check_file(out: Path | None) -> None:
    """Raise a ConfigurationError for a file that cannot be written."""
    if out is not None and out.suffix not in SUFFIXES:
        raise ConfigurationError(f"--out: {out}; allowed: a file that ends in {' or '.join(SUFFIXES)}")
    if out is not None and not out.parent.is_dir():
        raise ConfigurationError(f"--out: {out}; allowed: a file in a folder that is there")


def line(row: dict[str, Any]) -> list[str]:
    """A row of the printed table: keys, and what of the columns a user asks for first."""
    numbers = [row["usable_kv_capacity_tokens"], row["max_context_tokens"]]
    extension = row["usable_kv_extension"]
    return [
        *(str(row[key]) for key in KEYS),
        *("" if number is None else f"{number:,}" for number in numbers),
        "" if extension is None else multiplied(extension),
        row["fit_verdict"].replace("_", " "),
        *([f"{1e3 * row['step_s']:,.1f}", multiplied(row["latency_factor"])] if "step_s" in row else []),
    ]
