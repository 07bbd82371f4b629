"""Gated DeltaNet: linear attention with a delta rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.errors import ArchitectureError
from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import Mixer, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide


@dataclass(frozen=True, slots=True)
class GatedDeltaNet(Mixer):
    """Gated linear attention with a delta-rule state of value_heads x key_head_dim x value_head_dim."""

    key_heads: Size
    key_head_dim: Size
    value_heads: Size
    value_head_dim: Size
    conv_kernel: Size
    kind: Literal["gated_deltanet"] = field(default="gated_deltanet", kw_only=True)

    def __post_init__(self) -> None:
        if self.value_heads % self.key_heads:
            raise ArchitectureError("value_heads", self.value_heads, f"a multiple of key_heads ({self.key_heads})")

    @property
    def key_size(self) -> int:
        """Width of the keys (and of the queries)."""
        return self.key_heads * self.key_head_dim

    @property
    def value_size(self) -> int:
        """Width of the values."""
        return self.value_heads * self.value_head_dim

    @property
    def conv_size(self) -> int:
        """Channels of the short convolution: queries, keys and values."""
        return 2 * self.key_size + self.value_size

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Nothing."""
        del tensor
        return ()

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """Window of the convolution, and the state of each head."""
        keys, values = share(self.key_heads, tensor), share(self.value_heads, tensor)
        channels = 2 * keys * self.key_head_dim + values * self.value_head_dim
        return (channels, self.conv_kernel), (values * self.key_head_dim, self.value_head_dim)

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Queries, keys and values before and after the convolution, the gate, the output, beta and alpha."""
        values = share(self.value_heads, tensor)
        conv = 2 * share(self.key_heads, tensor) * self.key_head_dim + values * self.value_head_dim
        return 2 * conv + 2 * values * self.value_head_dim + 2 * values

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """None: a token meets the state alone."""
        del tokens, tensor
        return 0.0

    def divides_among(self, gpus: int) -> bool:
        """Whole heads on each."""
        return self.key_heads % gpus == 0 and self.value_heads % gpus == 0

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """Gated DeltaNet: query-key-value-gate and beta-alpha projections, convolution, dt bias, A, norm, output."""
        keys, values = self.key_heads, self.value_heads
        for heads, size in ((keys, self.key_size), (keys, self.key_size), (values, self.value_size)):
            yield from wide("recurrent", size, hidden_size, heads, part="qkv")
            yield Weight("recurrent", size, self.conv_kernel, cut="rows", units=heads)
        yield from wide("recurrent", self.value_size, hidden_size, values, part="z")  # the gate
        yield from wide("recurrent", 2 * values, hidden_size, values, part="ba")  # beta and alpha
        yield Weight("recurrent", values, copies=2, cut="rows", units=values)  # dt bias and A
        yield Weight("recurrent", self.value_head_dim)
        yield from tall("recurrent", hidden_size, self.value_size, values, part="o")
