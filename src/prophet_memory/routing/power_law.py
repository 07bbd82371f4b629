"""The source document's law, U = min(E, k B^exponent)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.occupancy import EXACT_EXPERTS, fixed_on_fullest_rank
from prophet_memory.routing.law import DISTINCT_EXPERT_DECIMALS, FloatArray, LawWords, RoutingLaw

LEAST_EXPONENT = 0.05  # below, saturation batches pass what a float holds


@dataclass(frozen=True)
class PowerLaw(RoutingLaw):
    """Saturates at the batch (E/k)^(1/exponent).

    The default is the source document's: "unique_experts = active_experts_per_token x (batch_size ^ 0.932)".
    """

    kind: ClassVar[str] = "power_law"
    order: ClassVar[int] = 1
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

    def bind(self, model: str, moe: MoE) -> PowerLawExperts:
        """The same for every model."""
        del model
        return PowerLawExperts(moe.routed_experts, moe.top_k, self.exponent)


@dataclass(frozen=True)
class PowerLawExperts:
    """U(B) of one layer; the law says how many and not with what spread."""

    experts: int
    top_k: int
    exponent: float

    def mean(self, batch: npt.ArrayLike) -> FloatArray:
        """Min(E, k B^exponent)."""
        return np.minimum(np.float64(self.experts), self.uncapped(batch))

    def uncapped(self, batch: npt.ArrayLike) -> FloatArray:
        """The formula alone, which passes E at the saturation batch."""
        return np.asarray(np.float64(self.top_k) * np.asarray(batch, np.float64) ** self.exponent)

    def quantile(self, batch: npt.ArrayLike, q: float) -> None:
        """There is no distribution."""
        del batch, q

    def on_fullest_rank(self, batch: npt.ArrayLike, ranks: int) -> FloatArray:
        """The mean for exactly U(B) experts placed at random."""
        distinct = self.mean(batch).round(DISTINCT_EXPERT_DECIMALS)
        return distinct if ranks == 1 else fixed_on_fullest_rank(self.experts, distinct, ranks)

    def is_exact(self, batch: int, ranks: int) -> bool:
        """Past EXACT_EXPERTS a bound stands for the mean."""
        del batch
        return ranks == 1 or self.experts <= EXACT_EXPERTS

    def batch_for(self, fraction: float) -> float:
        """(fraction E / k)^(1/exponent)."""
        return max(1.0, math.pow(fraction * self.experts / self.top_k, 1 / self.exponent))
