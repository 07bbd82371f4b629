"""The most popular experts stay for good, and the others are fetched when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.named import Words
from prophet_memory.pooled import PooledPolicy
from prophet_memory.residency.policy import FloatArray, Transfers


@dataclass(frozen=True)
class StaticCache(PooledPolicy):
    """Which are popular is known from other requests."""

    kind: ClassVar[str] = "static_cache"
    order: ClassVar[int] = 3
    cache: ClassVar[str] = "popular"

    @property
    def words(self) -> Words:
        """As evaluations call it."""
        own = self.parameters_in_words
        return Words(f"static cache{own}", f"Static{own}", f"static{own}")

    def host_copies(self, slots: FloatArray, experts: int) -> FloatArray:
        """Those that never stay."""
        return np.maximum(experts - slots, 0)

    def transfers(self, needed: FloatArray, hit_rate: FloatArray, experts: int) -> Transfers:
        """What it misses."""
        del experts
        return Transfers((1 - hit_rate) * needed, np.zeros_like(needed))
