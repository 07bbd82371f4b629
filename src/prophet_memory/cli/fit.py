"""`prophet-memory fit`: which GPUs of the catalogue, and how many, hold so many requests of a context."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import click

from prophet_memory.cli.options import (
    CACHE,
    ENGINE,
    EXPERT_FORMATS,
    GPUS,
    POLICY,
    ROUTING,
    Among,
    Number,
    as_json,
    checked_context,
    layout_error,
    open_gpu,
    say_notes,
    shared_tokens,
    taken_assumptions,
)
from prophet_memory.cli.plan import precision_name
from prophet_memory.cli.render import gib, print_json, print_table
from prophet_memory.concurrency import ORDER
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import read_gpus, said_of_profile
from prophet_memory.edge.messages import described_by
from prophet_memory.edge.model_files import open_model
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.fitting import Fit, Holding, fewest_gpus
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS, NATIVE
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import Assumptions
from prophet_memory.parallelism import Parallelism, ParallelismError
from prophet_memory.parallelism import layouts as layouts_of
from prophet_memory.planning import plan as planned
from prophet_memory.residency import BASELINE, ResidencyPolicy
from prophet_memory.routing import RoutingLaw

COUNTS = (1, 2, 4, 8, 16, 32, 64)  # of GPUs: what machines have
LAYOUT = ("tensor", "data", "expert", "pipeline", "context")
LAYOUT_WORDS = dict(zip(LAYOUT, ("tp", "dp", "ep", "pp", "dcp"), strict=True))
HEADS = (
    ("gpu", False), ("GPUs", True), ("memory GiB", True), ("requests at once", True), ("all resident", True), ("layout", False),
    ("by default", True),
)  # fmt: skip


@click.command(name="fit")
@click.option("--model", required=True, help="name of the catalogue, catalogue file or config.json")
@click.option("--context", type=Number(1, 2**40), required=True, help="tokens of each request")
@click.option("--concurrency", type=Number(1, 2**20), default=1, show_default=True, help="requests at once")
@click.option("--gpus", help="names or custom:GiB[:GB/s] with commas; default: all of the catalogue")
@click.option("--max-gpus", type=GPUS, default=8, show_default=True, help="the most that serve the model together")
@click.option("--tp", "tensor", type=GPUS, help="GPUs that share attention; this and the next three: default: all are tried")
@click.option("--ep", "expert", type=GPUS, help="ranks of whole experts")
@click.option("--pp", "pipeline", type=GPUS, help="pipeline stages of layers")
@click.option("--dcp", "context_parallel", type=GPUS, help="GPUs that share the tokens of a sequence's cache")
@click.option(
    "--weights",
    type=Among([*FORMATS, NATIVE]),
    help=f"format of all weights, {NATIVE} for the published; default: {DEFAULT_FORMAT}",
)
@click.option("--experts", type=EXPERT_FORMATS, help="format of the routed experts, where it is another")
@click.option("--kv", "kv_format", type=CACHE, help="format of keys, values and latents; default: config's")
@click.option("--state", "state_format", type=CACHE, help="format of recurrent state; default: config's")
@click.option("--routing", type=ROUTING, help="law of the distinct experts; default: the paper's")
@click.option("--policy", type=POLICY, help="which experts stay in GPU memory; default: the paper's")
@ENGINE
@click.option("--usable-fraction", type=Number(fraction=True), help="of each GPU's memory; serving engines take 0.9")
@click.option("--check", is_flag=True, help="exit with status 1 if nothing holds them")
@as_json
def command(  # noqa: PLR0913 - one argument an option
    *, model: str, context: int, concurrency: int, gpus: str | None, max_gpus: int, tensor: int | None, expert: int | None,
    pipeline: int | None, context_parallel: int | None, weights: str | None, experts: str | None, routing: RoutingLaw | None,
    policy: ResidencyPolicy | None, engine: str | None, check: bool, as_json: bool,
    **changes: Any,  # noqa: ANN401 - assumptions by name
) -> int:  # fmt: skip
    """Which GPUs hold so many requests of a context at once: of each kind the fewest, the cheapest memory first.

    Every layout of a number of GPUs is tried, unless options set it, and the one that holds the most is shown, with what the
    engine's default layout holds beside it.

    Exit status: 0 with an answer; with --check 1 if nothing holds them; 2 for wrong input.
    """
    settings, opened = read_settings_alone(), open_model(model, stored=None if weights == NATIVE else weights or DEFAULT_FORMAT)
    architecture = opened.architecture
    checked_context(context, architecture)
    assumptions = _assumptions(taken_assumptions(settings.assumptions, engine), changes)
    profile = assumptions.engine
    shared = shared_tokens(context_parallel, profile)
    keeps_all = architecture.is_dense or profile.keeps_all_experts
    grid = Grid(
        [Model(opened.slug, architecture)],
        gpus=_gpus(gpus),
        n_gpus=[count for count in COUNTS if count <= max_gpus],
        batch_sizes=[1],
        routings=[routing or settings.reference_law],
        precisions=[precision_name(weights or DEFAULT_FORMAT, experts)],
        policies=[policy or (BASELINE if keeps_all else settings.reference_policy)],
        context_tokens=[context],
        order=ORDER,
    )

    def layouts(count: int) -> list[Parallelism]:
        return layouts_of(
            architecture, count, tensor=tensor, expert=expert, pipeline=pipeline, context=shared, cut_experts=profile.cuts_experts
        )

    with described_by(opened.file), said_of_profile(profile.name):
        try:
            fit = fewest_gpus(grid, assumptions, concurrency, layouts)
        except ParallelismError as problem:
            raise layout_error(problem) from None
        missing = _missing(fit, grid, assumptions)
    if fit.nearest is None and not fit.holdings:
        raise ConfigurationError(f"--engine: {profile.name}: no number of GPUs has an answer; {next(_unanswered(fit))}")
    if as_json:
        asked = {"model": opened.slug, "context_tokens": context, "concurrency": concurrency, "policy": grid.policies[0].name}
        nearest = fit.nearest and document(fit.nearest) | {"missing_bytes_for_one": missing}
        found = {"fits": [document(one) for one in fit.holdings], "nearest": nearest, "without": list(_unanswered(fit))}
        print_json(asked | found)
    elif fit.holdings:
        print_table(HEADS, map(line, fit.holdings))
    elif fit.nearest is not None:
        click.echo(
            f"nothing holds {concurrency:,} requests of {context:,} tokens with up to {grid.n_gpus[-1]} GPUs; nearest: "
            f"{said_of_nearest(fit.nearest, missing)}"
        )
    say_notes([*_unanswered(fit), *opened.notes])
    return int(check and not fit.holdings)


def said_of_nearest(one: Holding, missing_bytes: int) -> str:
    """What holds the most, or lacks the least for a single request."""
    which = f"{one.n_gpus} x {one.gpu}{f' ({named(one.layout)})' if one.n_gpus > 1 else ''}"
    if one.concurrency:
        return f"{which} with {one.concurrency:,}"
    return f"{which} lacks {gib(missing_bytes)} GiB on the fullest GPU for a single one"


def named(layout: Parallelism) -> str:
    """A layout by the options that set it, those above one."""
    parts = [f"{LAYOUT_WORDS[kind]} {size}" for kind in LAYOUT if (size := getattr(layout, kind)) > 1]
    return ", ".join(parts)


def line(one: Holding) -> tuple[str, ...]:
    """A row of the table."""
    default = "" if one.default_concurrency is None else f"{one.default_concurrency:,}"
    held = f"{one.concurrency:,}", f"{one.all_resident_concurrency:,}"
    return one.gpu, str(one.n_gpus), gib(one.memory_bytes), *held, named(one.layout), default


def document(one: Holding) -> dict[str, Any]:
    """A holding for programs."""
    spread = {f"{kind}_parallel": getattr(one.layout, kind) for kind in LAYOUT}
    return {key: value for key, value in asdict(one).items() if key != "layout"} | spread


def _missing(fit: Fit, grid: Grid, assumptions: Assumptions) -> int:
    """What the fullest GPU of the nearest lacks for a single request; 0 where it holds one, or something holds all."""
    one = fit.nearest
    if one is None or one.concurrency:
        return 0
    gpu = next(gpu for gpu in grid.gpus if gpu.name == one.gpu)
    found = planned(
        grid.models[0], gpu, assumptions, batch_size=1, n_gpus=one.n_gpus, layout=one.layout, precision=grid.precisions[0],
        routing=grid.routings[0], policy=grid.policies[0], context_tokens=grid.context_tokens[0],
    )  # fmt: skip
    missing: int = (found.context_bytes or 0) - found.row["free_for_kv_bytes"]
    return missing


def _unanswered(fit: Fit) -> Iterator[str]:
    for count, problem in fit.unanswered.items():
        yield f"{count} GPUs: {problem.key}: {json.dumps(problem.value)}; allowed: {problem.allowed}"


def _gpus(names: str | None) -> list[Gpu]:
    """Those of the catalogue, or named ones, custom ones among them."""
    if names is None:
        return list(read_gpus().values())
    return [open_gpu(word.strip(), key="--gpus") for word in names.split(",")]


def _assumptions(taken: Assumptions, changes: dict[str, Any]) -> Assumptions:
    """Config's assumptions with what the options change."""
    given = {key: value for key, value in changes.items() if value is not None}
    fraction = given.pop("usable_fraction", None)
    own = taken if fraction is None else replace(taken, engine=replace(taken.engine, usable_fraction=fraction))
    return replace(own, **given)
