"""Hit rates of caches of experts: closed forms against replayed routing, and what is measured against what is said of it."""

import numpy as np
import pytest
from conftest import MODELS
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.edge.counting import caches_of, counts_of
from prophet_memory.errors import ModelError
from prophet_memory.grid import Model
from prophet_memory.hits import CACHES, MeasuredHits, PopularityHits, hits_of
from prophet_memory.inclusion import zipf_inclusion
from prophet_memory.locality import furthest_ahead, hit_rate, least_recently_used, most_popular
from prophet_memory.routing import routing_law

GPT = Model("gpt-oss-20b", MODELS["gpt-oss-20b"], counts_of("gpt-oss-20b"), caches_of("gpt-oss-20b"))


def popularity(experts: int, top_k: int, skew: float) -> np.ndarray:
    """Of one layer, in no order."""
    return np.random.default_rng(experts).permutation(zipf_inclusion(experts, top_k, skew))[None]


@pytest.mark.parametrize("skew", [0.0, 0.8])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("resident", [0.25, 0.5])
def test_closed_forms_against_replayed_independent_steps(skew: float, batch: int, resident: float):
    experts, top_k = 64, 4
    own = popularity(experts, top_k, skew)
    needed = np.random.default_rng(5).random((3000, 1, experts)) < 1 - (1 - own) ** batch
    slots = round(resident * experts)
    replayed = {
        "lru": hit_rate(needed, slots, least_recently_used, warm=own),
        "popular": hit_rate(needed, slots, most_popular(own), warm=own),
        "belady": hit_rate(needed, slots, furthest_ahead(needed), warm=own),
    }
    for cache, rate in replayed.items():
        assert PopularityHits(own).rate(cache, batch, resident) == pytest.approx(float(rate[0]), abs=0.025), cache


@given(st.integers(4, 64), st.integers(1, 4), st.floats(0, 2), st.sampled_from([1, 2, 8]), st.floats(0, 1), st.floats(0, 1))
def test_more_slots_miss_no_more_and_nothing_beats_the_future(
    experts: int, top_k: int, skew: float, batch: int, first: float, second: float
):
    own = PopularityHits(popularity(experts, top_k, skew))
    less, more = sorted((first, second))
    for cache in CACHES:
        assert 0 <= own.rate(cache, batch, less) <= own.rate(cache, batch, more) + 1e-9 <= 1 + 2e-9
        assert own.rate(cache, batch, 0) == 0
        assert own.rate(cache, batch, 1) == 1
    rates = {cache: own.rate(cache, batch, less) for cache in CACHES}
    assert rates["lru"] <= rates["popular"] + 1e-6  # of independent steps, the most popular are the best that can stay
    assert rates["popular"] <= rates["belady"] + 0.03


def test_without_a_skew_a_cache_hits_by_its_share():
    own = PopularityHits(popularity(128, 8, 0.0))
    for share in (0.1, 0.25, 0.7):
        for cache in ("lru", "popular"):
            assert own.rate(cache, 4, share) == pytest.approx(share, rel=1e-6)


def test_a_measured_model_has_the_hit_rates_of_its_own_tokens():
    own = hits_of(GPT, routing_law("frequency"), "lru_cache")
    assert isinstance(own, MeasuredHits)
    assert own.origin == "measured"
    rates = GPT.caches.rates["lru"][4]
    for fraction, rate in rates:
        assert own.rate("lru", 4, fraction) == pytest.approx(rate)
    middle = own.rate("lru", 4, (rates[0][0] + rates[1][0]) / 2)
    assert middle == pytest.approx((rates[0][1] + rates[1][1]) / 2)
    assert own.rate("lru", 16, 0.5) < own.rate("lru", 8, 0.5) < own.rate("lru", 4, 0.5)
    # Tokens that follow each other are alike, which independence does not know.
    assert own.rate("lru", 1, 0.25) > own.beyond.rate("lru", 1, 0.25) + 0.1
    largest = max(GPT.caches.rates["lru"])
    assert own.rate("lru", 2 * largest, 0.5) == own.beyond.rate("lru", 2 * largest, 0.5)


def test_laws_that_say_nothing_of_single_experts_are_refused():
    assert hits_of(GPT, routing_law("uniform"), "lru_cache").origin == "popularity"
    for law in ("power_law", "worst_case", "beta"):
        with pytest.raises(
            ModelError, match=rf'routing: "{law}"; allowed: a law that says which experts are popular, for lru_cache'
        ):
            hits_of(GPT, routing_law(law), "lru_cache")
    with pytest.raises(ModelError, match='cache: "fifo"; allowed: one of lru, popular, belady'):
        PopularityHits(popularity(8, 2, 0)).rate("fifo", 1, 0.5)
