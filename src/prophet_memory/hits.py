"""Hit rates of caches of experts: the share of a step's distinct experts that is resident when the step begins (docs/latency.md).

Of a model whose token-level routing was measured they are its own. Elsewhere steps are independent and take experts by a law's
popularities: an expert is needed by a step of B tokens with the probability p = 1 - (1 - f)^B. Routers repeat themselves more:
wherever the order of tokens was recorded, caches hit more often than these numbers say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from prophet_memory.errors import ModelError
from prophet_memory.grid import Model
from prophet_memory.locality import furthest_ahead, hit_rate
from prophet_memory.measured import ReplayedCaches
from prophet_memory.routing.law import RoutingLaw

FloatArray = npt.NDArray[np.float64]

CACHES = ("lru", "popular", "belady")
# Belady's optimum has no closed form: so many times as many steps as meet every expert once, within limits.
TURNS, LEAST_STEPS, MOST_STEPS, SEED = 8, 256, 1024, 20261128
KEPT = 2**12


class Hits(Protocol):
    """What says how often a cache hits."""

    @property
    def origin(self) -> str:
        """`measured` or `popularity`."""

    def rate(self, cache: str, batch: int, resident_fraction: float) -> float:
        """The hit rate of one of CACHES.

        Args:
            cache: its policy.
            batch: tokens of a step.
            resident_fraction: slots over experts, of each layer.
        """


@dataclass(frozen=True, eq=False)
class PopularityHits:
    """Of independent steps.

    Args:
        popularity: how often each expert is among the k of a token, as (layer, expert).
    """

    popularity: FloatArray

    @property
    def origin(self) -> str:
        """No order of tokens was measured."""
        return "popularity"

    def rate(self, cache: str, batch: int, resident_fraction: float) -> float:
        """The mean over layers of hits over all that is needed."""
        known(cache)
        return _of_popularity(self, cache, batch, float(resident_fraction))


@lru_cache(KEPT)
def _of_popularity(own: PopularityHits, cache: str, batch: int, resident_fraction: float) -> float:
    with np.errstate(divide="ignore"):
        needed = -np.expm1(batch * np.log1p(-own.popularity))
    slots = resident_fraction * needed.shape[1]
    if slots >= needed.shape[1]:
        return 1.0
    if slots <= 0:
        return 0.0
    if cache == "belady":
        return _belady(needed, slots)
    hits = [_most_popular(one, slots) if cache == "popular" else _least_recent(one, slots) for one in needed]
    return float(np.sum(hits) / needed.sum())


def _most_popular(needed: FloatArray, slots: float) -> float:
    """Hits a step of the most popular, of the last slot a part."""
    each = np.concatenate([[0.0], np.cumsum(np.sort(needed)[::-1])])
    return float(np.interp(slots, np.arange(each.size), each))


def _least_recent(needed: FloatArray, slots: float) -> float:
    """Hits a step of a cache that keeps what was used last (Che's approximation): an expert stays for T steps and no more.

    T is where what was needed within T steps fills the slots; of the last of these steps a part stays, whichever experts.
    """
    if np.count_nonzero(needed) <= slots:
        return float(needed.sum())
    below, above = 0, 1
    while (1 - (1 - needed) ** above).sum() <= slots:
        below, above = above, 2 * above
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if (1 - (1 - needed) ** middle).sum() <= slots else (below, middle)
    missed = (1 - needed) ** below
    part = (slots - (1 - missed).sum()) / (missed * needed).sum()
    return float((needed * (1 - missed * (1 - part * needed))).sum())


def _belady(needed: FloatArray, slots: float) -> float:
    """Simulated with a fixed seed, for whole slots below and above."""
    lower = int(slots)
    if slots == lower:
        return _simulated(needed, [lower])[0]
    rates = _simulated(needed, [lower, min(lower + 1, needed.shape[1])])
    return rates[0] + (slots - lower) * (rates[1] - rates[0])


def _simulated(needed: FloatArray, slots: Sequence[int]) -> list[float]:
    """For each number of slots, all on the same steps: as layers side by side."""
    turns = TURNS * needed.shape[1] / float(needed.sum(axis=1).min())
    steps = int(np.clip(turns, LEAST_STEPS, MOST_STEPS))
    drawn = np.random.default_rng(SEED).random((steps, *needed.shape)) < needed
    asked, sizes = drawn.sum(axis=(0, 2)), np.repeat(slots, len(needed))
    repeated, warm = np.tile(drawn, (1, len(slots), 1)), np.tile(needed, (len(slots), 1))
    layers = hit_rate(repeated, sizes, furthest_ahead(repeated), warm=warm).reshape(len(slots), -1)
    return [float((own * asked).sum() / asked.sum()) for own in layers]


@dataclass(frozen=True, eq=False)
class MeasuredHits:
    """Of caches that were replayed on token-level routing.

    Args:
        replayed: their hit rates.
        beyond: what answers for larger batches than were measured.
    """

    replayed: ReplayedCaches
    beyond: PopularityHits

    @property
    def origin(self) -> str:
        """Of the model's own tokens."""
        return "measured"

    def rate(self, cache: str, batch: int, resident_fraction: float) -> float:
        """Between what was measured along straight lines, in the logarithm of the batch."""
        known(cache)
        batches = sorted(self.replayed.rates[cache])
        if batch > batches[-1]:
            return self.beyond.rate(cache, batch, resident_fraction)
        each = []
        for number in batches:
            fractions, rates = zip((0.0, 0.0), *self.replayed.rates[cache][number], strict=True)
            each.append(float(np.interp(resident_fraction, fractions, rates)))
        return float(np.interp(np.log(batch), np.log(batches), each))


def hits_of(model: Model, law: RoutingLaw, policy: str) -> Hits:
    """What says how often caches of a model hit: its own routing where a measured law is asked for, else the law's popularities.

    Args:
        model: with what was measured of it.
        law: of the distinct experts.
        policy: for whose cache it is asked.

    Raises:
        ModelError: for a law that does not say which experts are popular.
    """
    bound = law.bind(model.architecture.moe, model.counts)
    popularity = bound.popularity()
    if popularity is None:
        allowed = (
            f"a law that says which experts are popular, for {policy}: uniform, zipf, or frequency where routing was measured"
        )
        raise ModelError("routing", law.name, allowed)
    by_popularity = _kept(popularity.shape[1], popularity.tobytes())
    return by_popularity if model.caches is None or not law.needs_counts else MeasuredHits(model.caches, by_popularity)


@lru_cache
def _kept(experts: int, popularity: bytes) -> PopularityHits:
    """Once for the same popularities, so that what was computed of them is kept."""
    return PopularityHits(np.frombuffer(popularity, np.float64).reshape(-1, experts))


def known(cache: str) -> None:
    """Raise a ModelError for a cache that there is not."""
    if cache not in CACHES:
        raise ModelError("cache", cache, f"one of {', '.join(CACHES)}")
