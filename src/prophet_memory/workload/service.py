"""What one replica can do: how long its steps take, and how much cache its memory leaves, for a model, policy and precision.

The pool of a policy is sized once, for a design batch; steps that need more experts fetch them. A step reads its weights for all
new tokens, of decoding sequences and of prompts alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prophet_memory.architecture import Architecture
from prophet_memory.decode import FLOPS_PER_PRODUCT, HEADS, passed_weights
from prophet_memory.errors import ModelError
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.integers import IntArray
from prophet_memory.kv_cache import bytes_per_sequence
from prophet_memory.memory import Assumptions, growth_of, sequence_room
from prophet_memory.parallelism import Parallelism
from prophet_memory.provision import MEAN, Provision
from prophet_memory.residency import ResidencyPolicy
from prophet_memory.routing.law import DistinctExperts, RoutingLaw
from prophet_memory.steps import FloatArray, Timing, fixed_pool_parts
from prophet_memory.sweeps import sweep
from prophet_memory.workload.kernel import Costs

EXACT, KNOWN = 64, 96  # numbers of new tokens at which steps are computed: each up to the first, then so many
SEQUENCES = 1024  # of a step, where the engine bounds none
STEP_TOKENS = 8192  # of a step of a service that no engine serves


@dataclass(frozen=True, slots=True)
class Deployment:
    """One replica: a model on some GPUs, with what stays in their memory. `design_batch` is what its pool is sized for.

    Replicas fill machines: of the timing's host each has its GPUs' part.
    """

    model: Model
    gpu: Gpu
    spread: Parallelism
    assumptions: Assumptions
    timing: Timing
    precision: str
    policy: ResidencyPolicy
    law: RoutingLaw
    design_batch: int
    provision: Provision = MEAN


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """What the loop of a replica asks, and what its results are read with."""

    costs: Costs
    n_gpus: int
    slots: float  # of an MoE layer, on all ranks together
    distinct: DistinctExperts | None  # of an MoE layer; None for a dense model


def service(deployment: Deployment, longest_tokens: int) -> Service:
    """The service of a deployment for sequences of up to so many tokens.

    Raises:
        ModelError: where the model does not fit with its pool, for an encoder-decoder, and as `StepTimes`.
    """
    model, spread, assumptions = deployment.model, deployment.spread, deployment.assumptions
    timing = deployment.timing.of_replica(spread.n_gpus)
    if model.architecture.encoder is not None:
        raise ModelError("model", model.name, "a decoder alone: requests have one prompt and one output")
    grid = Grid(
        [model], gpus=[deployment.gpu], n_gpus=[spread.n_gpus], batch_sizes=[deployment.design_batch],
        routings=[deployment.law], precisions=[deployment.precision], policies=[deployment.policy],
        provisions=[deployment.provision], layouts={spread.n_gpus: spread},
    )  # fmt: skip
    swept = sweep(grid, assumptions)
    free = int(swept.free_for_kv_bytes.item()) * spread.data
    if free <= 0:
        lack = f"which lacks {-free / 2**30:,.2f} GiB on the fullest GPU" if free else "which leaves no cache"
        allowed = f"one that fits with {deployment.policy.name} at batch {deployment.design_batch}, {lack}"
        raise ModelError("model", model.name, allowed)
    engine = assumptions.engine.step_size(deployment.gpu)
    tokens = known_tokens(engine.tokens)
    parts, slots = fixed_pool_parts(model, spread, assumptions, grid, timing, tokens)
    every = np.arange(engine.tokens + 1)
    processor = timing.processor(deployment.gpu)
    head_s = float(processor.computing_s(FLOPS_PER_PRODUCT * head_parameters(model.architecture, spread))) / spread.data

    def at_each(values: FloatArray) -> FloatArray:
        return np.interp(every, tokens, np.broadcast_to(values, (len(tokens), 1, 1))[:, 0, 0])

    contexts = np.arange(min(longest_tokens, model.architecture.max_context_tokens or longest_tokens) + 1)
    room = sequence_room(model, spread, assumptions, deployment.gpu, contexts)
    held = room.units * room.unit_bytes
    held[0] = 0
    attended, chunk_attended = (
        processor.computing_s(FLOPS_PER_PRODUCT * products(model.architecture, contexts, spread.tensor, new)) / spread.data
        for new in (1, engine.tokens)
    )
    costs = Costs(
        read_s=at_each(parts.read_s), compute_s=np.maximum(0, at_each(parts.compute_s) - head_s * every),
        beside_s=at_each(parts.beside_s), asked_s=at_each(parts.asked_s), waited_s=at_each(parts.waited_s),
        overlap=parts.overlap, read_s_per_byte=float(processor.reading_s(1)) / spread.data,
        cache_bytes=bytes_per_sequence(growth_of(model, spread, assumptions, read=True), -(-contexts // spread.context)),
        held_bytes=held, attended_s=attended, chunk_attended_s=chunk_attended, head_s=head_s, budget_bytes=free,
        step_tokens=engine.tokens, sequences=SEQUENCES if engine.sequences is None else engine.sequences,
    )  # fmt: skip
    moe = model.architecture.moe
    return Service(costs, spread.n_gpus, slots, deployment.law.bind(moe, model.counts) if moe.routed_experts else None)


def constant(
    step_s: float, longest_tokens: int, *, prompt_tokens_per_s: float = np.inf, sequences: int = SEQUENCES,
    step_tokens: int = STEP_TOKENS, budget_tokens: int = 2**50,
) -> Service:  # fmt: skip
    """A service whose steps take as long whatever their batch, or as long as the prompts that they read: what a load alone says.

    Raises:
        ModelError: for times, rates and counts that are not above 0.
    """
    for name, value in (("step_s", step_s), ("prompt_tokens_per_s", prompt_tokens_per_s), ("sequences", sequences),
                        ("step_tokens", step_tokens), ("budget_tokens", budget_tokens)):  # fmt: skip
        if not value > 0:
            raise ModelError(name, value, "a number above 0")
    nothing, contexts = np.zeros(step_tokens + 1), np.arange(longest_tokens + 1)
    unseen = np.zeros(contexts.size)
    reading = np.arange(step_tokens + 1) / prompt_tokens_per_s
    costs = Costs(
        read_s=nothing + step_s, compute_s=reading, beside_s=nothing, asked_s=nothing, waited_s=nothing, overlap=1.0,
        read_s_per_byte=0.0, cache_bytes=contexts, held_bytes=contexts, attended_s=unseen, chunk_attended_s=unseen, head_s=0.0,
        budget_bytes=budget_tokens, step_tokens=step_tokens, sequences=sequences,
    )  # fmt: skip
    return Service(costs, 1, 0.0, None)


def known_tokens(most: int) -> IntArray:
    """Numbers of new tokens at which steps are computed; between them times are taken along straight lines."""
    few = np.arange(1, min(EXACT, most) + 1)
    return np.unique(np.concatenate([few, np.geomspace(few[-1], most, KNOWN).round().astype(np.int64)]))


def head_parameters(architecture: Architecture, spread: Parallelism) -> int:
    """Of the head on each GPU: sequences pass it, and not every token of their prompts."""
    return sum(w.shard(spread.tensor).parameters for w in passed_weights(architecture) if w.component in HEADS)


def products(architecture: Architecture, contexts: IntArray, tensor: int, new_tokens: int) -> FloatArray:
    """Multiplications of a new token with each of some contexts, in all layers; see `decode.attention_products`."""
    found = np.zeros(contexts.shape)
    for layer in architecture.decoder.layers:
        for each, window in layer.mixer.attended_parts(tokens=new_tokens, tensor=tensor):
            seen = contexts if window is None else np.minimum(contexts, window)
            found += layer.count * each * seen
    return found
