"""No mixer: a layer that is its feed-forward block alone (Nemotron-H)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.mixers.mixer import NONE, Mixer, Vector, Vectors
from prophet_memory.tensors import Weight


@dataclass(frozen=True, slots=True)
class NoMixer(Mixer):
    """Nothing stands before the feed-forward block, no norm either."""

    kind: Literal["none"] = field(default="none", kw_only=True)

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Nothing."""
        del tensor
        return ()

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """None."""
        del tensor
        return NONE, NONE

    def values_per_token(self, *, tensor: int = 1) -> int:
        """None."""
        del tensor
        return 0

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """None."""
        del tokens, tensor
        return 0.0

    def divides_among(self, gpus: int) -> bool:
        """Any number can share nothing."""
        del gpus
        return True

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """None."""
        del hidden_size
        return iter(())
