"""The baseline: every expert stays in GPU memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.named import Words
from prophet_memory.residency.policy import FloatArray, ResidencyPolicy, Transfers


@dataclass(frozen=True)
class AllResident(ResidencyPolicy):
    """Nothing is fetched."""

    kind: ClassVar[str] = "all_resident"
    order: ClassVar[int] = 0

    @property
    def words(self) -> Words:
        """What others are compared with."""
        return Words("all experts resident", "All resident", "all")

    def slots(self, needed: FloatArray, experts: int) -> FloatArray:
        """All of them."""
        return np.full_like(needed, experts)

    def host_copies(self, slots: FloatArray, experts: int) -> FloatArray:
        """None."""
        del experts
        return np.zeros_like(slots)

    def transfers(self, needed: FloatArray, hit_rate: FloatArray, experts: int) -> Transfers:
        """None."""
        del hit_rate, experts
        return Transfers(np.zeros_like(needed), np.zeros_like(needed))
