"""Multi-head and grouped-query attention, also over a window or in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.errors import ArchitectureError
from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import NONE, Mixer, Part, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide

QKNorm = Literal["none", "head", "full"]


@dataclass(frozen=True, slots=True)
class Attention(Mixer):
    """Multi-head or grouped-query attention; with `window_tokens`, sliding-window or chunked."""

    query_heads: Size
    kv_heads: Size
    head_dim: Size
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: QKNorm = "none"  # over one head, or over all heads at once
    output_gate: bool = False  # the query projection also yields a gate of its own width
    sinks: bool = False  # one learned attention sink per query head
    window_tokens: Size | None = None
    value_head_dim: Size | None = None  # of values, where they are not as wide as keys (MiMo-V2)
    head_gate: bool = False  # a projection of its own yields one gate per query head (Laguna)
    value_gate: bool = False  # a projection of its own yields one gate per value of a query head (Trinity)
    gate_bias: bool = False  # one bias per query head on such a gate (Beam)
    value_mask: bool = False  # a map from the values of all heads, and a scale, weigh tokens for each head (Doge)
    values_from_keys: bool = False  # one projection makes both, which are cached apart (Gemma 4)
    borrows_cache: bool = False  # reads the keys and values of the last layer of its kind that makes some (Gemma 4)
    kind: Literal["attention"] = field(default="attention", kw_only=True)

    def __post_init__(self) -> None:
        if self.query_heads % self.kv_heads:
            raise ArchitectureError("kv_heads", self.kv_heads, f"a divisor of query_heads ({self.query_heads})")
        if self.gate_bias and not (self.head_gate or self.value_gate):
            raise ArchitectureError("gate_bias", True, "false without head_gate or value_gate")
        if self.values_from_keys and self.value_head_dim is not None:
            raise ArchitectureError("value_head_dim", self.value_head_dim, "none where values are made from keys")

    @property
    def cached(self) -> str:
        """Both."""
        return "keys and values"

    @property
    def head_count(self) -> int:
        """Query heads."""
        return self.query_heads

    @property
    def value_width(self) -> int:
        """Width of a head's values."""
        return self.head_dim if self.value_head_dim is None else self.value_head_dim

    def _keys_and_values(self, tensor: int) -> Vectors:
        """Those of each head, a head on every GPU where there are fewer."""
        heads = share(self.kv_heads, tensor)
        if self.value_head_dim is None:
            return ((2 * heads, self.head_dim),)
        return ((heads, self.head_dim), (heads, self.value_head_dim))

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Keys and values of each head, unless they are another layer's."""
        return () if self.borrows_cache else self._keys_and_values(tensor)

    def read_parts(self, *, tokens: int = 1, tensor: int = 1) -> tuple[Part, ...]:
        """Keys and values, be they its own or another layer's."""
        del tokens
        return ((self._keys_and_values(tensor), self.window_tokens),)

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """None."""
        del tensor
        return NONE, NONE

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Queries, their gates, keys, values, and the output."""
        heads, kv_heads = share(self.query_heads, tensor), share(self.kv_heads, tensor)
        gates = self.output_gate * self.head_dim + self.value_gate * self.value_width + self.head_gate
        kept = 0 if self.borrows_cache else kv_heads
        return (heads + kept) * (self.head_dim + self.value_width) + heads * gates

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """Its query with the key, and its weight with the value, for each query head."""
        del tokens
        return share(self.query_heads, tensor) * (self.head_dim + self.value_width)

    def divides_among(self, gpus: int) -> bool:
        """Whole heads on each; key-value heads divided or replicated evenly."""
        return self.query_heads % gpus == 0 and (self.kv_heads % gpus == 0 or gpus % self.kv_heads == 0)

    def key_and_value_weights(self, hidden_size: int) -> Iterator[Weight]:
        """The projections that make what the cache holds."""
        widths = {} if self.borrows_cache else {"k": self.head_dim} | ({} if self.values_from_keys else {"v": self.value_width})
        for part, width in widths.items():
            yield from wide("attention", self.kv_heads * width, hidden_size, self.kv_heads, bias=self.qkv_bias, part=part)

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """Query, key, value and output projections, their biases, gates, sinks, and the norms of queries and keys."""
        heads, query_size, value_size = self.query_heads, self.query_heads * self.head_dim, self.query_heads * self.value_width
        query_outputs = query_size * (2 if self.output_gate else 1)
        yield from wide("attention", query_outputs, hidden_size, heads, bias=self.qkv_bias, part="q")
        yield from self.key_and_value_weights(hidden_size)
        yield from tall("attention", hidden_size, value_size, heads, bias=self.output_bias, part="o")
        for present, gates in ((self.head_gate, heads), (self.value_gate, value_size)):
            if present:
                yield from wide("attention", gates, hidden_size, heads, part="gate")
        for present in (self.gate_bias, self.sinks):
            if present:
                yield Weight("attention", heads, cut="rows", units=heads)
        if self.value_mask:
            rows = self.kv_heads
            yield Weight("attention", rows, rows * self.value_width + 1 + self.qkv_bias)
        yield from self._norms()

    def _norms(self) -> Iterator[Weight]:
        if self.qk_norm == "head":
            yield Weight("attention", self.head_dim, copies=1 if self.borrows_cache else 2)
        elif self.qk_norm == "full":
            yield Weight("attention", self.query_heads * self.head_dim, cut="rows", units=self.query_heads)
            yield Weight("attention", self.kv_heads * self.head_dim, cut="rows", units=self.kv_heads)
