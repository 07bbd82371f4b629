"""A cache of experts that keeps those that were used last, and fetches the others when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.named import Words
from prophet_memory.pooled import PooledPolicy
from prophet_memory.residency.policy import FloatArray, Transfers


@dataclass(frozen=True)
class LruCache(PooledPolicy):
    """Prophet without a predictor."""

    kind: ClassVar[str] = "lru_cache"
    order: ClassVar[int] = 2
    cache: ClassVar[str] = "lru"

    @property
    def words(self) -> Words:
        """As evaluations call it."""
        own = self.parameters_in_words
        return Words(f"LRU cache{own}", f"LRU cache{own}", f"LRU{own}")

    def transfers(self, needed: FloatArray, hit_rate: FloatArray, experts: int) -> Transfers:
        """What it misses."""
        del experts
        return Transfers((1 - hit_rate) * needed, np.zeros_like(needed))
