"""The memory model over a grid: GPUs x numbers of GPUs x batch sizes x routing laws x precisions x policies, for one model.

usable memory >= non-expert + resident experts + KV + activations + overhead + runtime reserve (DESIGN "GPU memory").
Bytes are those of the fullest GPU. Everything but the GPU's memory is resolved first into small arrays; `evaluate` is the kernel
that runs over all points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from prophet_memory.activations import activation_bytes
from prophet_memory.architecture import Architecture
from prophet_memory.axes import AXES
from prophet_memory.integers import IntArray, int64
from prophet_memory.kv_cache import CacheFormats, KVLayout, kv_layout, max_context_tokens
from prophet_memory.occupancy import experts_on_fullest_rank, fixed_on_fullest_rank, uniform_on_fullest_rank
from prophet_memory.parallelism import ALONE, Parallelism, parallelism
from prophet_memory.precision import DEFAULT_FORMAT, FORMATS, non_expert_bytes, precision, routed_expert_bytes
from prophet_memory.residency import BASELINE_POLICY, POLICIES
from prophet_memory.routing import routing_laws

FloatArray = npt.NDArray[np.float64]

FIT_VERDICTS = ("fits", "newly_fits", "does_not_fit")
FITS, NEWLY_FITS, DOES_NOT_FIT = range(3)
# Vector libraries differ in the last bits of a power; rounding U here makes every byte count the same on every machine.
DISTINCT_EXPERT_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the memory model takes as given; config/config.yaml holds the values and their sources."""

    power_law_exponent: float
    usable_fraction: float
    predictor_overhead_bytes: int
    runtime_reserve_bytes: int
    communication_reserve_bytes: int  # on each of several GPUs
    max_step_tokens: int
    encoder_source_tokens: int
    kv_format: str
    state_format: str
    activation_value_bytes: int

    @property
    def cache(self) -> CacheFormats:
        """How the cache is stored; the inputs of short convolutions are activations, 16 bit."""
        return CacheFormats(FORMATS[self.kv_format], FORMATS[self.state_format], FORMATS[DEFAULT_FORMAT])


@dataclass(frozen=True, slots=True)
class Grid:
    """The axes of a sweep; `gpu_memory_bytes` maps a GPU's name to its memory. The order of the axes is that of `AXES`.

    `layouts` overrides how the model is spread over a number of GPUs.
    """

    gpu_memory_bytes: Mapping[str, int]
    n_gpus: Sequence[int]
    batch_sizes: Sequence[int]
    routings: Sequence[str]
    precisions: Sequence[str]
    policies: Sequence[str]
    layouts: Mapping[int, Parallelism] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(map(len, self._axes))

    def keys(self) -> dict[str, npt.NDArray[np.generic]]:
        """The key columns of the grid's rows, each of the grid's shape."""
        return dict(zip(AXES, np.meshgrid(*map(np.asarray, self._axes), indexing="ij"), strict=True))

    @property
    def _axes(self) -> tuple[Sequence[str] | Sequence[int], ...]:
        return (tuple(self.gpu_memory_bytes), self.n_gpus, self.batch_sizes, self.routings, self.precisions, self.policies)


@dataclass(frozen=True, slots=True)
class Demand:
    """What the fullest GPU holds beside the KV cache; every array broadcasts to (batch, routing, precision, policy)."""

    distinct_experts: FloatArray
    expert_savings_fraction: FloatArray
    resident_experts_per_layer: FloatArray
    non_expert_bytes: IntArray
    resident_expert_bytes: IntArray
    activation_bytes: IntArray
    overhead_bytes: IntArray
    runtime_reserve_bytes: IntArray

    @property
    def total_bytes(self) -> IntArray:
        """All of it."""
        return (
            self.non_expert_bytes
            + self.resident_expert_bytes
            + self.activation_bytes
            + self.overhead_bytes
            + self.runtime_reserve_bytes
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left for the cache and what it holds; arrays of the grid's shape.

    Tokens and extension are 0 where they are undefined: `fit_verdict` says where that is.
    """

    free_for_kv_bytes: IntArray
    max_context_tokens: IntArray
    baseline_context_tokens: IntArray  # may keep singleton axes where the baseline does not vary
    kv_capacity_tokens: IntArray
    kv_extension: FloatArray
    fit_verdict: npt.NDArray[np.int8]  # an index into FIT_VERDICTS


def usable_bytes(gpu_memory_bytes: npt.ArrayLike, usable_fraction: float) -> IntArray:
    """Bytes that the engine may use: the driver's figure times the usable fraction, rounded down."""
    return np.floor(np.asarray(gpu_memory_bytes, np.float64) * usable_fraction).astype(np.int64)


def distinct_experts(
    architecture: Architecture, batch_sizes: Sequence[int], routings: Sequence[str], power_law_exponent: float
) -> FloatArray:
    """U of one MoE layer, shape (batch, routing)."""
    laws, moe = routing_laws(power_law_exponent=power_law_exponent), architecture.moe
    columns = [laws[name](moe.routed_experts, moe.top_k, np.asarray(batch_sizes)) for name in routings]
    stacked: FloatArray = np.stack(columns, axis=-1)
    return stacked.round(DISTINCT_EXPERT_DECIMALS)


def distinct_on_fullest_rank(
    architecture: Architecture, batch_sizes: Sequence[int], routings: Sequence[str], distinct: FloatArray, ranks: int
) -> FloatArray:
    """U of one MoE layer on the fullest of some expert-parallel ranks, from `distinct_experts`, in its shape."""
    if ranks == 1:
        return distinct
    experts, top_k, fullest = architecture.moe.routed_experts, architecture.moe.top_k, np.empty_like(distinct)
    for i, batch in enumerate(batch_sizes):
        for j, routing in enumerate(routings):
            if routing == "uniform":
                fullest[i, j] = uniform_on_fullest_rank(experts, top_k, batch, ranks)
            else:
                fullest[i, j] = fixed_on_fullest_rank(experts, float(distinct[i, j]), ranks)
    return fullest.round(DISTINCT_EXPERT_DECIMALS)


def demand(architecture: Architecture, grid: Grid, assumptions: Assumptions, layout: Parallelism = ALONE) -> Demand:
    """What the fullest GPU holds beside the KV cache.

    Resident experts are slots in each MoE layer, U(B) of them on its fullest rank, rounded up to a byte.

    Raises:
        ArchitectureError: for more bytes than any machine holds.
    """
    experts, layers = architecture.moe.routed_experts, architecture.moe_layer_count
    distinct = distinct_experts(architecture, grid.batch_sizes, grid.routings, assumptions.power_law_exponent)
    fullest = distinct_on_fullest_rank(architecture, grid.batch_sizes, grid.routings, distinct, layout.expert)

    def kept(distinct_experts: FloatArray, of: int) -> FloatArray:
        each = [POLICIES[name].resident_experts(distinct_experts[:, :, None, None], of) for name in grid.policies]
        return np.concatenate(each, axis=-1)

    resident = kept(fullest, experts_on_fullest_rank(experts, layout.expert))
    stored = [precision(name, architecture.published_precision) for name in grid.precisions]
    slots = [layers * routed_expert_bytes(architecture, form, expert_tensor=layout.expert_tensor) for form in stored]
    int64([experts * slot for slot in slots], "routed_expert_bytes")
    activations = activation_bytes(
        architecture,
        batch_sizes=grid.batch_sizes,
        max_step_tokens=assumptions.max_step_tokens,
        value_bytes=assumptions.activation_value_bytes,
        layout=layout,
    )
    reserve = assumptions.runtime_reserve_bytes + (assumptions.communication_reserve_bytes if layout.n_gpus > 1 else 0)
    predictor = [assumptions.predictor_overhead_bytes if POLICIES[name].uses_predictor else 0 for name in grid.policies]
    return Demand(
        distinct_experts=distinct[:, :, None, None],
        expert_savings_fraction=1 - kept(distinct, experts) / experts,
        resident_experts_per_layer=resident,
        non_expert_bytes=int64(
            [[non_expert_bytes(architecture, form, tensor=layout.tensor)] for form in stored], "non_expert_bytes"
        ),
        resident_expert_bytes=np.ceil(resident * np.array(slots, np.int64)[:, None]).astype(np.int64),
        activation_bytes=activations[:, None, None, None],
        overhead_bytes=np.array(predictor, np.int64),
        runtime_reserve_bytes=np.array(reserve, np.int64),
    )


def evaluate(usable: IntArray, demand_bytes: IntArray, baseline_bytes: IntArray, batch: IntArray, layout: KVLayout) -> Outcome:
    """The kernel: what is left, what it holds and how that compares with the baseline.

    Args:
        usable: usable bytes of each GPU; broadcasts with the rest.
        demand_bytes: what the policy takes beside the KV cache.
        baseline_bytes: what the baseline takes; may keep singleton axes where it does not vary.
        batch: sequences on the GPU, which share what is left evenly.
        layout: how the cache of one sequence grows.
    """
    free = usable - demand_bytes
    context = max_context_tokens(layout, free // batch)
    baseline_context = max_context_tokens(layout, (usable - baseline_bytes) // batch)
    fits, baseline_fits = context > 0, baseline_context > 0
    extension = np.divide(context, np.maximum(baseline_context, 1))
    verdict = np.where(fits, np.where(baseline_fits, np.int8(FITS), np.int8(NEWLY_FITS)), np.int8(DOES_NOT_FIT))
    return Outcome(free, context, baseline_context, context * batch, extension * baseline_fits, verdict)


def sweep_model(architecture: Architecture, grid: Grid, assumptions: Assumptions) -> dict[str, npt.NDArray[np.generic]]:
    """Every value column of the results for one model.

    Returns:
        Columns in the order of the results contract, each of shape (gpu, n_gpus, batch, routing, precision, policy).
        `fit_verdict` holds indices into `FIT_VERDICTS`; undefined values are masked.

    Raises:
        ParallelismError: for more GPUs than the model can use.
        ArchitectureError: for more bytes than any machine holds.
    """
    layouts = [grid.layouts.get(n_gpus) or parallelism(architecture, n_gpus) for n_gpus in grid.n_gpus]
    parts = [_sweep_layout(architecture, grid, assumptions, layout) for layout in layouts]
    return {name: _stacked([part[name] for part in parts]) for name in parts[0]}


def _stacked(parts: Sequence[npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    """One array with the numbers of GPUs as its second axis; `np.stack` alone would lose the masks."""
    stack = np.ma.stack if np.ma.isMaskedArray(parts[0]) else np.stack
    return stack(parts, axis=1)


def _sweep_layout(
    architecture: Architecture, grid: Grid, assumptions: Assumptions, layout: Parallelism
) -> dict[str, npt.NDArray[np.generic]]:
    """The columns for one number of GPUs, each of shape (gpu, batch, routing, precision, policy)."""
    need = demand(architecture, grid, assumptions, layout)
    baseline = demand(architecture, replace(grid, policies=[BASELINE_POLICY]), assumptions, layout)
    cache = kv_layout(architecture, assumptions.cache, source_tokens=assumptions.encoder_source_tokens, tensor=layout.tensor)
    memory = np.array(list(grid.gpu_memory_bytes.values()), np.int64)[:, None, None, None, None]
    usable = usable_bytes(memory, assumptions.usable_fraction)
    batch = np.array(grid.batch_sizes, np.int64)[:, None, None, None]
    out = evaluate(usable, need.total_bytes, baseline.total_bytes, layout.sequences(batch), cache)
    fits = out.fit_verdict != DOES_NOT_FIT
    limit = architecture.max_context_tokens
    columns = {
        "tensor_parallel": np.array(layout.tensor),
        "data_parallel": np.array(layout.data),
        "expert_parallel": np.array(layout.expert),
        "distinct_experts": need.distinct_experts,
        "expert_savings_fraction": need.expert_savings_fraction,
        "resident_experts_per_layer": need.resident_experts_per_layer,
        "gpu_memory_bytes": memory,
        "usable_bytes": usable,
        "non_expert_bytes": need.non_expert_bytes,
        "resident_expert_bytes": need.resident_expert_bytes,
        "activation_bytes": need.activation_bytes,
        "overhead_bytes": need.overhead_bytes,
        "runtime_reserve_bytes": need.runtime_reserve_bytes,
        "free_for_kv_bytes": out.free_for_kv_bytes,
        "kv_bytes_per_token": np.array(cache.bytes_per_token),
        "kv_constant_bytes_per_sequence": np.array(cache.constant_bytes),
        "kv_capacity_tokens": np.ma.masked_where(~fits, out.max_context_tokens * batch),
        "max_context_tokens": np.ma.masked_where(~fits, out.max_context_tokens),
        "kv_extension": np.ma.masked_where(out.fit_verdict != FITS, out.kv_extension),
        "fit_verdict": out.fit_verdict,
        "exceeds_model_context": np.ma.masked_where(
            ~fits if limit is not None else np.ones_like(fits), out.max_context_tokens > (limit or 0)
        ),
    }
    shape = (grid.shape[0], *grid.shape[2:])
    return {name: _broadcast(values, shape) for name, values in columns.items()}


def _broadcast(values: npt.NDArray[np.generic], shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    return values if values.shape == shape else np.broadcast_to(values, shape, subok=True)
