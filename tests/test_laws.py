"""Skewed and measured laws: inclusion probabilities, spread, pools and ranks, against simulation, enumeration and each other."""

from itertools import combinations
from math import isclose

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prophet_memory.architecture import MoE
from prophet_memory.errors import ModelError
from prophet_memory.exponents import departure, fitted_exponent
from prophet_memory.inclusion import (
    mean_distinct,
    pair_terms,
    sampled_inclusion,
    variance_of_distinct,
    zipf_inclusion,
    zipf_weights,
)
from prophet_memory.measured import RoutingCounts, counts_of_layers
from prophet_memory.occupancy import distinct_distribution
from prophet_memory.provision import PROVISIONS, Pool, provision
from prophet_memory.routing import LAWS, DistinctExperts, routing_law
from prophet_memory.routing.beta import Beta
from prophet_memory.routing.frequency import FrequencyExperts
from prophet_memory.spread import of_moments

pairs = st.tuples(st.integers(2, 60), st.integers(1, 8)).filter(lambda pair: pair[1] <= pair[0])
skews = st.floats(0, 3)
batches = st.integers(1, 300)
IDENTICALLY_DISTRIBUTED = ("zipf", "frequency", "beta")


def moe(experts: int, top_k: int) -> MoE:
    return MoE(experts, top_k, expert_intermediate_size=1)


def drawn(weights: np.ndarray, top_k: int, shape: tuple[int, ...], seed: int = 20261128) -> np.ndarray:
    """Experts of tokens that draw k without replacement by weights: the largest of Gumbel noise on their logarithms."""
    noise = np.log(weights) + np.random.default_rng(seed).gumbel(size=(*shape, weights.size))
    return np.argpartition(-noise, top_k - 1, axis=-1)[..., :top_k]


def counts_of(experts: int, top_k: int, skew: float) -> RoutingCounts:
    """Two layers whose frequencies are Zipf's, the second in another order."""
    own = 1e6 * zipf_inclusion(experts, top_k, skew)
    return RoutingCounts((0, 1), np.stack([own, own[::-1]]))


def bound(name: str, experts: int, top_k: int, skew: float) -> DistinctExperts:
    parameters = {"zipf": {"s": skew}, "beta": {"rho": 0.001 + skew / 4}}
    law = routing_law({name: parameters[name]} if name in parameters else name)
    return law.bind(moe(experts, top_k), counts_of(experts, top_k, skew))


@given(pairs, skews)
def test_inclusion_probabilities_sum_to_k_and_fall_with_the_rank(pair: tuple[int, int], skew: float):
    found = zipf_inclusion(*pair, skew)
    assert isclose(found.sum(), pair[1], rel_tol=1e-9)
    assert (found > 0).all()
    assert (found <= 1 + 1e-9).all()
    assert (np.diff(found) <= 1e-9).all()
    if skew == 0:
        assert np.allclose(found, pair[1] / pair[0])


def test_inclusion_probabilities_by_enumeration():
    """Of all orders in which two of four are drawn."""
    weights = np.array([0.5, 0.3, 0.15, 0.05])
    expected = np.zeros(4)
    for first in range(4):
        for second in set(range(4)) - {first}:
            chance = weights[first] * weights[second] / (1 - weights[first])
            expected[[first, second]] += chance
    assert np.allclose(sampled_inclusion(weights, 2), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("experts", "top_k", "skew"), [(8, 2, 0.8), (60, 4, 0.5), (64, 8, 1.2), (128, 8, 0.8), (128, 1, 1.2), (32, 4, 2.0)]
)
def test_zipf_against_simulated_routing(experts: int, top_k: int, skew: float):
    weights, trials = zipf_weights(experts, skew), 4000
    law = routing_law({"zipf": {"s": skew}}).bind(moe(experts, top_k))
    for batch in (1, 8, 32):
        distinct = np.array([np.unique(one).size for one in drawn(weights, top_k, (trials, batch)).reshape(trials, -1)])
        error = distinct.std(ddof=1) / trials**0.5
        assert abs(distinct.mean() - float(law.mean(batch))) < 4 * max(error, 1e-9)
        if batch > 1:  # the spread is that of the largest entropy: within 4 % of such a draw's
            assert float(law.sd(batch)) == pytest.approx(distinct.std(ddof=1), rel=0.06)
        assert abs(float(law.quantile(batch, 0.99)) - np.quantile(distinct, 0.99)) <= 1


# science.md 1.2: savings in percent of the Zipf law, s = 0.8, at B = 1, 4, 8, 16, 32, 64.
ZIPF_SAVINGS = {
    (8, 2): (75, 36.9, 16.8, 4.2, 0.3, 0),
    (16, 4): (75, 38.2, 18.1, 4.8, 0.4, 0),
    (60, 4): (93.3, 78.4, 64.3, 45.5, 24.9, 8.6),
    (64, 6): (90.6, 71.3, 54.6, 34.2, 15.1, 3.5),
    (64, 8): (87.5, 63.9, 45.0, 24.4, 8.3, 1.2),
    (128, 8): (93.8, 80.0, 66.8, 48.8, 28.2, 10.8),
    (128, 1): (99.2, 97.0, 94.3, 89.5, 81.5, 69.1),
    (128, 2): (98.4, 94.2, 89.4, 81.3, 68.8, 51.3),
    (160, 6): (96.3, 87.3, 77.9, 63.9, 45.2, 24.7),
    (256, 8): (96.9, 89.3, 81.3, 68.9, 51.5, 31.0),
}


@pytest.mark.parametrize(("pair", "expected"), ZIPF_SAVINGS.items())
def test_savings_under_zipf(pair: tuple[int, int], expected: tuple[float, ...]):
    found = routing_law({"zipf": {"s": 0.8}}).bind(moe(*pair)).mean(np.array([1, 4, 8, 16, 32, 64]))
    assert np.abs(100 * (1 - found / pair[0]) - expected).max() <= 0.06


def test_beta_by_its_closed_form():
    """With whole a and b the product is a ratio of binomials; and rho near 0 is the uniform law."""
    law = routing_law({"beta": {"rho": 1 / 9}}).bind(moe(8, 2))  # a = 2, b = 6
    for batch in (1, 2, 5):
        missed = np.prod([(6 + j) / (8 + j) for j in range(batch)])
        assert float(law.mean(batch)) == pytest.approx(8 * (1 - missed), rel=1e-12)
    near = routing_law({"beta": {"rho": 1e-6}}).bind(moe(64, 6))
    assert np.allclose(near.mean([1, 8, 64]), routing_law("uniform").bind(moe(64, 6)).mean([1, 8, 64]), rtol=1e-4)


def test_beta_against_simulated_popularity():
    generator, experts, top_k, rho, batch, trials = np.random.default_rng(5), 64, 6, 0.05, 16, 4000
    both = 1 / rho - 1
    chance = generator.beta(top_k / experts * both, (1 - top_k / experts) * both, size=(trials, experts))
    distinct = (generator.random((trials, experts)) < 1 - (1 - chance) ** batch).sum(axis=1)
    law = routing_law({"beta": {"rho": rho}}).bind(moe(experts, top_k))
    assert abs(distinct.mean() - float(law.mean(batch))) < 4 * distinct.std() / trials**0.5
    assert float(law.sd(batch)) == pytest.approx(distinct.std(), rel=0.05)
    assert float(law.quantile(batch, 0.95)) == pytest.approx(np.quantile(distinct, 0.95), abs=1)


@given(pairs, skews, batches)
def test_no_law_of_identically_distributed_independent_tokens_is_above_uniform_on_average(
    pair: tuple[int, int], skew: float, batch: int
):
    most = float(routing_law("uniform").bind(moe(*pair)).mean(batch))
    for name in IDENTICALLY_DISTRIBUTED:
        assert float(bound(name, *pair, skew).mean(batch)) <= most * (1 + 1e-9)


def test_tokens_that_are_told_apart_can_be_above_uniform():
    """Four tokens on disjoint pairs of eight experts activate all: independent of each other, and not identically distributed."""
    assert float(routing_law("uniform").bind(moe(8, 2)).mean(4)) < 8 == float(routing_law("worst_case").bind(moe(8, 2)).mean(4))


@settings(max_examples=40)
@given(pairs, skews, batches)
def test_every_law_is_bounded_monotone_and_concave(pair: tuple[int, int], skew: float, batch: int):
    experts, top_k = pair
    for name in LAWS:
        law = bound(name, *pair, skew)
        before, now, after = law.mean(np.array([batch, batch + 1, batch + 2]))
        assert isclose(float(law.mean(1)), top_k, rel_tol=1e-9)
        assert top_k * (1 - 1e-9) <= before <= min(experts, top_k * batch) * (1 + 1e-9)
        assert before <= now * (1 + 1e-12)
        assert after - now <= now - before + 1e-9
        low, high = float(law.quantile(batch, 0.5)), float(law.quantile(batch, 0.99))
        assert low <= high <= experts
        assert float(law.sd(batch)) >= 0
        reached = law.batch_for(0.9)
        assert reached is None or reached == 1 or isclose(float(law.mean(reached)), 0.9 * experts, rel_tol=1e-6)


@given(pairs, skews, st.integers(1, 40))
def test_a_distribution_sums_to_one_and_has_its_mean_and_variance(pair: tuple[int, int], skew: float, batch: int):
    for name in ("uniform", *IDENTICALLY_DISTRIBUTED):
        law, numbers = bound(name, *pair, skew), np.arange(pair[0] + 1)
        for layer in range(law.layer_count):
            chances = law.distribution(layer, batch)
            assert chances.min() >= 0
            assert isclose(chances.sum(), 1, rel_tol=1e-9)
            mean = chances @ numbers
            assert mean == pytest.approx(float(law.means(batch)[layer]), rel=1e-6)
            assert chances @ numbers**2 - mean**2 <= law.variance(layer, batch) + 0.2501  # two whole numbers spread by a quarter


def test_what_is_kept_of_one_models_counts_is_not_anothers():
    level, skewed = (bound("frequency", 32, 4, skew) for skew in (0.0, 1.5))
    assert level != skewed
    assert float(level.quantile(8, 0.99)) > float(skewed.quantile(8, 0.99))
    assert float(level.pooled_quantile(8, 0.99, 24)) > float(skewed.pooled_quantile(8, 0.99, 24))


@given(pairs, st.integers(1, 40))
def test_equal_frequencies_are_the_uniform_law(pair: tuple[int, int], batch: int):
    own = bound("frequency", *pair, 0.0)
    uniform = routing_law("uniform").bind(moe(*pair))
    assert float(own.mean(batch)) == pytest.approx(float(uniform.mean(batch)), rel=1e-9)
    assert own.variance(0, batch) == pytest.approx(uniform.variance(0, batch), rel=1e-6, abs=1e-7)
    exact = distinct_distribution(*pair, batch)
    variance = exact @ np.arange(pair[0] + 1) ** 2 - (exact @ np.arange(pair[0] + 1)) ** 2
    assert uniform.variance(0, batch) == pytest.approx(variance, rel=1e-6, abs=1e-7)
    assert abs(float(own.quantile(batch, 0.99)) - float(uniform.quantile(batch, 0.99))) <= 1


def test_the_variance_by_enumeration():
    """Two tokens that take one of three experts each: k = 1 is exact."""
    chances = np.array([0.5, 0.3, 0.2])
    numbers = [(chances[one] * chances[other], 1 if one == other else 2) for one in range(3) for other in range(3)]
    mean = sum(p * n for p, n in numbers)
    variance = sum(p * (n - mean) ** 2 for p, n in numbers)
    assert float(mean_distinct(chances, 2)) == pytest.approx(mean)
    assert variance_of_distinct(chances, pair_terms(chances), 2) == pytest.approx(variance)


@given(st.integers(2, 40), st.integers(1, 6), st.floats(0, 2))
def test_pairs_of_a_token_add_up(experts: int, top_k: int, skew: float):
    if top_k >= experts:
        return
    inclusion = zipf_inclusion(experts, top_k, skew)
    terms = pair_terms(inclusion)
    if terms.sum() > 0:
        both = np.outer(inclusion, inclusion) - np.outer(terms, terms) / terms.sum()
        np.fill_diagonal(both, 0)
        assert np.allclose(both.sum(axis=1), (top_k - 1) * inclusion, atol=1e-6)


@pytest.mark.parametrize("name", ["uniform", "zipf", "frequency", "beta"])
def test_a_pool_of_all_layers_against_simulation(name: str):
    experts, top_k, batch, layers, trials = 32, 4, 8, 24, 4000
    law = bound(name, experts, top_k, 0.6)
    generator = np.random.default_rng(3)
    chances = [law.distribution(layer, batch) for layer in range(law.layer_count)]
    totals = sum(generator.choice(experts + 1, size=trials, p=chances[layer % len(chances)]) for layer in range(layers))
    found = float(law.pooled_quantile(batch, 0.99, layers))
    assert found == pytest.approx(np.quantile(totals, 0.99) / layers, abs=0.12)
    assert float(law.mean(batch)) < found < float(law.quantile(batch, 0.99))


@pytest.mark.parametrize("name", ["uniform", "zipf", "beta"])
def test_the_fullest_rank_of_experts_placed_at_random(name: str):
    experts, top_k, batch, ranks, trials = 64, 6, 12, 4, 4000
    law, generator = bound(name, experts, top_k, 0.8), np.random.default_rng(9)
    numbers = generator.choice(experts + 1, size=trials, p=law.distribution(0, batch))
    fullest = [np.bincount(generator.permutation(experts)[:n] % ranks, minlength=ranks).max() for n in numbers]
    assert abs(np.mean(fullest) - float(law.on_fullest_rank(batch, ranks))) < 4 * np.std(fullest) / trials**0.5
    assert float(law.quantile_on_fullest_rank(batch, ranks, 0.99)) == pytest.approx(np.quantile(fullest, 0.99), abs=1)


@given(st.sampled_from(sorted(LAWS)), pairs, skews, st.integers(1, 60), st.integers(1, 8))
@settings(max_examples=60)
def test_quantiles_on_the_fullest_rank_are_bounded(name: str, pair: tuple[int, int], skew: float, batch: int, ranks: int):
    if ranks > pair[0]:
        return
    law = bound(name, *pair, skew)
    high = float(law.quantile_on_fullest_rank(batch, ranks, 0.99))
    assert float(law.on_fullest_rank(batch, ranks)) * (1 - 1e-9) - 1 <= high <= -(-pair[0] // ranks)
    assert float(law.quantile_on_fullest_rank(batch, ranks, 0.5)) <= high


def test_past_the_exact_size_the_fullest_rank_is_bounded():
    law = routing_law({"zipf": {"s": 0.5}}).bind(moe(4096, 2))
    generator, batch = np.random.default_rng(2), 64
    weights = zipf_weights(4096, 0.5)
    drawn_sets = [np.unique(drawn(weights, 2, (batch,), seed)) for seed in range(200)]
    fullest = [np.bincount(generator.permutation(4096)[: one.size] % 8, minlength=8).max() for one in drawn_sets]
    assert np.mean(fullest) <= float(law.on_fullest_rank(batch, 8))
    assert np.quantile(fullest, 0.99) <= float(law.quantile_on_fullest_rank(batch, 8, 0.99))


@given(st.integers(0, 30), st.integers(0, 40), st.floats(0, 1), st.floats(0, 200))
def test_a_distribution_from_two_moments(least: int, width: int, share: float, variance: float):
    most = least + width
    mean = least + share * width
    found, numbers = of_moments(mean, variance, least, most), np.arange(least, most + 1)
    assert found.min() >= 0
    assert isclose(found.sum(), 1, rel_tol=1e-9)
    assert found @ numbers == pytest.approx(mean, rel=1e-6, abs=1e-6)
    between = (mean - np.floor(mean)) * (1 - (mean - np.floor(mean)))
    spread = found @ (numbers - mean) ** 2
    assert spread == pytest.approx(min(max(variance, between), (mean - least) * (most - mean)), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(
    ("layers", "counts", "line"),
    [
        ((0, 1), [[1.0, 2.0]], "layers: 2; allowed: 1, one for each row"),
        ((0,), [[1.0, -2.0]], "layer 0, expert 1: -2; allowed: a count of at least 0"),
        ((3,), [[1.0, np.nan]], "layer 3, expert 1: nan; allowed: a count of at least 0"),
        ((0, 4), [[1.0, 3.0], [2.0, 3.0]], "layer 4: 5; allowed: 4, as of layer 0"),
        ((0,), [[0.0, 0.0]], "layer 0: 0; allowed: counts above 0"),
    ],
)
def test_counts_that_no_routing_can_have(layers: tuple[int, ...], counts: list[list[float]], line: str):
    with pytest.raises(ModelError) as caught:
        RoutingCounts(layers, np.array(counts))
    assert line in str(caught.value)


def test_counts_that_are_not_the_models():
    counts = RoutingCounts((0,), np.array([[90.0, 5.0, 5.0, 100.0]]))
    with pytest.raises(ModelError, match="experts: 4; allowed: 8, as the model has"):
        counts.inclusion(moe(8, 2))
    assert counts.inclusion(moe(4, 2)).sum() == pytest.approx(2)
    with pytest.raises(ModelError, match=r"layer 0, expert 3: 100; allowed: at most 67, the tokens: each has 3 different"):
        counts.inclusion(moe(4, 3))
    with pytest.raises(ModelError, match="a model whose routing was measured"):
        routing_law("frequency").bind(moe(4, 2))


def test_each_measured_layer_counts_by_itself():
    own = counts_of(32, 4, 0.9)
    flat = np.full_like(own.counts[:1], own.counts[0].mean())
    law = routing_law("frequency").bind(moe(32, 4), RoutingCounts((0, 7), np.concatenate([own.counts[:1], flat])))
    assert isinstance(law, FrequencyExperts)
    skewed, even = law.means(16)
    assert skewed < even == pytest.approx(float(routing_law("uniform").bind(moe(32, 4)).mean(16)))
    assert float(law.mean(16)) == pytest.approx((skewed + even) / 2)
    pooled = own.counts.sum(axis=0)  # over layers of unlike order: the skew would be hidden
    assert float(routing_law("frequency").bind(moe(32, 4), RoutingCounts((0,), pooled[None])).mean(16)) > skewed


# science.md 1.1: exponent and R^2 over B = 1..64 and 1..16, the first batch at which 0.932 is above, and the most and least in %.
EXPONENTS = {
    (8, 2): (0.396, -0.22, 0.570, 0.85, 2, 33, 0),
    (64, 8): (0.581, 0.49, 0.762, 0.97, 2, 39, 0),
    (64, 6): (0.651, 0.68, 0.817, 0.98, 2, 39, 0),
    (60, 4): (0.727, 0.82, 0.867, 0.99, 4, 39, -1.3),
    (128, 8): (0.740, 0.84, 0.875, 0.99, 5, 38, -1.5),
    (160, 6): (0.829, 0.94, 0.924, 1.0, 10, 38, -3.7),
    (256, 8): (0.854, 0.96, 0.936, 1.0, 13, 37, -4.6),
    (128, 2): (0.923, 0.99, 0.968, 1.0, 33, 19, -8.4),
    (128, 1): (0.960, 1.0, 0.984, 1.0, None, 0, -12.3),
}


@pytest.mark.parametrize(("pair", "expected"), EXPONENTS.items())
def test_where_the_power_law_holds(pair: tuple[int, int], expected: tuple[float, ...]):
    source, uniform = (routing_law(kind).bind(moe(*pair)) for kind in ("power_law", "uniform"))
    long, short = (fitted_exponent(uniform, pair[1], last) for last in (64, 16))
    assert (long.exponent, short.exponent) == pytest.approx((expected[0], expected[2]), abs=0.0006)
    assert (long.r_squared, short.r_squared) == pytest.approx((expected[1], expected[3]), abs=0.006)
    left = departure(source, uniform, 64)
    assert left.first_above == expected[4]
    assert 100 * (left.highest - 1) == pytest.approx(expected[5], abs=0.6)
    assert 100 * (left.lowest - 1) == pytest.approx(expected[6], abs=0.06)


@given(st.floats(0.1, 1), st.integers(2, 100))
def test_a_power_law_is_fitted_by_its_own_exponent(exponent: float, last: int):
    law = routing_law({"power_law": {"exponent": exponent}}).bind(moe(10**6, 1))
    fit = fitted_exponent(law, 1, last)
    assert (fit.exponent, fit.r_squared) == pytest.approx((exponent, 1))


# science.md 1.5: at B = 8 the mean, the p99 of a pool of all layers and the p99 of one layer, as shares of E.
SHARES = {(128, 8, 48): (0.4033, 0.4100, 0.4453), (256, 8, 58): (0.2243, 0.2269, 0.2422)}


@pytest.mark.parametrize(("case", "expected"), SHARES.items())
def test_pools_for_the_mean_and_for_what_is_exceeded_rarely(case: tuple[int, int, int], expected: tuple[float, float, float]):
    experts, top_k, layers = case
    law = routing_law("uniform").bind(moe(experts, top_k))
    found = [float(provision(name).needed(law, 8, Pool(layers))) / experts for name in ("mean", "p99_pooled", "p99")]
    assert found == pytest.approx(expected, abs=0.0006)
    together = [float(provision("p99_pooled").needed(law, 8, Pool(layers, one))) / experts for one in (0.0, 0.1, 0.4, 1.0)]
    assert together == sorted(together)  # the more layers agree, the larger
    assert together[-1] <= found[2] + 1e-9  # and no more than each needs for itself
    assert (together[1] - found[0]) / (found[1] - found[0]) == pytest.approx((1 + (layers - 1) * 0.1) ** 0.5)


@settings(max_examples=40)
@given(st.sampled_from(sorted(LAWS)), pairs, skews, st.integers(1, 60), st.integers(1, 4), st.integers(1, 30), st.floats(0, 1))
def test_a_larger_provision_is_no_smaller_pool(
    name: str, pair: tuple[int, int], skew: float, batch: int, ranks: int, layers: int, correlation: float
):
    if ranks > pair[0]:
        return
    law = bound(name, *pair, skew)
    needed = {
        one: float(PROVISIONS[one].needed_on_fullest_rank(law, batch, ranks, Pool(layers, correlation))) for one in PROVISIONS
    }
    assert needed["p95"] <= needed["p99"] <= -(-pair[0] // ranks)
    assert needed["p95_pooled"] <= needed["p99_pooled"] + 1e-9
    if name in ("power_law", "worst_case") and ranks == 1:  # no spread
        assert len(set(needed.values())) == 1


def test_a_provision_that_there_is_not():
    with pytest.raises(ModelError, match='provision: "p90"; allowed: one of mean, p95, p99'):
        provision("p90")


def test_combinations_are_what_a_token_takes():
    """k of E at random, by every combination: the uniform variance for two tokens."""
    choices = list(combinations(range(5), 2))
    numbers = np.array([len(set(one) | set(other)) for one in choices for other in choices])
    law = routing_law("uniform").bind(moe(5, 2))
    assert law.variance(0, 2) == pytest.approx(numbers.var())
    assert float(law.mean(2)) == pytest.approx(numbers.mean())


@given(st.sampled_from(sorted(LAWS)), pairs, skews, st.integers(1, 6))
def test_no_quantile_is_more_than_tokens_can_activate(name: str, pair: tuple[int, int], skew: float, batch: int):
    law, (experts, top_k) = bound(name, *pair, skew), pair
    for q in (0.5, 0.95, 0.99, 0.999999):
        assert top_k - 1e-9 <= float(law.quantile(batch, q)) <= min(experts, top_k * batch) + 1e-9


def test_a_law_without_a_skew_is_the_uniform_law():
    zipf, uniform = (routing_law(name).bind(moe(128, 8)) for name in ({"zipf": {"s": 0}}, "uniform"))
    for batch in (1, 4, 16, 64):
        assert float(zipf.quantile(batch, 0.99)) == float(uniform.quantile(batch, 0.99))
        assert float(zipf.on_fullest_rank(batch, 4)) == float(uniform.on_fullest_rank(batch, 4))


@pytest.mark.parametrize(("top_k", "variation"), [(8, 0.5), (2, 0.0)])
def test_a_beta_law_where_experts_cannot_differ(top_k: int, variation: float):
    law = Beta.of_variation(moe(8, top_k), variation).bind(moe(8, top_k))
    assert float(law.mean(4)) == pytest.approx(float(routing_law("uniform").bind(moe(8, top_k)).mean(4)), rel=1e-4)


def test_a_pool_of_fewer_layers_than_were_measured_is_of_so_many():
    own = counts_of(32, 4, 0.9)
    law = routing_law("frequency").bind(moe(32, 4), RoutingCounts(tuple(range(24)), np.tile(own.counts, (12, 1))))
    two = routing_law("frequency").bind(moe(32, 4), own)
    few, many = (float(law.pooled_quantile(16, 0.99, layers)) for layers in (2, 24))
    assert few == float(two.pooled_quantile(16, 0.99, 2)) > many
    assert many == pytest.approx(float(two.pooled_quantile(16, 0.99, 24)))


def test_counts_of_some_layers():
    counts = RoutingCounts((1, 4, 5), np.array([[1.0, 2], [2, 1], [3, 0]]))
    part = counts_of_layers(counts, 4, 8)
    assert (part.layers, part.counts.tolist()) == ((0, 1), [[2, 1], [3, 0]])
    assert counts_of_layers(counts, 4, 8) is part
    assert counts_of_layers(counts, 2, 4) is counts
