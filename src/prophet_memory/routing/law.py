"""What a routing law is: it binds to a model's MoE block and then says how many distinct experts U(B) a step activates."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.measured import RoutingCounts
from prophet_memory.named import Named, Words

FloatArray = npt.NDArray[np.float64]

# Vector libraries differ in the last bits of a power; rounding U here makes every byte count the same on every machine.
DISTINCT_EXPERT_DECIMALS = 9


class DistinctExperts(Protocol):
    """U(B) of one MoE layer of a model under a law; of a law whose layers differ, their mean, in which all bytes are linear.

    `batch` is an integer or real array of tokens in a decode step; results are float64 arrays of its shape.
    """

    def mean(self, batch: npt.ArrayLike) -> FloatArray:
        """The expected number."""

    def uncapped(self, batch: npt.ArrayLike) -> FloatArray:
        """The law's formula as it stands, where it passes the number of experts; the mean of any other law."""

    def sd(self, batch: npt.ArrayLike) -> FloatArray:
        """The standard deviation of a layer; 0 for a law that says how many and not with what spread."""

    def quantile(self, batch: npt.ArrayLike, q: float) -> FloatArray:
        """The number that a layer exceeds with a probability of at most 1 - q; the mean of a law without a spread."""

    def pooled_quantile(self, batch: npt.ArrayLike, q: float, layers: int) -> FloatArray:
        """The number a layer that so many layers together exceed with a probability of at most 1 - q: of a shared pool."""

    def on_fullest_rank(self, batch: npt.ArrayLike, ranks: int) -> FloatArray:
        """The expected number on the fullest of some expert-parallel ranks, or an upper bound where `is_exact` says so."""

    def quantile_on_fullest_rank(self, batch: npt.ArrayLike, ranks: int, q: float) -> FloatArray:
        """The number that the fullest rank exceeds with a probability of at most 1 - q, or an upper bound."""

    def is_exact(self, batch: int, ranks: int) -> bool:
        """Whether `on_fullest_rank` is computed exactly."""

    def popularity(self) -> FloatArray | None:
        """How often each expert is among the k of a token, as (layer, expert); None for a law that does not say which are."""

    def batch_for(self, fraction: float) -> float | None:
        """The continuous batch at which the mean reaches a fraction of all experts, at least 1; None where it never does."""


@dataclass(frozen=True)
class LawWords(Words):
    """`saturates` ends a sentence on the batch at which all experts are active; `saturation` is its LaTeX formula, if any.

    `note` is what a reader of its savings should know.
    """

    saturates: str
    saturation: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class RoutingLaw(Named):
    """What gives the distribution of U(B); `prophet_memory.named` says how config names one."""

    needs_counts: ClassVar[bool] = False  # it says something of models alone whose routing was measured
    has_spread: ClassVar[bool] = True  # else every quantile is the one number that it says

    @property
    @abstractmethod
    def words(self) -> LawWords:
        """How people read it."""

    @abstractmethod
    def bind(self, moe: MoE, counts: RoutingCounts | None = None) -> DistinctExperts:
        """The law for the experts of a model; a measured law takes the model's counts. Raises ModelError where it lacks them."""
