"""The source document's law, U = min(E, k B^exponent)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.measured import RoutingCounts
from prophet_memory.routing.fixed import FixedExperts
from prophet_memory.routing.law import FloatArray, LawWords, RoutingLaw

LEAST_EXPONENT = 0.05  # below, saturation batches pass what a float holds


@dataclass(frozen=True)
class PowerLaw(RoutingLaw):
    """Saturates at the batch (E/k)^(1/exponent).

    The default is the source document's: "unique_experts = active_experts_per_token x (batch_size ^ 0.932)".
    """

    kind: ClassVar[str] = "power_law"
    order: ClassVar[int] = 1
    has_spread: ClassVar[bool] = False
    exponent: float = 0.932

    def __post_init__(self) -> None:
        self.require(
            "exponent", f"a number of at least {LEAST_EXPONENT} and at most 1", holds=LEAST_EXPONENT <= self.exponent <= 1
        )

    @property
    def words(self) -> LawWords:
        """The source's exponent or another."""
        formula = r"(E/k)^{1/\beta}"
        label = "power law (source)" if self.name == self.kind else f"power law, exponent {self.exponent}"
        saturates = rf"reaches all $E$ experts at ${formula}$, $\beta={self.exponent}$"
        note = (
            "Where the power law saves less than the uniform law, it counts experts that such tokens do not activate on average."
        )
        abbreviation = "power" if self.name == self.kind else f"β {self.exponent}"
        return LawWords(label, self.name.replace("_", " "), abbreviation, saturates, formula, note)

    def bind(self, moe: MoE, counts: RoutingCounts | None = None) -> PowerLawExperts:
        """The same for every model."""
        del counts
        return PowerLawExperts(moe.routed_experts, moe.top_k, self.exponent)


@dataclass(frozen=True)
class PowerLawExperts(FixedExperts):
    """U(B) of one layer."""

    exponent: float

    def uncapped(self, batch: npt.ArrayLike) -> FloatArray:
        """K B^exponent."""
        return np.asarray(np.float64(self.top_k) * np.asarray(batch, np.float64) ** self.exponent)

    def batch_for(self, fraction: float) -> float:
        """(fraction E / k)^(1/exponent)."""
        return max(1.0, math.pow(fraction * self.experts / self.top_k, 1 / self.exponent))
