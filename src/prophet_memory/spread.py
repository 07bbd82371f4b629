"""A distribution of whole numbers from its mean and variance: of those on a range the one of the largest entropy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

NARROW = 1e-9  # variance by which two neighbouring numbers are all that there is
SOLVED, ROUNDS = 1e-12, 200
SLOPE = 1e-4  # of the fall that a step promises, the least that it must bring


def of_moments(mean: float, variance: float, least: int, most: int) -> FloatArray:
    """Probabilities of the numbers `least` to `most` with a mean and a variance.

    p(n) is proportional to exp(a n + b n^2), the largest entropy with two moments. The parameters minimise a convex function, by
    Newton's method with halved steps. A variance that whole numbers cannot have, or that the range cannot, is replaced by the
    nearest that they can.

    Args:
        mean: from `least` to `most`.
        variance: at least 0.
        least: the first number.
        most: the last.

    Returns:
        float64 array of `most - least + 1`, with that mean.
    """
    numbers = np.arange(least, most + 1, dtype=np.float64)
    mean = float(np.clip(mean, least, most))
    low = min(int(mean), most - 1) if most > least else least
    share = mean - low
    narrowest, widest = share * (1 - share), (mean - least) * (most - mean)
    if most == least or variance <= narrowest + NARROW or widest <= narrowest + NARROW:
        found = np.zeros(numbers.size)
        found[low - least] = 1 - share if most > least else 1.0
        if most > least:
            found[low - least + 1] = share
        return found
    return _solved(numbers, mean, min(variance, (1 - NARROW) * widest))


def _solved(numbers: FloatArray, mean: float, variance: float) -> FloatArray:
    middle, half = (numbers[0] + numbers[-1]) / 2, (numbers[-1] - numbers[0]) / 2
    x, at = (numbers - middle) / half, (mean - middle) / half
    moments, wanted = np.stack([x, x**2]), np.array([at, variance / half**2 + at**2])

    def chances(own: FloatArray) -> tuple[FloatArray, float]:
        exponent = own @ moments
        top = exponent.max()
        weights = np.exp(exponent - top)
        return weights / weights.sum(), float(np.log(weights.sum()) + top - own @ wanted)

    parameters = np.zeros(2)  # all numbers alike
    found, value = chances(parameters)
    for _ in range(ROUNDS):
        slope = moments @ found - wanted
        if np.abs(slope).max() < SOLVED:
            break
        bend = (moments * found) @ moments.T - np.outer(moments @ found, moments @ found)
        step = np.linalg.lstsq(bend, slope, rcond=SOLVED)[0]
        size = 1.0
        while size > SOLVED and (tried := chances(parameters - size * step))[1] > value - size * SLOPE * float(slope @ step):
            size /= 2
        if size <= SOLVED:
            break
        parameters, (found, value) = parameters - size * step, tried
    return found
