"""KV capacity in closed form against search, on any growth."""

import numpy as np
from conftest import MODELS, cache
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.architecture import Architecture
from prophet_memory.kv_cache import KVGrowth, bytes_per_sequence, kv_growth, max_context_tokens

rates = st.integers(0, 10**6)
windows = st.lists(st.tuples(st.integers(1, 20_000), st.integers(1, 10**6)), max_size=3, unique_by=lambda w: w[0])
growths = st.builds(
    lambda constant, unbounded, bounded: KVGrowth(constant, unbounded, tuple(sorted(bounded)), max_context_tokens=50_000),
    rates,
    rates,
    windows,
)


@given(growths, st.lists(st.integers(-(10**9), 10**12), min_size=1, max_size=8))
def test_the_largest_context_fits_and_the_next_does_not(growth: KVGrowth, available: list[int]):
    contexts = max_context_tokens(growth, np.array(available))
    for space, context in zip(available, contexts.tolist(), strict=True):
        if context == 0:
            assert bytes_per_sequence(growth, 1) > space or growth.bytes_per_token == 0
            continue
        assert bytes_per_sequence(growth, context) <= space
        grows = bytes_per_sequence(growth, context + 1) > bytes_per_sequence(growth, context)
        assert bytes_per_sequence(growth, context + 1) > space if grows else context == growth.max_context_tokens


@given(growths, st.integers(0, 60_000))
def test_a_context_that_was_paid_for_is_given(growth: KVGrowth, context: int):
    exact = int(bytes_per_sequence(growth, context))
    got = int(max_context_tokens(growth, exact))
    ceiling = growth.max_context_tokens if growth.unbounded_bytes_per_token == 0 else context
    assert got >= min(context, ceiling)


def test_shapes_are_kept():
    growth = KVGrowth(10, 3, ((100, 5),))
    available = np.arange(24).reshape(2, 3, 4)
    assert max_context_tokens(growth, available).shape == available.shape


def test_growth_counts_every_layer_once(architecture: Architecture):
    growth, doubled = (kv_growth(architecture, cache(name), source_tokens=7) for name in ("bf16", "fp32"))
    assert doubled.bytes_per_token == 2 * growth.bytes_per_token
    assert doubled.constant_bytes == 2 * growth.constant_bytes
    assert int(bytes_per_sequence(growth, 1)) == growth.constant_bytes + growth.bytes_per_token


def test_windows_cap_the_cache_of_their_layers():
    growth = kv_growth(MODELS["gpt-oss-120b"], cache("bf16"), source_tokens=0)
    assert int(bytes_per_sequence(growth, 128)) == 128 * 73728
    assert int(bytes_per_sequence(growth, 1128)) == 128 * 73728 + 1000 * 36864
