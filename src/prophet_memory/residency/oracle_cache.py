"""The bound on all caches of a size: Belady's optimum, which knows what steps will ask for, with all of it fetched ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.latency import Prefetch
from prophet_memory.named import Words
from prophet_memory.pooled import PooledPolicy
from prophet_memory.residency.policy import FloatArray, Transfers


@dataclass(frozen=True)
class OracleCache(PooledPolicy):
    """No predictor and no eviction does better with so many slots: it foresees everything, and wastes nothing."""

    kind: ClassVar[str] = "oracle_cache"
    order: ClassVar[int] = 4
    cache: ClassVar[str] = "belady"
    is_bound: ClassVar[bool] = True

    @property
    def words(self) -> Words:
        """As evaluations call it."""
        own = self.parameters_in_words
        return Words(f"oracle cache{own}", f"Oracle{own}", f"oracle{own}")

    @property
    def prefetch(self) -> Prefetch:
        """Of everything."""
        return Prefetch(recall=1.0)

    def transfers(self, needed: FloatArray, hit_rate: FloatArray, experts: int) -> Transfers:
        """What it misses."""
        del experts
        return Transfers((1 - hit_rate) * needed, np.zeros_like(needed))
