"""The routing laws: identities, bounds, the exact distribution and simulation."""

from math import comb, inf, isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.routing import (
    ROUTING_LAW_NAMES,
    power_law,
    power_law_batch_for_fraction,
    routing_laws,
    uniform,
    uniform_batch_for_fraction,
)

SOURCE = 0.932
experts_and_top_k = st.integers(1, 600).flatmap(lambda e: st.tuples(st.just(e), st.integers(1, e)))
batches = st.integers(1, 5000)


def uniform_distribution(experts: int, top_k: int, batch: int) -> np.ndarray:
    """P(U = n), by adding one token at a time: j new experts with hypergeometric odds."""
    chance = np.zeros(experts + 1)
    chance[0] = 1
    for _ in range(batch):
        after = np.zeros_like(chance)
        for n in np.flatnonzero(chance):
            for new in range(max(0, top_k - n), min(top_k, experts - n) + 1):
                after[n + new] += chance[n] * comb(experts - n, new) * comb(n, top_k - new) / comb(experts, top_k)
        chance = after
    return chance


@pytest.mark.parametrize(("experts", "top_k"), [(8, 2), (16, 4), (60, 4), (64, 8), (128, 1), (5, 5)])
@pytest.mark.parametrize("batch", [1, 2, 3, 7, 16])
def test_uniform_is_the_mean_of_the_exact_distribution(experts: int, top_k: int, batch: int):
    chance = uniform_distribution(experts, top_k, batch)
    assert isclose(chance.sum(), 1)
    assert isclose(chance @ np.arange(experts + 1), uniform(experts, top_k, batch), rel_tol=1e-12)


@pytest.mark.parametrize(("experts", "top_k", "batch"), [(8, 2, 4), (64, 6, 8), (128, 8, 16), (256, 8, 32), (128, 1, 64)])
def test_uniform_agrees_with_simulated_routing(experts: int, top_k: int, batch: int):
    draw = np.random.default_rng(20250124)
    trials = 3000
    picked = np.argpartition(draw.random((trials, batch, experts)), top_k - 1, axis=-1)[..., :top_k]
    distinct = np.array([np.unique(one).size for one in picked])
    error = distinct.std(ddof=1) / trials**0.5
    assert abs(distinct.mean() - uniform(experts, top_k, batch)) < 4 * max(error, 1e-9)


@given(experts_and_top_k, batches)
def test_bounds_of_every_law(pair: tuple[int, int], batch: int):
    experts, top_k = pair
    for law in routing_laws(power_law_exponent=SOURCE).values():
        value = float(law(experts, top_k, batch))
        assert top_k * (1 - 1e-9) <= value <= min(experts, top_k * batch) * (1 + 1e-9)
        assert isclose(float(law(experts, top_k, 1)), top_k, rel_tol=1e-9)
        assert value <= float(law(experts, top_k, batch + 1)) * (1 + 1e-12)


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=60), st.integers(1, 200), st.integers(1, 60))
def test_uniform_bounds_every_popularity(weights: list[float], batch: int, top_k: int):
    # Any popularities pi in [0, 1] with sum k: scale the weights, which may take k down with the largest of them.
    popularity = np.array(weights) * min(top_k / sum(weights), 1 / max(weights))
    distinct = np.sum(1 - (1 - popularity) ** batch)
    assert distinct <= uniform(len(weights), popularity.sum(), batch) * (1 + 1e-9) + 1e-12


@given(experts_and_top_k, st.lists(batches, min_size=1, max_size=9))
def test_laws_broadcast_like_a_loop(pair: tuple[int, int], many: list[int]):
    for law in routing_laws(power_law_exponent=SOURCE).values():
        assert np.array_equal(law(*pair, np.array(many)), [law(*pair, batch) for batch in many])


@given(experts_and_top_k, st.floats(0.05, 0.999))
def test_batches_for_a_fraction_invert_the_laws(pair: tuple[int, int], fraction: float):
    experts, top_k = pair
    exact = uniform_batch_for_fraction(experts, top_k, fraction)
    source = power_law_batch_for_fraction(experts, top_k, fraction, exponent=SOURCE)
    if fraction * experts <= top_k:
        assert exact == source == 1
    else:
        assert isclose(float(uniform(experts, top_k, exact)), fraction * experts, rel_tol=1e-6)
        assert isclose(float(power_law(experts, top_k, source, exponent=SOURCE)), fraction * experts, rel_tol=1e-6)


def test_only_the_power_law_saturates():
    assert isclose(power_law_batch_for_fraction(8, 2, 1, exponent=SOURCE), 4 ** (1 / SOURCE))
    assert uniform_batch_for_fraction(8, 2, 1) == inf
    assert uniform_batch_for_fraction(8, 8, 1) == 1


# Savings in percent at B = 1, 4, 8, 16, 32, 64: computed independently, and for the exact law confirmed by simulation.
PUBLISHED = {
    (8, 2): ((75, 9, 0, 0, 0, 0), (75, 31.6, 10.0, 1.0, 0, 0)),
    (60, 4): ((93.3, 75.7, 53.7, 11.7, 0, 0), (93.3, 75.9, 57.6, 33.2, 11.0, 1.2)),
    (64, 6): ((90.6, 65.9, 34.9, 0, 0, 0), (90.6, 67.5, 45.5, 20.7, 4.3, 0.2)),
    (128, 8): ((93.8, 77.2, 56.6, 17.2, 0, 0), (93.8, 77.2, 59.7, 35.6, 12.7, 1.6)),
    (128, 1): ((99.2, 97.2, 94.6, 89.6, 80.2, 62.3), (99.2, 96.9, 93.9, 88.2, 77.8, 60.5)),
    (128, 2): ((98.4, 94.3, 89.1, 79.3, 60.5, 24.6), (98.4, 93.9, 88.2, 77.7, 60.4, 36.5)),
    (256, 8): ((96.9, 88.6, 78.3, 58.6, 21.0, 0), (96.9, 88.1, 77.6, 60.2, 36.2, 13.1)),
}


@pytest.mark.parametrize(("pair", "expected"), PUBLISHED.items())
def test_savings_of_known_models(pair: tuple[int, int], expected: tuple[tuple[float, ...], tuple[float, ...]]):
    experts, _ = pair
    batch = np.array([1, 4, 8, 16, 32, 64])
    for values, wanted in zip((power_law(*pair, batch, exponent=SOURCE), uniform(*pair, batch)), expected, strict=True):
        assert np.abs(100 * (1 - values / experts) - wanted).max() <= 0.0501


def test_the_power_law_overstates_by_up_to_two_fifths():
    batch = np.arange(1, 65)
    excess = max((power_law(e, k, batch, exponent=SOURCE) / uniform(e, k, batch)).max() for e, k in PUBLISHED)
    assert 1.38 < excess < 1.395


def test_laws_have_the_names_of_config():
    assert ROUTING_LAW_NAMES == ("power_law", "uniform")
