"""The memory equation of one model on some GPUs (docs/memory-model.md, "What fits").

usable memory >= non-expert + resident experts + KV + activations + overhead + runtime reserve, each in bytes on the fullest GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.activations import activation_bytes
from prophet_memory.engine import Engine
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS
from prophet_memory.grid import Grid, Model
from prophet_memory.integers import IntArray, int64
from prophet_memory.kv_cache import CacheFormats, KVGrowth, kv_growth
from prophet_memory.occupancy import experts_on_fullest_rank
from prophet_memory.parallelism import Parallelism
from prophet_memory.precision import non_expert_bytes, precision, routed_expert_bytes
from prophet_memory.residency import ResidencyPolicy
from prophet_memory.routing import RoutingLaw
from prophet_memory.routing.law import DISTINCT_EXPERT_DECIMALS

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the memory model takes as given; config holds the values and their sources."""

    engine: Engine
    encoder_source_tokens: int
    kv_format: str
    state_format: str

    @property
    def cache(self) -> CacheFormats:
        """How the cache is stored; the inputs of short convolutions are activations, 16 bit."""
        return CacheFormats(FORMATS[self.kv_format], FORMATS[self.state_format], FORMATS[DEFAULT_FORMAT])


@dataclass(frozen=True, slots=True)
class Demand:
    """What the fullest GPU holds beside the KV cache; every array has the axes (batch, routing, precision, policy)."""

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


def growth_of(model: Model, spread: Parallelism, assumptions: Assumptions) -> KVGrowth:
    """How the cache of a sequence grows on each GPU."""
    source_tokens = assumptions.encoder_source_tokens
    return kv_growth(model.architecture, assumptions.cache, source_tokens=source_tokens, tensor=spread.tensor)


def usable_bytes(gpu_memory_bytes: npt.ArrayLike, usable_fraction: float) -> IntArray:
    """Bytes that the engine may use: the driver's figure times the usable fraction, rounded down."""
    return np.floor(np.asarray(gpu_memory_bytes, np.float64) * usable_fraction).astype(np.int64)


def activated(
    model: Model, spread: Parallelism, batch_sizes: IntArray, routings: Sequence[RoutingLaw]
) -> tuple[FloatArray, FloatArray]:
    """Distinct experts of an MoE layer, of all ranks together and on the fullest, as (batch, routing); zero in a dense model."""
    moe = model.architecture.moe
    if model.architecture.is_dense:
        return (nothing := np.zeros((len(batch_sizes), len(routings)))), nothing
    bound = [law.bind(model.name, moe) for law in routings]
    distinct = np.stack([law.mean(batch_sizes) for law in bound], axis=-1)
    on_fullest = np.stack([law.on_fullest_rank(batch_sizes, spread.expert) for law in bound], axis=-1)
    return distinct.round(DISTINCT_EXPERT_DECIMALS), on_fullest.round(DISTINCT_EXPERT_DECIMALS)


def demand(
    model: Model, spread: Parallelism, assumptions: Assumptions, grid: Grid, policies: Sequence[ResidencyPolicy]
) -> Demand:
    """What the fullest GPU holds beside the KV cache.

    Resident experts are slots in each MoE layer, for U(B) on its fullest rank, rounded up to a byte.

    Raises:
        ArchitectureError: for more bytes than any machine holds.
    """
    architecture, engine = model.architecture, assumptions.engine
    experts, layers, dense = architecture.moe.routed_experts, architecture.moe_layer_count, architecture.is_dense
    batch_sizes = np.array(grid.batch_sizes, np.int64)
    distinct, fullest = activated(model, spread, batch_sizes, grid.routings)

    def slots(needed: FloatArray, of: int) -> FloatArray:
        return np.stack([policy.slots(needed, of) for policy in policies], axis=-1)[:, :, None]

    resident = slots(fullest, experts_on_fullest_rank(experts, spread.expert))
    stored = [precision(name, architecture.published_precision) for name in grid.precisions]
    each = [layers * routed_expert_bytes(architecture, form, expert_tensor=spread.expert_tensor) for form in stored]
    int64([experts * size for size in each], "routed_expert_bytes")
    rest = [[non_expert_bytes(architecture, form, tensor=spread.tensor)] for form in stored]
    activations = activation_bytes(
        architecture, batch_sizes=batch_sizes, max_step_tokens=engine.max_step_tokens,
        value_bytes=engine.activation_value_bytes, layout=spread,
    )  # fmt: skip
    return Demand(
        distinct_experts=distinct[:, :, None, None],
        expert_savings_fraction=np.zeros_like(resident) if dense else 1 - slots(distinct, experts) / experts,
        resident_experts_per_layer=resident,
        non_expert_bytes=int64(rest, "non_expert_bytes")[None, None],
        resident_expert_bytes=np.ceil(resident * np.array(each, np.int64)[:, None]).astype(np.int64),
        activation_bytes=activations[:, None, None, None],
        overhead_bytes=np.array([policy.overhead_bytes for policy in policies], np.int64)[None, None, None],
        runtime_reserve_bytes=np.array(engine.reserve_bytes(spread.n_gpus), np.int64).reshape(1, 1, 1, 1),
    )
