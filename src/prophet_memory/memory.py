"""The memory equation of one model on some GPUs (docs/memory-model.md, "What fits").

usable memory >= non-expert + resident experts + KV + activations + overhead + runtime reserve, each in bytes on the fullest GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture
from prophet_memory.engine import Engine, EngineError
from prophet_memory.errors import ModelError
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS, NATIVE, OF_CACHE
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.integers import IntArray, int64
from prophet_memory.kv_cache import CacheFormats, KVGrowth, StateStorage, bytes_per_sequence, kv_growth
from prophet_memory.mixers import LatentAttention
from prophet_memory.occupancy import experts_on_fullest_rank
from prophet_memory.paging import Blocks, blocks, has_uneven_windows
from prophet_memory.parallelism import Parallelism
from prophet_memory.peaks import Buffer, Moment, Setting, Step
from prophet_memory.precision import FileWeights, Precision, Stored, non_expert_bytes, precision, routed_expert_bytes
from prophet_memory.provision import Pool, Provision
from prophet_memory.residency import ResidencyPolicy
from prophet_memory.routing.law import DISTINCT_EXPERT_DECIMALS, DistinctExperts

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the memory model takes as given; config holds the values and their sources.

    A step decodes `tokens_per_sequence` tokens of each sequence: more than one to verify drafts. `layer_correlation` is the mean
    correlation of distinct experts between layers, which counts where layers share a pool.
    """

    engine: Engine
    encoder_source_tokens: int
    kv_format: str
    state_format: str
    tokens_per_sequence: int = 1
    layer_correlation: float = 0.0

    @property
    def cache(self) -> CacheFormats:
        """How the cache is stored; the inputs of short convolutions are activations, 16 bit."""
        storage = self.engine.state or StateStorage()
        kv, state, conv = OF_CACHE[self.kv_format], OF_CACHE[self.state_format], OF_CACHE[DEFAULT_FORMAT]
        return CacheFormats(kv, state, conv, storage, self.engine.sparse)

    def cache_of(self, architecture: Architecture) -> CacheFormats:
        """The same for a model: an engine may keep its recurrent state as the model's own config says."""
        return replace(self.cache, state=OF_CACHE[self.state_of(architecture)])

    def state_of(self, architecture: Architecture) -> str:
        """The format of a model's recurrent state; a kind of mixer may have another (`StateStorage.mixers`)."""
        follows = self.engine.state is not None and self.engine.state.follows_model
        return (architecture.state_format if follows else None) or self.state_format


POINT = ("gpu", "batch_size", "routing", "precision", "policy", "provision")


@dataclass(frozen=True, slots=True)
class Demand:
    """What the fullest GPU holds beside the KV cache; every array has the axes of POINT."""

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


def growth_of(model: Model, spread: Parallelism, assumptions: Assumptions, *, read: bool = False) -> KVGrowth:
    """How the cache of a sequence grows on each GPU, or what a decode step reads of it."""
    source, read_by = assumptions.encoder_source_tokens, assumptions.tokens_per_sequence if read else None
    formats = assumptions.cache_of(model.architecture)
    return kv_growth(model.architecture, formats, source_tokens=source, tensor=spread.tensor, read_by_tokens=read_by)


def largest_step(assumptions: Assumptions, gpu: Gpu, spread: Parallelism, batch_sizes: npt.ArrayLike) -> Step:
    """The largest step of a group of attention on a GPU, for each batch size: a decode step of a larger batch is larger still.

    Raises:
        EngineError: where the profile has no step for the GPU.
    """
    engine, batch = assumptions.engine, spread.sequences(batch_sizes)
    size, most = engine.step_size(gpu), int(np.max(batch))
    if size.sequences is not None and most > size.sequences:
        raise EngineError("steps", most, f"a batch of at most {size.sequences:,} sequences, those of the largest step")
    sequences = batch if size.sequences is None else np.full_like(batch, size.sequences)
    return Step(np.maximum(size.tokens, sequences * assumptions.tokens_per_sequence), sequences)


def setting_of(stored: Stored, spread: Parallelism, engine: Engine) -> Setting:
    """How an engine holds a model, as its activation peak asks for it."""
    experts = stored.routed_expert if isinstance(stored, Precision) else FORMATS[DEFAULT_FORMAT]
    return Setting(spread, experts, engine.vocabulary_multiple)


def activation_moments(
    model: Model, stored: Stored, spread: Parallelism, assumptions: Assumptions, gpu: Gpu, batch_size: int
) -> tuple[Moment, ...]:
    """The moments at which the activation peak of one point can be, the largest first."""
    step = largest_step(assumptions, gpu, spread, batch_size)
    setting = setting_of(stored, spread, assumptions.engine)
    found = assumptions.engine.part("activation").moments(model.architecture, step, setting)
    return tuple(sorted(found, key=lambda moment: -int(moment.total_bytes)))


def stored_as(name: str | FileWeights, architecture: Architecture) -> Stored:
    """How weights are stored: a precision by its name, or a file's.

    Raises:
        ModelError: for a name that the grammar does not have, and for a published precision that the layers which predict
            further tokens do not share, where these are counted.
    """
    if name == NATIVE and not architecture.is_published_alike:
        allowed = "one format for all layers beside --mtp: the checkpoint stores those layers otherwise than the model's"
        raise ModelError("weights", name, allowed)
    return name if isinstance(name, FileWeights) else precision(name, architecture.published_precision)


def loaded_beyond_counted(architecture: Architecture, stored: Stored, spread: Parallelism, engine: Engine) -> tuple[Buffer, ...]:
    """What the engine holds beyond the weights that are counted; nothing where the profile does not say."""
    if engine.loading is None or isinstance(stored, FileWeights):
        return ()
    return engine.loading.lines(architecture, stored, spread, engine.vocabulary_multiple, engine.apart(spread))


def beyond_bytes(architecture: Architecture, stored: Stored, spread: Parallelism, engine: Engine) -> int:
    """All of it together."""
    return sum(int(np.asarray(line.size_bytes)) for line in loaded_beyond_counted(architecture, stored, spread, engine))


def expert_bytes(architecture: Architecture, stored: Stored, spread: Parallelism, engine: Engine) -> int:
    """One routed expert of one layer on each of the GPUs that share it, as the engine holds it."""
    own = None
    if engine.loading is not None and not architecture.is_dense and not isinstance(stored, FileWeights):
        own = engine.loading.expert_bytes(
            architecture.moe, architecture.hidden_size, stored.routed_expert, expert_tensor=spread.expert_tensor
        )
    if own is not None:
        return own
    return routed_expert_bytes(architecture, engine.cut_as(architecture, stored, spread), expert_tensor=spread.expert_tensor)


def rest_bytes(architecture: Architecture, stored: Stored, spread: Parallelism, engine: Engine) -> int:
    """All weights but the routed experts on each GPU, and what the engine holds beyond them."""
    counted = non_expert_bytes(architecture, stored, tensor=spread.tensor, apart=engine.apart(spread))
    return counted + beyond_bytes(architecture, stored, spread, engine)


def held_weight_bytes(architecture: Architecture, stored: Stored, spread: Parallelism, engine: Engine) -> int:
    """All weights with every expert resident on the fullest GPU, and what the engine holds beyond them."""
    experts = experts_on_fullest_rank(architecture.moe.routed_experts, spread.expert) * architecture.moe_layer_count
    return rest_bytes(architecture, stored, spread, engine) + experts * expert_bytes(architecture, stored, spread, engine)


def check_indexers(model: Model, engine: Engine) -> None:
    """Refuse a model whose indexers cache what nobody read in an engine's source: anything, or more than a key of each token.

    Raises:
        EngineError: naming the model.
    """
    mixers = [layer.mixer for layer in model.architecture.decoder.layers]
    indexed = [mixer for mixer in mixers if getattr(mixer, "index_heads", 0)]
    of_blocks = any(not isinstance(mixer, LatentAttention) or mixer.index_pool_tokens for mixer in indexed)
    if indexed and (engine.sparse is None or of_blocks):
        what = "indexers" if engine.sparse is None else "indexers of blocks"
        raise EngineError("cache", model.name, f"a model without {what}: how {engine.name} holds their keys was not read")


def cache_blocks(model: Model, spread: Parallelism, assumptions: Assumptions, gpu: Gpu) -> Blocks | None:
    """How the engine cuts the cache; None where it holds as many tokens as fit."""
    paged = assumptions.engine.cache
    if paged is None:
        return None
    if model.architecture.encoder is not None:
        raise EngineError(
            "cache", model.name, f"a decoder alone: no source says how {assumptions.engine.name} cuts two stacks' cache"
        )
    growth = growth_of(model, spread, assumptions)
    has = {"windows": bool(growth.windows), "states": bool(growth.constant_bytes)}
    if unread := [what for what in paged.unread if has[what]]:
        what = " and ".join(unread)
        raise EngineError("cache", model.name, f"a model without {what}: how {assumptions.engine.name} holds them was not read")
    check_indexers(model, assumptions.engine)
    if has_uneven_windows(paged, model.architecture, assumptions.cache_of(model.architecture), tensor=spread.tensor):
        allowed = (
            f"a model that caches as much a token in every layer: how {assumptions.engine.name} evens out windows was not read"
        )
        raise EngineError("cache", model.name, allowed)
    tokens = assumptions.engine.step_size(gpu).tokens
    return blocks(paged, model.architecture, assumptions.cache_of(model.architecture), step_tokens=tokens, tensor=spread.tensor)


@dataclass(frozen=True, slots=True)
class SequenceRoom:
    """What the cache of a sequence takes, in units: blocks of a paged cache, else bytes."""

    units: IntArray  # at each context, at least one
    unit_bytes: int
    masked_units: int  # that the engine keeps for itself


def sequence_room(
    model: Model, spread: Parallelism, assumptions: Assumptions, gpu: Gpu, context_tokens: IntArray
) -> SequenceRoom:
    """What a sequence takes on a GPU at each of some contexts; GPUs that share its tokens hold a part each.

    Raises:
        EngineError: for what the engine's profile does not say.
    """
    paged, tokens = cache_blocks(model, spread, assumptions, gpu), -(-context_tokens // spread.context)
    if paged is None:
        return SequenceRoom(np.maximum(bytes_per_sequence(growth_of(model, spread, assumptions), tokens), 1), 1, 0)
    units = bytes_per_sequence(paged.growth, -(-tokens // paged.block_tokens))
    return SequenceRoom(np.maximum(units, 1), paged.block_bytes, paged.masked)


@dataclass(frozen=True, slots=True)
class Activated:
    """Distinct experts of an MoE layer; zero in a dense model."""

    mean: FloatArray  # (batch, routing), of all ranks together
    mean_on_fullest: FloatArray
    provided: FloatArray  # (batch, routing, provision): that pools are sized for, of all ranks together
    provided_on_fullest: FloatArray


def activated(model: Model, spread: Parallelism, tokens: IntArray, grid: Grid, layer_correlation: float) -> Activated:
    """What the laws of a grid say of so many tokens of a step, and what its provisions make of that."""
    moe, pool = model.architecture.moe, Pool(model.architecture.moe_layer_count, layer_correlation)
    if model.architecture.is_dense:
        nothing = np.zeros((len(tokens), len(grid.routings), len(grid.provisions)))
        return Activated(nothing[..., 0], nothing[..., 0], nothing, nothing)
    bound = [law.bind(moe, model.counts) for law in grid.routings]

    def each(value: Callable[[DistinctExperts], FloatArray]) -> FloatArray:
        return np.stack([value(law) for law in bound], axis=1).round(DISTINCT_EXPERT_DECIMALS)

    def provided(value: Callable[[Provision, DistinctExperts], FloatArray]) -> FloatArray:
        return np.stack([each(partial(value, of)) for of in grid.provisions], axis=-1)

    return Activated(
        each(lambda law: law.mean(tokens)),
        each(lambda law: law.on_fullest_rank(tokens, spread.expert)),
        provided(lambda of, law: of.needed(law, tokens, pool)),
        provided(lambda of, law: of.needed_on_fullest_rank(law, tokens, spread.expert, pool)),
    )


class Cell:
    """A model on some GPUs in one layout: what depends on no batch is computed once.

    Args:
        model: a name and an architecture.
        spread: how it is spread.
        assumptions: what the memory model takes as given.
        grid: GPUs, laws and precisions; its batch sizes are those of `demand` alone.
        policies: which experts stay.

    Raises:
        ArchitectureError: for more bytes than any machine holds.
        EngineError: for what the engine's profile does not say.
        ParallelismError: where the layout cuts weights inside the blocks which share a scale.
    """

    def __init__(
        self, model: Model, spread: Parallelism, assumptions: Assumptions, grid: Grid, policies: Sequence[ResidencyPolicy]
    ) -> None:
        self.model, self.spread, self.assumptions, self.grid, self.policies = model, spread, assumptions, grid, policies
        architecture, engine = model.architecture, assumptions.engine
        self.stored = [stored_as(name, architecture) for name in grid.precisions]
        for form in self.stored:
            engine.check_blocks(architecture, form, spread)
        each = [architecture.moe_layer_count * expert_bytes(architecture, form, spread, engine) for form in self.stored]
        int64([architecture.moe.routed_experts * size for size in each], "routed_expert_bytes")
        self._layer_expert_bytes = np.array(each, np.int64)[:, None, None]
        rest = [rest_bytes(architecture, form, spread, engine) for form in self.stored]
        self._non_expert_bytes = _along("precision", int64(rest, "non_expert_bytes"))
        self._overhead_bytes = _along("policy", np.array([policy.overhead_bytes for policy in policies], np.int64))
        self._reserve_bytes = _along("provision", np.array([engine.reserve(spread).bytes], np.int64))

    def demand(self, batch_sizes: IntArray) -> Demand:
        """What the fullest GPU holds beside the KV cache, at each batch size.

        Resident experts are slots in each MoE layer, for U(B) on its fullest rank, rounded up to a byte.
        """
        architecture, spread = self.model.architecture, self.spread
        experts = architecture.moe.routed_experts
        taken = self.assumptions
        tokens = batch_sizes * taken.tokens_per_sequence
        found = activated(self.model, spread, tokens, self.grid, taken.layer_correlation)

        layers = max(1, architecture.moe_layer_count)

        def slots(needed: FloatArray, of: int) -> FloatArray:
            each = [policy.slots(needed, of) + policy.staged(needed, of) / layers for policy in self.policies]
            return np.minimum(np.stack(each, axis=-2), of)[None, :, :, None]

        resident = slots(found.provided_on_fullest, experts_on_fullest_rank(experts, spread.expert))
        activations = _activations(architecture, self.stored, spread, self.assumptions, self.grid.gpus, batch_sizes)
        return Demand(
            distinct_experts=found.mean[None, :, :, None, None, None],
            expert_savings_fraction=np.zeros_like(resident)
            if architecture.is_dense
            else 1 - slots(found.provided, experts) / experts,
            resident_experts_per_layer=resident,
            non_expert_bytes=self._non_expert_bytes,
            resident_expert_bytes=np.ceil(resident * self._layer_expert_bytes).astype(np.int64),
            activation_bytes=activations[:, :, None, :, None, None],
            overhead_bytes=self._overhead_bytes,
            runtime_reserve_bytes=self._reserve_bytes,
        )


def _along(axis: str, values: IntArray) -> IntArray:
    """Values of one axis of POINT, to broadcast over all."""
    return values.reshape([-1 if name == axis else 1 for name in POINT])


def _activations(
    architecture: Architecture, stored: Sequence[Stored], spread: Parallelism, assumptions: Assumptions, gpus: Sequence[Gpu],
    batch_sizes: IntArray,
) -> IntArray:  # fmt: skip
    """Peaks as (GPU, batch, precision), one where all have the same."""
    engine = assumptions.engine
    peak, sizes = engine.part("activation"), [engine.step_size(gpu) for gpu in gpus]
    told_apart = gpus if len({(size.tokens, size.sequences) for size in sizes}) > 1 else gpus[:1]
    forms = stored if peak.depends_on_format else stored[:1]
    steps = [largest_step(assumptions, gpu, spread, batch_sizes) for gpu in told_apart]
    settings = [setting_of(form, spread, engine) for form in forms]
    return np.stack([np.stack([peak.peak_bytes(architecture, step, own) for own in settings], axis=-1) for step in steps])
