"""Attention to a window of tokens and to entries that each stand for several tokens before it (DeepSeek-V4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.errors import ArchitectureError
from prophet_memory.fields import Count, Size
from prophet_memory.mixers.mixer import NONE, Mixer, Part, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide


@dataclass(frozen=True, slots=True)
class CompressedAttention(Mixer):
    """Attention of many queries to one key that is the value, too, in a window, and to entries of `entry_tokens` tokens each.

    With an indexer, entries overlap by their tokens, and a token attends to `chosen_entries` of them (CSA); without one it
    attends to all (HCA). What waits to become an entry is counted as state, at its most. An entry is spread over its tokens, so a
    format with scales counts one for each token.
    """

    query_heads: Size
    head_dim: Size
    q_lora_rank: Size
    output_groups: Size  # of heads, each with a map of its own to output_rank before the common one
    output_rank: Size
    window_tokens: Size = field()  # else the property of all mixers would be its default
    entry_tokens: Count = 0  # 0: the window alone
    chosen_entries: Count = 0
    index_heads: Count = 0
    index_head_dim: Count = 0
    kind: Literal["compressed_attention"] = field(default="compressed_attention", kw_only=True)

    def __post_init__(self) -> None:
        if self.query_heads % self.output_groups:
            raise ArchitectureError("output_groups", self.output_groups, f"a divisor of query_heads ({self.query_heads})")
        for key in ("head_dim", "index_head_dim"):
            if self.entry_tokens and getattr(self, key) % self.entry_tokens:
                raise ArchitectureError(key, getattr(self, key), f"a multiple of entry_tokens ({self.entry_tokens})")
        indexed = (self.chosen_entries, self.index_heads, self.index_head_dim)
        if any(indexed) and not (all(indexed) and self.entry_tokens):
            raise ArchitectureError("chosen_entries", self.chosen_entries, "0 without an indexer and entry_tokens")

    @property
    def cached(self) -> str:
        """All of it."""
        return "keys, or entries over their tokens"

    @property
    def head_count(self) -> int:
        """Query heads."""
        return self.query_heads

    def _entries(self) -> Vectors:
        return ((1, self.head_dim // self.entry_tokens),) if self.entry_tokens else ()

    def _index_entries(self) -> Vectors:
        return ((1, self.index_head_dim // self.entry_tokens),) if self.index_heads else ()

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """The key, and a token's part of the entries, always whole."""
        del tensor
        return ((1, self.head_dim), *self._entries(), *self._index_entries())

    def cached_parts(self, *, tensor: int = 1) -> tuple[Part, ...]:
        """The key up to the window, the entries without end."""
        del tensor
        lasting = (*self._entries(), *self._index_entries())
        return ((((1, self.head_dim),), self.window_tokens), *(((lasting, None),) if lasting else ()))

    def read_parts(self, *, tokens: int = 1, tensor: int = 1) -> tuple[Part, ...]:
        """Keys of the window, the chosen entries, which differ for each new token, and those of the indexer."""
        del tensor
        chosen = self.chosen_entries * self.entry_tokens * tokens or None
        parts = ((((1, self.head_dim),), self.window_tokens), (self._entries(), chosen), (self._index_entries(), None))
        return tuple(part for part in parts if part[0])

    def attended_parts(self, *, tokens: int, tensor: int = 1) -> tuple[tuple[float, int | None], ...]:
        """The window, the entries by their tokens, and the indexer's, with each of its heads on every GPU."""
        each, spread = self.products_per_pair(tokens=tokens, tensor=tensor), max(1, self.entry_tokens)
        chosen = self.chosen_entries * self.entry_tokens or None
        entries = each / spread if self.entry_tokens else 0.0
        return ((each, self.window_tokens), (entries, chosen), (self.index_heads * self.index_head_dim / spread, None))

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """Tokens that wait for an entry, as what it takes and the weight of that; of overlapping entries the last one's, too."""
        del tensor
        if not self.entry_tokens:
            return NONE, NONE
        series, width = (2 if self.index_heads else 1), self.head_dim + self.index_head_dim
        waiting = 2 * (self.entry_tokens - 1) * series * width
        last = 2 * self.entry_tokens * width if self.index_heads else 0
        return (1, waiting + last), NONE

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Latent queries and queries, the key, the output and its groups, and what entries are made of."""
        heads, groups = share(self.query_heads, tensor), share(self.output_groups, tensor)
        index = self.index_heads * (self.index_head_dim + 1)
        made = 2 * (2 if self.index_heads else 1) * (self.head_dim + self.index_head_dim) if self.entry_tokens else 0
        return self.q_lora_rank + (2 * heads + 1) * self.head_dim + groups * self.output_rank + index + made

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """Its query with the key, and its weight with the same as a value, for each query head."""
        del tokens
        return 2 * share(self.query_heads, tensor) * self.head_dim

    def divides_among(self, gpus: int) -> bool:
        """Whole groups of heads on each."""
        return self.output_groups % gpus == 0

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """Low-rank queries, the key with its norm, the output by groups, sinks, and what makes and chooses entries."""
        heads, groups, size = self.query_heads, self.output_groups, self.query_heads * self.head_dim
        yield Weight("attention", self.q_lora_rank, hidden_size, linear=True, part="q_a")
        yield Weight("attention", self.q_lora_rank)  # the norm
        yield from wide("attention", size, self.q_lora_rank, heads, part="q_b")
        yield Weight("attention", self.head_dim, hidden_size, linear=True, part="kv")
        yield Weight("attention", self.head_dim)  # the norm
        yield from wide("attention", groups * self.output_rank, size // groups, groups, part="o_a")
        yield from tall("attention", hidden_size, groups * self.output_rank, groups, part="o_b")
        yield Weight("attention", heads, cut="rows", units=heads)  # the sinks
        if self.entry_tokens:
            yield from self._entry_weights(hidden_size)

    def _entry_weights(self, hidden_size: int) -> Iterator[Weight]:
        """What entries take of a token, its weight, a bias by place, and the norm; and the queries of the indexer."""
        series = 2 if self.index_heads else 1
        for width in (self.head_dim, *([self.index_head_dim] if self.index_heads else [])):
            yield Weight("attention", series * width, hidden_size, copies=2, linear=True, part="compressor")
            yield Weight("attention", self.entry_tokens, series * width)
            yield Weight("attention", width)
        if self.index_heads:
            yield Weight("attention", self.index_heads * self.index_head_dim, self.q_lora_rank, linear=True, part="index_q")
            yield Weight("attention", self.index_heads, hidden_size)
