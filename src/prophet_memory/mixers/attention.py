"""Multi-head and grouped-query attention, also over a window or in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from prophet_memory.errors import ArchitectureError
from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import NONE, Mixer, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide

QKNorm = Literal["none", "head", "full"]


@dataclass(frozen=True, slots=True)
class Attention(Mixer):
    """Multi-head or grouped-query attention; with `window_tokens`, sliding-window or chunked."""

    cached: ClassVar[str] = "keys and values"

    query_heads: Size
    kv_heads: Size
    head_dim: Size
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: QKNorm = "none"  # over one head, or over all heads at once
    output_gate: bool = False  # the query projection also yields a gate of its own width
    sinks: bool = False  # one learned attention sink per query head
    window_tokens: Size | None = None
    kind: Literal["attention"] = field(default="attention", kw_only=True)

    def __post_init__(self) -> None:
        if self.query_heads % self.kv_heads:
            raise ArchitectureError("kv_heads", self.kv_heads, f"a divisor of query_heads ({self.query_heads})")

    @property
    def head_count(self) -> int:
        """Query heads."""
        return self.query_heads

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Keys and values of each head, a head on every GPU where there are fewer."""
        return ((2 * share(self.kv_heads, tensor), self.head_dim),)

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """None."""
        del tensor
        return NONE, NONE

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Queries, their gate, keys, values, and the output."""
        query = share(self.query_heads, tensor) * self.head_dim
        return query * (3 if self.output_gate else 2) + 2 * share(self.kv_heads, tensor) * self.head_dim

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """Its query with the key, and its weight with the value, for each query head."""
        del tokens
        return 2 * share(self.query_heads, tensor) * self.head_dim

    def divides_among(self, gpus: int) -> bool:
        """Whole heads on each; key-value heads divided or replicated evenly."""
        return self.query_heads % gpus == 0 and (self.kv_heads % gpus == 0 or gpus % self.kv_heads == 0)

    def key_and_value_weights(self, hidden_size: int) -> Iterator[Weight]:
        """The projections that make what the cache holds."""
        for _ in ("key", "value"):
            yield from wide("attention", self.kv_heads * self.head_dim, hidden_size, self.kv_heads, bias=self.qkv_bias)

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """Query, key, value and output projections, their biases, the norms of queries and keys, and sinks."""
        query_size, kv_size = self.query_heads * self.head_dim, self.kv_heads * self.head_dim
        query_outputs = query_size * (2 if self.output_gate else 1)
        yield from wide("attention", query_outputs, hidden_size, self.query_heads, bias=self.qkv_bias)
        yield from self.key_and_value_weights(hidden_size)
        yield from tall("attention", hidden_size, query_size, self.query_heads, bias=self.output_bias)
        if self.sinks:
            yield Weight("attention", self.query_heads, cut="rows", units=self.query_heads)
        if self.qk_norm == "head":
            yield Weight("attention", self.head_dim, copies=2)
        elif self.qk_norm == "full":
            yield Weight("attention", query_size, cut="rows", units=self.query_heads)
            yield Weight("attention", kv_size, cut="rows", units=self.kv_heads)
