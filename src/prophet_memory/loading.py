"""What an engine holds beyond the counted weights once a model is loaded (docs/engines.md, "Weights").

Padding of the vocabulary, the table of rotary positions, workspaces that come with a kernel, layouts of quantised experts, and
the rounding of the allocator: each a named line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from prophet_memory.architecture import Architecture, MoE
from prophet_memory.fields import Bytes, Count, Described, OneOf, Size, Text
from prophet_memory.formats import BITS_OF_A_BYTE, FORMATS, Format
from prophet_memory.gpu import Capability
from prophet_memory.mixers import Attention, LatentAttention
from prophet_memory.mixers.mixer import share
from prophet_memory.parallelism import Parallelism
from prophet_memory.peaks.peak import Buffer
from prophet_memory.precision import Precision
from prophet_memory.tensors import Weight, multiple_of
from prophet_memory.weights import feed_forward_weights, model_weights

FP16, FP32 = 2, 4


@dataclass(frozen=True, slots=True)
class Allocator(Described):
    """What a tensor takes: a multiple of the unit; a large one a whole block where less than the least split would remain."""

    unit_bytes: Size
    large_bytes: Size
    block_bytes: Size
    least_split_bytes: Size

    def taken_bytes(self, size_bytes: int) -> int:
        """Bytes of the block that a tensor gets."""
        taken = multiple_of(size_bytes, self.unit_bytes)
        rest = multiple_of(taken, self.block_bytes) - taken
        return taken + rest if taken >= self.large_bytes and rest <= self.least_split_bytes else taken


@dataclass(frozen=True, slots=True)
class BlockScaledLayout(Described):
    """How the kernel for experts in blocks with a shared scale lays them out: sides and scales padded, and what stays beside."""

    side_multiple: Size  # of the intermediate size, and of both sides of the packed values
    scale_rows_multiple: Size
    scale_columns_multiple: Size
    keeps_loaded_scales: bool  # beside the ones that the kernel reads
    bias_bytes: Size  # of each value


@dataclass(frozen=True, slots=True)
class PaddedSides(Described):
    """How another kernel for such experts pads them, on GPUs from a compute capability on and below another."""

    kernel: Text
    capability: Capability
    below: Capability
    inner_multiple: Size  # of the intermediate size
    width_multiple: Size  # of the hidden size
    bias_bytes: Size  # of each value

    def expert_bytes(self, moe: MoE, hidden_size: int, stored: Format, *, expert_tensor: int) -> int:
        """Bytes of one routed expert of one layer on each of the GPUs that share it."""
        inner = multiple_of(share(moe.expert_intermediate_size, expert_tensor), self.inner_multiple)
        width = multiple_of(moe.expert_width(hidden_size), self.width_multiple)
        sides = ((2 * inner if moe.gated else inner, width), (width, inner))
        return sum(stored.matrix_bytes(*side) + side[0] * self.bias_bytes * moe.expert_bias for side in sides)


ALWAYS, QUANTISED = "always", "quantised"


@dataclass(frozen=True, slots=True)
class LatentCopies(Described):
    """When the maps up from latents (W_UK, W_UV) stand a second time as they are absorbed, in 16 bit or as stored in 8."""

    when: Annotated[str, OneOf((ALWAYS, QUANTISED))]
    keeps_8_bits: bool = False

    def value_bytes(self, stored: Format) -> int:
        """Bytes of each value; 0 where the absorbed maps are views of the loaded ones."""
        if self.when == QUANTISED and stored.bits >= FP16 * BITS_OF_A_BYTE:
            return 0
        return 1 if self.keeps_8_bits and stored.bits == BITS_OF_A_BYTE else FP16


@dataclass(frozen=True, slots=True)
class Loading(Described):
    """The rules of an engine."""

    rotary_value_bytes: Bytes  # of the table of positions, one for each width of a head; 0 without a table
    latent_workspace_bytes: Bytes  # that comes with latent attention
    allocator: Allocator
    zero_point_bits: Count = 0  # of each zero point of a dense map where the kernel widens them; 0: as they are stored
    mxfp4: BlockScaledLayout | None = None
    mxfp4_elsewhere: tuple[PaddedSides, ...] = ()  # on GPUs whose kernel is not the one of `mxfp4`, which is counted
    latent_copies: LatentCopies | None = None  # None: the absorbed maps are the loaded ones

    def lines(
        self,
        architecture: Architecture,
        stored: Precision,
        layout: Parallelism,
        vocabulary_multiple: int,
        apart: Mapping[str, int] | None = None,
    ) -> tuple[Buffer, ...]:
        """What is held beyond the counted weights on each GPU, without what `expert_bytes` adds; only lines that are not zero.

        `apart` has the GPUs that share a component, where they are not those that share attention.
        """
        vocabulary, own = architecture.vocabulary_size, apart or {}
        padded, row = multiple_of(vocabulary, vocabulary_multiple), architecture.hidden_size * 2
        tables = [own.get(table, layout.tensor) for table in self._tables(architecture)]
        lines = (
            Buffer("padding of the vocabulary", sum(padded // gpus - share(vocabulary, gpus) for gpus in tables) * row),
            Buffer("table of rotary positions", self._rotary_bytes(architecture)),
            Buffer("workspace of latent attention", self.latent_workspace_bytes * _is_latent(architecture)),
            Buffer("absorbed maps of latent attention", self._absorbed_bytes(architecture, stored, layout)),
            Buffer("widened zero points", self._zero_point_bytes(architecture, stored, layout, own)),
            Buffer(
                "rounding of allocations",
                self._rounding_bytes(architecture, stored, layout, own) + self._table_rounding_bytes(padded * row, tables),
            ),
        )
        return tuple(line for line in lines if line.size_bytes)

    def expert_bytes(self, moe: MoE, hidden_size: int, stored: Format, *, expert_tensor: int) -> int | None:
        """Bytes of one routed expert of one layer as the kernel holds it; None where it holds what is counted."""
        layout = self.mxfp4
        if layout is None or stored != FORMATS["mxfp4"]:
            return None
        inner = multiple_of(share(moe.expert_intermediate_size, expert_tensor), layout.side_multiple)
        values = stored.block_columns or inner
        both, width = 2 * inner if moe.gated else inner, moe.expert_width(hidden_size)
        total = 0
        for rows, columns in ((both, width), (width, inner)):
            packed = multiple_of(columns * stored.bits // BITS_OF_A_BYTE, layout.side_multiple)
            total += packed * multiple_of(rows, layout.side_multiple)
            scales = columns // values
            total += multiple_of(rows, layout.scale_rows_multiple) * multiple_of(scales, layout.scale_columns_multiple)
            total += rows * scales * layout.keeps_loaded_scales + rows * layout.bias_bytes * moe.expert_bias
        return total

    def mxfp4_kernel(self, capability: float | None) -> PaddedSides | None:
        """The kernel for MXFP4 experts that pads otherwise than is counted on a GPU; None where there is none, or nobody says."""
        if capability is None:
            return None
        return next((one for one in self.mxfp4_elsewhere if one.capability <= capability < one.below), None)

    def _tables(self, architecture: Architecture) -> Iterator[str]:
        """Embedding and head as they are stored: a tied head is not stored twice."""
        if architecture.holds_embedding or (architecture.holds_head and architecture.tied_embeddings):
            yield "embedding"
        if architecture.holds_head and not architecture.tied_embeddings:
            yield "lm_head"

    def _zero_point_bytes(
        self, architecture: Architecture, stored: Precision, layout: Parallelism, apart: Mapping[str, int]
    ) -> int:
        bits = 0
        for weight in (w.shard(apart.get(w.component, layout.tensor)) for w in model_weights(architecture) if w.linear):
            form = stored.format_of(weight.component, weight.part, weight.format_group)
            widened = weight.component != "routed_expert" and 0 < form.zero_point_bits < self.zero_point_bits
            if widened and form.block_columns is not None:
                points = weight.copies * weight.rows * -(-weight.columns // form.block_columns)
                bits += points * (self.zero_point_bits - form.zero_point_bits)
        return bits // BITS_OF_A_BYTE

    def _rotary_bytes(self, architecture: Architecture) -> int:
        widths = {_rotary_width(layer.mixer) for stack in architecture.stacks for layer in stack.layers}
        return sum(widths) * (architecture.max_context_tokens or 0) * self.rotary_value_bytes

    def _absorbed_bytes(self, architecture: Architecture, stored: Precision, layout: Parallelism) -> int:
        found = 0
        for layer in (layer for stack in architecture.stacks for layer in stack.layers):
            mixer = layer.mixer
            if self.latent_copies is not None and isinstance(mixer, LatentAttention):
                each = self.latent_copies.value_bytes(stored.format_of("attention", "kv_b", layer.format_group))
                values = (
                    share(mixer.query_heads, layout.tensor) * (mixer.qk_nope_head_dim + mixer.v_head_dim) * mixer.kv_lora_rank
                )
                found += layer.count * values * each
        return found

    def _table_rounding_bytes(self, table_bytes: int, gpus: list[int]) -> int:
        sizes = [table_bytes // number for number in gpus]
        return sum(self.allocator.taken_bytes(size) - size for size in sizes)

    def _rounding_bytes(
        self, architecture: Architecture, stored: Precision, layout: Parallelism, apart: Mapping[str, int]
    ) -> int:
        sizes = []
        for stack in architecture.stacks:
            for layer in stack.layers:
                own = [*layer.mixer.weights(architecture.hidden_size)]
                own += feed_forward_weights(layer.feed_forward, architecture.hidden_size)
                weights = [weight.times(1, layer.format_group) for weight in own]
                sizes += [(layer.count, size) for size in _tensors(weights, stored, layout, apart)]
        return sum(count * (self.allocator.taken_bytes(size) - size) for count, size in sizes)


def _tensors(weights: list[Weight], stored: Precision, layout: Parallelism, apart: Mapping[str, int]) -> Iterator[int]:
    """Bytes of each tensor of a layer: maps of the same input that are cut by outputs are one, and so are all experts."""
    fused: dict[tuple[str, int], int] = defaultdict(int)
    for weight in weights:
        routed = weight.component == "routed_expert"
        own = weight.shard(layout.expert_tensor if routed else apart.get(weight.component, layout.tensor))
        size = stored.weight_bytes(own)
        size = size // weight.copies * share(weight.copies, layout.expert) if routed else size
        if weight.linear and weight.cut == "rows":
            fused[weight.component, weight.columns] += size
        else:
            yield size
    yield from fused.values()


def _is_latent(architecture: Architecture) -> bool:
    return any(isinstance(layer.mixer, LatentAttention) for stack in architecture.stacks for layer in stack.layers)


def _rotary_width(mixer: object) -> int:
    if isinstance(mixer, Attention):
        return mixer.head_dim
    return mixer.qk_rope_head_dim if isinstance(mixer, LatentAttention) else 0
