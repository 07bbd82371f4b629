"""Requests to a service: when they arrive and how long they are, from a seeded process or from a trace (docs/workloads.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prophet_memory.errors import ModelError
from prophet_memory.integers import IntArray

FloatArray = npt.NDArray[np.float64]

LEAST_VARIATION, MOST_VARIATION = 0.001, 1000


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Requests in the order of their arrival, arrays of one length.

    Raises:
        ModelError: for arrays of different lengths, times that are not finite or run backwards, and fewer tokens than one.
    """

    arrival_s: FloatArray
    prompt_tokens: IntArray
    output_tokens: IntArray

    def __post_init__(self) -> None:
        lengths = {len(self.arrival_s), len(self.prompt_tokens), len(self.output_tokens)}
        if len(lengths) > 1:
            raise ModelError("requests", sorted(lengths), "arrays of one length")
        if not np.isfinite(self.arrival_s).all():
            raise ModelError("arrival_s", float(self.arrival_s[~np.isfinite(self.arrival_s)][0]), "a finite time")
        backwards = np.flatnonzero(np.diff(self.arrival_s) < 0)
        if backwards.size:
            before, after = self.arrival_s[backwards[0] : backwards[0] + 2]
            raise ModelError("arrival_s", float(after), f"a time that is not before the one of the request before ({before:g})")
        for name in ("prompt_tokens", "output_tokens"):
            least = getattr(self, name).min(initial=1)
            if least < 1:
                raise ModelError(name, int(least), "at least 1")

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def span_s(self) -> float:
        """From the first arrival to the last."""
        return float(self.arrival_s[-1] - self.arrival_s[0]) if len(self) else 0.0

    @property
    def rate_per_s(self) -> float:
        """Arrivals a second over that span; 0 where there is none."""
        return (len(self) - 1) / self.span_s if self.span_s else 0.0

    def thinned(self, share: float, seed: int) -> Requests:
        """Each kept with a chance of its own: what some of many replicas get behind random routing.

        Raises:
            ModelError: for a share that is not above 0 and at most 1.
        """
        if not 0 < share <= 1:
            raise ModelError("share", share, "a number above 0, at most 1")
        kept = np.random.default_rng(seed).random(len(self)) < share
        return Requests(self.arrival_s[kept], self.prompt_tokens[kept], self.output_tokens[kept])

    def faster(self, factor: float) -> Requests:
        """The same requests, so many times as fast after each other. Raises ModelError for a factor that is not above 0."""
        if not 0 < factor < math.inf:
            raise ModelError("factor", factor, "a number above 0")
        return replace(self, arrival_s=self.arrival_s / factor)


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many tokens: log-normal with a mean and a median, which are the same where all are as long; never fewer than one.

    Raises:
        ModelError: for a median below 1, and a mean below the median.
    """

    mean: float
    median: float

    def __post_init__(self) -> None:
        if not 1 <= self.median < math.inf:
            raise ModelError("median", self.median, "at least 1")
        if not self.median <= self.mean < math.inf:
            raise ModelError("mean", self.mean, f"at least the median ({self.median:g})")

    def drawn(self, count: int, generator: np.random.Generator) -> IntArray:
        """So many of them."""
        spread = math.sqrt(2 * math.log(self.mean / self.median))
        return np.maximum(1, np.rint(self.median * np.exp(spread * generator.standard_normal(count)))).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Process:
    """Requests with independent times between them and independent lengths.

    Args:
        rate_per_s: arrivals a second.
        prompt: their prompts.
        output: their outputs.
        variation: of the times between arrivals, their standard deviation over their mean: 1 is a Poisson process, more comes in
            bursts (gamma), 0 is a clock.

    Raises:
        ModelError: for a rate that is not above 0, and a variation beyond its limits.
    """

    rate_per_s: float
    prompt: Lengths
    output: Lengths
    variation: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.rate_per_s < math.inf:
            raise ModelError("rate_per_s", self.rate_per_s, "a number above 0")
        if not (self.variation == 0 or LEAST_VARIATION <= self.variation <= MOST_VARIATION):
            raise ModelError("variation", self.variation, f"0, or a number from {LEAST_VARIATION} to {MOST_VARIATION}")

    def requests(self, count: int, seed: int) -> Requests:
        """So many requests; the same seed gives the same ones."""
        times, prompts, outputs = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(3))
        mean = 1 / self.rate_per_s
        if self.variation:
            shape = self.variation**-2
            between = times.gamma(shape, mean / shape, count)
        else:
            between = np.full(count, mean)
        return Requests(np.cumsum(between), self.prompt.drawn(count, prompts), self.output.drawn(count, outputs))
