"""`prophet-memory fit`: which GPUs of the catalogue, and how many, hold so many requests of a context."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from prophet_memory.cli.options import (
    CACHE,
    COUNTS,
    CUSTOM_FORMS,
    ENGINE,
    EXPERT_FORMATS,
    GPUS,
    LAW_HELP,
    MTP,
    POLICY,
    POLICY_HELP,
    PROVISION,
    ROUTING,
    STEP_TOKENS,
    Number,
    PrecisionName,
    Several,
    as_json,
    changed_assumptions,
    checked_context,
    kept,
    layout_error,
    model_with_counts,
    open_gpus,
    precision_name,
    shared_tokens,
    stored_weights,
)
from prophet_memory.cli.render import GIB, MIB, gib, print_json, print_table, say
from prophet_memory.cli.said import (
    hypothetical,
    law_in_words,
    left_out,
    of_experts_alone,
    partly_measured,
    said_of_pools,
    say_notes,
    say_warnings,
    unread_gpus,
    without_hardware,
)
from prophet_memory.concurrency import ORDER
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import ENGINES_FILE, said_of_profile
from prophet_memory.edge.messages import described_by, relative
from prophet_memory.edge.model_files import open_model
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.edge.text import precision_label
from prophet_memory.fitting import Fit, Holding, fewest_gpus
from prophet_memory.formats import DEFAULT_FORMAT, NATIVE
from prophet_memory.grid import Grid
from prophet_memory.memory import Assumptions
from prophet_memory.parallelism import Parallelism, ParallelismError
from prophet_memory.parallelism import layouts as layouts_of
from prophet_memory.provision import Provision
from prophet_memory.residency import BASELINE, ResidencyPolicy
from prophet_memory.routing import RoutingLaw

IN_A_MACHINE = 8  # GPUs: more come in whole machines
LAYOUT = ("tensor", "data", "expert", "pipeline", "context")
OPTIONS = {"tensor": "--tp", "expert": "--ep", "pipeline": "--pp", "context": "--dcp"}
HEADS = (
    ("gpu", False), ("GPUs", True), ("memory GiB", True), ("requests at once", True), ("all resident", True), ("layout", False),
    ("by default", True),
)  # fmt: skip


def numbers_of_gpus(most: int) -> list[int]:
    """Numbers of GPUs to try: every one in a machine, then whole machines."""
    return [count for count in range(1, most + 1) if count <= IN_A_MACHINE or count % IN_A_MACHINE == 0]


@click.command(name="fit")
@click.option("--model", required=True, help="name of the catalogue, catalogue file or config.json")
@MTP
@click.option("--context", type=Number(1, 2**40), required=True, help="tokens of each request")
@click.option("--concurrency", type=Number(1, 2**20), default=1, show_default=True, help="requests at once")
@click.option(
    "--gpus", type=Several(click.STRING), default="all", show_default=True, help=f"names or {CUSTOM_FORMS}, with commas; or all"
)
@click.option(
    "--max-gpus", type=Number(1, 64), default=8, show_default=True,
    help="the most that serve the model together: every number up to 8 is tried, then 16, 24 and so on",
)  # fmt: skip
@click.option("--n-gpus", type=Several(GPUS), help="numbers to try, with commas; default: all up to --max-gpus, as it says")
@click.option("--tp", "tensor", type=GPUS, help="GPUs that share attention; this and the next three: default: all are tried")
@click.option("--ep", "expert", type=GPUS, help="ranks of whole experts; default: one, and as many as there can be")
@click.option("--pp", "pipeline", type=GPUS, help="pipeline stages of layers")
@click.option("--dcp", "context_parallel", type=GPUS, help="GPUs that share the tokens of a sequence's cache")
@click.option(
    "--weights",
    type=PrecisionName(NATIVE),
    help=f"format of all weights, {NATIVE} for the published; default: {DEFAULT_FORMAT}",
)
@click.option("--experts", type=EXPERT_FORMATS, help="format of the routed experts, where it is another")
@click.option("--kv", "kv_format", type=CACHE, help="format of keys, values and latents; default: config's")
@click.option("--state", "state_format", type=CACHE, help="format of recurrent state; default: config's")
@click.option("--routing", type=ROUTING, help=LAW_HELP)
@COUNTS
@PROVISION
@STEP_TOKENS
@click.option("--policy", type=POLICY, help=POLICY_HELP)
@ENGINE
@click.option("--usable-fraction", type=Number(fraction=True), help="of each GPU's memory; serving engines take 0.9")
@click.option("--check", is_flag=True, help="exit with status 1 if nothing holds them")
@as_json
def command(  # noqa: PLR0913 - one argument an option
    *, model: str, mtp: bool, context: int, concurrency: int, gpus: list[str], max_gpus: int, n_gpus: list[int] | None,
    tensor: int | None, expert: int | None, pipeline: int | None, context_parallel: int | None, weights: str | None,
    experts: str | None, routing: RoutingLaw | None, counts: Path | None, provision: Provision | None,
    policy: ResidencyPolicy | None, engine: str | None, check: bool, as_json: bool,
    **changes: Any,  # noqa: ANN401 - assumptions by name
) -> int:  # fmt: skip
    """Which GPUs hold so many requests of a context at once: of each kind the fewest, then those with the least memory.

    Every layout of a number of GPUs is tried, unless options set it, and the one that holds the most is shown, with what the
    engine's default layout holds beside it.

    Exit status: 0 with an answer; with --check 1 if nothing holds them; 2 for wrong input.
    """
    settings = read_settings_alone()
    opened = open_model(model, stored=None if weights == NATIVE else weights or DEFAULT_FORMAT, mtp=mtp)
    architecture = opened.architecture
    checked_context(context, architecture)
    name = precision_name(weights or DEFAULT_FORMAT, experts)
    stored_weights(name, architecture)
    assumptions, profile = changed_assumptions(settings.assumptions, engine, changes)
    shared, law = shared_tokens(context_parallel, assumptions), routing or settings.reference_law
    grid = Grid(
        [model_with_counts(opened, [law], counts)],
        gpus=open_gpus(gpus),
        n_gpus=numbers_of_gpus(max_gpus) if n_gpus is None else sorted(n_gpus),
        batch_sizes=[1],
        routings=[law],
        precisions=[name],
        policies=[kept(policy, architecture, profile, settings)],
        context_tokens=[context],
        order=ORDER,
        provisions=[provision or settings.reference_provision],
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
    if fit.nearest is None and not fit.holdings:
        raise ConfigurationError(f"--engine: {profile.name}: no number of GPUs has an answer; {next(_unanswered(fit))}")
    shown = [gpu for gpu in grid.gpus if gpu.name in {one.gpu for one in fit.holdings or [fit.nearest] if one is not None}]
    of_experts = {"--routing": routing, "--counts": counts, "--provision": provision, "--policy": policy}
    ranks = [one.layout.expert for one in fit.holdings]
    notes = [
        *opened.notes, *partly_measured(grid.models[0]), *of_experts_alone(architecture, of_experts),
        *said_of_pools(grid.models[0], grid.policies[0], law, grid.provisions[0], ranks),
    ]  # fmt: skip
    warnings = [
        *left_out(opened),
        *unread_gpus(profile, shown),
        *without_hardware(profile, architecture, shown, grid.precisions),
        *hypothetical(architecture, str(grid.names("precision")[0])),
    ]
    if as_json:
        asked = {"model": opened.slug, "context_tokens": context, "concurrency": concurrency}
        asked |= {"counts": None if counts is None else str(counts)}
        asked |= {key: grid.names(key)[0] for key in ("precision", "policy", "provision", "routing")}
        nearest = fit.nearest and document(fit.nearest)
        found = {"fits": [document(one) for one in fit.holdings], "nearest": nearest, "without": list(_unanswered(fit))}
        print_json(asked | found | {"assumptions": asdict(assumptions), "warnings": warnings, "notes": notes})
        return int(check and not fit.holdings)
    if fit.holdings:
        print_table(HEADS, (line(one, is_dense=architecture.is_dense) for one in fit.holdings))
    elif fit.nearest is not None:
        requests = f"{concurrency:,} request{'s' if concurrency > 1 else ''} of {context:,} tokens"
        tried = f"up to {max_gpus}" if n_gpus is None else " or ".join(map(str, grid.n_gpus))
        say(f"nothing holds {requests} with {tried} GPUs; nearest: "
            f"{said_of_nearest(fit.nearest, is_dense=architecture.is_dense)}")  # fmt: skip
    say(assumed(grid, assumptions))
    say_warnings(warnings)
    say_notes([*_unanswered(fit), *notes])
    return int(check and not fit.holdings)


def assumed(grid: Grid, assumptions: Assumptions) -> str:
    """Law, policy, formats and engine in a line."""
    law, policy, engine = grid.routings[0], grid.policies[0], assumptions.engine
    precision = str(grid.names("precision")[0])
    usable = engine.usable_fraction
    share = f"usable {usable:.1%}".replace(".0%", "%") if isinstance(usable, float) else "a usable share of its own"
    pools = [] if policy == BASELINE else [law_in_words(law), f"pools for {grid.provisions[0].words}"]
    tokens = assumptions.tokens_per_sequence
    drafts = [f"{tokens:,} tokens of each sequence a step"] if tokens > 1 else []
    parts = [
        f"{precision_label(precision)} weights", f"KV {assumptions.kv_format}",
        *([] if grid.models[0].architecture.is_dense else [policy.words.label, *pools]), *drafts, share,
        f"{engine.name} in {relative(ENGINES_FILE)}",
    ]  # fmt: skip
    return f"assumed: {', '.join(parts)}"


def said_of_nearest(one: Holding, *, is_dense: bool) -> str:
    """What holds the most, or lacks the least for a single request."""
    which = f"{one.n_gpus} x {one.gpu}{f' ({named(one.layout, is_dense=is_dense)})' if one.n_gpus > 1 else ''}"
    if one.concurrency:
        return f"{which} with {one.concurrency:,}"
    lack = f"{gib(one.missing_bytes)} GiB" if one.missing_bytes >= GIB else f"{-(-one.missing_bytes // MIB):,} MiB"
    return f"{which} lacks {lack} on the fullest GPU for a single one"


def named(layout: Parallelism, *, is_dense: bool) -> str:
    """A layout by the options of `plan` that set it; stages and shared tokens where there are any."""
    if layout.n_gpus == 1:
        return ""
    needed = {"tensor"} if is_dense else {"tensor", "expert"}
    sizes = {kind: getattr(layout, kind) for kind in OPTIONS}
    return " ".join(f"{OPTIONS[kind]} {size}" for kind, size in sizes.items() if size > 1 or kind in needed)


def line(one: Holding, *, is_dense: bool) -> tuple[str, ...]:
    """A row of the table."""
    default = "" if one.default_concurrency is None else f"{one.default_concurrency:,}"
    held = f"{one.concurrency:,}", f"{one.all_resident_concurrency:,}"
    return one.gpu, str(one.n_gpus), gib(one.memory_bytes), *held, named(one.layout, is_dense=is_dense), default


def document(one: Holding) -> dict[str, Any]:
    """A holding for programs."""
    spread = {f"{kind}_parallel": getattr(one.layout, kind) for kind in LAYOUT}
    return {key: value for key, value in asdict(one).items() if key != "layout"} | spread


def _unanswered(fit: Fit) -> Iterator[str]:
    numbers: dict[tuple[str, str], list[int]] = {}
    for count, problem in fit.unanswered.items():
        numbers.setdefault((problem.key, problem.allowed), []).append(count)
    for (key, allowed), those in numbers.items():
        yield f"{', '.join(map(str, those))} GPUs: {key}: no layout of so many has an answer; allowed: {allowed}"
