"""Over-dispersed popularity with one parameter: the inclusion probability of an expert is Beta distributed (docs/routing.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.distinct import Distributed, FloatArray
from prophet_memory.measured import RoutingCounts
from prophet_memory.routing.law import LawWords, RoutingLaw

DECIMALS = 4  # of rho that stands for a variation
LEAST_RHO = 1e-6  # below, the law is the uniform one, and the gamma functions cancel


@dataclass(frozen=True)
class Beta(RoutingLaw):
    """Inclusion probabilities of mean k/E whose variance is rho k/E (1 - k/E).

    rho covers both lasting popularity, of a coefficient of variation CV by rho = CV^2 (k/E) / (1 - k/E), and batches with a topic
    of their own.
    """

    kind: ClassVar[str] = "beta"
    order: ClassVar[int] = 4
    rho: float = 0.02

    def __post_init__(self) -> None:
        self.require("rho", f"a number above 0, at least {LEAST_RHO:g}, and below 1", holds=LEAST_RHO <= self.rho < 1)

    @classmethod
    def of_variation(cls, moe: MoE, variation: float) -> Beta:
        """The law of a coefficient of variation, to four decimals of rho; where every expert is always taken, the least."""
        share = moe.top_k / moe.routed_experts
        return cls(max(LEAST_RHO, round(variation**2 * share / (1 - share), DECIMALS)) if share < 1 else LEAST_RHO)

    @property
    def words(self) -> LawWords:
        """The dispersion belongs to the name."""
        return LawWords(
            f"Beta law, ρ = {self.rho:g}", f"Beta {self.rho:g}", f"β {self.rho:g}", "approaches $E$ and never reaches it"
        )

    def bind(self, moe: MoE, counts: RoutingCounts | None = None) -> BetaExperts:
        """The same for every model."""
        del counts
        return BetaExperts(moe.routed_experts, moe.top_k, self.rho)


@dataclass(frozen=True)
class BetaExperts(Distributed):
    """U(B) of one layer: experts are met independently, each missed with the probability E[(1 - f)^B]."""

    rho: float

    def _missed(self, batch: npt.ArrayLike) -> FloatArray:
        """Product over j < B of (b + j) / (a + b + j), with a = k/E (1/rho - 1), b = (1 - k/E) (1/rho - 1)."""
        both = 1 / self.rho - 1
        other = both * (1 - self.top_k / self.experts)
        if other <= 0:  # k = E
            return np.zeros_like(np.asarray(batch, np.float64))

        def of(tokens: float) -> float:
            rising = math.lgamma(other + tokens) - math.lgamma(other)
            return math.exp(min(0.0, rising - math.lgamma(both + tokens) + math.lgamma(both)))

        return np.asarray(np.vectorize(of, otypes=[float])(np.asarray(batch, np.float64)), np.float64)

    def means(self, batch: npt.ArrayLike) -> FloatArray:
        """E (1 - E[(1 - f)^B])."""
        found: FloatArray = self.experts * (1 - self._missed(batch))[None]
        return found

    def popularity(self) -> None:
        """Not said: rho covers lasting popularity, which caches use, and the topics of a batch, which they do not."""
        return

    def variance(self, layer: int, batch: int) -> float:
        """Of independent experts."""
        del layer
        missed = float(self._missed(batch))
        return self.experts * missed * (1 - missed)
