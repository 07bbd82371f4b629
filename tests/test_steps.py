"""Steps of a sweep under each policy: bounds that none passes, equal memory, and the terms by hand."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import ASSUMED, MODELS
from hypothesis import given, settings
from hypothesis import strategies as st

from prophet_memory.edge.configuration import read_gpus
from prophet_memory.edge.counting import caches_of, counts_of
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.errors import ModelError
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.parallelism import parallelism
from prophet_memory.parameters import count_parameters
from prophet_memory.provision import PROVISIONS
from prophet_memory.residency import POLICIES, ResidencyPolicy, residency_policies, residency_policy
from prophet_memory.routing import routing_law
from prophet_memory.steps import COLUMNS, StepTimes, Timing
from prophet_memory.sweeps import sweep

GPUS = read_gpus()
LATENCY = read_settings_alone().latency
TIMING = LATENCY.timing()
BOUND = replace(TIMING, memory_efficiency=1.0, flops_efficiency=1.0, copy_start_s=0.0)
NAMES = sorted(POLICIES)


def times(
    model: str, policies: list[ResidencyPolicy], *, gpu: str | Gpu = "a100-80gb", timing: Timing = TIMING, context: int = 4096,
    **axes: object,
) -> StepTimes:  # fmt: skip
    plain = {
        "n_gpus": [1], "batch_sizes": [1, 4, 16], "routings": [routing_law("uniform")], "precisions": ["bf16"],
        "provisions": [PROVISIONS["p99"]],
    } | axes  # fmt: skip
    grid = Grid(
        [Model(model, MODELS[model], counts_of(model), caches_of(model))], gpus=[GPUS[gpu] if isinstance(gpu, str) else gpu],
        policies=policies, **plain,
    )  # fmt: skip
    return StepTimes(sweep(grid, ASSUMED), timing, context)


def of_policies(found: StepTimes, name: str) -> np.ndarray:
    """A column as (policy, batch), of grids with one of everything else."""
    policies, batches = len(found.grid.policies), len(found.grid.batch_sizes)
    column = np.ma.getdata(found.column(name))
    return np.moveaxis(column.reshape(batches, policies), 0, 1)


@settings(max_examples=25)
@given(
    st.sampled_from(["mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v3", "switch-base-8"]), st.sampled_from(["l40s", "h100-80gb"]),
    st.integers(1, 8), st.sampled_from(["mean", "p99", "p99_pooled"]), st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
def test_no_step_is_shorter_than_its_bytes_over_the_link(
    model: str, gpu: str, gpus: int, provision: str, share: float, recall: float
):
    cached = [residency_policy({name: {"resident_fraction": share}}) for name in ("lru_cache", "static_cache", "oracle_cache")]
    chosen = [*map(residency_policy, NAMES), *cached, residency_policy({"prophet": {"recall": recall}})]
    found = times(model, chosen, gpu=gpu, n_gpus=[2 ** (gpus // 3)], provisions=[PROVISIONS[provision]])
    link = GPUS[gpu].host_link_effective_bandwidth_bytes_per_s
    step, resident = of_policies(found, "step_s"), of_policies(found, "resident_step_s")
    assert (step >= of_policies(found, "host_link_bytes") / link * (1 - 1e-12)).all()
    for policy, own, whole in zip(chosen, step, resident, strict=True):
        if policy.kind != "cpu_compute":  # whose host reads beside the GPU
            assert (own >= whole * (1 - 1e-12)).all(), policy.name
    assert (np.diff(resident, axis=1) >= 0).all()


def test_at_equal_memory_the_future_is_the_best_cache_and_a_predictor_helps():
    by_name = dict(zip(NAMES, of_policies(times("qwen3-30b-a3b", [residency_policy(n) for n in NAMES]), "step_s"), strict=True))
    assert (by_name["all_resident"] <= by_name["oracle_cache"]).all()
    assert (by_name["oracle_cache"] <= by_name["prophet"]).all()
    assert (by_name["prophet"] < by_name["lru_cache"]).all()
    assert (by_name["lru_cache"] < by_name["on_demand_offload"]).all()
    assert (by_name["on_demand_offload"] < by_name["layer_offload"]).all()


def test_terms_by_hand():
    gpu = GPUS["a100-80gb"]
    layers, hidden, inner = 32, 4096, 14336
    expert = 3 * hidden * inner * 2
    found = times("mixtral-8x7b", [residency_policy("on_demand_offload"), residency_policy("cpu_compute")],
                  timing=BOUND, batch_sizes=[1], context=1)  # fmt: skip
    on_demand, host = of_policies(found, "step_s")[:, 0]
    resident = of_policies(found, "resident_step_s")[0, 0]
    assert of_policies(found, "host_link_bytes")[0, 0] == layers * 2 * expert
    assert on_demand == pytest.approx(resident + layers * 2 * expert / gpu.host_link_effective_bandwidth_bytes_per_s)
    # A quarter of what is needed is in the pool of two of eight; the host computes the rest beside the GPU's part.
    missing = layers * 2 * 0.75 * expert
    assert of_policies(found, "host_computed_bytes")[1, 0] == pytest.approx(missing)
    kept = layers * 2 * 0.25 * expert / gpu.hbm_bandwidth_bytes_per_s
    states = 2 * hidden * 2 * layers / gpu.host_link_effective_bandwidth_bytes_per_s
    without = resident - missing / gpu.hbm_bandwidth_bytes_per_s
    assert host == pytest.approx(without + missing / BOUND.host_memory_bytes_per_s + states - kept)


def test_host_memory_holds_what_may_have_to_come_back():
    layers, expert = 32, 3 * 4096 * 14336 * 2
    half = [residency_policy({name: {"resident_fraction": 0.5}}) for name in ("lru_cache", "static_cache", "cpu_compute")]
    found = of_policies(times("mixtral-8x7b", [residency_policy("all_resident"), *half]), "host_memory_bytes")[:, 0]
    assert found.tolist() == [0, *(layers * expert * count for count in (8, 4, 4))]


def test_fixed_costs_are_of_layers_and_of_layers_that_lack_experts():
    chosen = [residency_policy("all_resident"), residency_policy("lru_cache")]
    plain, fixed = (
        of_policies(times("qwen3-30b-a3b", chosen, timing=replace(TIMING, layer_s=layer, offload_layer_s=offload)), "step_s")
        for layer, offload in ((0.0, 0.0), (1e-5, 1e-3))
    )
    assert (fixed - plain)[0] == pytest.approx(48 * 1e-5)
    assert (fixed - plain)[1] == pytest.approx(48 * (1e-5 + 1e-3))


def test_pageable_memory_is_slower():
    chosen = [residency_policy("on_demand_offload")]
    pinned, pageable = (
        of_policies(times("mixtral-8x7b", chosen, timing=replace(TIMING, host_memory=kind)), "step_s")
        for kind in ("pinned", "pageable")
    )
    assert (pageable > 1.5 * pinned).all()


def test_several_gpus_read_less_each_and_talk():
    chosen = [residency_policy("all_resident")]
    one, eight = (times("mixtral-8x7b", chosen, gpu="h100-80gb", n_gpus=[n], batch_sizes=[16]).step_s.item() for n in (1, 8))
    assert one / 8 < eight < one / 2
    without = times("mixtral-8x7b", chosen, gpu=replace(GPUS["h100-80gb"], gpu_link_bandwidth_bytes_per_s=10**15),
                    timing=replace(TIMING, exchange_start_s=0.0), n_gpus=[8], batch_sizes=[16]).step_s.item()  # fmt: skip
    assert without < eight


def test_measured_locality_answers_where_the_measured_law_is_asked():
    chosen = residency_policies(["lru_cache"])
    uniform, measured = (
        of_policies(times("gpt-oss-20b", chosen, routings=[routing_law(law)], gpu="rtx-4090"), "hit_rate")[0]
        for law in ("uniform", "frequency")
    )
    assert measured[0] > uniform[0] + 0.2


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        (Gpu("custom:48", 48 * 2**30), 'custom:48"; allowed: a GPU with a memory bandwidth'),
        (Gpu("custom:48:960", 48 * 2**30, hbm_bandwidth_bytes_per_s=960 * 10**9), "allowed: a GPU with peak arithmetic"),
        (replace(GPUS["l40s"], host_link_effective_bandwidth_bytes_per_s=None), "allowed: a GPU with a bandwidth of its host"),
    ],
)
def test_a_gpu_without_a_bandwidth_is_refused(gpu: Gpu, said: str):
    with pytest.raises(ModelError) as problem:
        times("mixtral-8x7b", [residency_policy("all_resident")], gpu=gpu)
    assert said in str(problem.value)


def test_a_cache_needs_a_law_that_says_which_experts_are_popular():
    with pytest.raises(
        ModelError, match='routing: "power_law"; allowed: a law that says which experts are popular, for lru_cache'
    ):
        times("mixtral-8x7b", [residency_policy("lru_cache")], routings=[routing_law("power_law")])
    found = times("mixtral-8x7b", [residency_policy("on_demand_offload")], routings=[routing_law("power_law")])
    assert (found.latency_factor > 1).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host_memory_bytes_per_s": 0}, "host_memory_bytes_per_s: 0; allowed: a number above 0"),
        ({"layer_s": -1.0}, "layer_s: -1.0; allowed: a number of at least 0"),
        ({"host_memory": "swapped"}, 'host_memory: "swapped"; allowed: one of pinned, pageable'),
    ],
)
def test_timings_that_cannot_be(change: dict[str, object], said: str):
    with pytest.raises(ModelError) as problem:
        replace(TIMING, **change)
    assert said in str(problem.value)


def test_dense_models_have_a_step_too():
    found = times("phi-4", [residency_policy(name) for name in NAMES])
    for name in COLUMNS:
        assert found.column(name).shape == found.grid.shape
    assert (found.latency_factor == 1).all()
    assert not found.host_link_bytes.any()
    assert found.hit_rate.mask.all()


def test_a_prompt_is_bound_by_arithmetic_and_by_what_its_chunks_fetch():
    chosen = [residency_policy(name) for name in ("all_resident", "on_demand_offload", "prophet")]
    found = of_policies(times("mixtral-8x7b", chosen, timing=BOUND, context=8192), "first_token_s")
    gpu, counts = GPUS["a100-80gb"], count_parameters(MODELS["mixtral-8x7b"])
    body = counts.active_per_token - 2 * counts.embedding  # an embedding that is no head, and the head
    attended = 32 * 32 * (128 + 128) * 8192 / 2  # layers x query heads x (key + value) x half of the prompt
    assert found[0, 0] == pytest.approx(2 * 8192 * (body + attended) / gpu.compute_peak_flops_per_s, rel=1e-3)
    fetched = 4 * 2 * counts.routed_expert / gpu.host_link_effective_bandwidth_bytes_per_s  # four chunks of 2,048
    assert found[1, 0] == pytest.approx(found[0, 0] + fetched, rel=0.01)
    assert (found[2] >= fetched * np.array([0.74, 0, 0])).all()  # a pool of two of eight misses the others


def test_the_host_serves_the_mean_of_the_ranks_and_one_stage_at_a_time():
    chosen = [residency_policy("cpu_compute")]
    gpus, one = GPUS["h200-141gb"], {"gpu": "h200-141gb", "batch_sizes": [16], "timing": BOUND}
    eight = times("deepseek-v3", chosen, n_gpus=[8], **one)
    law = routing_law("uniform").bind(MODELS["deepseek-v3"].moe)
    fullest, mean = float(law.on_fullest_rank(16, 8)), float(law.mean(16)) / 8
    assert fullest > 1.2 * mean
    computed = eight.host_computed_bytes.item() * mean / fullest
    least = 8 * computed / BOUND.host_memory_bytes_per_s
    assert gpus.hbm_bandwidth_bytes_per_s
    assert least < eight.step_s.item() < eight.resident_step_s.item() + 1.05 * least
    staged = times(
        "qwen3-30b-a3b", chosen, n_gpus=[8], layouts={8: parallelism(MODELS["qwen3-30b-a3b"], 8, 4, pipeline=2)}, **one
    )
    alone = times("qwen3-30b-a3b", chosen, n_gpus=[4], layouts={4: parallelism(MODELS["qwen3-30b-a3b"], 4, 4)}, **one)
    assert staged.step_s.item() == pytest.approx(alone.step_s.item(), rel=1e-6)


@pytest.mark.parametrize("gpus", [1, 2, 8])
def test_host_memory_is_at_most_that_of_all_experts(gpus: int):
    found = times("qwen1.5-moe-a2.7b", [residency_policy("lru_cache")], n_gpus=[gpus], batch_sizes=[1])
    counts = count_parameters(MODELS["qwen1.5-moe-a2.7b"])
    assert found.host_memory_bytes.item() == pytest.approx(2 * counts.routed_expert)


def test_the_last_chunk_of_a_prompt_is_as_long_as_it_is():
    chosen = [residency_policy("all_resident")]
    found = [times("mixtral-8x7b", chosen, batch_sizes=[1], context=tokens).first_token_s.item() for tokens in (2048, 2049, 4096)]
    assert found[0] < found[1] < 1.2 * found[0]  # one token more reads the weights once more
    assert 2 * found[0] < found[2] < 2.05 * found[0]  # of a longer prompt each token sees more


def test_no_transfer_hides_a_fixed_cost():
    chosen = [residency_policy(name) for name in ("prophet", "lru_cache", "cpu_compute", "all_resident")]
    with_them = of_policies(times("qwen3-30b-a3b", chosen, timing=LATENCY.timing(fixed_costs=True)), "step_s")
    without = of_policies(times("qwen3-30b-a3b", chosen, timing=LATENCY.timing(fixed_costs=False)), "step_s")
    lacking = 48 * (LATENCY.layer_s + LATENCY.offload_layer_s)
    assert (with_them - without)[0] == pytest.approx([lacking, lacking, lacking])
    assert (with_them - without)[:3] == pytest.approx(np.broadcast_to((with_them - without)[0], (3, 3)))
    assert (with_them - without)[3] == pytest.approx([48 * LATENCY.layer_s] * 3)


def test_what_is_asked_for_in_vain_crosses_the_link_too():
    chosen = [residency_policy({"prophet": {"recall": 0.9, "wasted": 0.2}}), residency_policy("prophet")]
    moved = of_policies(times("qwen3-30b-a3b", chosen), "host_link_bytes")
    assert moved[0] == pytest.approx((1 + 0.9 * 0.2) * moved[1])


def test_an_encoder_decoder_answers_after_its_source_and_one_step():
    chosen = [residency_policy("all_resident")]
    short, long = (
        times("switch-large-128", chosen, batch_sizes=[1], context=tokens).first_token_s.item() for tokens in (16, 8192)
    )
    assert short == long  # the source has its own length
    experts = 12 * float(routing_law("uniform").bind(MODELS["switch-large-128"].moe).mean(ASSUMED.encoder_source_tokens))
    read = experts * 2 * 1024 * 4096 * 2 / TIMING.processor(GPUS["a100-80gb"]).memory_bytes_per_s / TIMING.memory_efficiency
    assert read < long < 1.15 * read


@settings(max_examples=25)
@given(
    st.sampled_from(["mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v3"]), st.sampled_from(["bf16", "int4"]),
    st.floats(1e9, 1e12), st.floats(1e11, 1e14),
)  # fmt: skip
def test_a_host_that_ends_a_step_later_than_the_link_computes_nothing(model: str, precision: str, memory: float, peak: float):
    host = replace(BOUND, host_memory_bytes_per_s=memory, host_flops_per_s=peak)
    chosen = [residency_policy("cpu_compute"), residency_policy("static_cache")]  # the same pool
    found = times(model, chosen, timing=host, context=1, batch_sizes=[1, 16, 256, 1024], precisions=[precision])
    own, fetched = of_policies(found, "step_s")
    assert (own <= fetched * (1 + 1e-12)).all()
    computed, linked = of_policies(found, "host_computed_bytes")[0], of_policies(found, "host_link_bytes")
    assert ((computed == 0) == (linked[0] == linked[1])).all()
    assert ((computed == 0) | (linked[0] == 0)).all()
    assert (own[computed > 0] <= fetched[computed > 0]).all()


def test_long_prompts_fetch_what_the_host_would_compute_too_late():
    chosen = [residency_policy("cpu_compute"), residency_policy("static_cache")]
    found = times("qwen3-30b-a3b", chosen, timing=TIMING.of_replica(1), context=8192)
    host, link = of_policies(found, "first_token_s")
    assert host == pytest.approx(link)
    assert (of_policies(found, "step_s")[0] < of_policies(found, "step_s")[1] / 1.5).all()  # steps of 1 to 16 tokens compute
