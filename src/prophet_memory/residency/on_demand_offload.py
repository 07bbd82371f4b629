"""Offloading on demand: every routed expert stands in host memory and is fetched when its layer asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.named import Words
from prophet_memory.residency.policy import FloatArray, ResidencyPolicy, Transfers


@dataclass(frozen=True)
class OnDemandOffload(ResidencyPolicy):
    """Nothing lasts: each step fetches all that it activates."""

    kind: ClassVar[str] = "on_demand_offload"
    order: ClassVar[int] = 6

    @property
    def words(self) -> Words:
        """As evaluations call it."""
        return Words("on-demand offload", "On demand", "on dem.")

    def slots(self, needed: FloatArray, experts: int) -> FloatArray:
        """None."""
        del experts
        return np.zeros_like(needed)

    def staged(self, needed: FloatArray, experts: int) -> FloatArray:
        """Those of one layer."""
        del experts
        return needed

    def transfers(self, needed: FloatArray, hit_rate: FloatArray, experts: int) -> Transfers:
        """All that is needed."""
        del hit_rate, experts
        return Transfers(needed, np.zeros_like(needed))
