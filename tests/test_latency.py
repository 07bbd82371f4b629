"""The time of a step: bounds that no predictor passes, and the values that science has for known cards."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from conftest import ASSUMED, MODELS, REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.decode import Reading, decode_work
from prophet_memory.edge.configuration import read_gpus
from prophet_memory.edge.offloading import resident_runs
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.errors import ModelError
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Model
from prophet_memory.latency import (
    Link,
    Prefetch,
    Processor,
    all_reduce_s,
    all_to_all_s,
    missing_bytes,
    streamed_step_s,
)
from prophet_memory.offloading import ResidentRun, least_resident_step_s
from prophet_memory.parallelism import Parallelism
from prophet_memory.parameters import count_parameters
from prophet_memory.precision import precision
from prophet_memory.routing import routing_law

shares = st.floats(0, 1)
sizes = st.floats(0, 1e12)
links = st.builds(Link, st.floats(1e8, 1e12), st.floats(0, 1e-3))
prefetches = st.builds(Prefetch, shares, st.floats(0, 5), shares)


@given(st.floats(1e-6, 10), sizes, links, prefetches, st.integers(0, 10_000))
def test_no_predictor_takes_bytes_away(resident: float, missing: float, link: Link, prefetch: Prefetch, copies: int):
    found = float(streamed_step_s(resident, missing, link, prefetch, copies))
    assert found >= missing / link.bandwidth_bytes_per_s * (1 - 1e-12)
    assert found >= resident * (1 - 1e-12)
    on_demand = float(streamed_step_s(resident, missing, link, Prefetch(), copies))
    assert on_demand == pytest.approx(resident + float(link.seconds(missing, copies)))
    perfect = float(streamed_step_s(resident, missing, link, Prefetch(recall=1), copies))
    assert perfect == pytest.approx(max(resident, float(link.seconds(missing, copies))))
    assert perfect <= on_demand


@given(st.floats(1e-6, 10), sizes, links, shares, shares, st.floats(0, 5), shares)
def test_what_helps_and_what_does_not(
    resident: float, missing: float, link: Link, recall: float, more: float, waste: float, overlap: float
):
    better = recall + (1 - recall) * more
    slower, faster = (streamed_step_s(resident, missing, link, Prefetch(one, 0, overlap)) for one in (recall, better))
    assert faster <= slower * (1 + 1e-12)
    assert streamed_step_s(resident, missing, link, Prefetch(recall, waste, overlap)) >= streamed_step_s(
        resident, missing, link, Prefetch(recall, 0, overlap)
    ) * (1 - 1e-12)
    assert streamed_step_s(resident, missing, link, Prefetch(recall, waste, 1)) <= streamed_step_s(
        resident, missing, link, Prefetch(recall, waste, overlap)
    ) * (1 + 1e-12)


@given(sizes, st.floats(0, 1e18), st.floats(1e9, 1e13), st.floats(1e9, 1e16), st.floats(0.1, 1), st.floats(0.1, 1))
def test_a_resident_step_is_the_slower_of_two(
    size: float, flops: float, bandwidth: float, peak: float, memory: float, compute: float
):
    found = float(Processor(bandwidth, peak, memory, compute).seconds(size, flops))
    assert found == pytest.approx(max(size / (bandwidth * memory), flops / (peak * compute)))


@given(links, st.floats(1, 1e10))
def test_small_copies_are_inefficient(link: Link, size: float):
    ideal = size / link.bandwidth_bytes_per_s
    assert float(link.seconds(size, 1)) == pytest.approx(ideal + link.start_s)
    assert float(link.seconds(size, 10)) >= float(link.seconds(size, 1))


def test_arrays_broadcast():
    processor, link = Processor(2e12, 3e14), Link(25e9)
    resident = processor.seconds(np.array([1e9, 2e9])[:, None], 0.0)
    missing = missing_bytes(1e9, np.array([0.0, 0.5, 1.0]))
    assert streamed_step_s(resident, missing, link, Prefetch()).shape == (2, 3)
    assert np.array_equal(missing, [1e9, 5e8, 0])


# At batch 1, 0.8 of the HBM bandwidth, a pinned link: T0 in ms, and factors over it on demand, with a perfect predictor
# and nothing cached, at c = 0.9 without one, and at c = 0.994.
CARDS = {
    "A100-80 Mixtral": (15.9, 2039e9, 25e9, (58, 57, 6.7, 1.34)),
    "H100 Mixtral": (9.7, 3350e9, 55e9, (43, 42, 5.2, 1.25)),
    "RTX 4090 Mixtral": (32.1, 1008e9, 25e9, (29, 28, 3.8, 1.17)),
}


@pytest.mark.parametrize("name", CARDS)
def test_known_cards(name: str):
    resident_ms, hbm, host, factors = CARDS[name]
    activated = 32 * 2 * 3 * 4096 * 14336 * 2  # two experts of 32 layers, bf16
    rest = resident_ms / 1e3 * 0.8 * hbm - activated
    own = Processor(hbm, 1e18, 0.8).seconds(rest + activated, 0)
    link = Link(host)
    found = [
        streamed_step_s(own, missing_bytes(activated, residency), link, Prefetch(recall)) / own
        for residency, recall in ((0, 0), (0, 1), (0.9, 0), (0.994, 0))
    ]
    assert [float(one) for one in found] == pytest.approx(factors, rel=0.02)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Prefetch(recall=1.2), "recall: 1.2; allowed: a number from 0 to 1"),
        (lambda: Prefetch(overlap=-0.1), "overlap: -0.1; allowed: a number from 0 to 1"),
        (lambda: Prefetch(wasted=-1), "wasted: -1; allowed: a number of at least 0"),
        (lambda: Link(0), "bandwidth_bytes_per_s: 0; allowed: a number above 0"),
        (lambda: Link(1, -1), "start_s: -1; allowed: a number of at least 0"),
        (lambda: Processor(1, 1, memory_efficiency=1.5), "memory_efficiency: 1.5; allowed: a number above 0, at most 1"),
        (lambda: missing_bytes(1, [0.5, 1.5]), "residency: 1.5; allowed: from 0 to 1"),
    ],
)
def test_wrong_input_is_named(made, said: str):
    with pytest.raises(ModelError) as problem:
        made()
    assert said in str(problem.value)


# Composed from kernels that aiconfigurator 0.12 (Apache-2.0) measured; its roofline takes min(E, kB) experts.
STEPS = pl.read_csv(REPOSITORY / "config/latency/decode_steps.csv").to_dicts()


TIMING = read_settings_alone().latency


def drawn_experts(experts: int, top_k: int, batch: int, draws: int, seed: int) -> np.ndarray:
    """Experts with a token in draws of the benchmark's own sampling (config/latency/sources.yaml)."""
    low, high = (1.0, 0.8 * batch) if batch * top_k > experts else (0.01, 2.0)
    power = 1 - 1.2
    uniform = np.random.default_rng(seed).random((draws, experts))
    shares = ((high**power - low**power) * uniform + low**power) ** (1 / power)
    counts = np.rint(shares / shares.sum(axis=1, keepdims=True) * batch * top_k)
    return np.array([np.count_nonzero(settled(row, batch, batch * top_k)) for row in counts])


def settled(counts: np.ndarray, most: int, total: int) -> np.ndarray:
    """Counts of at most so many that sum to a total: the emptiest get what is lacking, the fullest lose what is too much."""
    counts = np.minimum(counts, most)
    while (lacking := total - counts.sum()) > 0:
        counts[counts.argmin()] += min(1, lacking)
    while counts.sum() > total:
        counts[counts.argmax()] -= 1
    return counts


RUNS = resident_runs()
FITTED = [run for run in RUNS if run.spread.n_gpus == 1 and run.gpu.name in ("a100-80gb", "h100-80gb") and
          run.model.name in ("qwen3-30b-a3b", "gpt-oss-120b")]  # fmt: skip
ALONE_IN_16_BITS = [run for run in RUNS if run.spread.n_gpus == 1 and run.precision == "bf16" and run.batch_size >= 16]


def measured_over_usual(run: ResidentRun) -> float:
    """Over the step at what kernels reach and with the fixed cost of each layer."""
    timing = TIMING.timing(fixed_costs=True)
    layers = run.model.architecture.layer_count
    return run.step_s / (least_resident_step_s(run, ASSUMED, timing) + timing.layer_s * layers)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_bound_is_below_measured_kernels(run: ResidentRun):
    """But where a row says why not: there the row is wrong."""
    assert (run.step_s >= least_resident_step_s(run, ASSUMED)) == (not run.doubt)


@pytest.mark.parametrize("run", FITTED, ids=lambda run: run.name)
def test_fixed_costs_overtake_no_step_that_they_were_chosen_on(run: ResidentRun):
    assert 1 <= measured_over_usual(run) < (1.3 if run.batch_size >= 16 else 2.2)


@pytest.mark.parametrize("run", ALONE_IN_16_BITS, ids=lambda run: run.name)
def test_steps_of_one_gpu_are_near_from_batch_16_on_on_cards_that_nothing_was_chosen_on(run: ResidentRun):
    assert {other.gpu.name for other in ALONE_IN_16_BITS} == {"a100-80gb", "h100-80gb", "h200-141gb", "b200", "l40s"}
    assert 0.95 < measured_over_usual(run) < 1.3


def test_what_stays_open_is_how_fast_kernels_unpack_four_bits():
    """1.43 times the bandwidth makes a step of 16-bit experts shorter, and hardly one of 4-bit experts."""

    def faster(model: str) -> float:
        steps = {run.gpu.name: run.step_s for run in RUNS
                 if (run.model.name, run.spread.n_gpus, run.batch_size) == (model, 1, 128)}  # fmt: skip
        return steps["h100-80gb"] / steps["h200-141gb"]

    assert faster("qwen3-30b-a3b") > 1.3
    assert faster("gpt-oss-120b") < 1.1


def test_the_fixed_cost_of_a_layer_is_the_largest_by_which_none_of_these_steps_is_overtaken():
    usual = [run.step_s / measured_over_usual(run) for run in FITTED]
    left = [(run.step_s - step) / run.model.architecture.layer_count for run, step in zip(FITTED, usual, strict=True)]
    assert TIMING.layer_s == pytest.approx(TIMING.layer_s + min(left), rel=0.1)


@pytest.mark.parametrize("batch", [1, 4, 16, 64, 128])
def test_the_benchmarks_routing_is_what_it_samples(batch: int):
    for model in sorted({run.model.name for run in RUNS}):
        moe = MODELS[model].moe
        found = drawn_experts(moe.routed_experts, moe.top_k, batch, 400, seed=7)
        (stated,) = {row["distinct_experts"] for row in STEPS if (row["model"], row["batch_size"]) == (model, batch)}
        assert found.mean() == pytest.approx(stated, abs=0.06 + 4 * found.std() / 20)


def test_a_roofline_without_a_law_of_distinct_experts_is_no_bound():
    kernels = {(run.model.name, run.gpu.name, run.batch_size): run.step_s for run in RUNS if run.spread.n_gpus == 1}
    above = [
        row["step_s"] / kernels[row["model"], row["gpu"], row["batch_size"]]
        for row in STEPS
        if row["kind"] == "roofline" and row["batch_size"] == 16
    ]
    assert max(above) > 1.25


# Products of one token with 4,096 of the cache: layers x query heads x (key + value) x what the layer sees.
ATTENDED = {
    "qwen3-30b-a3b": 48 * 32 * (128 + 128) * 4096,
    "deepseek-v3": 61 * 128 * (512 + 64 + 512) * 4096,  # with the latent
    "jamba-1.5-large": 9 * 64 * (128 + 128) * 4096,
    "llama-4-maverick": 48 * 40 * (128 + 128) * 4096,  # its chunks are longer
    "gpt-oss-20b": 12 * 64 * (64 + 64) * (128 + 4096),  # every other layer sees a window
}


@pytest.mark.parametrize("name", ATTENDED)
def test_the_work_of_a_step(name: str):
    model, batches = Model(name, MODELS[name]), np.array([1, 2, 16, 1024])
    stored = precision("bf16")
    uniform = routing_law("uniform").bind(model.architecture.moe)
    work = decode_work(model, Parallelism(), stored, ASSUMED, batches, 4096, uniform.mean(batches))
    counts = count_parameters(model.architecture)
    flops = work.flops + work.expert_flops
    passed = counts.active_per_token - (0 if model.architecture.tied_embeddings else counts.embedding)
    assert flops[0] == pytest.approx(2 * (passed + ATTENDED[name]))
    assert flops == pytest.approx(flops[0] * batches)
    assert (np.diff(work.read_bytes) > 0).all()
    assert work.expert_bytes[0] == pytest.approx(2 * counts.top_k_expert)
    assert work.expert_bytes[-1] <= 2 * counts.routed_expert
    assert work.cache_bytes == pytest.approx(work.cache_bytes[0] * batches)
    needed = uniform.on_fullest_rank(batches, 2)
    halves = decode_work(model, Parallelism(tensor=2, expert=2), stored, ASSUMED, batches, 4096, needed)
    assert (halves.expert_bytes <= work.expert_bytes * (1 + 1e-9)).all()
    both = halves.flops + halves.expert_flops
    assert both == pytest.approx(flops / 2, rel=0.05)  # routers, norms and what makes latents stand on both
    assert halves.expert_flops == pytest.approx(work.expert_flops / 2)


@given(sizes, st.integers(1, 64), links)
def test_what_gpus_say_to_each_other(size: float, gpus: int, link: Link):
    together, apart = float(all_reduce_s(size, gpus, link)), float(all_to_all_s(size, gpus, link))
    if gpus == 1:
        assert together == apart == 0
        return
    assert together - link.start_s == pytest.approx(2 * (apart - link.start_s))
    assert apart >= size / 2 / link.bandwidth_bytes_per_s * (1 - 1e-12)


def test_links_between_gpus():
    gpus = read_gpus()
    assert gpus["h100-80gb"].between(8) == 450 * 10**9
    assert [gpus["mi300x"].between(n) // 10**9 for n in (2, 4, 8)] == [64, 192, 448]
    assert [gpus["rtx-a6000"].between(n) // 10**8 for n in (2, 4)] == [562, 250]  # a bridge joins two
    assert gpus["l40s"].between(2) == gpus["l40s"].host_link_effective_bandwidth_bytes_per_s
    with pytest.raises(ModelError, match='custom"; allowed: a GPU with a bandwidth of its host link'):
        Gpu("custom", 2**36).between(2)


def test_a_decode_step_of_an_encoder_decoder_passes_the_decoder_alone():
    """Switch-Large by hand: 24 decoder blocks, every second an MoE of two matrices, cross-attention without keys and values."""
    model, batches = Model("switch-large-128", MODELS["switch-large-128"]), np.array([1, 16])
    uniform = routing_law("uniform").bind(model.architecture.moe).mean(batches)
    work = decode_work(model, Parallelism(), precision("bf16"), ASSUMED, batches, 8192, uniform)
    square, wide = 1024 * 1024, 1024 * 4096
    rest = 24 * (4 + 2) * square + 12 * 2 * wide + 12 * 128 * 1024 + 32128 * 1024  # mixers, dense blocks, routers, the tied head
    assert work.rest_bytes[0] == pytest.approx(2 * rest, rel=2e-3)  # norms, relative positions
    assert work.expert_bytes == pytest.approx(12 * uniform * 2 * wide * 2)
    assert work.expert_flops == pytest.approx(2 * batches * 12 * 2 * wide)
    cached = 24 * 2 * 1024 * 2 * (8192 + ASSUMED.encoder_source_tokens)
    assert work.cache_bytes == pytest.approx(batches * cached)
    source = ASSUMED.encoder_source_tokens
    taken = replace(ASSUMED, tokens_per_sequence=source)
    read = decode_work(
        model, Parallelism(), precision("bf16"), taken, np.array([1]), 1, uniform[:1], Reading(source, encodes=True)
    )
    encoder = 24 * (4 + 2) * square + 12 * 2 * wide + 12 * 128 * 1024  # with the keys and values of its output
    attended = 24 * 2 * 1024 * source
    assert read.flops[0] == pytest.approx(2 * source * (encoder + attended), rel=2e-3)
    assert not read.cache_bytes.any()


@given(st.integers(1, 4096), st.integers(1, 4096))
def test_what_a_prompt_sees_is_the_mean_over_its_tokens(whole: int, window: int):
    seen = np.minimum(np.arange(whole) + 0.5, window).mean()
    assert Reading(whole).seen(window) == pytest.approx(seen, rel=1e-2, abs=0.26)
    assert Reading(whole).seen(None) == whole / 2
    assert Reading(whole, encodes=True).seen(None) == whole


def test_machines_end_and_links_share_the_host():
    timing, gpu = TIMING.timing(), read_gpus()["h200-141gb"]
    alone, eight = (timing.host_link(gpu, gpus).bandwidth_bytes_per_s for gpus in (1, 8))
    assert alone == gpu.host_link_effective_bandwidth_bytes_per_s
    assert eight == pytest.approx(0.8 * 460.8e9 / 8)
    assert timing.host_link(gpu, 64) == timing.host_link(gpu, 8)  # eight machines have eight hosts
    assert timing.host(64) == timing.host(8)
    assert timing.gpu_link(gpu, 8).bandwidth_bytes_per_s == 450e9
    assert timing.gpu_link(gpu, 16).bandwidth_bytes_per_s == alone
