"""Distinct experts over the steps that replicas made: a mixture over batch sizes of what a law says of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prophet_memory.distinct import Distributed, chances_of
from prophet_memory.errors import ModelError
from prophet_memory.integers import IntArray
from prophet_memory.routing.law import DistinctExperts
from prophet_memory.workload.requests import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Distinct experts of an MoE layer in the decode steps of a run.

    Args:
        distinct: of a layer, bound to a model.
        tokens: of the steps, ascending, each once.
        weights: the share of the steps that have so many; they sum to 1.
    """

    distinct: DistinctExperts
    tokens: IntArray
    weights: FloatArray

    @property
    def mean(self) -> float:
        """Over steps and layers."""
        return float(self.weights @ self.distinct.mean(self.tokens))

    def quantile(self, q: float) -> float:
        """The number that a layer exceeds in at most 1 - q of the steps; the mean over layers that a law tells apart."""
        if not 0 < q < 1:
            raise ModelError("q", q, "a number above 0 and below 1")
        return float(np.mean([np.searchsorted(np.cumsum(chances), q) for chances in self._chances()]))

    def exceeding(self, slots: float) -> float:
        """The share of steps in which a layer needs more experts than there are slots, over layers."""
        return float(np.mean([chances[np.arange(chances.size) > slots].sum() for chances in self._chances()]))

    def _chances(self) -> list[FloatArray]:
        """Probabilities of 0 to E distinct experts, of each layer."""
        each = list(zip(self.tokens.tolist(), self.weights.tolist(), strict=True))
        if isinstance(self.distinct, Distributed):
            layers = range(self.distinct.layer_count)
            return [sum_of([share * chances_of(self.distinct, layer, count) for count, share in each]) for layer in layers]
        means = np.ceil(self.distinct.mean(self.tokens)).astype(np.int64)  # a law of one number
        return [np.bincount(means, self.weights).astype(np.float64)]


def sum_of(parts: list[FloatArray]) -> FloatArray:
    """Added up, none of them kept."""
    found = np.zeros_like(parts[0])
    for part in parts:
        found += part
    return found


def seen(distinct: DistinctExperts, decode_steps: IntArray) -> Seen:
    """What the decode steps of a run saw.

    Args:
        distinct: of a layer, bound to a model.
        decode_steps: how many steps had so many tokens, by tokens from 0.

    Raises:
        ModelError: where no step decoded.
    """
    tokens = np.flatnonzero(decode_steps)
    if not tokens.size:
        raise ModelError("decode_steps", 0, "at least one step that decodes")
    counts = decode_steps[tokens].astype(np.float64)
    return Seen(distinct, tokens, counts / counts.sum())
