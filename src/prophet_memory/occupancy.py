"""Distinct experts on the fullest of several ranks: it, not the mean rank, decides what fits.

Experts are placed at random (or routing is exchangeable), so that u distinct experts are a random u-subset of all E. Then the
number on each rank is multivariate hypergeometric, and with the law of u itself the mean of the largest is exact:

- uniform law: the mean over the exact distribution of u (science of coupon collecting in groups of k without repetition);
- a law that says how many and not with what spread (the power law): u is taken as that number.

Every MoE layer is sized by its own fullest rank. A pool shared by all layers of a GPU would need less: this is an upper bound.
"""

from __future__ import annotations

from functools import cache
from math import comb

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

NEGLIGIBLE = 1e-17  # probability below which a term cannot move the ninth decimal of a count
SETTLED = 1e-14  # probability of a missing expert below which no further token matters


def experts_on_fullest_rank(experts: int, ranks: int) -> int:
    """Experts that the fullest rank holds when all are resident."""
    return -(-experts // ranks)


@cache
def _log_factorials(largest: int) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, largest + 1)))])


def _binomial(trials: int, probability: float) -> FloatArray:
    """Probabilities of 0 to `trials` successes."""
    logs, successes = _log_factorials(trials), np.arange(trials + 1)
    choices = logs[trials] - logs - logs[::-1]
    exponent: FloatArray = choices + successes * np.log(probability) + (trials - successes) * np.log1p(-probability)
    return np.exp(exponent)


@cache
def distinct_distribution(experts: int, top_k: int, batch: int) -> FloatArray:
    """Probabilities of 0 to E distinct experts after `batch` tokens, each routed to a uniform k-subset.

    A token finds n activated experts and adds j with probability C(E - n, j) C(n, k - j) / C(E, k).
    """
    steps = np.array(
        [[comb(experts - n, j) * comb(n, top_k - j) / comb(experts, top_k) for j in range(top_k + 1)] for n in range(experts + 1)]
    )
    chances = np.zeros(experts + 1)
    chances[0] = 1.0
    for _ in range(batch):
        moved = chances[:, None] * steps
        following = np.zeros_like(chances)
        for j in range(top_k + 1):
            following[j:] += moved[: experts + 1 - j, j]
        chances = following / following.sum()
        if 1 - chances[experts] < SETTLED:
            break
    return chances


def mean_on_fullest_rank(experts: int, ranks: int, distinct: npt.NDArray[np.int64]) -> FloatArray:
    """Mean of the largest number of distinct experts on any rank, for each number u of them in all.

    With every expert chosen by itself with the same probability, the ranks are independent, and the condition that u are chosen
    in all gives P(max <= m | u) = [x^u] prod_r sum_{j <= m} b_r(j) x^j / b(u): sums of positive terms, so nothing cancels.

    Args:
        experts: E; the first E mod `ranks` ranks hold one more than the others.
        ranks: expert-parallel ranks.
        distinct: numbers u near each other, each 0 to E.

    Returns:
        float64 array of their shape.
    """
    chance = np.clip(distinct.mean() / experts, 1 / (2 * experts), 1 - 1 / (2 * experts))
    small, larger_ranks = divmod(experts, ranks)
    whole = _binomial(experts, chance)[distinct]
    sizes = [(small + 1, larger_ranks), (small, ranks - larger_ranks)]
    largest = experts_on_fullest_rank(experts, ranks)
    mean = np.zeros(distinct.shape)
    for most in range(largest):
        fits = np.ones(1)
        for size, count in sizes:
            rank = _binomial(size, chance)
            rank[most + 1 :] = 0
            fits = np.convolve(fits, _power(rank[: most + 1], count))
        padded = np.zeros(experts + 1)
        padded[: fits.size] = fits[: experts + 1]
        above = 1 - padded[distinct] / whole
        mean += np.clip(above, 0, 1)
        if above.max() < NEGLIGIBLE:
            break
    return mean


def _power(polynomial: FloatArray, exponent: int) -> FloatArray:
    """A polynomial's power by repeated squaring."""
    result, base = np.ones(1), polynomial
    while exponent:
        if exponent & 1:
            result = np.convolve(result, base)
        exponent >>= 1
        if exponent:
            base = np.convolve(base, base)
    return result


@cache
def uniform_on_fullest_rank(experts: int, top_k: int, batch: int, ranks: int) -> float:
    """Mean under the uniform law, exact."""
    chances = distinct_distribution(experts, top_k, batch)
    likely = np.flatnonzero(chances > NEGLIGIBLE)
    return float(chances[likely] @ mean_on_fullest_rank(experts, ranks, likely))


@cache
def fixed_on_fullest_rank(experts: int, distinct: float, ranks: int) -> float:
    """Mean for exactly `distinct` experts in all; between whole numbers, in proportion."""
    below = int(distinct)
    around = np.array([below, min(below + 1, experts)])
    lower, upper = mean_on_fullest_rank(experts, ranks, around)
    return float(lower + (distinct - below) * (upper - lower))
