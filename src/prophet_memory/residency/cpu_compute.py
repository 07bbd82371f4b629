"""Experts that are not resident are computed on the host, at its memory's bandwidth, as Fiddler and KTransformers do.

Where many tokens share an expert, fetching it ends the step sooner: those engines then do, and so does a step here (`steps`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.named import Words
from prophet_memory.pooled import PooledPolicy
from prophet_memory.residency.policy import FloatArray, Transfers


@dataclass(frozen=True)
class CpuCompute(PooledPolicy):
    """The most popular experts stay in the pool; of the others no weights cross the link, only the hidden states of tokens."""

    kind: ClassVar[str] = "cpu_compute"
    order: ClassVar[int] = 5
    cache: ClassVar[str] = "popular"

    @property
    def words(self) -> Words:
        """As evaluations call it."""
        own = self.parameters_in_words
        return Words(f"host computes{own}", f"Host{own}", f"host{own}")

    def host_copies(self, slots: FloatArray, experts: int) -> FloatArray:
        """Those that never stay."""
        return np.maximum(experts - slots, 0)

    def transfers(self, needed: FloatArray, hit_rate: FloatArray, experts: int) -> Transfers:
        """None; the host computes what is missing."""
        del experts
        return Transfers(np.zeros_like(needed), (1 - hit_rate) * needed)
