"""Tokens draw k experts without replacement, by Zipf's popularities: the exact mean (docs/routing.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.distinct import Distributed, FloatArray
from prophet_memory.inclusion import (
    MOST_SKEW,
    mean_distinct,
    pair_terms,
    variance_of_distinct,
    zipf_inclusion,
    zipf_of_variation,
)
from prophet_memory.measured import RoutingCounts
from prophet_memory.routing.law import LawWords, RoutingLaw
from prophet_memory.routing.uniform import UniformExperts

DECIMALS = 3  # of the exponent that stands for a variation


@dataclass(frozen=True)
class Zipf(RoutingLaw):
    """The expert of rank r has the weight r^-s; s = 0 is the uniform law."""

    kind: ClassVar[str] = "zipf"
    order: ClassVar[int] = 3
    s: float = 0.8

    def __post_init__(self) -> None:
        self.require("s", f"a number of at least 0 and at most {MOST_SKEW:g}", holds=0 <= self.s <= MOST_SKEW)

    @classmethod
    def of_variation(cls, moe: MoE, variation: float) -> Zipf:
        """The law whose inclusion probabilities have a coefficient of variation, to three decimals of the exponent."""
        return cls(round(zipf_of_variation(moe.routed_experts, moe.top_k, variation), DECIMALS))

    @property
    def words(self) -> LawWords:
        """The skew belongs to the name."""
        return LawWords(
            f"Zipf law, s = {self.s:g}", f"Zipf {self.s:g}", f"Zipf {self.s:g}", "approaches $E$ and never reaches it"
        )

    def bind(self, moe: MoE, counts: RoutingCounts | None = None) -> ZipfExperts | UniformExperts:
        """The same for every model; without a skew the uniform law, whose distribution is exact."""
        del counts
        if self.s == 0:
            return UniformExperts(moe.routed_experts, moe.top_k)
        return ZipfExperts(moe.routed_experts, moe.top_k, self.s)


@dataclass(frozen=True)
class ZipfExperts(Distributed):
    """U(B) of one layer."""

    s: float

    @property
    def _inclusion(self) -> FloatArray:
        return zipf_inclusion(self.experts, self.top_k, self.s)

    def means(self, batch: npt.ArrayLike) -> FloatArray:
        """Sum over experts of 1 - (1 - f)^B."""
        return mean_distinct(self._inclusion[None], batch)

    def popularity(self) -> FloatArray:
        """By rank."""
        return self._inclusion[None]

    def variance(self, layer: int, batch: int) -> float:
        """Of k-subsets of the largest entropy with the same inclusion probabilities."""
        del layer
        return _variance(self.experts, self.top_k, self.s, batch)


@cache
def _variance(experts: int, top_k: int, s: float, batch: int) -> float:
    inclusion = zipf_inclusion(experts, top_k, s)
    return variance_of_distinct(inclusion, pair_terms(inclusion), batch)
