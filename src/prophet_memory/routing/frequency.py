"""Tokens are independent and take the experts as often as was measured: the exact mean of each layer (docs/routing.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.distinct import Distributed, FloatArray
from prophet_memory.errors import ModelError
from prophet_memory.inclusion import mean_distinct, pair_terms, variance_of_distinct
from prophet_memory.measured import RoutingCounts
from prophet_memory.routing.law import LawWords, RoutingLaw


@dataclass(frozen=True)
class Frequency(RoutingLaw):
    """U = sum over experts of 1 - (1 - f)^B in each layer, with the measured frequencies of the model."""

    kind: ClassVar[str] = "frequency"
    order: ClassVar[int] = 2
    needs_counts: ClassVar[bool] = True

    @property
    def words(self) -> LawWords:
        """The counts are the model's."""
        return LawWords("measured frequencies", "measured", "freq.", "approaches $E$ and never reaches it")

    def bind(self, moe: MoE, counts: RoutingCounts | None = None) -> FrequencyExperts:
        """Of a model whose routing was measured. Raises ModelError for another, and for counts that are not the model's."""
        if counts is None:
            raise ModelError("routing", self.kind, "a model whose routing was measured: one with counts")
        return _bound(moe, counts)


@lru_cache
def _bound(moe: MoE, counts: RoutingCounts) -> FrequencyExperts:
    """Once for the same counts, so that what was computed of them is kept."""
    return FrequencyExperts(moe.routed_experts, moe.top_k, counts.inclusion(moe))


@dataclass(frozen=True, eq=False)
class FrequencyExperts(Distributed):
    """U(B) of each measured layer."""

    inclusion: FloatArray

    # Each is itself alone: the base class would take two of one (E, k) for equal.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def layer_count(self) -> int:
        """Those that were measured."""
        return int(self.inclusion.shape[0])

    def means(self, batch: npt.ArrayLike) -> FloatArray:
        """Sum over experts of 1 - (1 - f)^B."""
        return mean_distinct(self.inclusion, batch)

    @cached_property
    def _terms(self) -> list[FloatArray]:
        return [pair_terms(layer) for layer in self.inclusion]

    @cached_property
    def _variances(self) -> dict[tuple[int, int], float]:
        return {}

    def popularity(self) -> FloatArray:
        """As was measured."""
        return self.inclusion

    def variance(self, layer: int, batch: int) -> float:
        """Of k-subsets of the largest entropy with the same inclusion probabilities."""
        known = self._variances
        if (layer, batch) not in known:
            known[layer, batch] = variance_of_distinct(self.inclusion[layer], self._terms[layer], batch)
        return known[layer, batch]
