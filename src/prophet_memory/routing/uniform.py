"""Tokens route independently and uniformly, exactly: E[U] = E (1 - (1 - k/E)^B) (docs/memory-model.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.distinct import Distributed, each
from prophet_memory.measured import RoutingCounts
from prophet_memory.occupancy import (
    distinct_distribution,
    is_exact,
    mean_distinct,
    quantile_of_distinct,
    tokens_until_settled,
    uniform_on_fullest_rank,
)
from prophet_memory.routing.law import FloatArray, LawWords, RoutingLaw


@dataclass(frozen=True)
class Uniform(RoutingLaw):
    """The largest E[U] of any i.i.d. routing with the same k, because 1 - (1 - p)^B is concave in the popularity p.

    It bounds neither a single step nor tokens that are told apart: those sent to disjoint experts activate more.
    """

    kind: ClassVar[str] = "uniform"
    order: ClassVar[int] = 0

    @property
    def words(self) -> LawWords:
        """It saturates only in the limit."""
        note = (
            "For independent, identically distributed tokens the uniform law gives the least saving on average: favouring some"
            " experts saves more."
        )
        return LawWords("exact uniform law", "uniform law", "unif.", "approaches $E$ and never reaches it", note=note)

    def bind(self, moe: MoE, counts: RoutingCounts | None = None) -> UniformExperts:
        """The same for every model."""
        del counts
        return UniformExperts(moe.routed_experts, moe.top_k)


@dataclass(frozen=True)
class UniformExperts(Distributed):
    """U(B) of one layer: its distribution is exact where `occupancy.is_exact` says so."""

    def means(self, batch: npt.ArrayLike) -> FloatArray:
        """E (1 - (1 - k/E)^B)."""
        return mean_distinct(self.experts, self.top_k, batch)[None]

    def popularity(self) -> FloatArray:
        """All alike."""
        return np.full((1, self.experts), self.top_k / self.experts)

    def variance(self, layer: int, batch: int) -> float:
        """E q1 + E (E - 1) q2 - E^2 q1^2, where q1 and q2 are the chances that one expert and that two are missed."""
        del layer
        experts, rest = self.experts, self.experts - self.top_k
        one = (rest / experts) ** batch
        two = (rest * (rest - 1) / (experts * (experts - 1))) ** batch if experts > 1 else 0.0
        return max(0.0, experts * one + experts * (experts - 1) * two - (experts * one) ** 2)

    def distribution(self, layer: int, batch: int) -> FloatArray:
        """Exact, token by token; past its size the one of the largest entropy."""
        if is_exact(self.experts, self.top_k, batch):
            return distinct_distribution(self.experts, self.top_k, batch)
        return super().distribution(layer, batch)

    def quantile(self, batch: npt.ArrayLike, q: float) -> FloatArray:
        """Of the exact distribution; past its size an upper bound."""
        return each(batch, lambda tokens: quantile_of_distinct(self.experts, self.top_k, tokens, q))

    def on_fullest_rank(self, batch: npt.ArrayLike, ranks: int) -> FloatArray:
        """The mean over the exact distribution of U."""
        return self.mean(batch) if ranks == 1 else uniform_on_fullest_rank(self.experts, self.top_k, batch, ranks)

    def is_exact(self, batch: int, ranks: int) -> bool:
        """Past a size a bound stands for the mean."""
        settled = batch >= tokens_until_settled(self.experts, self.top_k)
        return ranks == 1 or settled or is_exact(self.experts, self.top_k, batch)

    def batch_for(self, fraction: float) -> float | None:
        """ln(1 - fraction) / ln(1 - k/E); all experts are never reached unless k = E."""
        if fraction * self.experts <= self.top_k:
            return 1.0
        return None if fraction >= 1 else math.log1p(-fraction) / math.log1p(-self.top_k / self.experts)
