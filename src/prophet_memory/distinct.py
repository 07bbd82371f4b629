"""Distinct experts as a distribution: what a law with a mean and a variance in each layer says of quantiles, pools and ranks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from prophet_memory.occupancy import (
    EXACT_EXPERTS,
    SETTLED,
    bound_on_fullest_rank,
    each_on_fullest_rank,
    quantile_bound_on_fullest_rank,
    quantile_on_fullest_rank,
)
from prophet_memory.spread import of_moments

FloatArray = npt.NDArray[np.float64]

KEPT = 2**13  # distributions that are kept
LARGEST_BATCH = 2**40  # beyond which no law reaches what it has not reached


@dataclass(frozen=True)
class Distributed(ABC):
    """U(B) of the layers of a model; what is asked of all of them is the mean over the layers, in which bytes are linear."""

    experts: int
    top_k: int

    @property
    def layer_count(self) -> int:
        """Layers that the law tells apart."""
        return 1

    @abstractmethod
    def means(self, batch: npt.ArrayLike) -> FloatArray:
        """The expected number of each layer, as (layer, *batch)."""

    @abstractmethod
    def popularity(self) -> FloatArray | None:
        """How often each expert is among the k of a token, as (layer, expert); None for a law that does not say which are."""

    @abstractmethod
    def variance(self, layer: int, batch: int) -> float:
        """Of one layer."""

    def distribution(self, layer: int, batch: int) -> FloatArray:
        """Probabilities of 0 to E distinct experts of a layer: those of the largest entropy with its mean and variance."""
        least, most = self.range_of(batch)
        found = np.zeros(self.experts + 1)
        mean = float(self.means(batch)[layer])
        found[least : most + 1] = of_moments(mean, self.variance(layer, batch), least, most)
        return found

    def range_of(self, batch: int) -> tuple[int, int]:
        """The fewest and the most that so many tokens can activate."""
        return self.top_k, min(self.experts, batch * self.top_k)

    def mean(self, batch: npt.ArrayLike) -> FloatArray:
        """The expected number."""
        found: FloatArray = self.means(batch).mean(axis=0)
        return found

    def uncapped(self, batch: npt.ArrayLike) -> FloatArray:
        """The mean, which never passes E."""
        return self.mean(batch)

    def sd(self, batch: npt.ArrayLike) -> FloatArray:
        """The standard deviation of a layer: the root of the mean variance."""
        layers = range(self.layer_count)
        return each(batch, lambda tokens: math.sqrt(sum(self.variance(layer, tokens) for layer in layers) / len(layers)))

    def quantile(self, batch: npt.ArrayLike, q: float) -> FloatArray:
        """The number that a layer exceeds with a probability of at most 1 - q."""
        return each(batch, lambda tokens: mean_quantile_of(self, tokens, q))

    def quantiles_of_layers(self, batch: int, q: float) -> FloatArray:
        """The number that each layer exceeds with a probability of at most 1 - q, of the layers that the law tells apart."""
        return np.array([self._quantile(layer, batch, q) for layer in range(self.layer_count)])

    def pooled_quantile(self, batch: npt.ArrayLike, q: float, layers: int) -> FloatArray:
        """The number a layer that all layers together exceed with a probability of at most 1 - q, if layers are independent.

        Args:
            batch: tokens.
            q: in (0, 1).
            layers: of the pool; those that the law tells apart stand for them, evenly and in order.
        """
        times = np.bincount(np.arange(layers) * self.layer_count // layers)
        size = layers * self.experts + 1

        def of(tokens: int) -> float:
            each_layer = [
                np.fft.rfft(chances_of(self, layer, tokens), size) ** count for layer, count in enumerate(times) if count
            ]
            together = np.fft.irfft(np.prod(each_layer, axis=0), size).clip(0)
            return float(np.searchsorted(np.cumsum(together / together.sum()), q)) / layers

        return each(batch, of)

    def on_fullest_rank(self, batch: npt.ArrayLike, ranks: int) -> FloatArray:
        """The expected number on the fullest rank, experts placed at random; past EXACT_EXPERTS an upper bound."""
        if ranks == 1:
            return self.mean(batch)

        def of(tokens: int) -> float:
            if self.experts > EXACT_EXPERTS:
                means = self.means(tokens)
                return float(np.mean([bound_on_fullest_rank(self.experts, float(mean), ranks) for mean in means]))
            placed = each_on_fullest_rank(self.experts, ranks, self.experts)
            layers = range(self.layer_count)
            return float(sum(chances_of(self, layer, tokens) @ placed for layer in layers)) / len(layers)

        return each(batch, of)

    def quantile_on_fullest_rank(self, batch: npt.ArrayLike, ranks: int, q: float) -> FloatArray:
        """The number that the fullest rank exceeds with a probability of at most 1 - q; past EXACT_EXPERTS a bound."""
        if ranks == 1:
            return self.quantile(batch, q)

        layers = range(self.layer_count)
        return each(batch, lambda tokens: sum(fullest_of(self, layer, tokens, ranks, q) for layer in layers) / len(layers))

    def is_exact(self, batch: int, ranks: int) -> bool:
        """Past EXACT_EXPERTS a bound stands for the mean."""
        del batch
        return ranks == 1 or self.experts <= EXACT_EXPERTS

    def batch_for(self, fraction: float) -> float | None:
        """The continuous batch at which the mean reaches a fraction of all experts: bisection, for the mean grows."""
        wanted = fraction * self.experts
        if wanted <= float(self.mean(1)):
            return 1.0
        if wanted > float(self.mean(LARGEST_BATCH)) or fraction >= 1:
            return None
        below, above = 1.0, float(LARGEST_BATCH)
        while above - below > SETTLED * above and (middle := (below + above) / 2) not in (below, above):
            below, above = (middle, above) if float(self.mean(middle)) < wanted else (below, middle)
        return above

    def _quantile(self, layer: int, batch: int, q: float) -> float:
        if q >= 1:
            return float(self.range_of(batch)[1])
        return float(np.searchsorted(np.cumsum(chances_of(self, layer, batch)), q - SETTLED))


@lru_cache(KEPT)
def chances_of(law: Distributed, layer: int, batch: int) -> FloatArray:
    """The distribution of a layer, once for laws that are equal: searches ask for the same batches again."""
    return law.distribution(layer, batch)


@lru_cache(KEPT)
def mean_quantile_of(law: Distributed, batch: int, q: float) -> float:
    """The quantile of a layer, the mean over layers, once for laws that are equal."""
    return float(law.quantiles_of_layers(batch, q).mean())


@lru_cache(KEPT)
def fullest_of(law: Distributed, layer: int, batch: int, ranks: int, q: float) -> float:
    """The quantile of a layer on the fullest rank, once for laws that are equal."""
    if law.experts > EXACT_EXPERTS:
        in_all = float(law.quantiles_of_layers(batch, (1 + q) / 2)[layer])
        return quantile_bound_on_fullest_rank(law.experts, in_all, ranks, q)
    return quantile_on_fullest_rank(law.experts, ranks, chances_of(law, layer, batch), q)


def each(batch: npt.ArrayLike, of: Callable[[int], float]) -> FloatArray:
    """A function of whole numbers of tokens over an array of them, each number once."""
    known = cache(of)
    found = np.vectorize(lambda tokens: known(int(tokens)), otypes=[float])
    return np.asarray(found(np.asarray(batch)), np.float64)
