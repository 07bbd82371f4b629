"""Tokens route independently and uniformly, exactly: E[U] = E (1 - (1 - k/E)^B) (docs/memory-model.md)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.occupancy import (
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

    def bind(self, model: str, moe: MoE) -> UniformExperts:
        """The same for every model."""
        del model
        return UniformExperts(moe.routed_experts, moe.top_k)


@dataclass(frozen=True)
class UniformExperts:
    """U(B) of one layer."""

    experts: int
    top_k: int

    def mean(self, batch: npt.ArrayLike) -> FloatArray:
        """E (1 - (1 - k/E)^B)."""
        return mean_distinct(self.experts, self.top_k, batch)

    def uncapped(self, batch: npt.ArrayLike) -> FloatArray:
        """The mean, which never passes E."""
        return self.mean(batch)

    def quantile(self, batch: npt.ArrayLike, q: float) -> FloatArray:
        """Of the exact distribution; past its size an upper bound."""
        return self._each(batch, lambda tokens: quantile_of_distinct(self.experts, self.top_k, tokens, q))

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

    @staticmethod
    def _each(batch: npt.ArrayLike, of: Callable[[int], float]) -> FloatArray:
        each = np.vectorize(lambda tokens: of(int(tokens)), otypes=[float])
        return np.asarray(each(np.asarray(batch)), np.float64)
