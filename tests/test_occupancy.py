"""Distinct experts on the fullest rank: against enumeration, Monte Carlo and its bounds."""

from itertools import combinations, pairwise, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.occupancy import (
    bound_on_fullest_rank,
    distinct_distribution,
    experts_on_fullest_rank,
    fixed_on_fullest_rank,
    is_exact,
    mean_distinct,
    mean_on_fullest_rank,
    uniform_on_fullest_rank,
)


def fullest(chosen: set[int], experts: int, ranks: int) -> int:
    """The first E mod R ranks hold one more, consecutive experts each."""
    of_rank = np.repeat(np.arange(ranks), [experts // ranks + (rank < experts % ranks) for rank in range(ranks)])
    return int(np.bincount(of_rank[list(chosen)], minlength=ranks).max())


@pytest.mark.parametrize(("experts", "ranks"), [(6, 2), (6, 3), (7, 3), (8, 4), (9, 2), (5, 5)])
def test_every_subset_by_enumeration(experts: int, ranks: int):
    for distinct in range(1, experts + 1):
        every = [fullest(set(subset), experts, ranks) for subset in combinations(range(experts), distinct)]
        assert mean_on_fullest_rank(experts, ranks, np.array([distinct]))[0] == pytest.approx(np.mean(every), abs=1e-12)


@pytest.mark.parametrize(("experts", "top_k", "batch", "ranks"), [(5, 2, 2, 2), (6, 2, 2, 3), (4, 1, 4, 2), (4, 3, 2, 4)])
def test_every_routing_by_enumeration(experts: int, top_k: int, batch: int, ranks: int):
    tokens = list(product(combinations(range(experts), top_k), repeat=batch))
    unions = [set().union(*token) for token in tokens]
    counts = np.bincount([len(union) for union in unions], minlength=experts + 1) / comb(experts, top_k) ** batch
    assert distinct_distribution(experts, top_k, batch) == pytest.approx(counts, abs=1e-12)
    expected = np.mean([fullest(union, experts, ranks) for union in unions])
    assert uniform_on_fullest_rank(experts, top_k, batch, ranks) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("experts", "top_k", "batch", "ranks"), [(256, 8, 16, 8), (60, 4, 16, 8), (128, 1, 64, 4), (64, 6, 32, 2)]
)
def test_monte_carlo(experts: int, top_k: int, batch: int, ranks: int):
    chance = np.random.default_rng(7)
    drawn = [
        fullest(set(chance.random((batch, experts)).argpartition(top_k, axis=1)[:, :top_k].ravel()), experts, ranks)
        for _ in range(3000)
    ]
    exact, error = uniform_on_fullest_rank(experts, top_k, batch, ranks), np.std(drawn) / len(drawn) ** 0.5
    assert abs(np.mean(drawn) - exact) < 4 * error


sparse = st.tuples(st.integers(2, 300), st.integers(1, 8), st.integers(1, 200), st.integers(1, 16)).filter(
    lambda case: case[1] <= case[0] and case[3] <= case[0]
)


@given(sparse)
def test_bounds_and_the_mean_over_ranks(case: tuple[int, int, int, int]):
    experts, top_k, batch, ranks = case
    distinct = float(mean_distinct(experts, top_k, batch))
    chances = distinct_distribution(experts, top_k, batch)
    assert chances.sum() == pytest.approx(1)
    assert chances @ np.arange(experts + 1) == pytest.approx(distinct, rel=1e-10)
    own = uniform_on_fullest_rank(experts, top_k, batch, ranks)
    assert distinct / ranks - 1e-9 <= own <= min(experts_on_fullest_rank(experts, ranks), distinct) + 1e-9
    if ranks == 1:
        assert own == pytest.approx(distinct, rel=1e-10)
    fixed = fixed_on_fullest_rank(experts, distinct, ranks)
    assert distinct / ranks - 1e-9 <= fixed <= min(experts_on_fullest_rank(experts, ranks), distinct) + 1e-9


@given(sparse)
def test_the_bound_that_stands_for_large_models_is_never_below_the_mean(case: tuple[int, int, int, int]):
    experts, top_k, batch, ranks = case
    distinct = float(mean_distinct(experts, top_k, batch))
    bound = bound_on_fullest_rank(experts, distinct, ranks)
    assert is_exact(experts, top_k, batch)
    for mean in (uniform_on_fullest_rank(experts, top_k, batch, ranks), fixed_on_fullest_rank(experts, distinct, ranks)):
        assert mean <= bound + 1e-9
    assert bound <= min(distinct, experts_on_fullest_rank(experts, ranks)) + 1e-9


@pytest.mark.parametrize(
    ("experts", "top_k", "batch"), [(10**6, 8, 64), (10**8, 10**7, 2**20), (2049, 1, 64), (2048, 64, 64), (2, 2, 1)]
)
def test_large_models_are_bounded_at_once(experts: int, top_k: int, batch: int):
    distinct = float(mean_distinct(experts, top_k, batch))
    assert is_exact(experts, top_k, batch) == (experts == 2)
    assert distinct / 8 <= uniform_on_fullest_rank(experts, top_k, batch, 8) <= distinct
    assert uniform_on_fullest_rank(experts, top_k, 2**60, 2) == -(-experts // 2)


@given(sparse)
def test_more_distinct_experts_never_leave_the_fullest_rank_emptier(case: tuple[int, int, int, int]):
    experts, _, _, ranks = case
    means = [fixed_on_fullest_rank(experts, float(distinct), ranks) for distinct in range(1, min(experts, 40) + 1)]
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(means))


def test_all_tokens_of_a_huge_batch_activate_everything():
    assert uniform_on_fullest_rank(64, 8, 10**6, 8) == pytest.approx(8, abs=1e-12)
    assert uniform_on_fullest_rank(2048, 1, 10**5, 8) == pytest.approx(256, abs=1e-9)
