"""Requests and replicas: closed forms of queues, conservation, and the steps of the memory model in the loop."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ASSUMED, MODELS
from hypothesis import given, settings
from hypothesis import strategies as st
from test_command_line import call, refused

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import read_gpus
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.edge.traces import read_requests, read_workloads, requests_of
from prophet_memory.errors import ModelError
from prophet_memory.grid import Grid, Model
from prophet_memory.parallelism import Parallelism
from prophet_memory.provision import PROVISIONS
from prophet_memory.residency import residency_policy
from prophet_memory.routing import routing_law
from prophet_memory.steps import StepTimes
from prophet_memory.sweeps import sweep
from prophet_memory.workload.kernel import step_s
from prophet_memory.workload.loads import load_for, share_at_most
from prophet_memory.workload.replicas import Served, serve
from prophet_memory.workload.requests import Lengths, Process, Requests
from prophet_memory.workload.routes import ROUTES
from prophet_memory.workload.seen import seen
from prophet_memory.workload.service import Deployment, Service, constant, service
from prophet_memory.workload.summary import columns, summary

GPUS, TIMING = read_gpus(), read_settings_alone().latency.timing()
MOST = 4096


def flat(step: float, *, sequences: int = 512, budget: int = 2**50, tokens: int = MOST) -> Service:
    return constant(step, 2 * MOST, sequences=sequences, budget_tokens=budget, step_tokens=tokens)


def poisson(rate: float, count: int, output: int, *, prompt: int = 1, seed: int = 1) -> Requests:
    return Process(rate, Lengths(prompt, prompt), Lengths(output, output)).requests(count, seed)


@pytest.mark.parametrize("load", [0.02, 0.355, 4.0, 12.6])
def test_unlimited_batches_are_a_queue_without_waiting(load: float):
    """M/G/infinity: whoever enters finds a Poisson number of others."""
    output, step = 100, 0.01
    served = serve(poisson(load / (output * step), 60_000, output), flat(step))
    others = served.batch - 1
    assert others.mean() == pytest.approx(load, rel=0.03, abs=0.004)
    assert others.var() == pytest.approx(load, rel=0.06, abs=0.006)
    assert served.share_at_most(2) == pytest.approx(np.exp(-load) * (1 + load), abs=0.012)


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_batches_of_one_are_a_queue_with_a_fixed_service(load: float):
    """M/D/1: who enters waits rho / (2 (1 - rho)) services on average."""
    output, step = 50, 0.01
    busy = output * step
    served = serve(poisson(load / busy, 200_000, output), flat(step, sequences=1))
    waits = served.finish_s - served.requests.arrival_s - busy
    assert waits.mean() / busy == pytest.approx(load / (2 * (1 - load)), rel=0.05)
    assert served.utilisation == pytest.approx(load, rel=0.02)


requests = st.builds(
    lambda between, prompts, outputs: Requests(
        np.cumsum(between), np.array(prompts[: len(between)]), np.array(outputs[: len(between)])
    ),
    st.lists(st.floats(0, 0.5), min_size=1, max_size=40),
    st.lists(st.integers(1, 60), min_size=40, max_size=40),
    st.lists(st.integers(1, 30), min_size=40, max_size=40),
)


@settings(deadline=None, max_examples=150)
@given(requests, st.integers(1, 6), st.integers(90, 400), st.integers(1, 64), st.integers(1, 3), st.sampled_from(sorted(ROUTES)))
def test_no_request_and_no_token_is_lost(asked: Requests, sequences: int, budget: int, tokens: int, replicas: int, routing: str):
    served = serve(asked, flat(0.01, sequences=sequences, budget=budget, tokens=tokens), replicas=replicas, routing=routing)
    assert served.done.all()  # each fits alone
    assert (served.finish_s >= served.first_s).all()
    assert (served.first_s > asked.arrival_s).all()
    steps = (served.finish_s - served.first_s) / 0.01
    assert (np.round(steps) >= asked.output_tokens - 1).all()
    assert served.seconds.sum() == pytest.approx(0.01 * served.steps.sum())
    assert np.flatnonzero(served.steps).max() <= sequences
    assert served.batch.min() >= 1
    again = serve(asked, flat(0.01, sequences=sequences, budget=budget, tokens=tokens), replicas=replicas, routing=routing)
    assert np.array_equal(served.finish_s, again.finish_s)


def test_littles_law():
    """The mean number in the system, taken at instants of a clock, is the rate times the mean time."""
    served = serve(poisson(3.0, 40_000, 120), flat(0.02))
    asked, until = served.requests, served.requests.arrival_s[-1]
    clock = np.linspace(until / 10, until, 20_000)
    arrived = np.searchsorted(asked.arrival_s, clock)
    left = np.searchsorted(np.sort(served.finish_s), clock)
    within = (served.finish_s - asked.arrival_s).mean()
    assert (arrived - left).mean() == pytest.approx(asked.rate_per_s * within, rel=0.03)


def test_the_ends_are_idle_and_saturated():
    alone = serve(poisson(0.001, 200, 10), flat(0.01))
    assert alone.utilisation < 0.01
    assert (alone.batch == 1).all()
    assert alone.ttft_s == pytest.approx(0.01)
    assert alone.tpot_s == pytest.approx(0.01)
    crowd = serve(poisson(1000.0, 5_000, 100), flat(0.01, sequences=8))
    assert crowd.utilisation == pytest.approx(1, abs=1e-3)
    assert crowd.goodput_per_s(0.011) == pytest.approx(8 / (100 * 0.01), rel=0.02)
    assert crowd.goodput_per_s(0.009) == 0


def test_what_can_never_be_served_is_said():
    served = serve(poisson(1.0, 10, 100), flat(0.01, budget=50))
    assert not served.done.any()
    assert (served.utilisation, served.span_s, served.goodput_per_s(1.0)) == (0, 0, 0)


def test_the_shortest_queue_waits_least():
    asked = Process(32.0, Lengths(1, 1), Lengths(20, 8)).requests(20_000, 1)
    one = flat(0.01, sequences=1)
    waits = {routing: serve(asked, one, replicas=10, routing=routing, seed=3).ttft_s.mean() for routing in ROUTES}
    assert waits["shortest_queue"] < waits["round_robin"] < waits["random"]


def test_the_cache_runs_out_and_the_last_comes_again():
    asked = Requests(np.array([0.0, 0.001]), np.array([40, 40]), np.array([30, 30]))
    served = serve(asked, flat(0.01, budget=100))
    assert served.preempted.tolist() == [0, 1]
    assert served.finish_s[0] == pytest.approx(0.3)  # the first is not held up
    assert served.finish_s[1] > 0.5


def deployment(name: str = "qwen3-30b-a3b", policy: str = "prophet", **changes: object) -> Deployment:
    own = Deployment(
        Model(name, MODELS[name]), GPUS["a100-80gb"], Parallelism(), ASSUMED, TIMING, "bf16", residency_policy(policy),
        routing_law("uniform"), 16, PROVISIONS["p99"],
    )  # fmt: skip
    return replace(own, **changes)


@pytest.mark.parametrize("policy", ["all_resident", "prophet", "lru_cache", "cpu_compute", "on_demand_offload"])
@pytest.mark.parametrize(("name", "batch", "context"), [("qwen3-30b-a3b", 16, 2000), ("gpt-oss-20b", 16, 700)])
def test_a_step_of_the_loop_is_one_of_the_memory_model(name: str, policy: str, batch: int, context: int):
    own = deployment(name, policy)
    costs = service(own, 4096).costs
    found = step_s(costs, batch, batch * costs.cache_bytes[context], batch * (costs.attended_s[context] + costs.head_s))
    grid = Grid(
        [own.model], gpus=[own.gpu], n_gpus=[1], batch_sizes=[batch], routings=[own.law], precisions=["bf16"],
        policies=[own.policy], provisions=[own.provision],
    )  # fmt: skip
    assert found == pytest.approx(StepTimes(sweep(grid, ASSUMED), TIMING.of_replica(1), context).step_s.item(), rel=1e-9)


def test_a_prompt_in_the_loop_takes_what_the_memory_model_says():
    own = deployment(policy="all_resident", design_batch=1)
    served = serve(Requests(np.zeros(1), np.array([8192]), np.array([1])), service(own, 9000))
    grid = Grid(
        [own.model], gpus=[own.gpu], n_gpus=[1], batch_sizes=[1], routings=[own.law], precisions=["bf16"],
        policies=[own.policy], provisions=[own.provision],
    )  # fmt: skip
    assert served.ttft_s[0] == pytest.approx(StepTimes(sweep(grid, ASSUMED), TIMING, 8192).first_token_s.item(), rel=0.01)


def test_prophet_leaves_more_requests_and_makes_them_slower():
    asked = Process(1.0, Lengths(4000, 4000), Lengths(200, 200)).requests(300, 5)
    whole, pool = (serve(asked, service(deployment(policy=policy), 4300)) for policy in ("all_resident", "prophet"))
    assert np.median(pool.tpot_s) > 2 * np.median(whole.tpot_s)
    assert (
        service(deployment(policy="prophet"), 10).costs.budget_bytes
        > service(deployment(policy="all_resident"), 10).costs.budget_bytes
    )


@given(st.floats(0.1, 100), st.just(0.0) | st.floats(0.001, 4), st.integers(0, 2**32), st.integers(1, 400))
def test_processes_are_seeded_and_have_their_rate(rate: float, variation: float, seed: int, count: int):
    process = Process(rate, Lengths(200, 100), Lengths(50, 50), variation)
    found, again = (process.requests(count, seed) for _ in range(2))
    for name in ("arrival_s", "prompt_tokens", "output_tokens"):
        assert np.array_equal(getattr(found, name), getattr(again, name))
    assert len(found) == count
    assert (found.output_tokens == 50).all()


def test_lengths_have_their_mean_and_median():
    drawn = Lengths(210.0, 129.0).drawn(200_000, np.random.default_rng(1))
    assert drawn.mean() == pytest.approx(210, rel=0.02)
    assert np.median(drawn) == pytest.approx(129, rel=0.02)


def test_bursts_have_their_variation():
    between = np.diff(Process(2.0, Lengths(1, 1), Lengths(1, 1), 3.0).requests(200_000, 1).arrival_s)
    assert between.mean() == pytest.approx(0.5, rel=0.03)
    assert between.std() / between.mean() == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Requests(np.array([1.0, 0.5]), np.ones(2, int), np.ones(2, int)), "arrival_s: 0.5; allowed: a time that is not"),
        (lambda: Requests(np.array([np.nan]), np.ones(1, int), np.ones(1, int)), "arrival_s: nan; allowed: a finite time"),
        (lambda: Requests(np.zeros(1), np.array([-3]), np.ones(1, int)), "prompt_tokens: -3; allowed: at least 1"),
        (lambda: Requests(np.zeros(1), np.ones(1, int), np.array([0])), "output_tokens: 0; allowed: at least 1"),
        (lambda: Requests(np.zeros(2), np.ones(1, int), np.ones(1, int)), "requests: [1, 2]; allowed: arrays of one length"),
        (lambda: Lengths(10, 0.5), "median: 0.5; allowed: at least 1"),
        (lambda: Lengths(float("nan"), 1), "mean: nan; allowed"),
        (lambda: Lengths(float("inf"), 1), "mean: inf; allowed"),
        (lambda: Process(float("inf"), Lengths(1, 1), Lengths(1, 1)), "rate_per_s: inf; allowed: a number above 0"),
        (lambda: poisson(1, 2, 1).faster(-1), "factor: -1; allowed: a number above 0"),
        (lambda: Lengths(10, 20), "mean: 10; allowed: at least the median (20)"),
        (lambda: Process(0, Lengths(1, 1), Lengths(1, 1)), "rate_per_s: 0; allowed: a number above 0"),
        (lambda: Process(1, Lengths(1, 1), Lengths(1, 1), -1), "variation: -1; allowed: 0, or a number from 0.001 to 1000"),
        (lambda: serve(poisson(1, 1, 1), flat(0.1), replicas=0), "replicas: 0; allowed: at least 1"),
        (lambda: serve(poisson(1, 1, 1), flat(0.1), routing="best"), 'routing: "best"; allowed: one of random, round_robin'),
        (lambda: service(deployment("switch-large-128"), 10), 'model: "switch-large-128"; allowed: a decoder alone'),
        (lambda: service(deployment("deepseek-v3", "all_resident"), 10), "allowed: one that fits with all_resident"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(made, said: str):
    with pytest.raises(ModelError) as problem:
        made()
    assert said in str(problem.value)


def test_nothing_asked_is_nothing_served():
    none = np.zeros(0, np.int64)
    served = serve(Requests(np.zeros(0), none, none), flat(0.01))
    assert isinstance(served, Served)
    assert (served.span_s, served.utilisation) == (0.0, 0.0)


# Traces, as config has them.
WORKLOADS = read_workloads()


@pytest.mark.parametrize("name", sorted(WORKLOADS.traces))
def test_committed_traces_are_what_their_publishers_say(name: str):
    found = requests_of(WORKLOADS.traces[name])
    counts = {
        "azure-2023-conversation": 19366,
        "azure-2023-code": 8819,
        "mooncake-conversation": 12031,
        "mooncake-synthetic": 3993,
    }
    assert len(found) == counts[name]
    assert found.arrival_s[0] == 0
    rate = {"azure-2023-conversation": 5.53, "azure-2023-code": 2.57, "mooncake-conversation": 3.40}.get(name)
    assert rate is None or found.rate_per_s == pytest.approx(rate, abs=0.005)


def test_known_means_of_traces():
    conversation, code = (requests_of(WORKLOADS.traces[f"azure-2023-{kind}"]) for kind in ("conversation", "code"))
    assert conversation.output_tokens.mean() == pytest.approx(211, abs=0.5)
    assert np.median(conversation.output_tokens) == 129
    assert (code.output_tokens.mean(), np.median(code.output_tokens)) == (pytest.approx(27.9, abs=0.05), 13)
    between = np.diff(code.arrival_s)
    assert between.std() / between.mean() == pytest.approx(13, abs=0.5)
    assert between[between > 5].sum() == pytest.approx(2465, abs=5)  # on and off


HEADERS = {
    "azure": "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,10,2\n2023-11-16 18:15:47.18,20,3\n",
    "mooncake lines": '{"timestamp": 1000, "input_length": 10, "output_length": 2, "hash_ids": [1]}\n'
    '{"timestamp": 1500, "input_length": 20, "output_length": 3, "hash_ids": []}\n',
    "mooncake": "timestamp_ms,input_length,output_length\n1000,10,2\n1500,20,3\n",
    "ours": "arrival_s,prompt_tokens,output_tokens\n7,10,2\n7.5,20,3\n",
    "burst": "Timestamp,Model,Request tokens,Response tokens\n5,a,10,2\n5.2,a,9,0\n5.5,a,20,3\n",
}


@pytest.mark.parametrize("kind", HEADERS)
def test_publishers_are_told_apart_by_their_columns(kind: str, tmp_path: Path):
    file = tmp_path / "trace.csv"
    file.write_text(HEADERS[kind], encoding="utf-8")
    found, none = read_requests(str(file), hashlib.sha256(file.read_bytes()).hexdigest())
    assert found.arrival_s == pytest.approx([0, 0.5])
    assert (found.prompt_tokens.tolist(), found.output_tokens.tolist(), none) == ([10, 20], [2, 3], int(kind == "burst"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "arrival_s,prompt_tokens\n1,2\n",
            "output_tokens: no such column; allowed: one beside arrival_s, prompt_tokens",
        ),
        (
            "arrival_s,prompt_tokens,output_tokens\n2,1,1\n1,1,1\n",
            "arrival_s, row 2: 1 s; allowed: a time that is not before the one of the row before (2 s): sort the rows",
        ),
        ("arrival_s,prompt_tokens,output_tokens\n2,-1,1\n", "prompt_tokens: -1; allowed: at least 1"),
        ("arrival_s,prompt_tokens,output_tokens\n2,1,0\n", "output_tokens: 0; allowed: at least 1"),
        ("arrival_s,prompt_tokens,output_tokens\n2,1,\n", "output_tokens, row 1: empty; allowed: an integer in every row"),
        ("arrival_s,prompt_tokens,output_tokens\n2,1,1.5\n", "output_tokens, row 1: 1.5; allowed: an integer in every row"),
        ("arrival_s,prompt_tokens,output_tokens\nsoon,1,1\n", 'arrival_s: "soon"; allowed: a number, or a date and time'),
        ("Timestamp,Request tokens,Response tokens\n1,1,0\n", "rows: 0; allowed: at least one request"),
        ("arrival_s,prompt_tokens,output_tokens\n", "rows: 0; allowed: at least one request"),
        ("TIMESTAMP,ContextTokens\n1,1\n", "GeneratedTokens: no such column; allowed: one beside TIMESTAMP, ContextTokens"),
        ("a,b\n1,1\n", "columns: a, b; allowed: arrival_s, prompt_tokens, output_tokens; or TIMESTAMP"),
        (
            "arrival_s,prompt_tokens,output_tokens\n1,9223372036854775807,1\n",
            "prompt_tokens: 9223372036854775807; allowed: at most",
        ),
        ("arrival_s,prompt_tokens,output_tokens\n1,99999999999999999999,1\n", "prompt_tokens: "),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,1,1\nlater,1,1\n", 'TIMESTAMP: "later"; allowed'),
        ("", "file: "),
    ],
)
def test_a_trace_that_is_none_gets_one_line(content: str, said: str, tmp_path: Path):
    file = tmp_path / "trace.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as problem:
        read_requests(str(file))
    assert str(problem.value).startswith(f"{file}: ")
    assert said in str(problem.value)
    assert "\n" not in str(problem.value)


def test_what_an_address_holds_must_be_known(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="sha256: null; allowed: the checksum of what the address holds"):
        read_requests("https://example.org/trace.csv")
    file = tmp_path / "trace.csv"
    file.write_text(HEADERS["ours"], encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"sha256: [0-9a-f]{64} of what is there; allowed: 00"):
        read_requests(str(file), "00")
    with pytest.raises(ConfigurationError, match="a path or URL that can be read"):
        read_requests(str(tmp_path / "none.csv"))


# What the source document's sentences take of a replica.
@pytest.mark.parametrize(("share", "batch", "load"), [(0.95, 2, 0.355), (0.98, 1, 0.0202), (0.8, 16, 12.6)])
def test_the_loads_that_science_has(share: float, batch: int, load: float):
    assert load_for(share, batch) == pytest.approx(load, rel=0.005)


@given(st.floats(0.001, 0.999), st.integers(1, 40))
def test_a_load_and_its_share_go_together(share: float, batch: int):
    load = load_for(share, batch)
    assert share_at_most(load, batch) == pytest.approx(share, abs=1e-9)
    assert share_at_most(load * 1.01, batch) < share < share_at_most(load / 1.01, batch)


def test_loads_that_are_none():
    with pytest.raises(ModelError, match="load: -1; allowed: a number of at least 0"):
        share_at_most(-1, 2)
    with pytest.raises(ModelError, match="batch: 0; allowed: at least 1"):
        load_for(0.5, 0)
    with pytest.raises(ModelError, match="share: 1; allowed: a number above 0 and below 1"):
        load_for(1, 2)


@pytest.mark.parametrize("law", ["uniform", "power_law", "zipf", "beta"])
def test_what_steps_of_one_size_saw_is_what_the_law_says_of_it(law: str):
    own = {"zipf": {"zipf": {"s": 0.8}}, "beta": {"beta": {"rho": 0.05}}}.get(law, law)
    bound = routing_law(own).bind(MODELS["qwen3-30b-a3b"].moe)
    steps = np.zeros(100, np.int64)
    steps[16] = 7
    found = seen(bound, steps)
    assert found.mean == pytest.approx(float(bound.mean(16)))
    assert found.quantile(0.99) == pytest.approx(np.ceil(float(bound.quantile(16, 0.99))))
    assert found.exceeding(found.quantile(0.99)) <= 0.01
    assert found.exceeding(128) == 0


def test_a_mixture_lies_between_its_parts_and_the_tail_is_of_the_large():
    """Mean savings are not reclaimable memory: a pool for the p99 of a mixture is that of its large steps."""
    bound = routing_law("uniform").bind(MODELS["qwen3-30b-a3b"].moe)
    steps = np.zeros(100, np.int64)
    steps[1], steps[64] = 95, 5
    found = seen(bound, steps)
    assert found.mean == pytest.approx(0.95 * 8 + 0.05 * float(bound.mean(64)))
    assert found.quantile(0.99) >= float(bound.quantile(64, 0.75))
    assert found.exceeding(8) == pytest.approx(0.05)
    drawn = np.random.default_rng(1)
    taken = [
        len({e for _ in range(t) for e in drawn.choice(128, 8, replace=False)})
        for t in drawn.choice([1, 64], 3000, p=[0.95, 0.05])
    ]
    assert np.mean(taken) == pytest.approx(found.mean, rel=0.05)
    with pytest.raises(ModelError, match="decode_steps: 0; allowed: at least one step that decodes"):
        seen(bound, np.zeros(4, np.int64))
    with pytest.raises(ModelError, match=r"q: 1\.5; allowed: a number above 0"):
        found.quantile(1.5)


def test_what_the_traces_give_at_a_constant_time_per_token():
    """science: Azure's conversation at 30 ms a token and prompts at 8,000 tokens a second, by replicas."""
    asked = requests_of(WORKLOADS.traces["azure-2023-conversation"])
    longest = int((asked.prompt_tokens + asked.output_tokens).max())
    given_by = {4: (0.001, 0.004), 16: (0.116, 0.36), 64: (0.57, 0.90), 128: (0.77, 0.967)}
    for replicas, (alone, two) in given_by.items():
        served = serve(asked, constant(0.03, longest, prompt_tokens_per_s=8000), replicas=replicas, seed=1)
        assert served.share_at_most(1) == pytest.approx(alone, abs=0.06)
        assert served.share_at_most(2) == pytest.approx(two, abs=0.06)


@settings(deadline=None, max_examples=60)
@given(st.floats(0.01, 1), st.integers(0, 1000))
def test_some_of_many_replicas_get_their_share(share: float, seed: int):
    asked = poisson(5.0, 4000, 10)
    kept = asked.thinned(share, seed)
    assert abs(len(kept) - share * len(asked)) <= 5 * np.sqrt(len(asked) * share * (1 - share) + 1)
    assert np.isin(kept.arrival_s, asked.arrival_s).all()
    assert np.array_equal(kept.arrival_s, asked.thinned(share, seed).arrival_s)
    with pytest.raises(ModelError, match="share"):
        asked.thinned(1 + share, seed)


def test_the_first_of_many_replicas_are_as_all_of_them():
    """Behind random routing replicas are alike: 4 of 16 see what all 16 do."""
    asked, one = poisson(8.0, 24_000, 100), flat(0.02)
    everyone = serve(asked, one, replicas=16)
    some = serve(asked.thinned(4 / 16, 3), one, replicas=4)
    assert some.batch.mean() == pytest.approx(everyone.batch.mean(), rel=0.05)
    assert some.share_at_most(2) == pytest.approx(everyone.share_at_most(2), abs=0.02)


def test_a_summary_is_what_the_run_says():
    asked = poisson(2.0, 3000, 50, prompt=20)
    one = flat(0.01)
    served = serve(asked, one, replicas=2)
    found = summary(served, one, 0.02, 1.0)
    assert list(found) == columns()
    assert found["requests"] == 3000
    assert found["in_time_fraction"] == found["served_fraction"] == 1.0
    assert found["goodput_per_s_per_gpu"] == pytest.approx(3000 / served.span_s / 2)
    assert found["tpot_p50_s"] == pytest.approx(0.01)
    assert found["distinct_experts"] is None
    late = summary(served, one, 0.005)
    assert late["in_time_fraction"] == late["goodput_per_s_per_gpu"] == 0.0
    nothing = serve(Requests(np.array([0.0]), np.array([100]), np.array([5])), flat(0.01, budget=10))
    assert summary(nothing, one, 1.0)["mean_batch_size"] is None


SIMULATE = ("simulate", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb")


def test_the_command_serves_traces_and_processes(tmp_path: Path):
    said = json.loads(
        call(*SIMULATE, "--trace", "azure-2023-code", "--replicas", 64, "--policy", "all_resident", "--json").stdout
    )
    assert said["found"]["requests"] == 8819
    assert said["found"]["served_fraction"] == 1.0
    again = call(*SIMULATE, "--trace", "azure-2023-code", "--replicas", 64, "--policy", "all_resident", "--json").stdout
    assert json.loads(again) == said
    text = call(
        *SIMULATE, "--load", "2/s", "--prompt", "1k", "--output", 50, "--requests", 500, "--route", "shortest_queue"
    ).stdout
    for words in ("batch at entry", "first token", "each after", "goodput", "resident, short in"):
        assert words in text
    file = tmp_path / "own.csv"
    file.write_text("arrival_s,prompt_tokens,output_tokens\n" + "".join(f"{place},{place + 1},9\n" for place in range(20)))
    assert "20 requests" in call(*SIMULATE, "--trace", file).stdout
    assert "experts  " not in call("simulate", "--model", "llama-3.1-8b", "--gpu", "a100-80gb", "--trace", file).stdout
    none = call(*SIMULATE, "--load", "1/s", "--prompt", "40k", "--output", "8k", "--requests", 3)
    assert "nothing was served" in none.stdout
    assert "3 of 3 requests are longer than the model's own maximum of 40,960 tokens" in none.stderr
    assert "--tp 2 --ep 1" in call(*SIMULATE, "--n-gpus", 2, "--ep", 1, "--trace", file).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--trace nothing", "--trace: nothing; allowed: a file, an address with --sha256, or a trace of config/workloads.yaml"),
        ("--trace azure-2023-cod", "did you mean azure-2023-code"),
        ("--trace https://example.invalid/trace.csv", "sha256: null; allowed: the checksum"),
        ("--trace azure-2023-code --load 1/s", "--load: beside --trace"),
        ("--load 2/s", "--prompt: missing; allowed: --load, --prompt, --output together, or --trace alone"),
        ("", "--load: missing"),
        ("--load 2/s --prompt 5 --output 5 --variation -1", "--variation: -1.0; allowed: 0, or a number from"),
        ("--trace azure-2023-code --requests 5", "--requests: beside --trace"),
        ("--load 2/s --prompt 5 --output 5 --sha256 00", "--sha256: alone; allowed: beside --trace"),
        ("--load 2/s --prompt 5 --output 5 --route best", "allowed: random, round_robin, shortest_queue"),
        ("--trace azure-2023-code --replicas 0", "--replicas"),
        ("--trace azure-2023-code --model mixtral-8x7b", "one that fits with prophet at batch 16, which lacks"),
        ("--trace azure-2023-code --model switch-base-128", "a decoder alone"),
    ],
)
def test_wrong_simulations_get_one_line(words: str, said: str):
    assert said in refused(*SIMULATE, *words.split())


@settings(deadline=None, max_examples=80)
@given(requests, st.integers(1, 6), st.integers(1, 3))
def test_every_token_is_made_once(asked: Requests, sequences: int, replicas: int):
    """Where nobody gives up a cache and prompts are read at once, each sequence of a step makes one token."""
    served = serve(asked, flat(0.01, sequences=sequences), replicas=replicas)
    assert served.steps @ np.arange(served.steps.size) == asked.output_tokens.sum()
    assert served.preempted.sum() == 0
