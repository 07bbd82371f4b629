"""Recommendations: what is ranked meets its target, serves its load with no GPU to spare, and does so in the simulation, too."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from conftest import ASSUMED, MODELS
from hypothesis import given, settings
from hypothesis import strategies as st
from test_command_line import call, refused

from prophet_memory.edge.configuration import read_gpus
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.errors import ModelError
from prophet_memory.grid import Grid, Model
from prophet_memory.parallelism import ALONE, Parallelism, ParallelismError
from prophet_memory.provision import PROVISIONS
from prophet_memory.recommend import LADDER, LOADS, SHARE, Load, Option, Target, options, ranked, recommend
from prophet_memory.residency import POLICIES, residency_policies, residency_policy
from prophet_memory.routing import routing_law
from prophet_memory.steps import StepTimes
from prophet_memory.sweeps import DOES_NOT_FIT, sweep
from prophet_memory.workload.loads import share_at_most
from prophet_memory.workload.replicas import serve
from prophet_memory.workload.requests import Lengths, Process
from prophet_memory.workload.service import Deployment, service
from prophet_memory.workload.summary import summary
from prophet_memory.workload.weighted import Batches, weighted

GPUS, TIMING = read_gpus(), read_settings_alone().latency.timing()
CONTEXT = 4096


def grid_of(name: str, gpu: str, *, n_gpus=(1,), policies=("all_resident", "prophet"), precisions=("bf16", "int4")) -> Grid:
    return Grid(
        [Model(name, MODELS[name])], gpus=[GPUS[gpu]], n_gpus=n_gpus, batch_sizes=[1],
        routings=[routing_law("uniform")], policies=[residency_policy(policy) for policy in policies], precisions=precisions,
        provisions=[PROVISIONS["p99"]],
    )  # fmt: skip


def made(place: int, *, n_gpus: int = 1, step_s=0.01, prompt_s=0.1, most: int = 1024, lacking: int = 0) -> Option:
    sizes = np.array(LADDER)
    fits = sizes <= most
    grown = step_s * (1 + 0.05 * sizes)
    same = np.full(sizes.size, prompt_s)
    layout = Parallelism(tensor=n_gpus) if n_gpus > 1 else ALONE
    return Option("h100-80gb", layout, f"p{place}", "prophet", fits, grown, same, np.zeros(sizes.size), lacking)


some_options = st.lists(
    st.builds(
        lambda n_gpus, step_s, prompt_s, most: (n_gpus, step_s, prompt_s, most),
        st.sampled_from([1, 2, 8]), st.floats(1e-3, 0.5), st.floats(0, 5), st.sampled_from([0, 1, 4, 100, 1024]),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(some_options, st.floats(1e-3, 1e3), st.integers(1, 4096), st.floats(1e-3, 2), st.floats(0.01, 10))
def test_what_is_ranked_serves_the_load_in_time_with_no_replica_to_spare(given_, rate, output, tpot_s, ttft_s):
    found = [made(place, n_gpus=n, step_s=s, prompt_s=p, most=m) for place, (n, s, p, m) in enumerate(given_)]
    load, target = Load(rate, output), Target(tpot_s, ttft_s)
    answer = ranked(found, load, target)
    assert len(answer.choices) + len(answer.refusals) == len(found)
    for one in answer.choices:
        most = one.goodput_per_s_per_gpu * one.option.layout.n_gpus  # of a replica
        assert one.tpot_s <= target.tpot_s
        assert one.first_token_s <= target.ttft_s
        assert one.replicas * most >= rate * (1 - 1e-9)
        assert one.replicas == 1 or (one.replicas - 1) * most < rate * (1 + 1e-9)
        assert share_at_most(one.load, one.batch_size) >= SHARE - 1e-9
        assert one.option.fits[LADDER.index(one.batch_size)]
    costs = [tuple(one.ranks.values()) for one in answer.choices]
    assert costs == sorted(costs)
    for first, second in pairwise(answer.choices):
        decided = first.decided_over(second)
        if decided is not None:
            name, ours, theirs = decided
            assert ours > theirs if name == "goodput_per_s_per_gpu" else ours < theirs
    for refusal in answer.refusals:
        bound = {"tpot": target.tpot_s, "ttft": target.ttft_s}.get(refusal.key, -1)
        assert refusal.least > bound
        assert (refusal.key == "memory") == (not refusal.option.fits.any())


@settings(deadline=None, max_examples=60)
@given(some_options, st.integers(1, 4096))
def test_below_the_bound_nothing_is_in_time_and_at_it_something_is(given_, output):
    found = [made(place, n_gpus=n, step_s=s, prompt_s=p, most=m) for place, (n, s, p, m) in enumerate(given_)]
    bound = ranked(found, Load(1, output), Target(1e-9)).bound
    if bound is None:
        assert not any(one.fits.any() for one in found)
        return
    assert ranked(found, Load(1, output), Target(0.999 * bound.least)).choices == ()
    assert bound.option in [one.option for one in ranked(found, Load(1, output), Target(1.001 * bound.least)).choices]


def test_a_worked_example():
    """Batch 1 takes 10.5 ms, its prompts come once in 100 tokens for each that decodes: by hand."""
    one = ranked([made(0, most=1)], Load(1, 100), Target(1.0)).choices[0]
    rho = -math.log(SHARE)  # P(nobody else is there) = 0.99
    most = rho / (100 * 0.0105 + rho * 0.1)
    assert one.goodput_per_s_per_gpu == pytest.approx(most)
    assert one.replicas == math.ceil(1 / most)
    # A replica gets 1 / replicas requests a second, and spends as much of a second on a prompt of 0.1 s.
    assert one.tpot_s == pytest.approx(0.0105 / (1 - 0.1 / one.replicas))
    assert one.load == pytest.approx(100 * one.tpot_s / one.replicas)


def test_a_target_between_the_step_and_the_step_with_prompts_takes_more_replicas():
    """At the load that the batch allows a token takes 10.5 ms and a part of prompts; half of that part means half the load."""
    rho, part = -math.log(SHARE), -math.log(SHARE) * 0.1
    tight, loose = (ranked([made(0, most=1)], Load(1, 1), Target(0.0105 + share * part)).choices[0] for share in (0.5, 1.0))
    assert tight.tpot_s <= 0.0105 + 0.5 * part
    assert tight.goodput_per_s_per_gpu == pytest.approx(0.5 * rho / (0.0105 + 0.5 * part))
    assert loose.goodput_per_s_per_gpu == pytest.approx(rho / (0.0105 + part))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2]), st.sampled_from([0.01, 0.01 * (1 + 3e-16), 0.02]), st.sampled_from([0.0, 1.0])),
        min_size=2, max_size=8,
    ),
    st.sampled_from([0.001, 1.0, 50.0]),
)  # fmt: skip
def test_what_decides_favours_the_first_and_rounding_decides_nothing(given_, rate):
    found = [made(place, n_gpus=n, step_s=s, prompt_s=p) for place, (n, s, p) in enumerate(given_)]
    choices = ranked(found, Load(rate, 100), Target(0.05)).choices
    for first, second in pairwise(choices):
        decided = first.decided_over(second)
        if decided is None:
            assert first.option.order < second.option.order
        else:
            name, ours, theirs = decided
            assert ours > theirs if name == "goodput_per_s_per_gpu" else ours < theirs


def test_options_are_the_memory_model_and_the_step_times():
    grid = grid_of("qwen3-30b-a3b", "a100-80gb")
    found = {(one.policy, one.precision): one for one in options(grid, ASSUMED, TIMING, CONTEXT, 100)}
    for batch in (1, 16, 96):
        place = LADDER.index(batch)
        for policy in grid.policies:
            for precision in ("bf16", "int4"):
                point = grid_of("qwen3-30b-a3b", "a100-80gb", policies=(policy.name,), precisions=(precision,))
                point = Grid(**{name: getattr(point, name) for name in ("models", "gpus", "routings", "policies", "precisions",
                                                                        "provisions")},
                             batch_sizes=[batch], context_tokens=[CONTEXT])  # fmt: skip
                swept = sweep(point, ASSUMED)
                own = found[policy.name, precision]
                times = StepTimes(swept, TIMING.of_replica(1), CONTEXT)
                assert own.step_s[place] == pytest.approx(float(times.step_s.item()))
                assert own.fits[place] == (swept.fit_verdict.item() != DOES_NOT_FIT)


def test_replicas_of_one_machine_share_its_host():
    """Eight replicas of one GPU compute as much on the host together as one of eight has alone."""
    alone, part = TIMING.host(1), TIMING.of_replica(1).host(1)
    assert part == TIMING.host(8)
    assert part.seconds(1.0, 0.0) == pytest.approx(8 * alone.seconds(1.0, 0.0))
    assert TIMING.of_replica(8) == TIMING.of_replica(16) == TIMING


def test_bounds_are_never_recommended_and_a_batch_in_stages_is_not_timed():
    grid = grid_of("mixtral-8x7b", "h100-80gb", n_gpus=(1, 2), policies=tuple(POLICIES))
    found = options(grid, ASSUMED, TIMING, CONTEXT, 100)
    names = {policy.name for policy in residency_policies(list(POLICIES)) if not policy.is_bound}
    assert {one.policy for one in found} == names
    assert {one.layout.pipeline for one in found} == {1}
    with pytest.raises(ParallelismError):
        options(grid_of("mixtral-8x7b", "h100-80gb", n_gpus=(4096,)), ASSUMED, TIMING, CONTEXT, 100)


@pytest.mark.parametrize(
    ("name", "gpu", "policy", "precision", "tpot_s"),
    [
        ("qwen3-30b-a3b", "a100-80gb", "all_resident", "int4", 0.02),
        ("qwen3-30b-a3b", "a100-80gb", "prophet", "int4", 0.2),
        ("mixtral-8x7b", "h200-141gb", "all_resident", "bf16", 0.05),
    ],
)
def test_the_simulation_serves_what_is_recommended_in_time(name: str, gpu: str, policy: str, precision: str, tpot_s: float):
    """At the most that a replica is said to serve, nearly all simulated requests are in time, and batches are no larger."""
    output, context = 200, 2048
    grid = grid_of(name, gpu, policies=(policy,), precisions=(precision,))
    (one,) = recommend(grid, Load(1e6, output), Target(tpot_s), context, assumptions=ASSUMED, timing=TIMING).choices
    deployment = Deployment(
        grid.models[0], GPUS[gpu], one.option.layout, ASSUMED, TIMING, precision, grid.policies[0], grid.routings[0],
        one.batch_size, grid.provisions[0],
    )  # fmt: skip
    process = Process(one.goodput_per_s_per_gpu, Lengths(context - output, context - output), Lengths(output, output))
    served = serve(process.requests(8000, 1), service(deployment, context))
    assert served.in_time(1.1 * tpot_s).mean() >= 0.9
    assert served.share_at_most(one.batch_size) >= 0.95
    # Four times as many are too many: what is said to be the most is no small part of it.
    crowded = serve(process.requests(8000, 1).faster(4), service(deployment, context))
    assert crowded.in_time(tpot_s, 10).mean() < 0.5


@pytest.mark.parametrize("policy", ["all_resident", "prophet"])
def test_what_is_resident_is_counted_over_all_ranks(policy: str):
    """With every expert resident no step of any layout lacks one; a pool holds as much of the model whatever the layout."""
    grid = grid_of("qwen3-30b-a3b", "h200-141gb")
    held = {}
    for layout in (ALONE, Parallelism(tensor=4, expert=4), Parallelism(tensor=4, expert=1)):
        deployment = Deployment(
            grid.models[0], GPUS["h200-141gb"], layout, ASSUMED, TIMING, "bf16", residency_policy(policy), grid.routings[0], 16,
            PROVISIONS["p99"],
        )  # fmt: skip
        one = service(deployment, CONTEXT)
        served = serve(Process(5.0, Lengths(100, 100), Lengths(50, 50)).requests(400, 1), one)
        found = summary(served, one, 1.0)
        held[layout] = found["resident_experts_per_layer"]
        assert (found["short_fraction"] == 0.0) == (policy == "all_resident")
    assert set(held.values()) == ({128.0} if policy == "all_resident" else {held[ALONE]})


def test_an_engine_bounds_the_batch_and_layouts_it_does_not_know_are_left_out():
    said = json.loads(
        call(*WORDS[:3], "--gpu", "a100-80gb,l40s", "--load", "1/s", "--tpot", "50ms", "--engine", "vllm-0.19", "--json").stdout
    )
    assert said["choices"]
    assert max(one["batch_size"] for one in said["choices"]) <= 256
    assert {one["gpu"] for one in said["choices"]} == {"a100-80gb", "l40s"}


def test_wrong_loads_and_targets_are_named():
    for make in (
        lambda: Load(0, 100),
        lambda: Load(float("nan"), 100),
        lambda: Load(1, 0),
        lambda: Target(0),
        lambda: Target(1, -1),
    ):
        with pytest.raises(ModelError, match="a number above 0"):
            make()


def test_a_single_batch_is_the_sweep_at_it():
    grid, batches = grid_of("qwen3-30b-a3b", "a100-80gb", policies=("prophet",), precisions=("bf16",)), [1, 8, 23]
    each = [Batches(np.array([size]), np.array([1.0])) for size in batches]
    for place, gpu, found in weighted(grid, ASSUMED, TIMING, CONTEXT, each):
        assert gpu == "a100-80gb"
        for way in ("mean", "p99"):
            at = Grid(grid.models, gpus=grid.gpus, batch_sizes=[batches[place]], routings=grid.routings, policies=grid.policies,
                      provisions=[PROVISIONS[way]])  # fmt: skip
            swept = sweep(at, ASSUMED)
            assert found[f"{way}_savings_fraction"] == pytest.approx(float(swept.column("expert_savings_fraction").item()))
            assert found[f"{way}_usable_extension"] == pytest.approx(float(swept.column("usable_kv_extension").item()))
        assert found["p99_concurrency"] <= found["mean_concurrency"]


def test_a_mixture_is_weighted_and_provided_for_its_tail():
    """Half of the requests alone, half sixteen together: the mean lies between, the pool is one for sixteen."""
    grid = grid_of("qwen3-30b-a3b", "a100-80gb", policies=("prophet",), precisions=("bf16",))
    parts = [Batches(np.array([1]), np.array([1.0])), Batches(np.array([16]), np.array([1.0])),
             Batches(np.array([1, 16]), np.array([0.5, 0.5]))]  # fmt: skip
    one, sixteen, both = (found for _, _, found in weighted(grid, ASSUMED, TIMING, CONTEXT, parts))
    assert both["mean_savings_fraction"] == pytest.approx((one["mean_savings_fraction"] + sixteen["mean_savings_fraction"]) / 2)
    assert both["p99_savings_fraction"] == pytest.approx(sixteen["p99_savings_fraction"])
    assert parts[2].mean == 8.5
    assert parts[2].p99 == 16


def test_batches_that_are_none():
    for sizes, shares in (([], []), ([0, 1], [0.5, 0.5]), ([2, 1], [0.5, 0.5]), ([1, 2], [0.5, 0.4]), ([1, 2], [1.5, -0.5])):
        with pytest.raises(ModelError):
            Batches(np.array(sizes, np.int64), np.array(shares))


WORDS = ("recommend", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--load", "2/s", "--context", "8k")


def test_the_command_says_what_and_why():
    said = json.loads(call(*WORDS, "--tpot", "50ms", "--json").stdout)
    assert said["requests_per_s"] == 2
    assert said["context_tokens"] == 8192
    best = said["choices"][0]
    assert (best["policy"], best["precision"]) == ("all_resident", "int4")
    assert best["total_gpus"] == min(one["total_gpus"] for one in said["choices"])
    text = call(*WORDS, "--tpot", "50ms").stdout
    assert "requests/s/GPU against" in text
    assert " GPUs against " in call(*WORDS, "--tpot", "50ms", "--precisions", "bf16").stdout
    same = json.loads(call(*WORDS[:5], "--load", "120/min", "--context", "8192", "--tpot", "0.05s", "--json").stdout)
    assert same["choices"] == said["choices"]
    assert {one["ahead_by"] for one in said["choices"]} >= {"total_gpus", "goodput_per_s_per_gpu"}
    pairs = {(one["policy"], one["precision"]) for one in said["choices"]}
    assert sum(text.count(f" {policy} ") for policy in {policy for policy, _ in pairs}) >= len(pairs)  # a line each


def test_below_the_bound_the_command_says_impossible_and_the_bound():
    said = json.loads(call(*WORDS, "--tpot", "0.1ms", "--json").stdout)
    assert said["choices"] == []
    least = said["bound"]["least_tpot_s"]
    assert least > 1e-4
    text = call(*WORDS, "--tpot", "0.1ms").stdout
    assert "impossible: 0.1 ms a token; the bound is " in text
    assert f"{1e3 * least:.3g} ms" in text
    assert "impossible: 1 ms for the first token; the bound is" in call(*WORDS, "--tpot", "1s", "--ttft", "1ms").stdout
    none = call("recommend", "--model", "deepseek-v3", "--gpu", "l40s", "--max-gpus", "1", "--load", "1/s", "--tpot", "1s",
                "--precisions", "bf16", "--policies", "all_resident").stdout  # fmt: skip
    assert "impossible: nothing fits; the nearest, all_resident bf16 on 1 x l40s, lacks" in none


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--load", "2/fortnight"), '--load: "2/fortnight"; allowed: a number above 0 with /s or /min or /h, such as 2/s'),
        (("--load", "2"), "--load"),
        (("--load", "0/s"), "--load"),
        (("--load", "-1/s"), "--load"),
        (("--load", "nan/s"), "--load"),
        (("--tpot", "50"), '--tpot: "50"; allowed: a number above 0 with ms or s, such as 50ms'),
        (("--tpot", "0ms"), "--tpot"),
        (("--context", "8m"), '--context: "8m"; allowed: a whole number above 0, or one with k for 1,024, such as 8k'),
        (("--context", "1000k"), "--context: 1024000; allowed: at most 40960"),
        (("--output", "9k"), "--output: 9216; allowed: fewer than the context, 8192"),
        (("--policies", "oracle_cache"), "--policies: bounds alone"),
        (("--gpu", "custom:80"), "a GPU with a memory bandwidth"),
        (("--model", "switch-base-128"), "a decoder alone"),
    ],
)
def test_wrong_input_gets_one_line(words, said):
    given_ = (
        dict(zip(WORDS[1::2], WORDS[2::2], strict=True)) | {"--tpot": "50ms"} | dict(zip(words[::2], words[1::2], strict=True))
    )
    assert said in refused("recommend", *(part for pair in given_.items() for part in pair))


def test_loads_of_the_ladder_hold_their_share():
    for size, load in zip(LADDER, LOADS, strict=True):
        assert share_at_most(float(load), size) == pytest.approx(SHARE, abs=1e-6)
