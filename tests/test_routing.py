"""The routing laws: identities, bounds, the exact distribution and simulation."""

from dataclasses import dataclass
from math import comb, isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory import routing
from prophet_memory.architecture import MoE
from prophet_memory.measured import RoutingCounts
from prophet_memory.named import ParameterError, kinds_of
from prophet_memory.occupancy import is_exact, mean_distinct
from prophet_memory.residency import ResidencyPolicy
from prophet_memory.routing import LAWS, DistinctExperts, RoutingLaw, routing_law, routing_laws
from prophet_memory.routing import uniform as uniform_module

experts_and_top_k = st.integers(1, 120).flatmap(lambda e: st.tuples(st.just(e), st.integers(1, e)))
batches = st.integers(1, 5000)


def bound(law: object, experts: int, top_k: int) -> DistinctExperts:
    even = RoutingCounts((0,), np.ones((1, experts)))
    return routing_law(law).bind(MoE(experts, top_k, expert_intermediate_size=1), even)


def power_law(experts: int, top_k: int, batch):
    return bound("power_law", experts, top_k).mean(batch)


def uniform(experts: int, top_k: int, batch):
    return bound("uniform", experts, top_k).mean(batch)


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
    for name in LAWS:
        law = bound(name, experts, top_k)
        value = float(law.mean(batch))
        assert top_k * (1 - 1e-9) <= value <= min(experts, top_k * batch) * (1 + 1e-9)
        assert isclose(float(law.mean(1)), top_k, rel_tol=1e-9)
        assert value <= float(law.mean(batch + 1)) * (1 + 1e-12)
        assert value <= float(law.uncapped(batch)) * (1 + 1e-12)


small_pools = st.tuples(st.integers(2, 60), st.integers(1, 8)).filter(lambda pair: pair[1] <= pair[0])


@given(small_pools, st.integers(1, 60), st.floats(0.01, 0.999))
def test_quantiles_are_those_of_the_exact_distribution(pair: tuple[int, int], batch: int, q: float):
    chance = uniform_distribution(*pair, batch).cumsum()
    (found,) = bound("uniform", *pair).quantile([batch], q)
    assert chance[int(found)] >= q - 1e-9
    assert found == pair[1] or chance[int(found) - 1] < q + 1e-9
    for law in ("power_law", "worst_case"):  # these say how many and not with what spread
        assert bound(law, *pair).quantile([batch], q) == bound(law, *pair).mean([batch])


def test_past_the_exact_size_a_quantile_is_bounded_from_above():
    experts, top_k, batch, q = 4096, 4, 64, 0.99
    assert not is_exact(experts, top_k, batch)
    drawn = [np.unique(np.random.default_rng(i).integers(0, experts, batch * top_k)).size for i in range(300)]
    (found,) = bound("uniform", experts, top_k).quantile([batch], q)
    assert np.quantile(drawn, q) <= found <= min(experts, top_k * batch)


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=60), st.integers(1, 200), st.integers(1, 60))
def test_uniform_bounds_every_popularity(weights: list[float], batch: int, top_k: int):
    # Any popularities pi in [0, 1] with sum k: scale the weights, which may take k down with the largest of them.
    popularity = np.array(weights) * min(top_k / sum(weights), 1 / max(weights))
    distinct = np.sum(1 - (1 - popularity) ** batch)
    assert distinct <= mean_distinct(len(weights), popularity.sum(), batch) * (1 + 1e-9) + 1e-12


@given(experts_and_top_k, st.lists(batches, min_size=1, max_size=9))
def test_laws_broadcast_like_a_loop(pair: tuple[int, int], many: list[int]):
    for name in LAWS:
        law = bound(name, *pair)
        assert np.array_equal(law.mean(np.array(many)), [law.mean(batch) for batch in many])


@given(
    st.tuples(st.integers(2, 80), st.integers(1, 8)).filter(lambda pair: pair[1] <= pair[0]),
    st.integers(1, 99),
    st.integers(2, 8),
)
def test_the_fullest_rank_holds_its_share_and_no_more_than_all(pair: tuple[int, int], batch: int, ranks: int):
    for name in LAWS:
        law = bound(name, *pair)
        (alone,), (fullest,) = law.on_fullest_rank([batch], 1), law.on_fullest_rank([batch], ranks)
        assert alone == float(law.mean(batch)) or isclose(alone, float(law.mean(batch)), abs_tol=1e-9)
        assert alone / ranks - 1e-8 <= fullest <= min(alone, -(-pair[0] // ranks)) + 1e-8
        assert law.is_exact(batch, 1)


@given(experts_and_top_k, st.floats(0.05, 0.999))
def test_batches_for_a_fraction_invert_the_laws(pair: tuple[int, int], fraction: float):
    experts, top_k = pair
    exact, source = (bound(law, experts, top_k).batch_for(fraction) for law in ("uniform", "power_law"))
    if fraction * experts <= top_k:
        assert exact == source == 1
    else:
        assert isclose(float(uniform(experts, top_k, exact)), fraction * experts, rel_tol=1e-6)
        assert isclose(float(power_law(experts, top_k, source)), fraction * experts, rel_tol=1e-6)


def test_only_the_power_law_saturates():
    assert isclose(bound("power_law", 8, 2).batch_for(1), 4 ** (1 / 0.932))
    assert bound("uniform", 8, 2).batch_for(1) is None
    assert bound("uniform", 8, 8).batch_for(1) == 1


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
    for values, wanted in zip((power_law(*pair, batch), uniform(*pair, batch)), expected, strict=True):
        assert np.abs(100 * (1 - values / experts) - wanted).max() <= 0.0501


def test_the_power_law_overstates_by_up_to_two_fifths():
    batch = np.arange(1, 65)
    excess = max((power_law(e, k, batch) / uniform(e, k, batch)).max() for e, k in PUBLISHED)
    assert 1.38 < excess < 1.395


def test_laws_are_named_by_kind_and_by_parameters_that_are_not_the_kinds_own():
    assert [law.name for law in routing_laws(["uniform", "power_law", {"power_law": {"exponent": 0.9}}])] == [
        "power_law", "power_law_0.9", "uniform",
    ]  # fmt: skip
    assert routing_law({"power_law": {"exponent": 0.932}}) == routing_law("power_law")
    assert routing_law({"uniform": {}}).specification == "uniform"
    other = routing_law({"power_law": {"exponent": 0.9}})
    assert routing_law(other.specification) == other
    assert "0.9" in other.words.label
    assert "0.9" in other.words.saturates


@pytest.mark.parametrize(
    ("specification", "key", "allowed"),
    [
        ("zip", "", "one of beta, frequency, power_law, uniform, worst_case, zipf"),
        ({"zipf": {"s": -0.1}}, "zipf.s", "at least 0 and at most 4"),
        ({"beta": {"rho": 0}}, "beta.rho", "above 0, at least 1e-06, and below 1"),
        ({"beta": {"rho": 1}}, "beta.rho", "above 0, at least 1e-06, and below 1"),
        (5, "", "one of"),
        ({"power_law": {"exponent": 2}}, "power_law.exponent", "at least 0.05 and at most 1"),
        ({"power_law": {"exponent": True}}, "power_law.exponent", "a number"),
        ({"power_law": {"beta": 1}}, "power_law.beta", "the parameters exponent"),
        ({"power_law": 0.9}, "power_law", "a mapping of parameters"),
        ({"uniform": {"s": 1}}, "uniform.s", "(none)"),
        ({"a": 1, "b": 2}, "", "with its parameters"),
    ],
)  # fmt: skip
def test_a_wrong_law_names_its_place_and_what_is_allowed(specification: object, key: str, allowed: str):
    with pytest.raises(ParameterError) as caught:
        routing_law(specification)
    assert caught.value.key == key
    assert allowed in caught.value.allowed


def test_a_half_made_law_or_policy_cannot_be_made():
    for base in (RoutingLaw, ResidencyPolicy):
        half = dataclass(frozen=True)(type("Half", (base,), {"kind": "half"}))
        with pytest.raises(TypeError, match="abstract"):
            half()


def test_two_kinds_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch):
    twin = type("Twin", (LAWS["uniform"],), {"__module__": uniform_module.__name__})
    monkeypatch.setattr(uniform_module, "Twin", twin, raising=False)
    with pytest.raises(TypeError, match="the kind uniform stands in several modules"):
        kinds_of(routing, RoutingLaw)


def test_all_of_a_rank_and_the_last_quantile_are_exact():
    law = bound("uniform", 4096, 8)
    assert law.on_fullest_rank(10**6, 8) == 512
    assert law.is_exact(10**6, 8)
    assert law.quantile(10, 1.0) == 80
