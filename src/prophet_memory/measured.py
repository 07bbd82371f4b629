"""Measured routing: how often each expert of each layer was among the k of a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import MoE
from prophet_memory.errors import ModelError

FloatArray = npt.NDArray[np.float64]

SUM_TOLERANCE = 1e-6  # by which layers may differ in how many choices were counted, for counts that were averaged


@dataclass(frozen=True, eq=False)
class RoutingCounts:
    """Counts of the layers that were measured, all of them or some.

    Args:
        layers: numbers of the MoE layers, from 0, ascending.
        counts: float64 array (layer, expert), of how many tokens each expert was among the k.

    Raises:
        ModelError: for counts that no routing can have.
    """

    layers: tuple[int, ...]
    counts: FloatArray

    def __post_init__(self) -> None:
        if self.counts.shape[:1] != (len(self.layers),) or not self.layers:
            raise ModelError("layers", len(self.layers), f"{self.counts.shape[0]}, one for each row of counts")
        wrong = ~(np.isfinite(self.counts) & (self.counts >= 0))
        if wrong.any():
            layer, expert = np.argwhere(wrong)[0]
            value = plain(float(self.counts[layer, expert]))
            raise ModelError(f"layer {self.layers[layer]}, expert {expert}", value, "a count of at least 0 for each expert")
        with np.errstate(over="ignore"):
            sums = self.counts.sum(axis=1)
        if not np.isfinite(sums).all():
            raise ModelError(f"layer {self.layers[int(sums.argmax())]}", float(sums.max()), "counts whose sum a float holds")
        if sums.min() <= 0 or np.abs(sums / sums[0] - 1).max() > SUM_TOLERANCE:
            layer = int(np.abs(sums - sums[0]).argmax()) if sums.min() > 0 else int(sums.argmin())
            allowed = f"{float(sums[0]):,.0f}, as of layer {self.layers[0]}: every layer sees the same tokens"
            raise ModelError(
                f"layer {self.layers[layer]}", plain(float(sums[layer])), allowed if sums[0] > 0 else "counts above 0"
            )

    def inclusion(self, moe: MoE) -> FloatArray:
        """How often each expert is among the k of a token, as (layer, expert).

        Raises:
            ModelError: for another number of experts than the model's, and for an expert that is counted twice for a token.
        """
        if self.counts.shape[1] != moe.routed_experts:
            raise ModelError("experts", self.counts.shape[1], f"{moe.routed_experts}, as the model has")
        found: FloatArray = moe.top_k * self.counts / self.counts.sum(axis=1, keepdims=True)
        if found.max() > 1 + SUM_TOLERANCE:
            layer, expert = np.unravel_index(found.argmax(), found.shape)
            tokens = self.counts[layer].sum() / moe.top_k
            allowed = f"at most {tokens:,.0f}, the tokens: each has {moe.top_k} different experts"
            raise ModelError(f"layer {self.layers[layer]}, expert {expert}", plain(float(self.counts[layer, expert])), allowed)
        return np.minimum(found, 1.0)

    def variation(self) -> FloatArray:
        """The coefficient of variation of the counts of each layer."""
        found: FloatArray = self.counts.std(axis=1) / self.counts.mean(axis=1)
        return found


@dataclass(frozen=True, eq=False)
class ReplayedCaches:
    """Hit rates of caches that were replayed on a model's own tokens.

    Args:
        rates: by cache and batch, (resident fraction, hit rate) ascending.
    """

    rates: Mapping[str, Mapping[int, Sequence[tuple[float, float]]]]


@lru_cache
def counts_of_layers(counts: RoutingCounts, start: int, stop: int) -> RoutingCounts:
    """Those of the MoE layers `start` to `stop`, numbered from 0 again; all where none of these was measured.

    The same object for the same question, so that what was computed of it is kept.
    """
    rows = [row for row, layer in enumerate(counts.layers) if start <= layer < stop]
    if not rows:
        return counts
    return RoutingCounts(tuple(counts.layers[row] - start for row in rows), counts.counts[rows])


def plain(value: float) -> int | float:
    """A count as people write it."""
    return int(value) if value.is_integer() else value
