"""`prophet-memory plan`: one configuration of the sweep, explained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from prophet_memory.architecture import Architecture
from prophet_memory.cli import engine_lines
from prophet_memory.cli.options import (
    BATCH,
    CACHE,
    COUNTS,
    CUSTOM_FORMS,
    ENGINE,
    EXPERT_FORMATS,
    FIXED_COSTS,
    GPUS,
    HOST_MEMORY_OPTION,
    HOST_OPTION,
    LAW_HELP,
    MTP,
    POLICY,
    POLICY_HELP,
    PRECISION_OR_FILE,
    PROVISION,
    ROUTING,
    STEP_TOKENS,
    Among,
    Number,
    as_json,
    asked_timing,
    changed_assumptions,
    checked_context,
    kept,
    model_with_counts,
    open_gpu,
    precision_name,
    spread_over,
)
from prophet_memory.cli.render import MIB, gib, print_json, print_table, say
from prophet_memory.cli.said import (
    hypothetical,
    law_in_words,
    left_out,
    of_experts_alone,
    partly_measured,
    said_of_caches,
    said_of_measured,
    said_of_pools,
    said_of_times,
    say_notes,
    say_warnings,
    unread_gpus,
    without_hardware,
)
from prophet_memory.concurrency import Concurrent, most_concurrent
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import ENGINES_FILE, said_of_profile
from prophet_memory.edge.files import FLOAT_DECIMALS
from prophet_memory.edge.gguf_header import weights_of_header
from prophet_memory.edge.messages import described_by, relative
from prophet_memory.edge.model_files import open_model
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.edge.text import is_precision, multiplied, precision_label
from prophet_memory.engine import Engine
from prophet_memory.errors import ModelError
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS, NATIVE
from prophet_memory.gguf import FILE_TYPES, recipe_weights
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import expert_bytes, largest_step, stored_as
from prophet_memory.parallelism import context_sizes
from prophet_memory.planning import Plan
from prophet_memory.planning import plan as planned
from prophet_memory.precision import FileWeights
from prophet_memory.provision import Provision
from prophet_memory.residency import BASELINE, ResidencyPolicy
from prophet_memory.routing import RoutingLaw
from prophet_memory.steps import COLUMNS, StepTimes, Timing
from prophet_memory.sweeps import FIT_VERDICTS, NEWLY_FITS, UNLIMITED, sweep

HEADS = (("on the fullest GPU", False), ("GiB", True), ("share", True))
PARTS = {
    "non_expert_bytes": "everything but routed experts",
    "resident_expert_bytes": "resident routed experts",
    "activation_bytes": "activations of the largest step",
    "overhead_bytes": "the policy's own",
    "runtime_reserve_bytes": "runtime and communication",
}


def named_weights(weights: str, experts: str | None, architecture: Architecture) -> str | FileWeights:
    """A precision by its name, or the weights of the file that a recipe makes."""
    if weights not in FILE_TYPES:
        return precision_name(weights, experts)
    if experts is not None:
        raise ConfigurationError(f"--experts: {json.dumps(experts)}; allowed: none beside the recipe {weights}")
    try:
        return recipe_weights(architecture, weights)
    except ModelError as problem:
        raise ConfigurationError(f"--weights: {json.dumps(weights)}: {problem.value}; allowed: {problem.allowed}") from None


def warnings_of(plan: Plan, architecture: Architecture, gpu: Gpu) -> Iterator[str]:
    """What is no error and should be known."""
    limit, row = architecture.max_context_tokens, plan.row
    if limit and row["exceeds_model_context"]:
        yield f"the cache could hold {row['max_context_tokens']:,} tokens a sequence, beyond the model's own maximum of {limit:,}"
    engine = plan.assumptions.engine
    yield from unread_gpus(engine, [gpu])
    for part in plan.unread:
        yield f"{engine.name}: the buffers of {part} were not read, so the activation peak can be larger"
    if plan.uncounted_bytes:
        size = f"{plan.uncounted_bytes / MIB:,.0f} MiB"
        yield f"{engine.name}: with so many tokens in the cache the activation peak is {size} larger, for their mask"
    named = is_precision(row["precision"])  # a file is what it is
    if not named and engine.loading is not None:
        yield f"the file is counted as llama.cpp holds it, the embedding with the host: {engine.name} holds more"
    if named and engine.loads_files:
        yield f"{engine.name} loads GGUF files and leaves the embedding with the host: --weights BF16 or another type counts so"
    yield from hypothetical(architecture, row["precision"])
    if named:
        yield from without_hardware(engine, architecture, [gpu], [row["precision"]])
        yield from padded_elsewhere(plan, architecture, gpu)
    shares = context_sizes(architecture, plan.layout)[-1]
    if plan.layout.context == 1 < shares and plan.assumptions.kv_format in engine.shares_tokens_in:
        yield f"{shares} GPUs cache the same tokens: --dcp {shares} shares them, and fit tries every layout"


def padded_elsewhere(plan: Plan, architecture: Architecture, gpu: Gpu) -> Iterator[str]:
    """That the kernel for MXFP4 experts on a GPU pads them otherwise than is counted."""
    engine, stored = plan.assumptions.engine, stored_as(plan.row["precision"], architecture)
    kernel = None if engine.loading is None else engine.loading.mxfp4_kernel(gpu.cuda_compute_capability)
    if kernel is None or architecture.is_dense or isinstance(stored, FileWeights) or stored.routed_expert != FORMATS["mxfp4"]:
        return
    counted = expert_bytes(architecture, stored, plan.layout, engine)
    held = kernel.expert_bytes(
        architecture.moe, architecture.hidden_size, stored.routed_expert, expert_tensor=plan.layout.expert_tensor
    )
    share = held / counted - 1
    more = f"experts {share:+.1%}, {share * plan.row['resident_expert_bytes'] / 2**30:+.2f} GiB a GPU"
    yield f"{engine.name} takes {kernel.kernel} for MXFP4 on {gpu.name}, whose padding is not counted: {more}"


def asked_context(question: str | None, context: int | None, batch: int | None, architecture: Architecture) -> int | None:
    """The context of the question how many at once, the model's own maximum by default; None where none is asked."""
    if question == "context" and context is not None:
        raise ConfigurationError("--context: beside --max context; allowed: one of the two")
    if question in {"batch", "concurrency"} and batch is not None:
        raise ConfigurationError(f"--batch: beside --max {question}; allowed: one of the two")
    if question in {"batch", "concurrency"} and context is None and architecture.max_context_tokens is None:
        allowed = "beside --context, for the model has no maximum of its own"
        raise ConfigurationError(f"--max: {json.dumps(question)}; allowed: {allowed}")
    own = architecture.max_context_tokens if question in {"batch", "concurrency"} else None
    return checked_context(context, architecture) or own


def verdict_in_words(plan: Plan) -> str:
    """Whether it fits: with the context where one was asked for."""
    row, context = plan.row, plan.context_tokens
    alone = ", where all experts resident do not" if row["fit_verdict"] == FIT_VERDICTS[NEWLY_FITS] else ""
    many = f"each of {row['batch_size']:,} sequences" if row["batch_size"] > 1 else "a sequence"
    each = "" if context is None else f"with {context:,} tokens in {many}"
    if plan.holds:
        return f"fits{', ' if each else ''}{each}{alone}"
    if context is None or not row["max_context_tokens"]:
        return "does not fit"
    return f"does not fit {each}; {row['max_context_tokens']:,} would"


def breakdown(plan: Plan) -> list[tuple[str, str, str]]:
    """The components on the fullest GPU and their share of it."""
    row, usable = plan.row, plan.row["usable_bytes"]
    parts = [(label, row[name]) for name, label in PARTS.items() if row[name]]
    if plan.context_bytes is not None:
        sequences = int(plan.layout.sequences(row["batch_size"]))
        parts.append((f"KV cache, {sequences} x {plan.context_tokens:,} tokens", plan.context_bytes))
        left = row["free_for_kv_bytes"] - plan.context_bytes
        parts.append(("left over" if left >= 0 else "missing", left))
    else:
        left = row["free_for_kv_bytes"]
        parts.append(("free for the KV cache" if left >= 0 else "missing", left))
    if row["gpu_memory_bytes"] != usable:
        parts.append(("left to others", row["gpu_memory_bytes"] - usable))
    lines = [(label, gib(size), f"{size / row['gpu_memory_bytes']:.1%}") for label, size in parts]
    return [*lines, ("memory", gib(row["gpu_memory_bytes"]), "")]


def verdict(plan: Plan) -> Iterator[str]:
    """What the breakdown comes to, in lines."""
    row = plan.row
    yield f"verdict            {verdict_in_words(plan)}"
    if row["kv_capacity_tokens"] is not None:
        printed = ", as the engine prints them: over all groups of layers" if plan.blocks and plan.blocks.groups > 1 else ""
        usable = f", usable {row['usable_kv_capacity_tokens']:,}" if row["exceeds_model_context"] else ""
        yield f"KV capacity        {row['kv_capacity_tokens']:,} tokens over the batch{printed}{usable}"
        bound = ": the model's own, for its cache stops growing" if plan.context_is_the_models else ""
        yield f"maximum context    {row['max_context_tokens']:,} tokens a sequence{bound}"
    if row["policy"] == BASELINE.name:
        return
    if (extension := row["kv_extension"]) is not None:
        usable = f", usable {multiplied(row['usable_kv_extension'])}" if row["exceeds_model_context"] else ""
        yield f"KV extension       {multiplied(extension)} over all experts resident ({extension:.4f}){usable}"
    elif plan.context_tokens is None:
        yield f"KV extension       undefined: {'all experts resident do not' if plan.holds else 'the model does not'} fit"
    if plan.host_bytes:
        yield f"host memory        {gib(plan.host_bytes)} GiB for routed experts"


def routed(plan: Plan, experts: int) -> str:
    """The law and what it says."""
    if not experts:
        return "none: a dense model"
    distinct, batch = plan.row["distinct_experts"], plan.row["batch_size"]
    tokens = plan.assumptions.tokens_per_sequence
    each = f" with {tokens:,} tokens of each sequence" if tokens > 1 else ""
    slots = "" if plan.row["expert_parallel"] > 1 else f" of {plan.row['resident_experts_per_layer']:,.2f}"  # else by rank
    sized = "" if plan.row["policy"] == BASELINE.name else f", pools{slots} for {plan.provision.words}"
    if len(set(plan.policy.slots(np.array([1.0, experts]), experts))) == 1 and plan.policy != BASELINE:
        sized = f", pools{slots} at every batch"
    mean = f"{distinct:,.2f} of {experts:,} experts a layer on average"
    return f"{law_in_words(plan.law)}: {mean} at batch {batch}{each}{sized}"


def concurrency_lines(plan: Plan, found: Concurrent | None, gpu: Gpu) -> Iterator[str]:
    """How many such requests fit at once."""
    if found is None:
        return
    beside = ""
    if plan.row["policy"] != BASELINE.name:
        ratio = f" ({multiplied(found.sequences / found.baseline_sequences)})" if found.baseline_sequences else ""
        beside = f"; with all experts resident {found.baseline_sequences:,}{ratio}"
    limit = plan.assumptions.engine.step_size(gpu).sequences
    bounded = "" if limit is None or found.sequences < limit else ", the most that a step takes"
    yield f"concurrency        {found.sequences:,} sequences of {found.context_tokens:,} tokens at once{bounded}{beside}"


def answered(question: str | None, plan: Plan, found: Concurrent | None, architecture: Architecture) -> dict[str, Any] | None:
    """What `--max` asks, for programs."""
    if question is None:
        return None
    if found is not None:
        own, baseline = found.sequences, found.baseline_sequences
        return {"of": question, "value": own, "all_resident": baseline, "context_tokens": found.context_tokens}
    limit = architecture.max_context_tokens or UNLIMITED
    own, baseline = (min(tokens, limit) for tokens in (plan.row["max_context_tokens"] or 0, plan.baseline_context_tokens))
    return {"of": question, "value": own, "all_resident": baseline, "batch_size": plan.row["batch_size"]}


def longest_line(plan: Plan, answer: dict[str, Any] | None) -> Iterator[str]:
    """The answer of `--max context`."""
    if answer is None or answer["of"] != "context":
        return
    beside = "" if plan.row["policy"] == BASELINE.name else f"; with all experts resident {answer['all_resident']:,}"
    yield f"longest context    {answer['value']:,} tokens in each of {answer['batch_size']:,} sequences{beside}"


def basis(plan: Plan, experts: int, profile: Engine, gpu: Gpu) -> Iterator[str]:
    """Law, layout and assumptions."""
    row, own = plan.row, plan.assumptions
    yield f"routing            {routed(plan, experts)}"
    if row["n_gpus"] > 1:
        spread = ", ".join(f"{row[f'{kind}_parallel']}-way {kind}" for kind in ("tensor", "data", "expert")) + " parallel"
        spread += f", {plan.layout.pipeline} pipeline stages" if plan.layout.pipeline > 1 else ""
        spread += f", {plan.layout.context} GPUs share the tokens of a cache" if plan.layout.context > 1 else ""
        bounded = "" if plan.fullest_is_exact else "at most "
        fullest = f"; {bounded}{row['resident_experts_per_layer']:,.2f} experts a layer resident on the fullest rank"
        yield f"layout             {spread}{fullest if experts else ''}"
    changed = ", changed" if own.engine != profile else ""
    step = largest_step(own, gpu, plan.layout, row["batch_size"])
    share = f"{plan.usable_fraction:.1%}".replace(".0%", "%") + (" of what is free" if own.engine.fraction_of_free else "")
    most = own.engine.step_size(gpu).sequences
    rows = "" if most is None else f" and {most:,} sequences"
    each = row["kv_constant_bytes_per_sequence"]
    constant = f"; {each / MIB:,.1f} MiB of each sequence whatever its context" if each else ""
    yield f"cache              KV {own.kv_format}, state {plan.state_format}{constant}"
    yield from engine_lines.cache_line(plan)
    yield (
        f"assumptions        usable {share}, steps of {int(np.max(step.tokens)):,} tokens{rows}, reserve"
        f" {row['runtime_reserve_bytes'] / MIB:,.0f} MiB ({own.engine.name} in {relative(ENGINES_FILE)}{changed})"
    )


def step_times(
    own: Model, device: Gpu, plan: Plan, taken: str | FileWeights, policy: ResidencyPolicy, timing: Timing, context_tokens: int
) -> dict[str, Any]:
    """A step of the plan's point, as plain values."""
    grid = Grid(
        [own],
        gpus=[device],
        n_gpus=[plan.layout.n_gpus],
        batch_sizes=[plan.row["batch_size"]],
        routings=[plan.law],
        precisions=[taken],
        policies=[policy],
        layouts={plan.layout.n_gpus: plan.layout},
        provisions=[plan.provision],
    )
    times = StepTimes(sweep(grid, plan.assumptions), timing, context_tokens)
    found = {name: times.column(name).ravel()[0] for name in COLUMNS}
    limit = own.architecture.max_context_tokens or context_tokens
    values = {name: None if value is np.ma.masked else round(float(value), FLOAT_DECIMALS) for name, value in found.items()}
    return values | {"context_tokens": min(context_tokens, limit), "timing": asdict(timing)}


def untimely(plan: Plan, times: dict[str, Any] | None) -> Iterator[str]:
    """That a step is timed which cannot run."""
    if times is not None and (plan.row["max_context_tokens"] or 0) < times["context_tokens"]:
        yield f"times are of {plan.row['batch_size']:,} x {times['context_tokens']:,} tokens, which do not fit"


def latency_lines(times: dict[str, Any], policy: ResidencyPolicy, timing: Timing) -> Iterator[str]:
    """What a step takes and moves, in lines."""
    factor = (
        ""
        if times["latency_factor"] == 1
        else f", {multiplied(times['latency_factor'])} of {1e3 * times['resident_step_s']:,.2f} ms"
    )
    resident = f"{factor} with all experts resident" if factor else ""
    yield f"step               {1e3 * times['step_s']:,.2f} ms with {times['context_tokens']:,} tokens each{resident}"
    yield f"times              {said_of_times(timing, [policy]).removeprefix('times ')}"
    yield f"throughput         {times['tokens_per_s_per_gpu']:,.0f} tokens a second and GPU, one of each sequence a step"
    prompt = f"of a prompt of {times['context_tokens']:,} tokens that is read alone"
    yield f"first token        {times['first_token_s']:,.2f} s {prompt}"
    if times["host_link_bytes"] or times["host_computed_bytes"]:
        hits = (
            "" if times["hit_rate"] is None else f"; {times['hit_rate']:.1%} of the experts of a step are resident when it begins"
        )
        what = "over the host link" if times["host_link_bytes"] else "computed by the host"
        size = times["host_link_bytes"] or times["host_computed_bytes"]
        yield f"missing experts    {size / 1e9:,.2f} GB a step {what}{hits}"


@click.command(name="plan")
@click.option("--model", required=True, help="name of the catalogue, catalogue file or config.json")
@MTP
@click.option("--gpu", required=True, help=f"name of the catalogue (prophet-memory gpus), or {CUSTOM_FORMS}")
@click.option("--n-gpus", type=GPUS, default=1, show_default=True, help="how many serve the model together")
@click.option("--tp", type=GPUS, help="GPUs that share attention; default: as many as the heads allow")
@click.option("--ep", type=GPUS, help="ranks of whole experts; default: one a GPU as far as there are experts, or the engine's")
@click.option(
    "--pp", type=GPUS, help="pipeline stages of layers; default: as many as it takes where the heads are too few, else 1"
)
@click.option("--dcp", type=GPUS, help="GPUs that share the tokens of a sequence's cache instead of copying it; default: 1")
@click.option("--batch", type=BATCH, help="sequences decoded together; default: as many of --context as fit, else the paper's")
@click.option("--context", type=Number(1, 2**40), help="tokens of each sequence that must fit, and how many such fit at once")
@click.option(
    "--max", "question", type=Among(["context", "batch", "concurrency"]),
    help="the longest context at --batch; or the most sequences of --context at once (default: the longest that the model takes)",
)  # fmt: skip
@click.option(
    "--weights", "--precision", "weights", type=PRECISION_OR_FILE, metavar=f"[{'|'.join([*FORMATS, NATIVE])}|int4/fp8|...|GGUF]",
    help=f"format of all weights, or of routed experts and rest with exceptions (docs/memory-model.md); {NATIVE}: the published;"
    f" Q4_K_M and the like for a GGUF recipe; default: {DEFAULT_FORMAT}",
)  # fmt: skip
@click.option("--gguf", type=click.Path(path_type=Path), help="file whose header says what each tensor takes; one GPU")
@click.option("--experts", type=EXPERT_FORMATS, help="format of the routed experts, where it is another")
@click.option("--kv", "kv_format", type=CACHE, help="format of keys, values and latents; default: config's")
@click.option("--state", "state_format", type=CACHE, help="format of recurrent state; default: config's")
@click.option("--routing", type=ROUTING, help=LAW_HELP)
@COUNTS
@PROVISION
@STEP_TOKENS
@click.option("--policy", type=POLICY, help=POLICY_HELP)
@ENGINE
@click.option("--usable-fraction", type=Number(fraction=True), help="of the GPU's memory; serving engines take 0.9")
@click.option("--max-step-tokens", type=Number(1, 10**8), help="tokens of the largest step")
@click.option("--max-step-sequences", type=Number(1, 10**6), help="sequences of the largest step")
@click.option("--source-tokens", "encoder_source_tokens", type=Number(0, 10**8), help="encoder input of encoder-decoders")
@click.option("--latency", is_flag=True, help="the time of a step, too, with --context tokens of each sequence, else config's")
@HOST_MEMORY_OPTION
@HOST_OPTION
@FIXED_COSTS
@click.option("--check", is_flag=True, help="exit with status 1 if it does not fit: of --context, else of one token a sequence")
@as_json
def command(  # noqa: PLR0913 - one argument an option
    *, model: str, mtp: bool, gpu: str, n_gpus: int, tp: int | None, ep: int | None, pp: int | None, dcp: int | None,
    batch: int | None,
    context: int | None, weights: str | None, gguf: Path | None, experts: str | None, routing: RoutingLaw | None,
    counts: Path | None, provision: Provision | None, policy: ResidencyPolicy | None, question: str | None, engine: str | None,
    latency: bool, host_memory: str | None, host: tuple[int, int | None] | None, fixed_costs: bool | None, check: bool,
    as_json: bool, **changes: Any,  # noqa: ANN401 - assumptions by name
) -> int:  # fmt: skip
    """What one model needs on some GPUs and what it holds there, by the numbers of the sweep.

    Exit status: 0 with an answer, whatever the verdict; with --check 1 if it does not fit; 2 for wrong input.
    """
    settings, given = read_settings_alone(), {"--weights": weights, "--experts": experts}
    given_formats = [option for option, value in given.items() if value is not None]
    # A format that is given stands in for a published one that is not understood; the default does not.
    stored = None if weights == NATIVE else DEFAULT_FORMAT if weights in FILE_TYPES else weights
    opened = open_model(model, stored=stored, mtp=mtp)
    architecture, weights = opened.architecture, weights or DEFAULT_FORMAT
    if gguf is not None and given_formats:
        raise ConfigurationError(f"{given_formats[0]}: beside --gguf; allowed: the formats of the file")
    with described_by(opened.file):
        taken = weights_of_header(gguf, architecture) if gguf else named_weights(weights, experts, architecture)
    if isinstance(taken, FileWeights) and n_gpus > 1:
        raise ConfigurationError(f"--n-gpus: {n_gpus}; allowed: 1, which holds the whole GGUF file")
    assumptions, profile = changed_assumptions(settings.assumptions, engine, changes)
    spread = spread_over(architecture, assumptions, n_gpus, tp, ep, pp, dcp, precisions=[taken])
    device, law, sized = open_gpu(gpu), routing or settings.reference_law, provision or settings.reference_provision
    context = asked_context(question, context, batch, architecture)
    chosen = kept(policy, architecture, profile, settings)
    own, found = model_with_counts(opened, [law], counts), None
    with described_by(opened.file), said_of_profile(profile.name):
        if context is not None:
            found = most_concurrent(
                own,
                device,
                assumptions,
                spread,
                context_tokens=context,
                precision=taken,
                routing=law,
                policy=chosen,
                provision=sized,
            )
        most = None if found is None else max(found.sequences, 1)
        asked = batch or most or settings.paper.reference.batch_size
        plan = planned(
            own, device, assumptions, batch_size=asked, n_gpus=n_gpus, layout=spread, precision=taken, routing=law, policy=chosen,
            context_tokens=context, provision=sized,
        )  # fmt: skip
    answer = answered(question, plan, found, architecture)
    timing = asked_timing(settings.latency, host_memory, host, fixed_costs, asked=latency)
    times = None
    if timing is not None:
        times = step_times(own, device, plan, taken, chosen, timing, context or settings.latency.context_tokens)
    of_experts = {"--routing": routing, "--counts": counts, "--provision": provision, "--policy": policy}
    notes = [
        *opened.notes, *partly_measured(own), *of_experts_alone(architecture, of_experts),
        *said_of_pools(own, chosen, law, sized, [spread.expert]),
    ]  # fmt: skip
    if times is not None:
        notes += said_of_caches(own, [chosen], law, plan.row["batch_size"] * assumptions.tokens_per_sequence)
    warnings = [*left_out(opened), *warnings_of(plan, architecture, device), *untimely(plan, times)]
    notes += said_of_measured(own, law)
    if as_json:
        print_json(
            {name: round(value, FLOAT_DECIMALS) if isinstance(value, float) else value for name, value in plan.row.items()}
            | {"context_tokens": plan.context_tokens, "context_fits": None if context is None else plan.holds}
            | {"context_parallel": plan.layout.context, "host_bytes": plan.host_bytes}
            | {"concurrency": None if found is None else asdict(found), "max": answer}
            | engine_lines.as_document(plan)
            | ({} if times is None else {"latency": times})
            | {"counts": None if counts is None else str(counts), "assumptions": asdict(plan.assumptions)}
            | {"fullest_rank_is_exact": plan.fullest_is_exact, "warnings": warnings, "notes": notes}
        )
        return int(check and not plan.holds)
    row = plan.row
    stored = precision_label(row["precision"])
    stored += f" ({architecture.published_precision})" if row["precision"] == NATIVE else ""
    say(f"{opened.name} on {n_gpus} x {gpu}, batch {row['batch_size']}, {stored}, {row['policy']}", bold=True)
    print_table(HEADS, breakdown(plan))
    for heads, lines in (
        (engine_lines.HEADS, engine_lines.peak_lines(plan)),
        (engine_lines.BEYOND_HEADS, engine_lines.beyond_lines(plan)),
    ):
        if lines:
            print_table(heads, lines)
    for line in (
        *concurrency_lines(plan, found, device),
        *longest_line(plan, answer),
        *verdict(plan),
        *([] if times is None or timing is None else latency_lines(times, chosen, timing)),
        "",
        *basis(plan, architecture.moe.routed_experts, profile, device),
    ):
        say(line)
    say_warnings(warnings)
    say_notes(notes)
    return int(check and not plan.holds)
