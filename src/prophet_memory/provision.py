"""What the resident pool is sized for: the mean of U, or what a step exceeds rarely (docs/routing.md, "Provisioning")."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.errors import ModelError
from prophet_memory.routing.law import DistinctExperts

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pool:
    """MoE layers that may share a pool, and the mean correlation of distinct experts between two of them."""

    layers: int
    correlation: float = 0.0

    @property
    def widening(self) -> float:
        """By which the standard deviation of the layers' sum is larger than if they were independent."""
        return math.sqrt(1 + (self.layers - 1) * self.correlation)


@dataclass(frozen=True, slots=True)
class Provision:
    """The mean, or a quantile q of U; of a pool that all layers of a GPU share, or of each layer by itself."""

    name: str
    quantile: float | None = None
    is_pooled: bool = False

    @property
    def label(self) -> str:
        """As figures, tables and messages call it."""
        return self.name.replace("_", " ")

    @property
    def words(self) -> str:
        """What it is of; captions and axes go on from "pools sized for"."""
        of = "all layers together" if self.is_pooled else "each layer"
        return f"the {self.name.split('_')[0]} of {of}"

    def needed(self, law: DistinctExperts, batch: npt.ArrayLike, pool: Pool) -> FloatArray:
        """Distinct experts of a layer that the pool is sized for, of all ranks together.

        Correlated layers widen what lies above the mean; layers that always agree would need what each needs for itself, so a
        shared pool takes no more than that.

        Args:
            law: bound to a model.
            batch: tokens of a step.
            pool: the layers that share it.
        """
        if self.quantile is None:
            return law.mean(batch)
        alone = law.quantile(batch, self.quantile)
        if not self.is_pooled:
            return alone
        mean, together = law.mean(batch), law.pooled_quantile(batch, self.quantile, pool.layers)
        return np.minimum(mean + (together - mean) * pool.widening, np.maximum(alone, together))

    def needed_on_fullest_rank(self, law: DistinctExperts, batch: npt.ArrayLike, ranks: int, pool: Pool) -> FloatArray:
        """The same on the fullest of some expert-parallel ranks; on several a shared pool is bounded by pools of each layer."""
        if ranks == 1:
            return self.needed(law, batch, pool)
        if self.quantile is None:
            return law.on_fullest_rank(batch, ranks)
        return law.quantile_on_fullest_rank(batch, ranks, self.quantile)


MEAN = Provision("mean")
PROVISIONS = {
    one.name: one
    for one in (
        MEAN,
        Provision("p95", 0.95),
        Provision("p99", 0.99),
        Provision("p95_pooled", 0.95, True),
        Provision("p99_pooled", 0.99, True),
    )
}


def provision(name: str) -> Provision:
    """A provision by its name. Raises ModelError for another."""
    if name not in PROVISIONS:
        raise ModelError("provision", name, f"one of {', '.join(PROVISIONS)}")
    return PROVISIONS[name]
