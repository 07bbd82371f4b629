"""How long the steps of a sweep take under each policy, and what they move (docs/latency.md): columns beside the sweep's own.

The resident step is what the same model would take with every expert in GPU memory, whether it fits or not. A policy fetches what
its cache misses over the host link, or lets the host compute it where that ends the step sooner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from prophet_memory.decode import HIDDEN_BYTES, Reading, Work, decode_work, exchange_s, moe_layers, passed_stack
from prophet_memory.errors import ModelError
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.hits import hits_of
from prophet_memory.integers import IntArray
from prophet_memory.latency import Link, Processor, StepParts, transfers_s
from prophet_memory.memory import Assumptions, activated, expert_bytes, stored_as
from prophet_memory.occupancy import experts_on_fullest_rank
from prophet_memory.parallelism import Parallelism
from prophet_memory.precision import Stored
from prophet_memory.residency import ResidencyPolicy
from prophet_memory.residency.policy import Transfers
from prophet_memory.sweeps import CELL, Sweep

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]

PINNED, PAGEABLE = HOST_MEMORY = ("pinned", "pageable")
FIXED = ("layer_s", "offload_layer_s")
LEAST = 1e-12  # experts, where a dense layer needs none
STEP = ("gpu", "batch_size", "routing", "precision", "policy", "provision")
COLUMNS = (
    "resident_step_s", "step_s", "latency_factor", "hit_rate", "host_link_bytes", "host_computed_bytes", "host_memory_bytes",
    "tokens_per_s_per_gpu", "first_token_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timing:
    """What times are computed with; config holds the values and their sources. By default each is the bound that it can be.

    Raises:
        ModelError: for an efficiency outside (0, 1], a bandwidth that is not above 0 and a negative time.
    """

    host_memory_bytes_per_s: float  # of the machine, which its GPUs share
    host_flops_per_s: float
    pageable_bytes_per_s: float = np.inf  # of copies from memory that is not pinned
    host_memory: str = PINNED
    memory_efficiency: float = 1.0
    flops_efficiency: float = 1.0
    copy_start_s: float = 0.0  # of a copy over the host link: one expert
    exchange_start_s: float = 0.0  # of a message between GPUs
    layer_s: float = 0.0  # fixed, of each layer
    offload_layer_s: float = 0.0  # fixed, of each MoE layer whose experts are not all resident
    machine_gpus: int = 8  # that share a host; more talk over a network as fast as the host link

    def __post_init__(self) -> None:
        limits = {
            "a number above 0": ("host_memory_bytes_per_s", "host_flops_per_s", "pageable_bytes_per_s"),
            "a number of at least 0": ("copy_start_s", "exchange_start_s", "layer_s", "offload_layer_s"),
        }
        for allowed, names in limits.items():
            for name in names:
                value = getattr(self, name)
                if value < 0 or (value == 0 and "above" in allowed):
                    raise ModelError(name, value, allowed)
        if self.host_memory not in HOST_MEMORY:
            raise ModelError("host_memory", self.host_memory, f"one of {', '.join(HOST_MEMORY)}")

    def of_replica(self, gpus: int) -> Timing:
        """The same for one of the replicas of so many GPUs that fill a machine: it has their part of the host."""
        part = min(1.0, gpus / self.machine_gpus)
        memory, flops = part * self.host_memory_bytes_per_s, part * self.host_flops_per_s
        return replace(self, host_memory_bytes_per_s=memory, host_flops_per_s=flops)

    def processor(self, gpu: Gpu) -> Processor:
        """Of a GPU. Raises ModelError for one without a bandwidth or a peak."""
        bandwidth = _of(gpu, "hbm_bandwidth_bytes_per_s", "a GPU with a memory bandwidth (the second number of a custom one)")
        peak = _of(gpu, "compute_peak_flops_per_s", "a GPU with peak arithmetic (the TFLOP/s of a custom one)")
        return Processor(bandwidth, peak, self.memory_efficiency, self.flops_efficiency)

    def host_link(self, gpu: Gpu, gpus: int = 1) -> Link:
        """Between each of some GPUs and host memory, which all read at once. Raises ModelError for one of which nobody said."""
        own = _of(
            gpu,
            "host_link_effective_bandwidth_bytes_per_s",
            "a GPU with a bandwidth of its host link (the last number of a custom one)",
        )
        own = min(own, self.memory_efficiency * self.host_memory_bytes_per_s / min(gpus, self.machine_gpus))
        return Link(own if self.host_memory == PINNED else min(own, self.pageable_bytes_per_s), self.copy_start_s)

    def gpu_link(self, gpu: Gpu, gpus: int) -> Link:
        """Between GPUs. Raises ModelError for one of which nobody said."""
        if gpus > self.machine_gpus:
            return Link(self.host_link(gpu).bandwidth_bytes_per_s, self.exchange_start_s)
        return Link(gpu.between(gpus), self.exchange_start_s)

    def host(self, gpus: int) -> Processor:
        """What computes experts on the host, the share of one GPU."""
        share = min(gpus, self.machine_gpus)
        memory, peak = self.host_memory_bytes_per_s / share, self.host_flops_per_s / share
        return Processor(memory, peak, self.memory_efficiency, self.flops_efficiency)


def _of(gpu: Gpu, name: str, allowed: str) -> float:
    value: int | None = getattr(gpu, name)
    if value is None:
        raise ModelError("gpu", gpu.name, allowed)
    return float(value)


class StepTimes:
    """The columns of a sweep's points; arrays broadcast to the grid's shape, and are masked where a value is undefined.

    Args:
        swept: the memory model over the grid.
        timing: what times are computed with.
        context_tokens: that each sequence has while it decodes, up to the model's own maximum.

    Raises:
        ModelError: for a GPU without a bandwidth, and for a cache under a law that does not say which experts are popular.
    """

    def __init__(self, swept: Sweep, timing: Timing, context_tokens: int) -> None:
        self.grid = swept.grid
        self._cells = [
            [_Cell(model, spread, swept.assumptions, swept.grid, timing, context_tokens) for spread in spreads]
            for model, spreads in zip(swept.grid.models, swept.spreads, strict=True)
        ]

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of COLUMNS."""
        found: npt.NDArray[Any] = getattr(self, name)
        values = np.broadcast_to(np.ma.getdata(found), self.grid.shape)
        if not np.ma.isMaskedArray(found):
            return values
        return np.ma.masked_array(values, np.broadcast_to(np.ma.getmaskarray(found), self.grid.shape))

    def series(self) -> list[pl.Series]:
        """Every column as the grid's rows have it; what is undefined is null."""
        import polars as pl  # noqa: PLC0415 - arrays alone need no tables

        columns = {name: self.column(name) for name in COLUMNS}
        whole = [pl.Series(name, np.ma.getdata(values).ravel()) for name, values in columns.items()]
        known = [~np.ma.getmaskarray(values).ravel() for values in columns.values()]
        return [one.set(pl.Series(~defined), None) for one, defined in zip(whole, known, strict=True)]

    def _along(self, name: str) -> FloatArray:
        return self.grid.along((*CELL, *STEP), np.array([[getattr(cell, name) for cell in row] for row in self._cells]))

    @cached_property
    def resident_step_s(self) -> FloatArray:
        """With every expert resident, in the same precision."""
        return self._along("resident_step_s")

    @cached_property
    def step_s(self) -> FloatArray:
        """Under the policy."""
        return self._along("step_s")

    @property
    def latency_factor(self) -> FloatArray:
        """Of the resident step."""
        found: FloatArray = self.step_s / self.resident_step_s
        return found

    @property
    def hit_rate(self) -> npt.NDArray[Any]:
        """Of a step's distinct experts, the share that is resident when it begins; undefined without a cache."""
        return np.ma.masked_invalid(self._along("hit_rate"))

    @property
    def host_link_bytes(self) -> FloatArray:
        """That cross the host link of the fullest GPU in a step, in vain ones too; of pipeline stages those of all together."""
        return self._along("host_link_bytes")

    @property
    def host_computed_bytes(self) -> FloatArray:
        """Of experts that the host computes for the fullest GPU in a step."""
        return self._along("host_computed_bytes")

    @property
    def host_memory_bytes(self) -> FloatArray:
        """Of experts in host memory, for all GPUs together."""
        return self._along("host_memory_bytes")

    @cached_property
    def first_token_s(self) -> FloatArray:
        """Of a prompt as long as the context, read in chunks of the engine's step: each chunk takes what its pool lacks, too.

        An encoder reads its source at once, and the decoder's first step makes the token.
        A chunk activates nearly every expert, so a pool for decoding saves it little. The prompt of one sequence is read alone.
        """
        cells = [[cell.prompt() for cell in row] for row in self._cells]
        return self.grid.along((*CELL, *STEP), np.array(cells))

    @property
    def tokens_per_s_per_gpu(self) -> FloatArray:
        """Sequences of the batch a second, over the GPUs: a step gives each a token."""
        batch = self.grid.along("batch_size", np.array(self.grid.batch_sizes, np.float64))
        gpus = self.grid.along("n_gpus", np.array(self.grid.n_gpus, np.float64))
        found: FloatArray = batch / self.step_s / gpus
        return found


@dataclass(frozen=True, slots=True)
class _Moved:
    """What a policy moves in a step of an MoE layer, on average: arrays (batch, routing, provision)."""

    transfers: Transfers
    hit_rate: FloatArray  # NaN without a cache
    host_copies: FloatArray
    lacks: npt.NDArray[np.bool_]  # whether experts are not all resident


class _Cell:
    """One model on some GPUs: arrays along STEP."""

    def __init__(
        self, model: Model, spread: Parallelism, assumptions: Assumptions, grid: Grid, timing: Timing, context_tokens: int,
        reading: Reading | None = None, provided: FloatArray | None = None,
    ) -> None:  # fmt: skip
        self.model, self.spread, self.assumptions, self.grid, self.timing = model, spread, assumptions, grid, timing
        architecture = model.architecture
        self._context = min(context_tokens, architecture.max_context_tokens or context_tokens)
        self._reading, self._stack = reading, passed_stack(architecture, reading)
        self._layers = moe_layers(self._stack)
        self._experts = experts_on_fullest_rank(architecture.moe.routed_experts, spread.expert)
        self._tokens = np.array(grid.batch_sizes, np.int64) * assumptions.tokens_per_sequence
        # Of a group of GPUs that share attention.
        self._own_tokens = (spread.sequences(grid.batch_sizes) * assumptions.tokens_per_sequence).astype(np.float64)
        found = activated(model, spread, self._tokens, grid, assumptions.layer_correlation)
        self._needed = found.mean_on_fullest[..., None]
        self._needed_of_all = found.mean[..., None] / spread.expert  # of a rank, on average
        self._provided = found.provided_on_fullest if provided is None else provided
        moved = [self._moved(policy) for policy in grid.policies]
        stored = [stored_as(precision, architecture) for precision in grid.precisions]
        self._sizes = [0 if architecture.is_dense else expert_bytes(architecture, form, spread, assumptions.engine)
                       for form in stored]  # fmt: skip
        works = [self._work(form) for form in stored]  # the same under every policy
        times = [[self._times(work, size * self._layers, policy, own) for policy, own in zip(grid.policies, moved, strict=True)]
                 for work, size in zip(works, self._sizes, strict=True)]  # fmt: skip
        self.resident_step_s, self.step_s, linked, computed = (
            np.stack([np.stack([one[part] for one in row], axis=-2) for row in times], axis=3) for part in range(4)
        )
        self.hit_rate = np.stack([one.hit_rate for one in moved], axis=-2)[None, :, :, None]
        crossing = np.array([policy.prefetch.crossing for policy in grid.policies])[:, None]
        self.host_link_bytes = self._in_bytes(linked * crossing, self._layers)
        self.host_computed_bytes = self._in_bytes(computed, self._layers)
        whole = architecture.moe.routed_experts  # the fullest rank's share times the ranks can be more
        copies = np.stack([np.minimum(one.host_copies * spread.expert, whole) for one in moved], axis=-2)[None, :, :, None]
        everywhere = architecture.moe_layer_count  # also in an encoder
        self.host_memory_bytes = self._in_bytes(copies, everywhere) * spread.expert_tensor

    def prompt(self) -> FloatArray:
        """The time of a whole prompt, along STEP: pools are those of decoding, a chunk is a step of many tokens of a sequence."""
        if self.model.architecture.encoder is not None:
            return self._encoded() + self._started()
        found = []
        for gpu in self.grid.gpus:
            whole, rest = divmod(self._context, self.assumptions.engine.step_size(gpu).tokens)
            chunks = ((whole, self.assumptions.engine.step_size(gpu).tokens), (1, rest))
            found.append(np.sum([count * self._chunk(gpu, size) for count, size in chunks if count and size], axis=0))
        return np.concatenate(found)

    def _chunk(self, gpu: Gpu, tokens: int) -> FloatArray:
        """A chunk of a prompt, which finds half of it in the cache on average."""
        return self._alone([gpu], tokens, max(1, self._context // 2), Reading(self._context))

    def _encoded(self) -> FloatArray:
        """The encoder's step over its source."""
        source = max(1, self.assumptions.encoder_source_tokens)
        return self._alone(self.grid.gpus, source, 1, Reading(source, encodes=True))

    def _started(self) -> FloatArray:
        """The decoder's first step, of one sequence."""
        return self._alone(self.grid.gpus, 1, 1, None)

    def _alone(self, gpus: Sequence[Gpu], tokens: int, context_tokens: int, reading: Reading | None) -> FloatArray:
        """A step of so many tokens of one sequence, with the pools of decoding."""
        alone = replace(self.grid, gpus=gpus, batch_sizes=[1] * len(self._tokens))
        taken = replace(self.assumptions, tokens_per_sequence=tokens)
        return _Cell(self.model, self.spread, taken, alone, self.timing, context_tokens, reading, self._provided).step_s

    def _in_bytes(self, counted: FloatArray, layers: int) -> FloatArray:
        """Of experts of a layer, counted along STEP."""
        found: FloatArray = counted * (layers * np.array(self._sizes, np.float64))[:, None, None]
        return found

    def _moved(self, policy: ResidencyPolicy) -> _Moved:
        slots = np.minimum(policy.slots(self._provided, self._experts), self._experts)
        hits = np.full(slots.shape, np.nan)
        if policy.cache is not None and self._experts:
            for place, law in enumerate(self.grid.routings):
                own = hits_of(self.model, law, policy.name)
                for batch, tokens in enumerate(self._tokens.tolist()):
                    rates = [own.rate(policy.cache, tokens, held / self._experts) for held in slots[batch, place].tolist()]
                    hits[batch, place] = rates
        transfers = policy.transfers(np.broadcast_to(self._needed, slots.shape), np.nan_to_num(hits), self._experts)
        return _Moved(transfers, hits, policy.host_copies(slots, self._experts), slots < self._experts)

    def _times(self, work: Work, size: int, policy: ResidencyPolicy, moved: _Moved) -> tuple[FloatArray, ...]:
        """Resident steps, the policy's, and its experts over the link and on the host: as (gpu, batch, routing, provision)."""
        found = []
        for gpu in self.grid.gpus:
            processor, fixed = self.timing.processor(gpu), self.timing.layer_s * self._stack.layer_count
            whole = processor.seconds(work.read_bytes, work.flops + work.expert_flops)
            parts, transfers = self._sooner(gpu, work, size, policy, moved)
            step = parts.seconds(processor.reading_s(work.cache_bytes))
            resident = whole + self._exchanged(gpu)[:, None, None] + fixed
            found.append((resident, step, transfers.link_experts, transfers.host_experts))
        return tuple(np.stack(column) for column in zip(*found, strict=True))

    def _work(self, stored: Stored) -> Work:
        """The work of steps, whatever is resident."""
        needed = np.broadcast_to(self._needed, self._provided.shape)
        batches = np.array(self.grid.batch_sizes, np.int64)
        return decode_work(self.model, self.spread, stored, self.assumptions, batches, self._context, needed, self._reading)

    def parts(self) -> StepParts:
        """What steps take beside their cache, as (batch, routing, provision), where a grid has one GPU, precision and policy."""
        (gpu,), (policy,), (precision,) = self.grid.gpus, self.grid.policies, self.grid.precisions
        work = self._work(stored_as(precision, self.model.architecture))
        return self._sooner(gpu, work, self._sizes[0] * self._layers, policy, self._moved(policy))[0]

    def _sooner(self, gpu: Gpu, work: Work, size: int, policy: ResidencyPolicy, moved: _Moved) -> tuple[StepParts, Transfers]:
        """Steps as the policy has them, but that what the host would compute is fetched where that ends a step sooner.

        What the cache adds plays no part in the choice, for both sides read it.
        """
        asked = moved.transfers
        computed = self._parts(gpu, work, size, policy, moved, asked)
        if not asked.host_experts.any():
            return computed, asked
        instead = Transfers(asked.link_experts + asked.host_experts, np.zeros_like(asked.host_experts))
        fetched = self._parts(gpu, work, size, policy, moved, instead)
        sooner = fetched.seconds() < computed.seconds()
        link = np.where(sooner, instead.link_experts, asked.link_experts)
        return computed.or_where(sooner, fetched), Transfers(link, np.where(sooner, 0.0, asked.host_experts))

    def _parts(self, gpu: Gpu, work: Work, size: int, policy: ResidencyPolicy, moved: _Moved, transfers: Transfers) -> StepParts:
        timing = self.timing
        processor, link = timing.processor(gpu), timing.host_link(gpu, self.spread.tensor * self.spread.data)
        share = transfers.host_experts / np.maximum(self._needed, LEAST)  # of the experts that the step activates
        kept = 1 - share  # what the GPU computes
        on_gpu = processor.seconds(kept * work.expert_bytes, kept * work.expert_flops)
        fetched = transfers.link_experts
        asked, waited = transfers_s(fetched * size, link, policy.prefetch, policy.copies(fetched) * self._layers)
        # Fixed costs come on top, as they were fitted: no transfer hides a launch or a wait.
        paid = timing.layer_s * self._stack.layer_count + np.where(moved.lacks, timing.offload_layer_s * self._layers, 0)
        return StepParts(
            read_s=processor.reading_s(work.rest_bytes + kept * work.expert_bytes),
            compute_s=processor.computing_s(work.flops + kept * work.expert_flops),
            beside_s=self._exchanged(gpu)[:, None, None] + np.maximum(0, self._on_host(work, share, link) - on_gpu),
            asked_s=asked,
            waited_s=waited + paid,
            overlap=policy.prefetch.overlap,
        )

    def _on_host(self, work: Work, share: FloatArray, link: Link) -> FloatArray:
        """What the host computes for a GPU, and the hidden states on their way there and back."""
        # One stage works at a time, and its GPUs share the host: together they ask for the ranks' mean, not for the fullest.
        host = self.timing.host(self.spread.tensor * self.spread.data)
        mean = self._needed_of_all / np.maximum(self._needed, LEAST)
        states = 2 * self._own_tokens * self.model.architecture.hidden_size * HIDDEN_BYTES * self._layers
        sent = np.where(share > 0, link.seconds(states, 2 * self._layers)[:, None, None], 0)
        return host.seconds(mean * share * work.expert_bytes, share * work.expert_flops) + sent

    def _exchanged(self, gpu: Gpu) -> FloatArray:
        spread = self.spread
        if spread.tensor * spread.data == 1:
            return np.zeros(len(self._tokens))
        link = self.timing.gpu_link(gpu, spread.tensor * spread.data)
        return exchange_s(self.model.architecture, spread, self._own_tokens, link, self._reading)


def fixed_pool_parts(
    model: Model, spread: Parallelism, assumptions: Assumptions, grid: Grid, timing: Timing, new_tokens: IntArray
) -> tuple[StepParts, float]:
    """Steps of so many new tokens, whatever their sequences, with the pool that a grid's one batch size has.

    Returns:
        parts of the shape (new tokens, 1, 1) without what the cache adds, and the slots of an MoE layer on all ranks together.
    """
    tokens = np.array(grid.batch_sizes, np.int64) * assumptions.tokens_per_sequence
    found, experts = activated(model, spread, tokens, grid, assumptions.layer_correlation), model.architecture.moe.routed_experts
    wide, single = replace(grid, batch_sizes=new_tokens.tolist()), replace(assumptions, tokens_per_sequence=1)
    cell = _Cell(model, spread, single, wide, timing, 0, None, np.repeat(found.provided_on_fullest, len(new_tokens), axis=0))
    (policy,) = grid.policies
    return cell.parts(), float(np.minimum(policy.slots(found.provided, experts), experts).item())
