"""Distinct experts on the fullest of several ranks: it, not the mean rank, decides what fits.

Experts are placed at random (or routing is exchangeable), so that u distinct experts are a random u-subset of all E. Then the
number on each rank is multivariate hypergeometric, and with the law of u itself the mean of the largest is exact:

- uniform law: the mean over the exact distribution of u;
- a law that says how many and not with what spread (the power law): u is taken as that number.

Past a size (`is_exact`) the exact means take seconds to hours. There `bound_on_fullest_rank` stands for them, never below.

Every MoE layer is sized by its own fullest rank. A pool shared by all layers of a GPU would need less: this is an upper bound.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import islice
from math import comb

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

NEGLIGIBLE = 1e-17  # probability below which a term cannot move the ninth decimal of a count
SETTLED = 1e-14  # probability of a missing expert below which no further token matters
WINDOW = 256  # numbers of experts whose means are computed together
EXACT_EXPERTS = 2048  # the convolutions take a second at this many
EXACT_STEPS, EXACT_WORK = 2**17, 4 * 10**8  # states of one token, and of all tokens: seconds as well


def experts_on_fullest_rank(experts: int, ranks: int) -> int:
    """Experts that the fullest rank holds when all are resident."""
    return -(-experts // ranks)


@cache
def _log_factorials(largest: int) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, largest + 1)))])


def binomial(trials: int, probability: float) -> FloatArray:
    """Probabilities of 0 to `trials` successes."""
    logs, successes = _log_factorials(trials), np.arange(trials + 1)
    choices = logs[trials] - logs - logs[::-1]
    exponent: FloatArray = choices + successes * np.log(probability) + (trials - successes) * np.log1p(-probability)
    return np.exp(exponent)


@cache
def _steps(experts: int, top_k: int) -> FloatArray:
    """Chances that a token adds j experts to n, as (n, j): C(E - n, j) C(n, k - j) / C(E, k)."""
    every = comb(experts, top_k)
    return np.array([[comb(experts - n, j) * comb(n, top_k - j) / every for j in range(top_k + 1)] for n in range(experts + 1)])


def _distributions(experts: int, top_k: int) -> Iterator[FloatArray]:
    """Probabilities of 0 to E distinct experts after one token, after two, and so on until all are as good as certain."""
    chances = _none(experts)
    while 1 - chances[experts] >= SETTLED:
        chances = _after_another(chances, top_k)
        yield chances


def _none(experts: int) -> FloatArray:
    """The distribution before the first token."""
    chances = np.zeros(experts + 1)
    chances[0] = 1.0
    return chances


def _after_another(chances: FloatArray, top_k: int) -> FloatArray:
    """The distribution a token later."""
    experts = chances.size - 1
    moved = chances[:, None] * _steps(experts, top_k)
    following = np.zeros_like(chances)
    for j in range(top_k + 1):
        following[j:] += moved[: experts + 1 - j, j]
    found: FloatArray = following / following.sum()
    return found


@cache
def _reached(experts: int, top_k: int) -> tuple[list[int], list[FloatArray]]:
    """Batches whose distributions are known, ascending, and these."""
    del top_k  # each k has a chain of its own
    return [0], [_none(experts)]


def distinct_distribution(experts: int, top_k: int, batch: int) -> FloatArray:
    """Probabilities of 0 to E distinct experts after `batch` tokens, each routed to a uniform k-subset.

    The chain goes on from the nearest smaller batch that was asked for: searches ask for many.
    """
    batches, known = _reached(experts, top_k)
    place = bisect_right(batches, batch)
    chances = known[place - 1]
    if batches[place - 1] < batch:
        for _ in range(batch - batches[place - 1]):
            if 1 - chances[experts] < SETTLED:
                break
            chances = _after_another(chances, top_k)
        batches.insert(place, batch)
        known.insert(place, chances)
    return chances


def mean_distinct(experts: npt.ArrayLike, top_k: npt.ArrayLike, batch: npt.ArrayLike) -> FloatArray:
    """Its mean in closed form, E (1 - (1 - k/E)^B); arrays broadcast."""
    pool = np.asarray(experts, np.float64)
    with np.errstate(divide="ignore"):  # k = E: every token activates every expert
        missed = np.asarray(batch, np.float64) * np.log1p(-np.asarray(top_k, np.float64) / pool)
    return -pool * np.expm1(missed)


def quantile_of_distinct(experts: int, top_k: int, batch: int, q: float) -> float:
    """The least number that `batch` tokens exceed with a probability of at most 1 - q: exact where `is_exact`, else a bound.

    A token changes the number by at most k, so McDiarmid's inequality bounds P(U - E[U] >= t) by exp(-2 t^2 / (B k^2)).
    """
    if q >= 1:
        return float(min(experts, batch * top_k))
    if batch >= tokens_until_settled(experts, top_k):
        return float(experts)
    if is_exact(experts, top_k, batch):
        # A power of two, so that further batches find the same table.
        known = _uniform_quantiles(experts, top_k, q, 1 << (batch - 1).bit_length())
        return float(known[min(batch, known.size) - 1])
    above = top_k * math.sqrt(batch * -math.log1p(-q) / 2)
    return min(experts, batch * top_k, float(mean_distinct(experts, top_k, batch)) + above)


@cache
def _uniform_quantiles(experts: int, top_k: int, q: float, batches: int) -> FloatArray:
    """The quantile after 1 to `batches` tokens, or until all are as good as certain."""
    each = islice(_distributions(experts, top_k), batches)
    return np.array([np.searchsorted(np.cumsum(chances), q - SETTLED) for chances in each], np.float64)


def within_on_every_rank(experts: int, ranks: int, distinct: npt.NDArray[np.int64]) -> FloatArray:
    """P(no rank has more than m distinct experts), for each number u of them in all.

    With every expert chosen by itself with the same probability, the ranks are independent, and the condition that u are chosen
    in all gives P(max <= m | u) = [x^u] prod_r sum_{j <= m} b_r(j) x^j / b(u): sums of positive terms, so nothing cancels.

    Args:
        experts: E; the first E mod `ranks` ranks hold one more than the others.
        ranks: expert-parallel ranks.
        distinct: numbers u near each other, each 0 to E.

    Returns:
        float64 array (m from 0 to what a rank holds, u).
    """
    chance = np.clip(distinct.mean() / experts, 1 / (2 * experts), 1 - 1 / (2 * experts))
    small, larger_ranks = divmod(experts, ranks)
    whole = binomial(experts, chance)[distinct]
    sizes = [(small + 1, larger_ranks), (small, ranks - larger_ranks)]
    largest = experts_on_fullest_rank(experts, ranks)
    within = np.ones((largest + 1, *distinct.shape))
    for most in range(largest):
        fits = np.ones(1)
        for size, count in sizes:
            rank = binomial(size, chance)
            rank[most + 1 :] = 0
            fits = np.convolve(fits, _power(rank[: most + 1], count))
        padded = np.zeros(experts + 1)
        padded[: fits.size] = fits[: experts + 1]
        within[most] = np.clip(padded[distinct] / whole, 0, 1)
        if (1 - within[most]).max() < NEGLIGIBLE:
            break
    return within


def mean_on_fullest_rank(experts: int, ranks: int, distinct: npt.NDArray[np.int64]) -> FloatArray:
    """Mean of the largest number of distinct experts on any rank, for each number u of them in all; as `within_on_every_rank`."""
    mean: FloatArray = (1 - within_on_every_rank(experts, ranks, distinct)).sum(axis=0)
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


def bound_on_fullest_rank(experts: int, distinct: float, ranks: int) -> float:
    """An upper bound of the mean, for any law whose experts are exchangeable and whose mean is `distinct`.

    Given u experts, a rank of m holds a hypergeometric number X of mean u m / E. Hoeffding (1963, theorem 4) bounds it by a sum
    of n = min(u, m) independent draws: E exp(t (X - mean)) <= exp(t^2 n / 8). So the mean of the largest of R is at most
    u m / E + ln(R) / t + t n / 8, which is u m / E + sqrt(n ln(R) / 2) at the best t. That is concave in u, so by Jensen's
    inequality the mean of u can stand for u.
    """
    most = experts_on_fullest_rank(experts, ranks)
    above = math.sqrt(min(distinct, most) * math.log(ranks) / 2)
    return min(distinct, most, distinct * most / experts + above)


def tokens_until_settled(experts: int, top_k: int) -> float:
    """Batch from which some expert is missing with a probability below SETTLED: E (1 - k/E)^B is an upper bound of it."""
    return 1.0 if top_k == experts else math.log(SETTLED / experts) / math.log1p(-top_k / experts)


def is_exact(experts: int, top_k: int, batch: int) -> bool:
    """Whether the distribution under the uniform law is computed exactly; where not, what follows from it is bounded."""
    states = experts * (top_k + 1)
    work = min(batch, tokens_until_settled(experts, top_k)) * states
    return experts <= EXACT_EXPERTS and states <= EXACT_STEPS and work <= EXACT_WORK


@cache
def _window_within(experts: int, ranks: int, window: int) -> FloatArray:
    first = window * WINDOW
    return within_on_every_rank(experts, ranks, np.arange(first, min(first + WINDOW, experts + 1)))


@cache
def _window_on_fullest_rank(experts: int, ranks: int, window: int) -> FloatArray:
    found: FloatArray = (1 - _window_within(experts, ranks, window)).sum(axis=0)
    return found


def quantile_on_fullest_rank(experts: int, ranks: int, chances: FloatArray, q: float) -> float:
    """The least number that the fullest rank exceeds with a probability of at most 1 - q.

    Args:
        experts: E, at most EXACT_EXPERTS.
        ranks: expert-parallel ranks.
        chances: probabilities of 0 to E distinct experts in all.
        q: in (0, 1).
    """
    last = int(np.flatnonzero(chances)[-1])
    windows = [_window_within(experts, ranks, window) for window in range(last // WINDOW + 1)]
    within = np.concatenate(windows, axis=1)[:, : experts + 1] @ chances[: sum(window.shape[1] for window in windows)]
    return float(np.searchsorted(within, q - SETTLED))


def quantile_bound_on_fullest_rank(experts: int, distinct: float, ranks: int, q: float) -> float:
    """An upper bound of that quantile from one of the number of distinct experts in all.

    Given u, a rank exceeds its mean u m / E by t with a probability of at most exp(-2 t^2 / n), as in `bound_on_fullest_rank`.

    Args:
        experts: E.
        distinct: what the number in all exceeds with a probability of at most (1 - q) / 2.
        ranks: expert-parallel ranks.
        q: in (0, 1).
    """
    most = experts_on_fullest_rank(experts, ranks)
    above = math.sqrt(min(distinct, most) * math.log(2 * ranks / (1 - q)) / 2)
    return min(distinct, most, distinct * most / experts + above)


def each_on_fullest_rank(experts: int, ranks: int, most: int) -> FloatArray:
    """Mean of the largest number on any rank for each number of distinct experts from 0 to at least `most`."""
    return np.concatenate([_window_on_fullest_rank(experts, ranks, window) for window in range(most // WINDOW + 1)])


@cache
def _uniform_means(experts: int, top_k: int, ranks: int, batches: int) -> FloatArray:
    """The mean after 1 to `batches` tokens, or until it no longer changes."""
    of_each = each_on_fullest_rank(experts, ranks, min(experts, batches * top_k))
    likely = of_each.size  # no more can be chosen
    return np.array([chances[:likely] @ of_each for chances in islice(_distributions(experts, top_k), batches)])


def uniform_on_fullest_rank(experts: int, top_k: int, batch: npt.ArrayLike, ranks: int) -> FloatArray:
    """Mean under the uniform law: exact where `is_exact`, else an upper bound.

    Args:
        experts: E.
        top_k: experts of a token.
        batch: tokens, integers of any shape.
        ranks: expert-parallel ranks.

    Returns:
        float64 array of their shape.
    """
    numbers, places = np.unique(np.asarray(batch), return_inverse=True)
    settled = tokens_until_settled(experts, top_k)
    exact = [int(tokens) for tokens in numbers if tokens < settled and is_exact(experts, top_k, int(tokens))]
    # A power of two, so that further batches find the same table.
    known = _uniform_means(experts, top_k, ranks, 1 << (max(exact) - 1).bit_length()) if exact else np.zeros(0)

    def mean(tokens: int) -> float:
        if tokens >= settled:
            return float(experts_on_fullest_rank(experts, ranks))
        if not is_exact(experts, top_k, tokens):
            return bound_on_fullest_rank(experts, float(mean_distinct(experts, top_k, tokens)), ranks)
        return float(known[min(tokens, known.size) - 1])

    found: FloatArray = np.array([mean(int(tokens)) for tokens in numbers])[places].reshape(np.shape(batch))
    return found


def fixed_on_fullest_rank(experts: int, distinct: npt.ArrayLike, ranks: int) -> FloatArray:
    """Mean for exactly so many experts in all; between whole numbers, in proportion. Past EXACT_EXPERTS an upper bound."""
    numbers = np.asarray(distinct, np.float64)
    if experts > EXACT_EXPERTS:
        bounds = [bound_on_fullest_rank(experts, float(one), ranks) for one in numbers.ravel()]
        return np.array(bounds).reshape(numbers.shape)
    below = numbers.astype(np.int64)
    of_each = each_on_fullest_rank(experts, ranks, min(int(below.max(initial=0)) + 1, experts))
    lower, upper = of_each[below], of_each[np.minimum(below + 1, experts)]
    found: FloatArray = lower + (numbers - below) * (upper - lower)
    return found
