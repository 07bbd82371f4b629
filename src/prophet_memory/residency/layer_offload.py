"""Offloading by layers: whole layers of experts are streamed, as FlexGen and DeepSpeed's ZeRO-Inference do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.latency import Prefetch
from prophet_memory.named import Words
from prophet_memory.residency.policy import FloatArray, ResidencyPolicy, Transfers

BUFFERS = 2  # a layer is computed while the next arrives


@dataclass(frozen=True)
class LayerOffload(ResidencyPolicy):
    """Every step streams every expert, behind the work of the layer before; no expert need be foreseen."""

    kind: ClassVar[str] = "layer_offload"
    order: ClassVar[int] = 7

    @property
    def words(self) -> Words:
        """As evaluations call it."""
        return Words("layer offload", "By layers", "layers")

    @property
    def prefetch(self) -> Prefetch:
        """Everything is known before."""
        return Prefetch(recall=1.0)

    def slots(self, needed: FloatArray, experts: int) -> FloatArray:
        """None."""
        del experts
        return np.zeros_like(needed)

    def staged(self, needed: FloatArray, experts: int) -> FloatArray:
        """Two layers of them."""
        return np.full_like(needed, BUFFERS * experts)

    def copies(self, fetched: FloatArray) -> FloatArray:
        """A layer is one."""
        return np.minimum(fetched, 1)

    def transfers(self, needed: FloatArray, hit_rate: FloatArray, experts: int) -> Transfers:
        """All, needed or not."""
        del hit_rate
        return Transfers(np.full_like(needed, experts), np.zeros_like(needed))
