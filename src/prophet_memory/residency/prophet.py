"""Prophet: the experts that the batch activates, and a predictor that says which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.latency import Prefetch
from prophet_memory.named import Words
from prophet_memory.residency.policy import FloatArray, ResidencyPolicy, Transfers


@dataclass(frozen=True)
class Prophet(ResidencyPolicy):
    """As many slots as the step needs: what was used last stays in them, and a predictor asks for the rest ahead of its layer.

    The default overhead is the source document's: "7.2 MB predictor overhead". Of how good its predictor is the document says
    nothing, so the other defaults are the most favourable: all is foreseen, nothing fetched in vain, as much hidden as can be.
    """

    kind: ClassVar[str] = "prophet"
    order: ClassVar[int] = 1
    cache: ClassVar[str] = "lru"

    overhead_bytes: int = 7_200_000
    recall: float = 1.0
    wasted: float = 0.0
    overlap: float = 1.0

    def __post_init__(self) -> None:
        self.require("overhead_bytes", "an integer of at least 0 and at most 10^15", holds=0 <= self.overhead_bytes <= 10**15)
        for share in ("recall", "overlap"):
            self.require(share, "a number from 0 to 1", holds=0 <= getattr(self, share) <= 1)
        self.require("wasted", "a number of at least 0 and at most 1000", holds=0 <= self.wasted <= 1000)  # noqa: PLR2004

    @property
    def words(self) -> Words:
        """As the paper calls it."""
        own = f"Prophet{self.parameters_in_words}"
        return Words(own, own, own)

    @property
    def prefetch(self) -> Prefetch:
        """The predictor's."""
        return Prefetch(self.recall, self.wasted, self.overlap)

    def slots(self, needed: FloatArray, experts: int) -> FloatArray:
        """Those that are needed."""
        del experts
        return needed

    def transfers(self, needed: FloatArray, hit_rate: FloatArray, experts: int) -> Transfers:
        """What the steps before did not leave there."""
        del experts
        return Transfers((1 - hit_rate) * needed, np.zeros_like(needed))
