"""Lightning attention (MiniMax): linear attention with a decaying state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import NONE, Mixer, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide


@dataclass(frozen=True, slots=True)
class LightningAttention(Mixer):
    """Linear attention with a decaying state of head_dim x head_dim in each head, a gate and a norm on its output (MiniMax)."""

    heads: Size
    head_dim: Size
    kind: Literal["lightning_attention"] = field(default="lightning_attention", kw_only=True)

    @property
    def head_count(self) -> int:
        """All of them."""
        return self.heads

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Nothing."""
        del tensor
        return ()

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """The state of each head; there is no convolution."""
        return NONE, (share(self.heads, tensor) * self.head_dim, self.head_dim)

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Queries, keys and values, the gate, the output."""
        return 5 * share(self.heads, tensor) * self.head_dim

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """None: a token meets the state alone."""
        del tokens, tensor
        return 0.0

    def divides_among(self, gpus: int) -> bool:
        """Whole heads on each."""
        return self.heads % gpus == 0

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """Lightning attention: queries, keys and values, output gate, a norm over all heads, output."""
        size = self.heads * self.head_dim
        for part in ("qkv", "qkv", "qkv", "z"):
            yield from wide("recurrent", size, hidden_size, self.heads, part=part)
        yield Weight("recurrent", size, cut="rows", units=self.heads)
        yield from tall("recurrent", hidden_size, size, self.heads, part="o")
