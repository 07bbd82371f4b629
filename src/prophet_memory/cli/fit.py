"""`prophet-memory fit`: which GPUs of the catalogue, and how many, hold so many requests of a context."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import click
import numpy as np

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
    open_gpu,
    say_notes,
    taken_assumptions,
)
from prophet_memory.cli.plan import precision_name
from prophet_memory.cli.render import console, gib, print_json, table
from prophet_memory.concurrency import ORDER, Concurrency
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import read_gpus, said_of_profile
from prophet_memory.edge.documents import described_by
from prophet_memory.edge.model_files import open_model
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.engine import EngineError
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS, NATIVE
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import Assumptions
from prophet_memory.parallelism import ParallelismError, parallelism
from prophet_memory.residency import BASELINE, ResidencyPolicy
from prophet_memory.routing import RoutingLaw

KINDS = ("tensor", "data", "expert", "pipeline")
COUNTS = (1, 2, 4, 8, 16, 32, 64)  # of GPUs: what machines have
HEADS = (
    ("gpu", False), ("GPUs", True), ("memory GiB", True), ("layout", False), ("requests at once", True), ("all resident", True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Holding:
    """GPUs and the most requests that they hold."""

    gpu: str
    n_gpus: int
    memory_bytes: int  # of all of them
    tensor_parallel: int
    data_parallel: int
    expert_parallel: int
    pipeline_parallel: int
    concurrency: int
    all_resident_concurrency: int

    @property
    def order(self) -> tuple[int, int, str]:
        """The fewest GPUs first, then the least memory."""
        return self.n_gpus, self.memory_bytes, self.gpu


def holdings(grid: Grid, assumptions: Assumptions) -> tuple[list[Holding], list[str]]:
    """Every GPU and number of GPUs, and why a number has no answer."""
    found, without = [], []
    for count in grid.n_gpus:
        try:
            own = replace(grid, n_gpus=[count])
            parallelism(own.models[0].architecture, count, cut_experts=assumptions.engine.cuts_experts)
            answer = Concurrency(own, assumptions)
            held, everything = (
                np.broadcast_to(column, own.shape).reshape(len(own.gpus)) for column in (answer.concurrency, answer.baseline)
            )
        except ParallelismError:
            break  # more GPUs than the model can use
        except EngineError as problem:
            without.append(f"{count} GPUs: {problem.key}: {json.dumps(problem.value)}; allowed: {problem.allowed}")
            continue
        tensor, data, expert, pipeline = (int(getattr(answer, f"{kind}_parallel").item()) for kind in KINDS)
        for gpu, own_most, baseline in zip(own.gpus, held, everything, strict=True):
            found.append(
                Holding(gpu.name, count, count * gpu.memory_bytes, tensor, data, expert, pipeline, int(own_most), int(baseline))
            )
    if not found and without:
        raise ConfigurationError(f"--engine: {assumptions.engine.name}: no number of GPUs has an answer; {without[0]}")
    return found, without


def fewest(found: list[Holding], concurrency: int) -> Iterator[Holding]:
    """Of each GPU the smallest number that holds so many requests."""
    for gpu in dict.fromkeys(one.gpu for one in found):
        enough = [one for one in found if one.gpu == gpu and one.concurrency >= concurrency]
        if enough:
            yield min(enough, key=lambda one: one.n_gpus)


@click.command(name="fit")
@click.option("--model", required=True, help="name of the catalogue, catalogue file or config.json")
@click.option("--context", type=Number(1, 2**40), required=True, help="tokens of each request")
@click.option("--concurrency", type=Number(1, 2**20), default=1, show_default=True, help="requests at once")
@click.option("--gpus", help="names or custom:GiB[:GB/s] with commas; default: all of the catalogue")
@click.option("--max-gpus", type=GPUS, default=8, show_default=True, help="the most that serve the model together")
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
    *, model: str, context: int, concurrency: int, gpus: str | None, max_gpus: int, weights: str | None, experts: str | None,
    routing: RoutingLaw | None, policy: ResidencyPolicy | None, engine: str | None, check: bool, as_json: bool,
    **changes: Any,  # noqa: ANN401 - assumptions by name
) -> int:  # fmt: skip
    """Which GPUs hold so many requests of a context at once: of each kind the fewest, the cheapest memory first.

    Exit status: 0 with an answer; with --check 1 if nothing holds them; 2 for wrong input.
    """
    settings, opened = read_settings_alone(), open_model(model, stored=None if weights == NATIVE else weights or DEFAULT_FORMAT)
    architecture = opened.architecture
    checked_context(context, architecture)
    assumptions = _assumptions(taken_assumptions(settings.assumptions, engine), changes)
    keeps_all = architecture.is_dense or assumptions.engine.keeps_all_experts
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
    with described_by(opened.file), said_of_profile(assumptions.engine.name):
        found, without = holdings(grid, assumptions)
    rows = sorted(fewest(found, concurrency), key=lambda one: one.order)
    nearest = max(found, key=lambda one: (one.concurrency, *(-part for part in one.order[:2])), default=None)
    if as_json:
        asked = {"model": opened.slug, "context_tokens": context, "concurrency": concurrency, "policy": grid.policies[0].name}
        print_json(asked | {"fits": [asdict(one) for one in rows], "nearest": nearest and asdict(nearest), "without": without})
    elif rows:
        console().print(table(HEADS, map(line, rows)))
    elif nearest is not None:
        click.echo(f"nothing holds {concurrency:,} requests of {context:,} tokens with up to {grid.n_gpus[-1]} GPUs; nearest: "
                   f"{nearest.n_gpus} x {nearest.gpu} with {nearest.concurrency:,}")  # fmt: skip
    say_notes([*without, *opened.notes])
    return int(check and not rows)


def line(one: Holding) -> tuple[str, ...]:
    """A row of the table."""
    layout = f"tp {one.tensor_parallel}, dp {one.data_parallel}, ep {one.expert_parallel}, pp {one.pipeline_parallel}"
    return one.gpu, str(one.n_gpus), gib(one.memory_bytes), layout, f"{one.concurrency:,}", f"{one.all_resident_concurrency:,}"


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
