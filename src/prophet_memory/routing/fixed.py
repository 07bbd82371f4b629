"""Laws that say how many experts a step activates and not with what spread: every quantile is that number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.distinct import each
from prophet_memory.occupancy import EXACT_EXPERTS, fixed_on_fullest_rank, quantile_bound_on_fullest_rank
from prophet_memory.occupancy import quantile_on_fullest_rank as quantile_of_fullest
from prophet_memory.routing.law import DISTINCT_EXPERT_DECIMALS, FloatArray


@dataclass(frozen=True)
class FixedExperts(ABC):
    """U(B) = min(E, a formula), in every layer and every step."""

    experts: int
    top_k: int

    @abstractmethod
    def uncapped(self, batch: npt.ArrayLike) -> FloatArray:
        """The formula alone, which passes E at the saturation batch."""

    def mean(self, batch: npt.ArrayLike) -> FloatArray:
        """Min(E, the formula)."""
        return np.minimum(np.float64(self.experts), self.uncapped(batch))

    def sd(self, batch: npt.ArrayLike) -> FloatArray:
        """None."""
        return np.zeros_like(self.mean(batch))

    def quantile(self, batch: npt.ArrayLike, q: float) -> FloatArray:
        """The same number."""
        del q
        return self.mean(batch)

    def pooled_quantile(self, batch: npt.ArrayLike, q: float, layers: int) -> FloatArray:
        """The same number in every layer."""
        del q, layers
        return self.mean(batch)

    def on_fullest_rank(self, batch: npt.ArrayLike, ranks: int) -> FloatArray:
        """The mean for exactly U(B) experts placed at random."""
        distinct = self.mean(batch).round(DISTINCT_EXPERT_DECIMALS)
        return distinct if ranks == 1 else fixed_on_fullest_rank(self.experts, distinct, ranks)

    def quantile_on_fullest_rank(self, batch: npt.ArrayLike, ranks: int, q: float) -> FloatArray:
        """Of so many experts, rounded up, placed at random."""
        if ranks == 1:
            return self.quantile(batch, q)

        def of(tokens: int) -> float:
            distinct = int(np.ceil(self.mean(tokens).round(DISTINCT_EXPERT_DECIMALS)))
            if self.experts > EXACT_EXPERTS:
                return quantile_bound_on_fullest_rank(self.experts, distinct, ranks, q)
            return quantile_of_fullest(self.experts, ranks, np.eye(1, self.experts + 1, distinct)[0], q)

        return each(batch, of)

    def popularity(self) -> FloatArray | None:
        """Not said: how many, and not which."""
        return None

    def is_exact(self, batch: int, ranks: int) -> bool:
        """Past EXACT_EXPERTS a bound stands for the mean."""
        del batch
        return ranks == 1 or self.experts <= EXACT_EXPERTS
