"""Multi-head latent attention (MLA)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import NONE, Mixer, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide


@dataclass(frozen=True, slots=True)
class LatentAttention(Mixer):
    """Multi-head latent attention (MLA): keys and values are cached as one low-rank latent and a shared rotary key."""

    cached: ClassVar[str] = "latent and rotary key"

    query_heads: Size
    kv_lora_rank: Size
    qk_nope_head_dim: Size
    qk_rope_head_dim: Size
    v_head_dim: Size
    q_lora_rank: Size | None = None
    bias: bool = False  # on the projections down to the latents and on the output
    kind: Literal["latent_attention"] = field(default="latent_attention", kw_only=True)

    @property
    def head_count(self) -> int:
        """Query heads."""
        return self.query_heads

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """The latent and the rotary key, always whole."""
        del tensor
        return ((1, self.kv_lora_rank), (1, self.qk_rope_head_dim))

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """None."""
        del tensor
        return NONE, NONE

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Latents, queries and keys, values, and the output."""
        heads = share(self.query_heads, tensor)
        latents = (self.q_lora_rank or 0) + self.kv_lora_rank + self.qk_rope_head_dim
        queries_and_keys = 2 * heads * (self.qk_nope_head_dim + self.qk_rope_head_dim)
        return latents + queries_and_keys + 2 * heads * self.v_head_dim

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
        heads, qk_head_dim = self.query_heads, self.qk_nope_head_dim + self.qk_rope_head_dim
        latent = self.kv_lora_rank + self.qk_rope_head_dim
        if self.q_lora_rank is None:
            yield from wide("attention", heads * qk_head_dim, hidden_size, heads)
        else:
            yield Weight("attention", self.q_lora_rank, hidden_size, linear=True)
            yield Weight("attention", self.q_lora_rank, copies=2 if self.bias else 1)  # the norm, the bias
            yield from wide("attention", heads * qk_head_dim, self.q_lora_rank, heads)
        yield Weight("attention", latent, hidden_size, linear=True)
        yield Weight("attention", self.kv_lora_rank)  # the norm
        if self.bias:
            yield Weight("attention", latent)
        yield from wide("attention", heads * (self.qk_nope_head_dim + self.v_head_dim), self.kv_lora_rank, heads)
        yield from tall("attention", hidden_size, heads * self.v_head_dim, heads, bias=self.bias)
