"""What a residency policy is: which routed experts have a slot in GPU memory, what a step moves, and where that is computed."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from prophet_memory.latency import Prefetch
from prophet_memory.named import Named, Words

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Transfers:
    """Experts of one layer, on average, that a step fetches over the host link and that the host computes instead."""

    link_experts: FloatArray
    host_experts: FloatArray


@dataclass(frozen=True)
class ResidencyPolicy(Named):
    """What stays on the GPU; `prophet_memory.named` says how config names one.

    `cache` is the cache whose hit rate its slots have, by a name of `prophet_memory.hits`; None where slots hold all that a step
    needs, or nothing of it. `is_bound` says that nobody can build it: what it takes bounds what others take.
    """

    cache: ClassVar[str | None] = None
    is_bound: ClassVar[bool] = False

    @property
    @abstractmethod
    def words(self) -> Words:
        """How people read it."""

    @property
    def overhead_bytes(self) -> int:
        """What the policy itself takes on each GPU."""
        return 0

    @property
    def prefetch(self) -> Prefetch:
        """What hides behind the step's own work: nothing, of a policy that fetches when an expert is asked for."""
        return Prefetch()

    @property
    def parameters_in_words(self) -> str:
        """Those whose values are not the kind's own, after a comma; nothing where all are."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        changed = {field.name: own[field.name] for field in fields(self) if own[field.name] != field.default}
        return "".join(f", {name.replace('_', ' ')} {value:,}" for name, value in changed.items())

    @abstractmethod
    def slots(self, needed: FloatArray, experts: int) -> FloatArray:
        """Slots for experts in each layer, whose content lasts from step to step.

        Args:
            needed: distinct experts of a step that pools are sized for, any shape.
            experts: all that the GPU could hold.

        Returns:
            float64 array of the shape of `needed`.
        """

    def staged(self, needed: FloatArray, experts: int) -> FloatArray:
        """Slots for experts that all layers share in turn: buffers that experts pass through."""
        del experts
        return np.zeros_like(needed)

    def host_copies(self, slots: FloatArray, experts: int) -> FloatArray:
        """Experts of a layer that host memory must hold: all, where any may have to come back."""
        return np.full_like(slots, experts)

    def copies(self, fetched: FloatArray) -> FloatArray:
        """Copies of an MoE layer in which so many experts of it cross the link: one each."""
        return fetched

    @abstractmethod
    def transfers(self, needed: FloatArray, hit_rate: FloatArray, experts: int) -> Transfers:
        """What a step moves.

        Args:
            needed: distinct experts of a step of one layer on average.
            hit_rate: of the policy's cache, the share of them that is resident when the step begins; 0 without a cache.
            experts: all of a layer on the GPU's rank.
        """
