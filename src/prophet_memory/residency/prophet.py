"""Prophet: the experts that the batch activates, and a predictor that says which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prophet_memory.named import Words
from prophet_memory.residency.policy import FloatArray, ResidencyPolicy, Transfers


@dataclass(frozen=True)
class Prophet(ResidencyPolicy):
    """As many slots as the step needs. The default overhead is the source document's: "7.2 MB predictor overhead"."""

    kind: ClassVar[str] = "prophet"
    order: ClassVar[int] = 1

    overhead_bytes: int = 7_200_000

    def __post_init__(self) -> None:
        self.require("overhead_bytes", "an integer of at least 0 and at most 10^15", holds=0 <= self.overhead_bytes <= 10**15)

    @property
    def words(self) -> Words:
        """As the paper calls it."""
        own = "Prophet" if self.name == self.kind else f"Prophet, {self.overhead_bytes:,} B"
        return Words(own, own, own)

    def slots(self, needed: FloatArray, experts: int) -> FloatArray:
        """Those that are needed."""
        del experts
        return needed

    def transfers(self, needed: FloatArray, slots: FloatArray) -> Transfers:
        """At most what is needed, where no earlier step left any of it."""
        del slots
        return Transfers(needed)
