"""Policies with a pool of slots in each layer: of a stated share of the experts, or as large as Prophet's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prophet_memory.residency.policy import FloatArray, ResidencyPolicy


@dataclass(frozen=True)
class PooledPolicy(ResidencyPolicy):
    """A pool of `resident_fraction` of the experts; without it one as large as Prophet's: policies at equal GPU memory."""

    resident_fraction: float | None = None

    def __post_init__(self) -> None:
        share = self.resident_fraction
        self.require("resident_fraction", "a number from 0 to 1", holds=share is None or 0 <= share <= 1)

    def slots(self, needed: FloatArray, experts: int) -> FloatArray:
        """A share of them, or those that are needed."""
        return needed if self.resident_fraction is None else np.full_like(needed, self.resident_fraction * experts)
