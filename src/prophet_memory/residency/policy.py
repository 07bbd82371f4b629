"""What a residency policy is: how many routed experts of a layer have a slot in GPU memory, and what must be fetched."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.named import Named, Words

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Transfers:
    """Experts of one layer that cross the host link in a step: at most `experts`, whatever an earlier step left behind."""

    experts: FloatArray


@dataclass(frozen=True)
class ResidencyPolicy(Named):
    """What stays on the GPU; `prophet_memory.named` says how config names one."""

    @property
    @abstractmethod
    def words(self) -> Words:
        """How people read it."""

    @property
    def overhead_bytes(self) -> int:
        """What the policy itself takes on each GPU."""
        return 0

    @abstractmethod
    def slots(self, needed: FloatArray, experts: int) -> FloatArray:
        """Slots for experts in each layer.

        Args:
            needed: distinct experts of a step, any shape.
            experts: all that the GPU could hold.

        Returns:
            float64 array of the shape of `needed`.
        """

    @abstractmethod
    def transfers(self, needed: FloatArray, slots: FloatArray) -> Transfers:
        """What a step that needs so many experts may have to fetch into those slots."""
