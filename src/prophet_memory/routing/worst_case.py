"""Every token is sent to experts that no other has: the most that a step can activate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.measured import RoutingCounts
from prophet_memory.routing.fixed import FixedExperts
from prophet_memory.routing.law import FloatArray, LawWords, RoutingLaw


@dataclass(frozen=True)
class WorstCase(RoutingLaw):
    """U = min(E, k B). No step activates more, whatever its tokens have in common."""

    kind: ClassVar[str] = "worst_case"
    order: ClassVar[int] = 5
    has_spread: ClassVar[bool] = False

    @property
    def words(self) -> LawWords:
        """It saturates at E/k."""
        return LawWords("worst case", "worst case", "worst", "reaches all $E$ experts at $E/k$", r"E/k")

    def bind(self, moe: MoE, counts: RoutingCounts | None = None) -> WorstCaseExperts:
        """The same for every model."""
        del counts
        return WorstCaseExperts(moe.routed_experts, moe.top_k)


@dataclass(frozen=True)
class WorstCaseExperts(FixedExperts):
    """U(B) of one layer."""

    def uncapped(self, batch: npt.ArrayLike) -> FloatArray:
        """Experts of all tokens, k B."""
        return np.asarray(self.top_k * np.asarray(batch, np.float64))

    def batch_for(self, fraction: float) -> float:
        """Fraction E / k."""
        return max(1.0, fraction * self.experts / self.top_k)
