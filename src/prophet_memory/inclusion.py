"""Distinct experts from inclusion probabilities: how often each expert is among the k of a token (docs/routing.md).

For tokens that are independent and identically distributed, E[U] = sum over experts of 1 - (1 - f)^B, whatever ties the experts
of one token together. The spread does depend on that: here a token takes k experts at random with those probabilities and no
further tie (Deville and Tillé's approximation of the largest entropy, exact for equal probabilities and for k = 1).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

LEAST_TIME, LARGEST_TIME = 1e-13, 45.0  # of the quadrature, in 1 / the largest weight and in 1 / the least
STEP = 0.2  # in ln t, of the width 1 / sqrt(k + 1) in which the k-th clock rings
EXACT_WORK, HALVINGS = 2 * 10**7, 200  # numbers that are held at once: a fifth of a second
MOST_SKEW, EXPONENT_HALVINGS = 4.0, 20  # above, the last of 2,048 experts is never met
SETTLED, ROUNDS = 1e-15, 10_000  # of the pair terms


def mean_distinct(inclusion: FloatArray, batch: npt.ArrayLike) -> FloatArray:
    """Mean number of distinct experts.

    Args:
        inclusion: f of each expert, in [0, 1]; the last axis is summed over.
        batch: tokens, of any shape.

    Returns:
        float64 array of the shape of `inclusion` without its last axis, then that of `batch`.
    """
    tokens = np.asarray(batch, np.float64)
    with np.errstate(divide="ignore"):
        missed = np.log1p(-inclusion)  # minus infinity where every token takes the expert
    each = -np.expm1(np.multiply.outer(tokens, missed)).sum(axis=-1)  # experts last: a sum does not depend on the other axes
    found: FloatArray = np.moveaxis(each, range(tokens.ndim), range(-tokens.ndim, 0))
    return found


def pair_terms(inclusion: FloatArray) -> FloatArray:
    """The c of each expert: two of them are in a token's k with a probability of f_i f_j - c_i c_j / sum(c).

    Solves c - c^2 / sum(c) = f (1 - f) (Deville and Tillé 2005), so that the number of a token's experts never varies. Where a
    few experts take nearly all, there is no such c: zeros, by which experts are independent, and the spread comes out larger.
    """
    own = inclusion * (1 - inclusion)
    terms = own.copy()
    if terms.sum() < SETTLED:
        return np.zeros_like(own)
    for _ in range(ROUNDS):
        following = own + terms**2 / terms.sum()
        if not np.isfinite(following).all() or following.max() > inclusion.size:
            return np.zeros_like(own)
        if np.abs(following - terms).max() < SETTLED * following.max():
            return np.asarray(following, np.float64)
        terms = following
    return np.zeros_like(own)


def variance_of_distinct(inclusion: FloatArray, terms: FloatArray, batch: int) -> float:
    """Variance of the number of distinct experts of so many independent tokens.

    Args:
        inclusion: f of each expert, one layer.
        terms: `pair_terms` of them.
        batch: tokens.
    """
    missed = 1 - inclusion
    alone = missed**batch
    total = terms.sum()
    both = np.multiply.outer(missed, missed) - (np.multiply.outer(terms, terms) / total if total > 0 else 0)
    apart = np.clip(both, 0, None) ** batch - np.multiply.outer(alone, alone)
    np.fill_diagonal(apart, alone * (1 - alone))
    return max(0.0, float(apart.sum()))


def zipf_weights(experts: int, exponent: float) -> FloatArray:
    """1 / rank^exponent."""
    found: FloatArray = np.arange(1, experts + 1, dtype=np.float64) ** -exponent
    return found


@cache
def zipf_inclusion(experts: int, top_k: int, exponent: float) -> FloatArray:
    """Inclusion probabilities where a token draws k experts one after another by Zipf's weights."""
    return sampled_inclusion(zipf_weights(experts, exponent), top_k)


def zipf_of_variation(experts: int, top_k: int, variation: float) -> float:
    """The exponent of Zipf's law at which inclusion probabilities have a coefficient of variation; at most MOST_SKEW."""
    below, above = 0.0, MOST_SKEW
    for _ in range(EXPONENT_HALVINGS):
        middle = (below + above) / 2
        found = zipf_inclusion(experts, top_k, middle)
        below, above = (middle, above) if found.std() / found.mean() < variation else (below, middle)
    return (below + above) / 2


def sampled_inclusion(weights: FloatArray, top_k: int) -> FloatArray:
    """Inclusion probabilities of k experts drawn one after another without replacement (Plackett and Luce), by their weights.

    Give each expert an exponential clock of rate w: the first k to ring are such a draw, so f_i is the integral of
    w_i exp(-w_i t) P(at most k - 1 others have rung by t). The trapezoidal rule in ln t converges exponentially, for the
    integrand is smooth and vanishes at both ends. Past EXACT_WORK, which no model comes near, every clock is stopped at the same
    time instead (Rosén 1997), by which a mean of U differs by some percent.

    Args:
        weights: one for each expert, above 0.
        top_k: k.

    Returns:
        float64 array of their shape; it sums to k.
    """
    experts = weights.size
    if top_k >= experts:
        return np.ones(experts)
    step = STEP / math.sqrt(top_k + 1)
    logs = np.arange(np.log(LEAST_TIME / weights.max()), np.log(LARGEST_TIME / weights.min()) + step, step)
    times = np.exp(logs)
    if experts * times.size * top_k > EXACT_WORK:
        return _as_if_at_one_time(weights, top_k)
    rung = -np.expm1(-np.multiply.outer(times, weights))  # (time, expert)
    before, behind = _counts(rung, top_k), _counts(rung[:, ::-1], top_k)[::-1]
    at_most = np.cumsum(behind[1:], axis=-1)  # (expert, time, number): of those behind, at most so many
    few = (before[:-1] * at_most[..., ::-1]).sum(axis=-1)  # (expert, time): at most k - 1 others
    density: FloatArray = times * weights[:, None] * np.exp(-np.multiply.outer(weights, times))
    found: FloatArray = step * (density * few).sum(axis=-1)
    return np.minimum(found * (top_k / float(found.sum())), 1.0)


def _as_if_at_one_time(weights: FloatArray, top_k: int) -> FloatArray:
    """1 - exp(-w t) with the t at which k clocks have rung on average."""
    below, above = np.log(LEAST_TIME / weights.max()), np.log(LARGEST_TIME / weights.min())
    for _ in range(HALVINGS):
        middle = (below + above) / 2
        rung = -np.expm1(-weights * np.exp(middle))
        below, above = (middle, above) if rung.sum() < top_k else (below, middle)
    found: FloatArray = -np.expm1(-weights * np.exp(above))
    return found


def _counts(rung: FloatArray, most: int) -> FloatArray:
    """P(n of the first i have rung), as (i, time, n), for n below `most`."""
    times, experts = rung.shape
    found = np.zeros((experts + 1, times, most))
    found[0, :, 0] = 1.0
    for i in range(experts):
        chance = rung[:, i, None]
        found[i + 1] = found[i] * (1 - chance)
        found[i + 1, :, 1:] += found[i, :, :-1] * chance
    return found
