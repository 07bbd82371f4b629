"""The design space: a family of synthetic models beside the catalogue, over GPUs, batches, laws, precisions and context lengths.

A synthetic model is a plain decoder: every layer has grouped-query attention and routed experts, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Annotated

from annotated_types import Ge, Le

from prophet_memory.architecture import Architecture, Layer, MoE, Stack
from prophet_memory.fields import Described, PlainSize, Several
from prophet_memory.mixers import Attention

SYNTHETIC = "synthetic"  # what a member of the family is called
POINT_AXES = ("gpu", "model", "batch_size", "routing", "precision", "context_tokens")


@dataclass(frozen=True, slots=True)
class Family(Described):
    """Axes of the synthetic models; `expert_width` is an expert's intermediate size over the hidden size."""

    experts: Several[PlainSize]
    top_k: Several[PlainSize]
    layers: Several[PlainSize]
    hidden_size: Several[PlainSize]
    expert_width: Several[Annotated[float, Ge(0.001), Le(100)]]
    kv_heads: Several[PlainSize]
    head_dim: PlainSize
    vocabulary_size: PlainSize

    @property
    def count(self) -> int:
        """How many models it has."""
        pairs = sum(top_k < experts for experts, top_k in product(self.experts, self.top_k))
        return pairs * prod(map(len, (self.layers, self.hidden_size, self.expert_width, self.kv_heads)))

    def members(self) -> Iterator[Architecture]:
        """Every model of the family but those that would send a token to every expert, or to more than there are."""
        axes = (self.experts, self.top_k, self.layers, self.hidden_size, self.expert_width, self.kv_heads)
        for experts, top_k, layers, hidden, width, kv_heads in product(*axes):
            if top_k < experts:
                yield self._member(experts, top_k, layers, hidden, round(hidden * width), kv_heads)

    def _member(self, experts: int, top_k: int, layers: int, hidden: int, intermediate: int, kv_heads: int) -> Architecture:
        attention = Attention(query_heads=hidden // self.head_dim, kv_heads=kv_heads, head_dim=self.head_dim)
        moe = MoE(routed_experts=experts, top_k=top_k, expert_intermediate_size=intermediate)
        return Architecture(
            hidden_size=hidden,
            vocabulary_size=self.vocabulary_size,
            tied_embeddings=False,
            max_context_tokens=None,
            decoder=Stack((Layer(layers, attention, moe),)),
        )
