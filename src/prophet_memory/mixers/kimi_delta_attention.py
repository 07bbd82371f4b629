"""Kimi delta attention (KDA): linear attention with a delta rule whose decay is one for each channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import Mixer, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide


@dataclass(frozen=True, slots=True)
class KimiDeltaAttention(Mixer):
    """Gated linear attention with a state of head_dim x head_dim in each head and a decay for each channel (Kimi Linear)."""

    heads: Size
    head_dim: Size
    conv_kernel: Size
    low_rank_gates: bool = True  # the maps to the decay and to the output's gate go through one head's width
    kind: Literal["kimi_delta_attention"] = field(default="kimi_delta_attention", kw_only=True)

    @property
    def size(self) -> int:
        """Width of the queries, of the keys and of the values."""
        return self.heads * self.head_dim

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Nothing."""
        del tensor
        return ()

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """Window of the convolution of queries, keys and values, and the state of each head."""
        own = share(self.heads, tensor) * self.head_dim
        return (3 * own, self.conv_kernel), (own, self.head_dim)

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Queries, keys and values before and after the convolution, the decay, the gate, the output, and beta."""
        heads = share(self.heads, tensor)
        return 9 * heads * self.head_dim + heads + (2 * self.head_dim if self.low_rank_gates else 0)

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """None: a token meets the state alone."""
        del tokens, tensor
        return 0.0

    def divides_among(self, gpus: int) -> bool:
        """Whole heads on each."""
        return self.heads % gpus == 0

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """KDA: queries, keys and values with their convolution, decay and gate, beta, the decay's bias and A, norm, output."""
        heads, size = self.heads, self.size
        for part in ("q", "k", "v"):
            yield from wide("recurrent", size, hidden_size, heads, part=part)
            yield Weight("recurrent", size, self.conv_kernel, cut="rows", units=heads)
        for gate in ("decay", "gate"):
            if self.low_rank_gates:  # each head needs the whole of the narrow side
                yield Weight("recurrent", self.head_dim, hidden_size, linear=True, part=f"{gate}_a")
            inputs, part = (self.head_dim, f"{gate}_b") if self.low_rank_gates else (hidden_size, gate)
            yield from wide("recurrent", size, inputs, heads, part=part)
        yield from wide("recurrent", heads, hidden_size, heads, part="beta")
        yield Weight("recurrent", size, cut="rows", units=heads)  # the bias of the decay
        yield Weight("recurrent", heads, cut="rows", units=heads)  # A
        yield Weight("recurrent", self.head_dim)  # the norm
        yield from tall("recurrent", hidden_size, size, heads, part="o")
