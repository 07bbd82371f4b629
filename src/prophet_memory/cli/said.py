"""What the commands say beside an answer: how a model was read, what is hypothetical, and what was assumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import click

from prophet_memory.architecture import Architecture
from prophet_memory.edge.counting import counted_models
from prophet_memory.edge.model_files import OpenedModel
from prophet_memory.edge.text import is_below_16_bits, is_precision, precision_label
from prophet_memory.engine import Engine
from prophet_memory.formats import NATIVE
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Model
from prophet_memory.hardware import unsupported
from prophet_memory.latency import Prefetch
from prophet_memory.memory import stored_as
from prophet_memory.precision import FileWeights
from prophet_memory.provision import Provision
from prophet_memory.residency import BASELINE, ResidencyPolicy
from prophet_memory.routing import RoutingLaw
from prophet_memory.steps import PINNED, Timing


def say_notes(notes: Iterable[str]) -> None:
    """What a user should know of how a model was read, beside the answer."""
    for note in notes:
        click.echo(f"note: {note}", err=True)


def say_warnings(warnings: Iterable[str]) -> None:
    """What is no error and should be known."""
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def hypothetical(architecture: Architecture, precision: str) -> Iterator[str]:
    """That weights are counted in a format in which nobody published them."""
    published = architecture.published_precision
    if is_precision(precision) and precision not in {NATIVE, published} and is_below_16_bits(published):
        yield f"hypothetical: the model is published in {precision_label(published)} (--weights {NATIVE})"


def unread_gpus(engine: Engine, gpus: Sequence[Gpu]) -> Iterator[str]:
    """That a profile was read and measured on other GPUs."""
    others = [gpu.name for gpu in gpus if engine.read_on and not any(gpu.name.startswith(name) for name in engine.read_on)]
    if others:
        where, own = ", ".join(engine.read_on), ", ".join(others)
        yield f"{engine.name} was read and measured on {where}: on {own} its kernels and its memory beside torch may differ"


def without_hardware(
    engine: Engine, architecture: Architecture, gpus: Sequence[Gpu], precisions: Iterable[str | FileWeights]
) -> Iterator[str]:
    """That a GPU has no hardware, or the engine no kernel, for a format of the weights."""
    stored = [stored_as(name, architecture) for name in precisions]
    yield from unsupported(engine.name, engine.format_support, stored, gpus)


def left_out(opened: OpenedModel) -> Iterator[str]:
    """That a part of the model is not counted, which an engine loads all the same."""
    if opened.leaves_out is not None:
        others = "" if opened.other_params is None else f" ({opened.other_params:,} parameters)"
        yield f"{opened.name} is counted without {opened.leaves_out}{others}: an engine that loads it has less left for the cache"


def law_in_words(law: RoutingLaw) -> str:
    """A law with the parameters that its label does not name."""
    label = law.words.label
    return ", ".join([label, *(f"{name} {value}" for name, value in law.parameters.items() if f"{value:g}" not in label)])


def said_of_pools(
    model: Model, policy: ResidencyPolicy, law: RoutingLaw, provision: Provision, expert_ranks: Iterable[int]
) -> Iterator[str]:
    """What a law or a layout leaves of a provision that was asked for."""
    if model.architecture.is_dense or policy == BASELINE:
        return
    if provision.quantile is not None and not law.has_spread:
        yield f"the {law.words.label} says one number and no spread: a pool for its {provision.label} is one for that number"
    if provision.is_pooled and max(expert_ranks, default=1) > 1:
        alone = provision.name.split("_")[0]
        taken = f"{provision.label} takes what {alone} does"
        yield f"with several expert ranks a shared pool is bounded by pools of each layer: {taken}"


def of_experts_alone(architecture: Architecture, given: Mapping[str, object]) -> Iterator[str]:
    """Which of the options that were given change nothing for a dense model."""
    options = [option for option, value in given.items() if value is not None]
    if architecture.is_dense and options:
        said = f"{', '.join(options)} {'changes' if len(options) == 1 else 'change'} nothing"
        yield f"the model is dense, it has no routed experts: {said}"


def said_of_caches(model: Model, policies: Iterable[ResidencyPolicy], law: RoutingLaw, tokens: int) -> Iterator[str]:
    """What the hit rates of caches rest on, and how good a predictor is taken to be."""
    cached = [policy for policy in policies if policy.cache is not None]
    if model.architecture.is_dense or not cached:
        return
    if model.caches is None or not law.needs_counts:
        yield "hit rates are those of independent steps; routers repeat themselves, real caches hit more often (docs/latency.md)"
    elif tokens > (largest := max(max(batches) for batches in model.caches.rates.values())):
        yield f"caches were replayed for up to {largest:,} tokens a step; for more the hit rates are those of independent steps"
    if any(policy.kind == "prophet" and policy.prefetch == Prefetch(recall=1.0) for policy in cached):
        yield "Prophet's predictor is taken as perfect: prophet:recall=0.5 and the like change that"


def said_of_times(timing: Timing, policies: Iterable[ResidencyPolicy]) -> str:
    """What times hold and leave out, and what of the host they rest on."""
    said = [f"times {'with' if timing.layer_s else 'without'} the fixed costs of engines"]
    if timing.host_memory != PINNED:
        said.append(f"copies from {timing.host_memory} memory")
    if any(policy.kind == "cpu_compute" for policy in policies):
        memory, peak = timing.host_memory_bytes_per_s / 1e9, timing.host_flops_per_s / 1e12
        said.append(f"a host of {memory:,.4g} GB/s and {peak:,.3g} TFLOP/s (--host)")
    return ", ".join(said)


def said_of_measured(model: Model, law: RoutingLaw) -> Iterator[str]:
    """That the routing of a model was measured, where another law is asked."""
    if not law.needs_counts and model.name in counted_models():
        yield f"the routing of {model.name} was measured: --routing frequency takes it"


def partly_measured(model: Model) -> Iterator[str]:
    """That routing was not measured in every layer."""
    layers = model.architecture.moe_layer_count
    if model.counts is not None and len(model.counts.layers) < layers:
        yield f"routing was measured in {len(model.counts.layers)} of {layers} MoE layers, which stand for all"
