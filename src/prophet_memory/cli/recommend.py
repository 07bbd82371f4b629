"""`prophet-memory recommend`: what serves a load in time with the fewest GPUs, and which number decided it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

import click

from prophet_memory.cli.compare import answerable, default_precisions, rounded
from prophet_memory.cli.fit import named
from prophet_memory.cli.options import (
    CACHE,
    COUNTS,
    CUSTOM_FORMS,
    DURATION,
    ENGINE,
    FIXED_COSTS,
    HOST_MEMORY_OPTION,
    HOST_OPTION,
    LAW_HELP,
    MTP,
    POLICY,
    PROVISION,
    RATE,
    ROUTING,
    Among,
    Number,
    Several,
    Tokens,
    as_json,
    changed_assumptions,
    changed_timing,
    checked_context,
    layout_error,
    model_with_counts,
    open_gpus,
)
from prophet_memory.cli.render import gib, print_json, print_table, say
from prophet_memory.cli.said import (
    hypothetical,
    law_in_words,
    left_out,
    partly_measured,
    said_of_measured,
    said_of_times,
    say_notes,
    say_warnings,
    unread_gpus,
    without_hardware,
)
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import ENGINES_FILE, said_of_profile
from prophet_memory.edge.messages import described_by, relative
from prophet_memory.edge.model_files import open_model
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.edge.text import precision_label
from prophet_memory.formats import DEFAULT_FORMAT, NATIVE, PRECISIONS
from prophet_memory.grid import Grid
from prophet_memory.parallelism import ParallelismError
from prophet_memory.provision import Provision
from prophet_memory.recommend import Choice, Load, Option, Recommendation, Refusal, Target, recommend
from prophet_memory.residency import BASELINE, POLICIES, ResidencyPolicy, residency_policies
from prophet_memory.routing import RoutingLaw

MS, MANY = 1e3, 100
HEADS = (
    ("policy", False), ("weights", False), ("replica", False), ("replicas", True), ("GPUs", True), ("batch", True),
    ("ms a token", True), ("first token ms", True), ("requests/s/GPU", True),
    ("host GiB", True), ("ahead of the next by", False),
)  # fmt: skip
COLUMNS_IN_WORDS = (
    "batch is what all but one request in a hundred do not exceed; memory, pools and times are of it, with every context full",
    "ms a token has the prompts of others in it; requests/s/GPU are the most that a replica serves in time",
    "first token ms is of a prompt alone: queues come on top, `simulate` has them",
    "host GiB is what a replica holds of experts in host memory; the cost counts GPUs alone, not that memory nor the host's work",
    "replicas fill machines: each has its GPUs' part of the host (--host)",
    "arrivals are taken as independent (Poisson): bursts need more",
)


def powers_of_two(most: int) -> list[int]:
    """Numbers of GPUs of a replica."""
    return [2**power for power in range(most.bit_length())]


@click.command(name="recommend")
@click.option("--model", required=True, help="name of the catalogue, catalogue file or config.json")
@MTP
@click.option("--gpu", "gpus", type=Several(click.STRING), required=True, help=f"names or {CUSTOM_FORMS}, with commas; or all")
@click.option("--load", type=RATE, required=True, help="requests that arrive, to all replicas together: /s, /min or /h")
@click.option("--tpot", type=DURATION, required=True, help="the most that a token after the first may take: ms or s")
@click.option("--ttft", type=DURATION, help="the most that a first token may take where nobody else is there; default: any")
@click.option("--context", type=Tokens(), help="of each request, prompt and output: 8k is 8,192; default: config's")
@click.option("--output", type=Tokens(), help="tokens that each request makes; default: config's")
@click.option("--max-gpus", type=Number(1, 64), default=8, show_default=True, help="of a replica; powers of two are tried")
@click.option(
    "--precisions", type=Several(Among(PRECISIONS)), help="of the weights, with commas; default: bf16, int8, int4, native"
)
@click.option("--policies", type=Several(POLICY), help="with commas; default: all that can be built")
@click.option("--routing", type=ROUTING, help=LAW_HELP)
@COUNTS
@PROVISION
@click.option("--kv", "kv_format", type=CACHE, help="format of keys, values and latents; default: config's")
@click.option("--state", "state_format", type=CACHE, help="format of recurrent state; default: config's")
@ENGINE
@click.option("--usable-fraction", type=Number(fraction=True), help="of the GPU's memory; serving engines take 0.9")
@HOST_MEMORY_OPTION
@HOST_OPTION
@FIXED_COSTS
@click.option("--all", "show_all", is_flag=True, help="show every layout, not the best of each policy and precision")
@click.option("--check", is_flag=True, help="exit with status 1 if nothing is in time")
@as_json
def command(  # noqa: PLR0913 - one argument an option
    *, model: str, mtp: bool, gpus: list[str], load: float, tpot: float, ttft: float | None, context: int | None,
    output: int | None, max_gpus: int, precisions: list[str] | None, policies: list[ResidencyPolicy] | None,
    routing: RoutingLaw | None, counts: Path | None, provision: Provision | None, engine: str | None, host_memory: str | None,
    host: tuple[int, int | None] | None, fixed_costs: bool | None, show_all: bool, check: bool, as_json: bool,
    **changes: Any,  # noqa: ANN401 - assumptions by name
) -> int:  # fmt: skip
    """Which policy, precision and layout serve a load in time: the fewest GPUs first, then the most requests a second and GPU.

    Each line says by which number it stands before the next.

    Exit status: 0 with an answer; with --check 1 if nothing is in time; 2 for wrong input.
    """
    settings = read_settings_alone()
    opened = open_model(model, stored=DEFAULT_FORMAT if precisions is None or NATIVE in precisions else precisions[0], mtp=mtp)
    architecture, law = opened.architecture, routing or settings.reference_law
    assumptions, profile = changed_assumptions(settings.assumptions, engine, changes)
    own = model_with_counts(opened, [law], counts)
    held = checked_context(context, architecture) or settings.latency.context_tokens
    held = min(held, architecture.max_context_tokens or held)
    made = output or min(settings.workloads.decision.output_tokens, held - 1)
    if made >= held:
        raise ConfigurationError(f"--output: {made}; allowed: fewer than the context, {held}")
    chosen = residency_policies(list(POLICIES)) if policies is None else policies
    chosen = [BASELINE] if architecture.is_dense else [one for one in answerable(chosen, law, own) if not one.is_bound]
    if not chosen:
        raise ConfigurationError("--policies: bounds alone; allowed: at least one policy that can be built")
    grid = Grid(
        [own], gpus=open_gpus(gpus, "--gpu"), n_gpus=powers_of_two(max_gpus), batch_sizes=[1], routings=[law], policies=chosen,
        precisions=precisions or default_precisions(opened), provisions=[provision or settings.reference_provision],
    )  # fmt: skip
    timing = changed_timing(settings.latency, host_memory, host, fixed_costs)
    target = Target(tpot) if ttft is None else Target(tpot, ttft)
    with described_by(opened.file), said_of_profile(profile.name):
        try:
            answer = recommend(grid, Load(load, made), target, held, assumptions=assumptions, timing=timing)
        except ParallelismError as problem:
            raise layout_error(problem) from None
    doubts = dict.fromkeys(said for one in grid.precisions for said in hypothetical(architecture, str(one)))
    warnings = [
        *left_out(opened), *unread_gpus(profile, grid.gpus),
        *without_hardware(profile, architecture, grid.gpus, grid.precisions), *doubts,
    ]  # fmt: skip
    notes = [*opened.notes, *partly_measured(own), *said_of_measured(own, law)]
    if as_json:
        asked = {"requests_per_s": load, "tpot_target_s": tpot, "ttft_target_s": ttft, "context_tokens": held}
        notes += [*COLUMNS_IN_WORDS, *without(answer)]
        pairs = zip_longest(answer.choices, answer.choices[1:])
        found = {"choices": [document(one, following) for one, following in pairs],
                 "refused": [refused(one) for one in answer.refusals],
                 "bound": None if answer.bound is None else refused(answer.bound)}  # fmt: skip
        said = {"assumptions": asdict(assumptions), "timing": asdict(timing), "warnings": warnings, "notes": notes}
        print_json({"model": opened.slug} | asked | {"output_tokens": made} | found | said)
        return int(check and not answer.choices)
    say(f"{opened.name}: {load:g} requests/s of {held:,} tokens, {made:,} of them output, {said_of(target)}", bold=True)
    if answer.choices:
        shown = answer.choices if show_all else best_of_each(answer.choices)
        print_table(HEADS, [line(one, following, is_dense=architecture.is_dense)
                            for one, following in zip_longest(shown, shown[1:])])  # fmt: skip
    else:
        say(impossible(answer, target, is_dense=architecture.is_dense))
    say(f"assumed: {law_in_words(law)}, pools for {grid.provisions[0].words}, KV {assumptions.kv_format}, "
        f"{profile.name} in {relative(ENGINES_FILE)}; {said_of_times(timing, chosen)}")  # fmt: skip
    if len(grid.precisions) > 1:
        say("Fewer bits cost accuracy, which nothing here judges: --precisions with one format compares policies alone.")
    say_warnings(warnings)
    say_notes([*without(answer), *notes, *(COLUMNS_IN_WORDS if answer.choices else ())])
    return int(check and not answer.choices)


def ms(seconds: float) -> str:
    """Milliseconds, three digits of small numbers."""
    return f"{MS * seconds:,.0f}" if MS * seconds >= MANY else f"{MS * seconds:.3g}"


def said_of(target: Target) -> str:
    """A target in words."""
    first = "" if target.ttft_s == float("inf") else f", {MS * target.ttft_s:g} ms the first"
    return f"at most {MS * target.tpot_s:g} ms a token{first}"


def best_of_each(choices: Sequence[Choice]) -> list[Choice]:
    """The best layout of each policy and precision."""
    found: dict[tuple[str, str], Choice] = {}
    for one in choices:
        found.setdefault((one.option.policy, one.option.precision), one)
    return list(found.values())


def replica(option: Option, *, is_dense: bool) -> str:
    """GPUs and layout of a replica."""
    ways = named(option.layout, is_dense=is_dense)
    return f"{option.layout.n_gpus} x {option.gpu}{f' ({ways})' if ways else ''}"


def weights(precision: str) -> str:
    """What a precision is called."""
    return precision_label(precision)


def line(one: Choice, following: Choice | None, *, is_dense: bool) -> tuple[str, ...]:
    """A row of the table."""
    option = one.option
    return (
        option.policy, weights(option.precision), replica(option, is_dense=is_dense), f"{one.replicas:,}", f"{one.total_gpus:,}",
        f"{one.batch_size:,}", f"{MS * one.tpot_s:,.1f}", f"{MS * one.first_token_s:,.0f}",
        f"{one.goodput_per_s_per_gpu:,.3g}", gib(one.host_memory_bytes), "" if following is None else decided(one, following),
    )  # fmt: skip


def decided(one: Choice, following: Choice) -> str:
    """The number by which a choice stands before another."""
    found = one.decided_over(following)
    if found is None:
        return "nothing: the same numbers"
    name, first, second = found
    if name == "total_gpus":
        return f"{first:,.0f} GPU{'s' if first > 1 else ''} against {second:,.0f}"
    if name == "host_memory_bytes":
        return f"{gib(first)} GiB of host memory against {gib(second)}"
    scale, unit = (MS, "ms a token") if name == "tpot_s" else (1.0, "requests/s/GPU")
    return f"{scale * first:.4g} {unit} against {scale * second:.4g}"


def impossible(answer: Recommendation, target: Target, *, is_dense: bool) -> str:
    """Why nothing is in time, with the bound."""
    bound, nearest = answer.bound, min(answer.refusals, key=lambda one: (one.key != "ttft", one.least))
    if bound is None:
        lack = f"lacks {gib(nearest.least)} GiB on the fullest GPU for one request"
        return f"impossible: nothing fits; the nearest, {said_of_option(nearest.option, is_dense=is_dense)}, {lack}"
    if bound.least > target.tpot_s:
        asked, least, option = f"{MS * target.tpot_s:g} ms a token", bound.least, bound.option
    else:
        asked, least, option = f"{MS * target.ttft_s:g} ms for the first token", nearest.least, nearest.option
    return f"impossible: {asked}; the bound is {ms(least)} ms, {said_of_option(option, is_dense=is_dense)}"


def said_of_option(option: Option, *, is_dense: bool) -> str:
    """An option in words."""
    return f"{option.policy} {weights(option.precision)} on {replica(option, is_dense=is_dense)}"


def without(answer: Recommendation) -> Iterator[str]:
    """Policies and precisions of which no layout is in time, each with the number that says so; a line for each policy."""
    served = {(one.option.policy, one.option.precision) for one in answer.choices}
    least: dict[tuple[str, str], Refusal] = {}
    order = {"ttft": 0, "tpot": 1, "memory": 2}
    for one in sorted(answer.refusals, key=lambda refusal: (order[refusal.key], refusal.least)):
        least.setdefault((one.option.policy, one.option.precision), one)
    words = {
        "memory": lambda least: f"does not fit, lacks {gib(least)} GiB for one request",
        "tpot": lambda least: f"at least {ms(least)} ms a token",
        "ttft": lambda least: f"at least {ms(least)} ms for the first token",
    }
    said: dict[str, list[str]] = {}
    for (policy, precision), one in least.items():
        if (policy, precision) not in served:
            said.setdefault(policy, []).append(f"{weights(precision)} {words[one.key](one.least)}")
    for policy, parts in said.items():
        yield f"refused: {policy}: {'; '.join(parts)}"


def option_document(option: Option) -> dict[str, Any]:
    """An option for programs."""
    layout = option.layout
    ways = {f"{kind}_parallel": getattr(layout, kind) for kind in ("tensor", "data", "expert", "context")}
    return {"policy": option.policy, "precision": option.precision, "gpu": option.gpu, "n_gpus_of_replica": layout.n_gpus} | ways


def document(one: Choice, following: Choice | None) -> dict[str, Any]:
    """A choice for programs, with the number by which it stands before the next."""
    decided_by = None if following is None else one.decided_over(following)
    values = (
        "replicas", "total_gpus", "goodput_per_s_per_gpu", "load", "batch_size", "step_s", "tpot_s", "first_token_s",
        "host_memory_bytes",
    )  # fmt: skip
    numbers = {name: rounded(getattr(one, name)) for name in values}
    return option_document(one.option) | numbers | {"ahead_by": None if decided_by is None else decided_by[0]}


def refused(one: Refusal) -> dict[str, Any]:
    """A refusal for programs: bytes that one request lacks, or the least seconds."""
    unit = {"memory": "lacking_bytes", "tpot": "least_tpot_s", "ttft": "least_ttft_s"}[one.key]
    return option_document(one.option) | {unit: rounded(one.least)}
