"""The exponent of a power law through k at one token that comes nearest to another law, and how near (docs/routing.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.routing.law import DistinctExperts

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ExponentFit:
    """Least squares in logarithms over B = 1 to `batches`; R^2 is of the logarithms, below 0 where their mean is nearer."""

    batches: int
    exponent: float
    r_squared: float


def fitted_exponent(law: DistinctExperts, top_k: int, batches: int) -> ExponentFit:
    """The exponent b of U = k B^b by least squares in log-log over every batch from 1 to `batches`, at least 2."""
    numbers = np.arange(1, batches + 1)
    x, y = np.log(numbers), np.log(law.mean(numbers) / top_k)
    exponent = float(x @ y / (x @ x))
    rest, all_of_it = y - exponent * x, y - y.mean()
    return ExponentFit(batches, exponent, float(1 - rest @ rest / (all_of_it @ all_of_it)))


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a law leaves another, as ratios over B = 1 to a last batch; None where it never does."""

    first_above: int | None  # the first batch at which it is above
    highest: float  # ratio of the two, at least 1
    highest_batch: int
    lowest: float  # at most 1
    lowest_batch: int


def departure(law: DistinctExperts, from_law: DistinctExperts, batches: int, tolerance: float = 1e-9) -> Departure:
    """How far a law's mean is from another's over every batch from 1 to `batches`."""
    numbers = np.arange(1, batches + 1)
    ratio = law.mean(numbers) / from_law.mean(numbers)
    above = np.flatnonzero(ratio > 1 + tolerance)
    first = int(numbers[above[0]]) if above.size else None
    high, low = int(ratio.argmax()), int(ratio.argmin())
    return Departure(first, float(ratio[high]), int(numbers[high]), float(ratio[low]), int(numbers[low]))
