"""A distribution of whole numbers from its mean and variance: of those on a range the one of the largest entropy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

NARROW = 1e-9  # variance by which two neighbouring numbers are all that there is
SOLVED, FEW_ROUNDS, ROUNDS = 1e-12, 20, 200
SLOPE = 1e-4  # of the fall that a step promises, the least that it must bring
NOISE, NEAR = 1e-14, 1e-9  # of the function's value; of the moments, in half ranges


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
    spread = variance / half**2
    moments, wanted = np.stack([x, x**2]), np.array([at, spread + at**2])
    # From the normal distribution, which is near or does not move.
    found = _minimised(moments, wanted, np.array([at, -0.5]) / spread, FEW_ROUNDS)
    if np.abs(moments @ found - wanted).max() > NEAR:
        found = _minimised(moments, wanted, np.zeros(2), ROUNDS)  # from all numbers alike, which is never stuck
    return found


def _minimised(moments: FloatArray, wanted: FloatArray, parameters: FloatArray, rounds: int) -> FloatArray:
    def chances(own: FloatArray) -> tuple[FloatArray, float]:
        exponent = own @ moments
        top = exponent.max()
        weights = np.exp(exponent - top)
        total = weights.sum()
        return weights / total, float(np.log(total) + top - own @ wanted)

    found, value = chances(parameters)
    for _ in range(rounds):
        reached = moments @ found
        slope = reached - wanted
        if np.abs(slope).max() < SOLVED:
            break
        bend = (moments * found) @ moments.T - np.outer(reached, reached)
        step = np.linalg.lstsq(bend, slope, rcond=SOLVED)[0]
        promised, size = float(slope @ step), 1.0
        while (tried := chances(parameters - size * step))[1] > value - size * SLOPE * promised:
            size /= 2
            if size * promised < NOISE * (1 + abs(value)):  # the value no longer says what is lower, the moments do
                last = chances(parameters - step)[0]
                return last if np.abs(moments @ last - wanted).max() < np.abs(slope).max() else found
        parameters, (found, value) = parameters - size * step, tried
    return found
