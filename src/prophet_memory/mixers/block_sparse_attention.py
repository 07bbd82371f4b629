"""Grouped-query attention to the blocks of a cache that an indexer chooses (MiniMax-M3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.fields import Size
from prophet_memory.mixers.attention import Attention
from prophet_memory.mixers.mixer import Mixer, Part, Vector, Vectors
from prophet_memory.tensors import Weight


@dataclass(frozen=True, slots=True)
class BlockSparseAttention(Mixer):
    """Grouped-query attention with norms of queries and keys, to `chosen_tokens` of those cached, in whole blocks.

    For each key-value head an indexer chooses the blocks, by a key of its own that it caches for each token.
    """

    query_heads: Size
    kv_heads: Size
    head_dim: Size
    chosen_tokens: Size  # blocks times the tokens of one
    index_heads: Size
    index_head_dim: Size
    kind: Literal["block_sparse_attention"] = field(default="block_sparse_attention", kw_only=True)

    def __post_init__(self) -> None:
        _ = self._attention

    @property
    def _attention(self) -> Attention:
        """What attends, apart from the indexer."""
        return Attention(self.query_heads, self.kv_heads, self.head_dim, qk_norm="head")

    def _index_keys(self) -> Vectors:
        return ((1, self.index_head_dim),)

    @property
    def cached(self) -> str:
        """All of it."""
        return "keys, values and indexer's key"

    @property
    def head_count(self) -> int:
        """Query heads."""
        return self.query_heads

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Keys and values of each head, and the indexer's key, always whole."""
        return (*self._attention.cached_vectors(tensor=tensor), *self._index_keys())

    def read_parts(self, *, tokens: int = 1, tensor: int = 1) -> tuple[Part, ...]:
        """Of the chosen tokens keys and values, which differ for each new token, and of all the indexer's keys."""
        chosen = (self._attention.cached_vectors(tensor=tensor), self.chosen_tokens * tokens)
        return (chosen, (self._index_keys(), None))

    def attended_parts(self, *, tokens: int, tensor: int = 1) -> tuple[tuple[float, int | None], ...]:
        """Keys and values of the chosen tokens, and the indexer's keys of all, with each of its heads on every GPU."""
        chosen = (self.products_per_pair(tokens=tokens, tensor=tensor), self.chosen_tokens)
        return (chosen, (self.index_heads * self.index_head_dim, None))

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """None."""
        return self._attention.state_vectors(tensor=tensor)

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Queries, keys, values, the output, and the indexer's queries and key."""
        return self._attention.values_per_token(tensor=tensor) + (self.index_heads + 1) * self.index_head_dim

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """Its query with the key, and its weight with the value, for each query head."""
        return self._attention.products_per_pair(tokens=tokens, tensor=tensor)

    def divides_among(self, gpus: int) -> bool:
        """Whole heads on each; key-value heads divided or replicated evenly."""
        return self._attention.divides_among(gpus)

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """Those of the attention, and the indexer's queries and key with their norms, whole on every GPU."""
        yield from self._attention.weights(hidden_size)
        for part, vectors in (("index_q", self.index_heads), ("index_k", 1)):
            yield Weight("attention", vectors * self.index_head_dim, hidden_size, linear=True, part=part)
        yield Weight("attention", self.index_head_dim, copies=2)
