"""Multi-head latent attention (MLA), also to a few tokens that an indexer chooses (DeepSeek sparse attention)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.errors import ArchitectureError
from prophet_memory.fields import Count, Size
from prophet_memory.mixers.mixer import NONE, Mixer, Part, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide


@dataclass(frozen=True, slots=True)
class LatentAttention(Mixer):
    """Multi-head latent attention (MLA): keys and values are cached as one low-rank latent and a shared rotary key.

    With `chosen_tokens`, a token attends to so many of those cached (DeepSeek-V3.2). An indexer of its own chooses them by a key
    that it caches for each token, or the layer takes the choice of the last one before it that has an indexer (GLM-5).
    """

    query_heads: Size
    kv_lora_rank: Size
    qk_nope_head_dim: Size
    qk_rope_head_dim: Count  # 0 where positions are not rotary
    v_head_dim: Size
    q_lora_rank: Size | None = None
    bias: bool = False  # on the projections down to the latents and on the output
    head_gate: bool = False  # a projection of its own yields one gate per query head (Ling 3)
    value_gate: bool = False  # a projection of its own yields one gate per value of a query head (Hunyuan 4)
    gate_from_latent: bool = False  # such gates and queries are made together of the latent before and after its norm (A.X-K2)
    sinks: bool = False  # one learned attention sink per query head (Hunyuan 4)
    key_norm: bool = False  # a norm on the rotary key (dots 3)
    query_scales: bool = False  # a scale and an offset by position for each query head, an indexer's too (Mistral Large 4)
    window_tokens: Size | None = None
    borrows_cache: bool = False  # reads the latents of a layer before it; an indexer still caches its own keys (Mistral Large 4)
    chosen_tokens: Size | None = None
    index_heads: Count = 0  # of an indexer; 0 without one
    index_head_dim: Count = 0
    index_pool_tokens: Count = 0  # that an indexer weighs into one key to choose by; 0: each has its own (GLM-5.3)
    kind: Literal["latent_attention"] = field(default="latent_attention", kw_only=True)

    def __post_init__(self) -> None:
        if self.index_heads and self.chosen_tokens is None:
            raise ArchitectureError("index_heads", self.index_heads, "0 without chosen_tokens")
        if self.index_pool_tokens and not self.index_heads:
            raise ArchitectureError("index_pool_tokens", self.index_pool_tokens, "0 without index_heads")
        if bool(self.index_heads) != bool(self.index_head_dim):
            raise ArchitectureError("index_head_dim", self.index_head_dim, "0 without index_heads, and more with them")
        if self.gate_from_latent and self.q_lora_rank is None:
            raise ArchitectureError("q_lora_rank", None, "a rank where gates are made of the latent")
        if self.window_tokens is not None and self.chosen_tokens is not None:
            raise ArchitectureError("window_tokens", self.window_tokens, "none with chosen_tokens")

    @property
    def cached(self) -> str:
        """All of it."""
        own = "" if self.borrows_cache else "latent and rotary key"
        return " beside ".join(filter(None, (own, "indexer's key" if self.index_heads else ""))) or "nothing"

    @property
    def head_count(self) -> int:
        """Query heads."""
        return self.query_heads

    def latents(self) -> Vectors:
        """The latent, and the rotary key where there is one."""
        return ((1, self.kv_lora_rank), *(((1, self.qk_rope_head_dim),) if self.qk_rope_head_dim else ()))

    def index_keys(self) -> Vectors:
        """The key of an indexer, where there is one."""
        if not self.index_heads:
            return ()
        # To pool them later, each key stands beside its weights and a flag.
        return ((1, 2 * self.index_head_dim + 1 if self.index_pool_tokens else self.index_head_dim),)

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """The latent and the rotary key, and the indexer's key, always whole."""
        del tensor
        return (*(() if self.borrows_cache else self.latents()), *self.index_keys())

    def read_parts(self, *, tokens: int = 1, tensor: int = 1) -> tuple[Part, ...]:
        """Of the window or the chosen tokens, which differ for each new token, the latents, and of all the indexer's keys."""
        del tensor
        chosen = self.window_tokens if self.chosen_tokens is None else self.chosen_tokens * tokens
        keys = self.index_keys()
        return ((self.latents(), chosen), *(((keys, None),) if keys else ()))

    def attended_parts(self, *, tokens: int, tensor: int = 1) -> tuple[tuple[float, int | None], ...]:
        """Latents of the chosen tokens, and the indexer's keys of all, with each of its heads on every GPU."""
        chosen = (self.products_per_pair(tokens=tokens, tensor=tensor), self.chosen_tokens or self.window_tokens)
        return (chosen, (self.index_heads * self.index_head_dim, None))

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """None."""
        del tensor
        return NONE, NONE

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Latents, queries and keys, values, the output, gates, and the indexer's queries, key and head weights."""
        heads = share(self.query_heads, tensor)
        latents = (self.q_lora_rank or 0) + self.kv_lora_rank + self.qk_rope_head_dim
        queries_and_keys = 2 * heads * (self.qk_nope_head_dim + self.qk_rope_head_dim)
        index = (self.index_heads + 1) * self.index_head_dim + self.index_heads
        gates = self.head_gate + (self.value_gate or self.gate_from_latent) * self.v_head_dim
        return latents + queries_and_keys + 2 * heads * self.v_head_dim + heads * gates + index

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """The cheaper of two: with the latent itself, or with keys and values that are made of it once for all new tokens."""
        made = self.qk_nope_head_dim + self.v_head_dim
        with_latent = 2 * self.kv_lora_rank + self.qk_rope_head_dim
        with_made = made + self.qk_rope_head_dim + self.kv_lora_rank * made / tokens
        return share(self.query_heads, tensor) * min(with_latent, with_made)

    def divides_among(self, gpus: int) -> bool:
        """Whole heads on each."""
        return self.query_heads % gpus == 0

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """MLA: low-rank query (or a full one), the joint key-value latent with its norm, and the projections up from it.

        The projections down to the latents stand on every GPU, because each head needs the whole latent.
        """
        heads = self.query_heads
        yield from self._query_weights(hidden_size)
        if not self.borrows_cache:
            latent = self.kv_lora_rank + self.qk_rope_head_dim
            yield Weight("attention", latent, hidden_size, linear=True, part="kv_a")
            yield Weight("attention", self.kv_lora_rank + (self.qk_rope_head_dim if self.key_norm else 0))  # the norms
            if self.bias:
                yield Weight("attention", latent)
        yield from wide("attention", heads * (self.qk_nope_head_dim + self.v_head_dim), self.kv_lora_rank, heads, part="kv_b")
        yield from tall("attention", hidden_size, heads * self.v_head_dim, heads, bias=self.bias, part="o")
        for present, gates in ((self.head_gate, heads), (self.value_gate, heads * self.v_head_dim)):
            if present:
                yield from wide("attention", gates, hidden_size, heads, part="gate")
        if each := self.sinks + 2 * self.query_scales:
            yield Weight("attention", heads, each, cut="rows", units=heads)
        if self.index_heads:
            yield from self._index_weights(hidden_size)

    def _query_weights(self, hidden_size: int) -> Iterator[Weight]:
        """Full-rank queries, or a latent with its norm and queries made of it, beside their gates where those are, too."""
        heads, width = self.query_heads, self.qk_nope_head_dim + self.qk_rope_head_dim
        if self.q_lora_rank is None:
            yield from wide("attention", heads * width, hidden_size, heads, part="q")
            return
        yield Weight("attention", self.q_lora_rank, hidden_size, linear=True, part="q_a")
        yield Weight("attention", self.q_lora_rank, copies=2 if self.bias else 1)  # the norm, the bias
        if self.gate_from_latent:
            yield from wide("attention", heads * (width + self.v_head_dim), 2 * self.q_lora_rank, heads, part="q_b")
        else:
            yield from wide("attention", heads * width, self.q_lora_rank, heads, part="q_b")

    def _index_weights(self, hidden_size: int) -> Iterator[Weight]:
        """Queries, the key with its norm and bias, and what weighs the heads: whole on every GPU (vLLM).

        Queries are made of the latent, or of the hidden state behind a norm with a bias where there is none.
        """
        yield Weight(
            "attention", self.index_heads * self.index_head_dim, self.q_lora_rank or hidden_size, linear=True, part="index_q"
        )
        if self.q_lora_rank is None:
            yield Weight("attention", hidden_size, copies=2)
        yield Weight("attention", self.index_head_dim, hidden_size, linear=True, part="index_k")
        yield Weight("attention", self.index_head_dim, copies=2)
        yield Weight("attention", self.index_heads, hidden_size)  # published quantised checkpoints leave it alone
        if self.query_scales:
            yield Weight("attention", self.index_heads, copies=2)
        if self.index_pool_tokens:
            yield Weight("attention", self.index_head_dim, hidden_size + self.index_pool_tokens)  # weights, and those by place
