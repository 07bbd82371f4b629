"""`prophet-memory simulate`: replicas of a model that serve a trace, or requests of a process; what they and the requests see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from prophet_memory.cli.fit import named
from prophet_memory.cli.options import (
    BATCH,
    CACHE,
    COUNTS,
    CUSTOM_FORMS,
    DURATION,
    ENGINE,
    FIXED_COSTS,
    GPUS,
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
    Tokens,
    as_json,
    changed_assumptions,
    changed_timing,
    model_with_counts,
    open_gpu,
    spread_over,
)
from prophet_memory.cli.render import print_json, say
from prophet_memory.cli.said import hypothetical, law_in_words, left_out, said_of_times, say_notes, say_warnings, unread_gpus
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import ENGINES_FILE, said_of_profile
from prophet_memory.edge.contents import REMOTE
from prophet_memory.edge.messages import described_by, hint, relative
from prophet_memory.edge.model_files import open_model
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.edge.text import precision_label
from prophet_memory.edge.traces import WORKLOADS_FILE, read_requests, read_workloads, requests_of
from prophet_memory.errors import ModelError
from prophet_memory.formats import DEFAULT_FORMAT, NATIVE, PRECISIONS
from prophet_memory.provision import Provision
from prophet_memory.residency import BASELINE, ResidencyPolicy
from prophet_memory.routing import RoutingLaw
from prophet_memory.workload.requests import Lengths, Process, Requests
from prophet_memory.workload.routes import ROUTES

if TYPE_CHECKING:
    from prophet_memory.workload.service import Service

MS = 1e3
OF_PROCESS = ("--load", "--prompt", "--output")
REQUESTS, VARIATION = 10_000, 1.0
FEW = 100  # requests


def opened_requests(
    trace: str | None, sha256: str | None, load: float | None, prompt: int | None, output: int | None, variation: float | None,
    requests: int | None, seed: int,
) -> tuple[Requests, str, list[str]]:  # fmt: skip
    """Requests of a trace or a process, what they are called, and notes. Raises ConfigurationError."""
    given = [option for option, value in zip(OF_PROCESS, (load, prompt, output), strict=True) if value is not None]
    if trace is None:
        if load is None or prompt is None or output is None:
            missing = next(option for option in OF_PROCESS if option not in given)
            raise ConfigurationError(f"{missing}: missing; allowed: {', '.join(OF_PROCESS)} together, or --trace alone")
        if sha256 is not None:
            raise ConfigurationError("--sha256: alone; allowed: beside --trace")
        process, count = process_of(load, prompt, output, variation), requests or REQUESTS
        return process.requests(count, seed), f"{count:,} requests at {load:g}/s", []
    given += [option for option, value in (("--requests", requests), ("--variation", variation)) if value is not None]
    if given:
        raise ConfigurationError(f"{given[0]}: beside --trace; allowed: one or the other")
    known = read_workloads().traces
    if trace in known:
        return requests_of(known[trace]), known[trace].name, [f"{known[trace].name}: {known[trace].note}"]
    if not trace.startswith(REMOTE) and not Path(trace).is_file():
        allowed = f"a file, an address with --sha256, or a trace of {relative(WORKLOADS_FILE)}: {', '.join(known)}"
        raise ConfigurationError(f"--trace: {trace}; allowed: {allowed}{hint(trace, known)}")
    found, left_out = read_requests(trace, sha256)
    return found, trace, [f"{left_out:,} rows without output are left out"] if left_out else []


def process_of(load: float, prompt: int, output: int, variation: float | None) -> Process:
    """Requests of one length. Raises ConfigurationError, naming the option."""
    try:
        return Process(load, Lengths(prompt, prompt), Lengths(output, output), VARIATION if variation is None else variation)
    except ModelError as problem:
        raise ConfigurationError(f"--{problem.key}: {problem.value}; allowed: {problem.allowed}") from None


@click.command(name="simulate")
@click.option("--model", required=True, help="name of the catalogue, catalogue file or config.json")
@MTP
@click.option("--gpu", required=True, help=f"name of the catalogue (prophet-memory gpus), or {CUSTOM_FORMS}")
@click.option("--n-gpus", type=GPUS, default=1, show_default=True, help="of each replica")
@click.option("--tp", type=GPUS, help="of those, GPUs that share attention; this and the next two: default: the engine's layout")
@click.option("--ep", type=GPUS, help="ranks of whole experts")
@click.option("--dcp", type=GPUS, help="GPUs that share the tokens of a sequence's cache")
@click.option("--trace", help="name in config/workloads.yaml, or CSV, Parquet or lines of JSON by path or address")
@click.option("--sha256", help="checksum of the file at that address")
@click.option("--load", type=RATE, help="instead of a trace: requests that arrive, to all replicas together")
@click.option("--prompt", type=Tokens(), help="tokens of each of those requests")
@click.option("--output", type=Tokens(), help="tokens that each of them makes")
@click.option("--variation", type=float, help="of the times between them: 1, the default, is Poisson, more comes in bursts")
@click.option("--requests", type=Number(1, 10**8), help=f"how many requests of that load; default: {REQUESTS:,}")
@click.option("--replicas", type=Number(1, 10_000), default=1, show_default=True, help="that share the requests")
@click.option("--route", type=Among(ROUTES), default="random", show_default=True, help="which replica gets a request")
@click.option("--seed", type=Number(0, 2**32 - 1), default=0, show_default=True, help="of arrivals and routes")
@click.option("--tpot", type=DURATION, default="50ms", show_default=True, help="target of each token after the first: ms or s")
@click.option("--ttft", type=DURATION, default="2s", show_default=True, help="target of the first token")
@click.option("--precision", type=Among(PRECISIONS), default=DEFAULT_FORMAT, show_default=True, help="of the weights")
@click.option("--policy", type=POLICY, help="what stays in GPU memory; default: the paper's")
@click.option("--batch", type=BATCH, help="for which the policy's pool is sized; default: the study's")
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
@as_json
def command(  # noqa: PLR0913 - one argument an option
    *, model: str, mtp: bool, gpu: str, n_gpus: int, tp: int | None, ep: int | None, dcp: int | None, trace: str | None,
    sha256: str | None, load: float | None, prompt: int | None, output: int | None, variation: float | None, requests: int | None,
    replicas: int, route: str, seed: int, tpot: float, ttft: float,
    precision: str, policy: ResidencyPolicy | None, batch: int | None, routing: RoutingLaw | None, counts: Path | None,
    provision: Provision | None, engine: str | None, host_memory: str | None, host: tuple[int, int | None] | None,
    fixed_costs: bool | None, as_json: bool,
    **changes: Any,  # noqa: ANN401 - assumptions by name
) -> None:  # fmt: skip
    """Serve a trace, or requests of a process, by continuous batching: batches, distinct experts, stalls, times and goodput.

    Traces are CSV, Parquet or lines of JSON with the columns of Azure 2023 and 2024, Mooncake, BurstGPT, or arrival_s,
    prompt_tokens, output_tokens. The policy's pool is sized once, for --batch; larger steps fetch more.
    """
    try:
        from prophet_memory.workload.replicas import serve  # noqa: PLC0415 - its compiler is an extra, and takes time to import
        from prophet_memory.workload.service import Deployment, service  # noqa: PLC0415
        from prophet_memory.workload.summary import summary  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError("simulate: needs the package numba; allowed: pip install 'prophet-memory[workload]'") from None
    settings = read_settings_alone()
    opened = open_model(model, stored=DEFAULT_FORMAT if precision == NATIVE else precision, mtp=mtp)
    architecture, law = opened.architecture, routing or settings.reference_law
    assumptions, profile = changed_assumptions(settings.assumptions, engine, changes)
    kept = BASELINE if architecture.is_dense else policy or settings.reference_policy
    timing, device = changed_timing(settings.latency, host_memory, host, fixed_costs), open_gpu(gpu)
    asked, name, of_trace = opened_requests(trace, sha256, load, prompt, output, variation, requests, seed)
    spread = spread_over(architecture, assumptions, n_gpus, tp, ep, 1, dcp, precisions=[precision])
    deployment = Deployment(
        model_with_counts(opened, [law], counts), device, spread,
        assumptions, timing,
        precision, kept, law, batch or settings.workloads.served.design_batch, provision or settings.reference_provision,
    )  # fmt: skip
    with described_by(opened.file), said_of_profile(profile.name):
        one = service(deployment, int((asked.prompt_tokens + asked.output_tokens).max()))
    columns = (TextColumn("serving"), BarColumn(), MofNCompleteColumn(), TextColumn("requests"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not os.isatty(2)) as shown:
        task = shown.add_task("serving", total=len(asked))
        served = serve(asked, one, replicas=replicas, routing=route, seed=seed, progress=lambda more: shown.advance(task, more))
    found = summary(served, one, tpot, ttft)
    warnings = [*left_out(opened), *unread_gpus(profile, [device]), *hypothetical(architecture, precision)]
    if as_json:
        asked_for = {"model": opened.slug, "gpu": gpu, "n_gpus": n_gpus, "precision": precision, "policy": kept.name}
        asked_for |= {"requests": name, "replicas": replicas, "route": route, "seed": seed, "tpot_s": tpot, "ttft_s": ttft}
        print_json(
            {
                "asked": asked_for,
                "found": found,
                "warnings": warnings,
                "notes": [*opened.notes, *of_trace, *never_served(asked, one, architecture.max_context_tokens)],
            }
        )
        return
    weights = precision_label(precision)
    ways = named(deployment.spread, is_dense=architecture.is_dense)
    place = f"{n_gpus} x {gpu}{f' ({ways})' if ways else ''}"
    behind = f"{replicas:,} replica{'' if replicas == 1 else f's, {route}'}"
    say(f"{opened.name}, {kept.words.label}, {weights}, on {place}: {name}, {behind}", bold=True)
    for line in said_of_run(found, (tpot, ttft), is_dense=architecture.is_dense):
        say(f" {line}")
    pool = f"{law_in_words(law)}, pool of {deployment.provision.words} at batch {deployment.design_batch}, "
    say(f"assumed: {'' if kept == BASELINE else pool}"
        f"KV {assumptions.kv_format}, {profile.name} in {relative(ENGINES_FILE)}; {said_of_times(timing, [kept])}")  # fmt: skip
    say_warnings([*warnings, *never_served(asked, one, architecture.max_context_tokens)])
    say_notes([*opened.notes, *of_trace])


def never_served(asked: Requests, one: Service, limit: int | None) -> Iterator[str]:
    """Why some requests are never served, and that few say little."""
    whole = asked.prompt_tokens + asked.output_tokens
    longer = np.zeros(len(whole), np.bool_) if limit is None else whole - 1 > limit
    held = one.costs.held_bytes[np.minimum(whole - 1, one.costs.held_bytes.size - 1)]
    larger = ~longer & (held > one.costs.budget_bytes)
    if longer.any():
        maximum = f"the model's own maximum of {limit:,} tokens"
        yield f"{longer.sum():,} of {len(whole):,} requests are longer than {maximum}: never served"
    if larger.any():
        yield f"{larger.sum():,} of {len(whole):,} requests take more cache than a replica has: never served"
    if len(whole) < FEW:
        yield f"{len(whole):,} requests say little: rates are over the time from the first arrival to the last token"


def said_of_run(found: dict[str, Any], target: tuple[float, float], *, is_dense: bool) -> list[str]:
    """Lines of an answer."""
    if not found["served_fraction"]:
        return ["nothing was served"]
    tpot_s, ttft_s = target
    shares = ", ".join(
        f"{found[f'fraction_at_most_{batch}']:.1%} at {batch}{' or less' if batch > 1 else ''}" for batch in (1, 2, 16)
    )
    work = f"{found['preemptions']:,} preemptions; replicas work {found['utilisation']:.1%} of the time"
    lines = [
        f"served          {found['served_fraction']:.1%} of {found['requests']:,} requests, {work}",
        f"batch at entry  {found['mean_batch_size']:.2f} on average; {shares}",
    ]  # fmt: skip
    if not is_dense and found["distinct_experts"] is not None:
        lines.append(
            f"experts         {found['distinct_experts']:.1f} distinct in a layer's decode step, p99 "
            f"{found['distinct_experts_p99']:.1f}; {found['resident_experts_per_layer']:.1f} resident, short in "
            f"{found['short_fraction']:.1%} of the steps"
        )
    for name, word in (("ttft", "first token"), ("tpot", "each after")):
        if found[f"{name}_p50_s"] is not None:
            values = [f"{MS * found[f'{name}_{q}_s']:,.1f}" for q in ("p50", "p95", "p99")]
            lines.append(f"{word:15} {values[0]} ms (p50), {values[1]} (p95), {values[2]} (p99)")
    targets = f"{MS * ttft_s:g} ms and {MS * tpot_s:g} ms a token"
    lines.append(
        f"goodput         {found['goodput_per_s_per_gpu']:.3g} requests/s/GPU; {found['in_time_fraction']:.1%} of the requests "
        f"within {targets}"
    )
    return lines
