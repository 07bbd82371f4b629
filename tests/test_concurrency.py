"""Concurrency against counting up one by one, its invariants, and the questions of the command line that it answers."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import ASSUMED, MODELS, grid_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_command_line import call, refused

from prophet_memory.axes import KEYS
from prophet_memory.cli.fit import numbers_of_gpus
from prophet_memory.concurrency import COLUMNS, ORDER, Concurrency, most_concurrent
from prophet_memory.edge.configuration import read_engines, read_gpus
from prophet_memory.engine import StepSize
from prophet_memory.fitting import fewest_gpus
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import Assumptions
from prophet_memory.parallelism import Parallelism, ParallelismError, layouts, parallelism, with_context
from prophet_memory.residency import BASELINE, residency_policy
from prophet_memory.routing import routing_law
from prophet_memory.stages import pipeline_stages
from prophet_memory.sweeps import sweep

GIB = 2**30
DECODERS = sorted(name for name, model in MODELS.items() if model.encoder is None)
VLLM = replace(ASSUMED, engine=read_engines()["vllm-0.19"])
PROPHET = residency_policy("prophet")


def fits(model: Model, gpu: Gpu, assumptions: Assumptions, context: int, sequences: int, **point) -> bool:
    """What the sweep says of so many sequences of a context."""
    grid = Grid(
        [model],
        gpus=[gpu],
        batch_sizes=[sequences],
        context_tokens=[context],
        n_gpus=[point["n_gpus"]],
        routings=[point["law"]],
        policies=[point["policy"]],
        precisions=[point["precision"]],
    )
    return bool(sweep(grid, assumptions).max_context_tokens.filled(0).item() >= context)


@settings(max_examples=40)
@given(
    st.sampled_from(DECODERS),
    st.integers(8, 160),
    st.integers(1, 40_000),
    st.sampled_from([1, 2, 4]),
    st.sampled_from(["uniform", "power_law"]),
    st.sampled_from(["prophet", "all_resident"]),
    st.sampled_from(["bf16", "int8_experts"]),
    st.sampled_from(["ideal", "vllm-0.19"]),
)
def test_it_is_the_largest_number_that_the_sweep_holds(
    name: str, memory_gib: int, context: int, n_gpus: int, law: str, policy: str, precision: str, engine: str
):
    model, gpu, assumptions = Model(name, MODELS[name]), Gpu("h100-own", memory_gib * GIB), ASSUMED if engine == "ideal" else VLLM
    layout = parallelism(model.architecture, n_gpus, cut_experts=assumptions.engine.cuts_experts)
    point = {"n_gpus": n_gpus, "law": routing_law(law), "policy": residency_policy(policy), "precision": precision}
    found = most_concurrent(
        model, gpu, assumptions, layout, context_tokens=context, precision=precision, routing=point["law"], policy=point["policy"]
    )
    most = found.sequences
    if engine == "vllm-0.19" and any(not hasattr(g.mixer, "head_dim") for g in model.architecture.decoder.layers):
        return  # blocks of hybrids are shared, so that a sequence's last block is not the sweep's
    assert most == 0 or fits(model, gpu, assumptions, context, most, **point)
    limit = assumptions.engine.step_size(gpu).sequences
    assert most == limit or not fits(model, gpu, assumptions, context, most + 1, **point)
    assert found.baseline_sequences <= most or policy == "all_resident" or found.baseline_sequences - most <= layout.data + 1


def test_one_by_one_and_all_at_once_are_the_same():
    grid = grid_of(
        {name: MODELS[name] for name in ("qwen3-30b-a3b", "olmoe-1b-7b", "switch-base-64")},
        {"small": 24 * GIB, "large": 80 * GIB},
        batch_sizes=[1],
        n_gpus=[1, 4],
        precisions=["bf16", "int8_experts"],
        context_tokens=[128, 4096],
        order=ORDER,
    )
    whole = Concurrency(grid, ASSUMED)
    rows = whole.rows()
    assert list(rows) == [*(key for key in KEYS if key != "batch_size"), "context_tokens", *COLUMNS]
    for i in range(0, rows["model"].size, 7):
        key = {name: rows[name][i] for name in ORDER}
        model = Model(key["model"], MODELS[key["model"]])
        gpu = next(gpu for gpu in grid.gpus if gpu.name == key["gpu"])
        alone = most_concurrent(
            model, gpu, ASSUMED, parallelism(model.architecture, int(key["n_gpus"])), context_tokens=int(key["context_tokens"]),
            precision=str(key["precision"]), routing=routing_law(str(key["routing"])),
            policy=residency_policy(str(key["policy"])),
        )  # fmt: skip
        assert alone.sequences == rows["concurrency"][i]
        if alone.baseline_sequences:
            assert rows["concurrency_extension"][i] == alone.sequences / alone.baseline_sequences
        else:
            assert rows["concurrency_extension"][i] is np.ma.masked
        assert (alone.distinct_experts is None) == (rows["distinct_experts"][i] is np.ma.masked)


@given(st.sampled_from(DECODERS), st.integers(10, 200), st.integers(1, 20_000), st.integers(1, 20_000))
def test_longer_contexts_and_less_memory_hold_no_more(name: str, memory_gib: int, context: int, more: int):
    model, layout = Model(name, MODELS[name]), parallelism(MODELS[name], 1)

    def most(memory: int, tokens: int) -> int:
        gpu = Gpu("any", memory * GIB)
        law = routing_law("uniform")
        return most_concurrent(model, gpu, ASSUMED, layout, context_tokens=tokens, routing=law, policy=PROPHET).sequences

    assert most(memory_gib, context + more) <= most(memory_gib, context) <= most(memory_gib + 1, context)


def test_a_step_of_few_sequences_bounds_it():
    few = replace(ASSUMED, engine=replace(ASSUMED.engine, steps=(StepSize(2048, 7, 60 * GIB), StepSize(2048, 3))))
    model, layout = Model("olmoe-1b-7b", MODELS["olmoe-1b-7b"]), parallelism(MODELS["olmoe-1b-7b"], 1)
    for memory, most in ((80, 7), (40, 3)):
        found = most_concurrent(
            model, Gpu("any", memory * GIB), few, layout, context_tokens=1, routing=routing_law("uniform"), policy=BASELINE
        )
        assert found.sequences == most
    grid = Grid(
        [model], gpus=[Gpu("a", 80 * GIB), Gpu("b", 40 * GIB)], batch_sizes=[1], routings=[routing_law("uniform")],
        policies=[BASELINE], context_tokens=[1], order=ORDER,
    )  # fmt: skip
    assert Concurrency(grid, few).concurrency.ravel().tolist() == [7, 3]


def test_a_plan_says_how_many_such_requests_at_once():
    paper = ("plan", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--context", "32768")
    assert json.loads(call(*paper, "--json").stdout)["concurrency"]["sequences"] == 13  # pools for the p99 of each layer
    words = (*paper, "--provision", "mean")
    found = json.loads(call(*words, "--json").stdout)["concurrency"]
    assert (found["sequences"], found["baseline_sequences"]) == (14, 7)
    assert "14 sequences of 32,768 tokens at once; with all experts resident 7" in call(*words).stdout
    for batch, holds in ((14, True), (15, False)):
        assert json.loads(call(*words, "--batch", batch, "--json").stdout)["context_fits"] is holds
    own = json.loads(call(*words, "--json").stdout)  # without --batch the verdict is of as many as fit
    assert (own["batch_size"], own["context_fits"]) == (14, True)
    nothing = call("plan", "--model", "grok-1", "--gpu", "l4", "--context", "8192", "--json", "--check")
    assert (nothing.returncode, json.loads(nothing.stdout)["batch_size"]) == (1, 1)
    staged = json.loads(call(*words, "--n-gpus", "2", "--pp", "2", "--json").stdout)
    assert staged["concurrency"]["sequences"] > 28  # each stage holds half the weights


def test_the_inverse_questions_of_a_plan():
    words = ("plan", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--provision", "mean", "--json", "--max")
    most = json.loads(call(*words, "concurrency").stdout)
    assert most["max"] == {"of": "concurrency", "value": 12, "all_resident": 5, "context_tokens": 40960}
    assert (most["batch_size"], most["context_fits"]) == (12, True)
    assert json.loads(call(*words, "batch", "--context", "32768").stdout)["max"]["value"] == 14
    assert json.loads(call(*words, "batch").stdout)["max"]["value"] == 12
    longest = {"of": "context", "value": 40960, "all_resident": 40960, "batch_size": 4}
    assert json.loads(call(*words, "context", "--batch", "4").stdout)["max"] == longest
    many = json.loads(call(*words, "context", "--batch", "16").stdout)["max"]
    baseline = (*words[:5], "--policy", "all_resident", "--batch", "16", "--json")
    assert (many["value"], many["all_resident"]) == (27870, json.loads(call(*baseline).stdout)["max_context_tokens"])
    line = f"longest context    27,870 tokens in each of 16 sequences; with all experts resident {many['all_resident']:,}"
    assert line in call(*words[:7], "--max", "context", "--batch", "16").stdout
    nothing = call("plan", "--model", "grok-1", "--gpu", "rtx-4090", "--max", "concurrency", "--check", "--json")
    assert (nothing.returncode, json.loads(nothing.stdout)["max"]["value"]) == (1, 0)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("plan", "--gpu", "b200", "--context", "50000"), "--context: 50000; allowed: at most 40960, the model's own maximum"),
        (("plan", "--gpu", "b200", "--max", "concurrency", "--batch", "3"), "--batch: beside --max concurrency; allowed: one"),
        (("plan", "--gpu", "b200", "--max", "context", "--context", "3"), "--context: beside --max context; allowed: one"),
        (("plan", "--gpu", "b200", "--max", "tokens"), '--max: "tokens"; allowed: context, batch, concurrency'),
        (("fit", "--context", "50000"), "--context: 50000; allowed: at most 40960"),
        (("fit", "--context", "0"), '--context: "0"; allowed: an integer from 1'),
        (("fit",), "--context: missing; allowed: a value"),
        (("fit", "--context", "5", "--gpus", "x100"), '--gpus: "x100"; allowed: v100-32gb'),
        (("fit", "--context", "5", "--concurrency", "none"), '--concurrency: "none"; allowed: an integer'),
    ],
)
def test_wrong_questions_get_one_line(words: tuple[str, ...], line: str):
    assert line in refused(*words, "--model", "qwen3-30b-a3b")


def test_a_model_without_a_maximum_needs_a_context():
    words = ("plan", "--model", "switch-base-8", "--gpu", "b200", "--max", "concurrency")
    for question in ("concurrency", "batch"):
        assert f'--max: "{question}"; allowed: beside --context' in refused(*words[:-1], question)
    assert json.loads(call(*words, "--context", "512", "--json").stdout)["max"]["value"] > 100


def test_fit_names_of_each_gpu_the_fewest_that_hold_them():
    words = ("fit", "--model", "qwen3-235b-a22b", "--context", "8192", "--concurrency", "16", "--weights", "int4", "--json")
    found = json.loads(call(*words).stdout)["fits"]
    assert {one["gpu"] for one in found} <= set(read_gpus())
    order = [(one["n_gpus"], one["memory_bytes"]) for one in found]
    assert order == sorted(order)
    for one in found[::4]:
        plan = ("plan", "--model", "qwen3-235b-a22b", "--gpu", one["gpu"], "--weights", "int4", "--context", "8192", "--json")
        spread = {"tp": "tensor", "ep": "expert", "pp": "pipeline", "dcp": "context"}
        layout = [word for option, kind in spread.items() for word in (f"--{option}", one[f"{kind}_parallel"])]
        held = json.loads(call(*plan, "--n-gpus", one["n_gpus"], *layout).stdout)["concurrency"]
        assert held["sequences"] == one["concurrency"] >= 16
        assert held["baseline_sequences"] == one["all_resident_concurrency"]
        default = json.loads(call(*plan, "--n-gpus", one["n_gpus"]).stdout)["concurrency"]
        assert default["sequences"] == one["default_concurrency"] <= one["concurrency"]
        for fewer in range(1, one["n_gpus"]):
            (most,) = json.loads(
                call(*words[:-1], "--gpus", one["gpu"], "--n-gpus", fewer, "--concurrency", "1", "--json").stdout
            )["fits"] or [{"concurrency": 0}]
            assert most["concurrency"] < 16
    text = call(*words[:-1]).stdout
    assert re.search(r"h200-141gb +1 ", text)


def test_what_nothing_holds_gets_the_nearest():
    words = ("fit", "--model", "grok-1", "--context", "8192", "--concurrency", "9000", "--max-gpus", "2", "--provision", "mean")
    said = r"nothing holds 9,000 requests of 8,192 tokens with up to 2 GPUs; nearest: 2 x mi355x \(.*\) with [\d,]+"
    assert re.search(said, call(*words).stdout)
    assert call(*words, "--check").returncode == 1
    document = json.loads(call(*words, "--json").stdout)
    assert document["fits"] == []
    assert document["nearest"]["gpu"] == "mi355x"
    assert document["nearest"]["missing_bytes"] == 0
    little = ("fit", "--model", "grok-1", "--context", "8192", "--max-gpus", "2", "--gpus", "l4,rtx-4090")
    missing = json.loads(call(*little, "--json").stdout)["nearest"]
    plan = ("plan", "--model", "grok-1", "--gpu", "rtx-4090", "--n-gpus", "2", "--context", "8192", "--batch", "1", "--json")
    lacks = {}
    for layout in ("--tp 2 --ep 1", "--tp 2 --ep 2", "--tp 1 --ep 1 --pp 2", "--tp 1 --ep 1", "--tp 1 --ep 2"):
        row = json.loads(call(*plan, *layout.split()).stdout)
        lacks[layout] = row["kv_bytes_per_token"] * 8192 - row["free_for_kv_bytes"]
    least = min(lacks, key=lacks.__getitem__)
    assert missing["missing_bytes"] == lacks[least] > 0
    assert f"2 x rtx-4090 ({least}) lacks {lacks[least] / 2**30:,.2f} GiB" in call(*little).stdout


@pytest.mark.parametrize(("name", "n_gpus"), [("deepseek-v3", 8), ("qwen3-30b-a3b", 4), ("qwen2.5-7b", 4), ("switch-base-8", 4)])
def test_fit_takes_the_layout_that_holds_the_most(name: str, n_gpus: int):
    """Against every layout that there is, intermediate ranks and shares among them."""
    model, law, context = Model(name, MODELS[name]), routing_law("uniform"), 512
    gpu = Gpu("any", 141 * GIB)

    def most(layout: Parallelism) -> int:
        found = most_concurrent(model, gpu, ASSUMED, layout, context_tokens=context, routing=law, policy=PROPHET)
        return found.sequences

    grid = Grid(
        [model], gpus=[gpu], n_gpus=[n_gpus], batch_sizes=[1], routings=[law], policies=[PROPHET], context_tokens=[context],
        order=ORDER,
    )  # fmt: skip
    (found,) = fewest_gpus(grid, ASSUMED, 1, lambda count: layouts(model.architecture, count)).holdings
    held = dict[Parallelism, int]()
    for stages, tensor, ranks, share in itertools.product(*[[1, 2, 4, 8]] * 4):
        with contextlib.suppress(ParallelismError):
            layout = parallelism(model.architecture, n_gpus, tensor, ranks, pipeline=stages)
            pipeline_stages(model.architecture, stages)
            held[layout] = most(layout)
            layout = with_context(model.architecture, layout, share)
            held[layout] = most(layout)
    assert held[found.layout] == found.concurrency == max(held.values())
    assert found.default_concurrency == most(parallelism(model.architecture, n_gpus))


def test_an_option_sets_the_layouts_that_fit_tries():
    words = ("fit", "--model", "deepseek-v3", "--weights", "native", "--context", "32768", "--gpus", "h200-141gb", "--json")
    (free,) = json.loads(call(*words, "--concurrency", "150").stdout)["fits"]
    assert (free["tensor_parallel"], free["context_parallel"]) == (free["n_gpus"], free["n_gpus"])
    for option, kind, size in (("--dcp", "context", 1), ("--pp", "pipeline", 2), ("--tp", "tensor", 4), ("--ep", "expert", 8)):
        (own,) = json.loads(call(*words, option, size).stdout)["fits"]
        assert own[f"{kind}_parallel"] == size
        assert own["n_gpus"] > 8 or own["concurrency"] <= free["concurrency"]
    assert "--tp: 3; allowed: 1, 2, 4, 8 (for 8 GPUs and the model's heads)" in refused(*words[:-1], "--tp", "3")


def test_a_number_of_gpus_that_an_engine_was_not_measured_on_is_named():
    done = call(
        "fit", "--model", "qwen3-30b-a3b", "--context", "8192", "--concurrency", "5000", "--engine", "vllm-0.19", "--json"
    )
    document = json.loads(done.stdout)
    assert {one["n_gpus"] for one in document["fits"]} <= {1, 2, 4}
    assert any("8 GPUs: reserves: " in text for text in document["without"])


def test_gpus_that_would_cache_the_same_share_the_tokens():
    words = ("plan", "--model", "deepseek-v3", "--gpu", "h200-141gb", "--n-gpus", "8", "--weights", "native", "--json")
    whole, shared = (json.loads(call(*words, "--dcp", share).stdout) for share in (1, 8))
    assert shared["max_context_tokens"] // 8 == whole["max_context_tokens"]
    assert (whole["context_parallel"], shared["context_parallel"]) == (1, 8)
    for share, least in ((1, 20), (8, 200)):
        most = json.loads(call(*words, "--dcp", share, "--context", "32768").stdout)["concurrency"]["sequences"]
        assert most > least
        for batch, holds in ((most, True), (most + 1, False)):
            asked = ("--dcp", share, "--context", "32768", "--batch", batch)
            assert json.loads(call(*words, *asked).stdout)["context_fits"] is holds
    assert "--dcp: 8; allowed: 1 with a cache in bf16, for no source says how sglang" in refused(
        *words[:-1], "--dcp", "8", "--engine", "sglang"
    )
    seven = ("plan", "--model", "qwen2.5-7b", "--gpu", "b200", "--n-gpus", "28", "--dcp", "2")  # queries of each head of keys
    assert "--dcp: 2; allowed: 1, 7 (" in refused(*seven)
    # Two heads of keys and values on eight GPUs are copied four times.
    kv = ("plan", "--model", "qwen3-30b-a3b", "--gpu", "h200-141gb", "--n-gpus", "8", "--dcp")
    assert call(*kv, "2").returncode == 0
    assert "--dcp: 4; allowed: 1, 2 (copies of the cache that can be shared among 8 GPUs)" in refused(*kv, "4")
    assert "--dcp: 2; allowed: 1 (" in refused("plan", "--model", "gpt-oss-20b", "--gpu", "b200", "--n-gpus", "8", "--dcp", "2")
    assert "--dcp: 2; allowed: 1 (" in refused("plan", "--model", "deepseek-v3", "--gpu", "b200", "--dcp", "2")


def test_vllm_refuses_fp8_latents_that_are_shared():
    """vllm-project/vllm#32010."""
    words = ("--model", "deepseek-v3", "--weights", "native", "--engine", "vllm-0.19", "--context", "32768")
    plan = ("plan", *words, "--gpu", "b300", "--n-gpus", "4", "--dcp", "4")
    assert call(*plan).returncode == 0
    assert "--dcp: 4; allowed: 1 with a cache in fp8, or --kv bf16, fp16" in refused(*plan, "--kv", "fp8")
    fits = [json.loads(call("fit", *words, "--gpus", "b300", "--kv", kv, "--json").stdout)["fits"] for kv in ("fp8", "bf16")]
    assert [one["context_parallel"] for (one,) in fits] == [1, 4]


def test_a_plan_names_caches_that_could_be_shared():
    words = ("plan", "--model", "deepseek-v3", "--gpu", "h200-141gb", "--n-gpus", "8", "--weights", "native")
    assert "8 GPUs cache the same tokens: --dcp 8 shares them" in call(*words).stderr
    assert "cache the same" not in call(*words, "--dcp", "8").stderr
    assert "cache the same" not in call(*words, "--engine", "sglang").stderr


@pytest.mark.parametrize("model", ["qwen3-235b-a22b", "llama-3.1-8b"])
def test_the_layout_of_fit_is_what_plan_takes(model: str):
    words = (
        "fit",
        "--model",
        model,
        "--context",
        "8192",
        "--concurrency",
        "40",
        "--n-gpus",
        "2,4,8",
        "--gpus",
        "l4,l40s,h100-80gb",
    )
    document, text = json.loads(call(*words, "--json").stdout), call(*words).stdout
    assert "assumed: bf16 weights, KV bf16" in text
    assert document["fits"]
    for one in document["fits"]:
        (line,) = (line for line in text.splitlines() if line.split()[:1] == [one["gpu"]])
        options = re.search(r"(--tp .*?) +[\d,]+$", line)
        assert options is not None
        plan = ("plan", "--model", model, "--gpu", one["gpu"], "--n-gpus", one["n_gpus"], *options[1].split())
        held = json.loads(call(*plan, "--context", "8192", "--json").stdout)["concurrency"]["sequences"]
        assert held == one["concurrency"]


def test_fit_says_what_is_hypothetical_and_what_was_not_measured():
    done = call("fit", "--model", "gpt-oss-120b", "--context", "8192", "--engine", "vllm-0.19", "--gpus", "h100-80gb,mi300x")
    assert "on mi300x its kernels" in done.stderr
    assert "hypothetical: the model is published in MXFP4" in done.stderr
    assert "hypothetical" not in call("fit", "--model", "gpt-oss-120b", "--context", "8192", "--weights", "native").stderr


def test_numbers_of_gpus_that_are_tried():
    assert numbers_of_gpus(10) == [*range(1, 9)]
    assert numbers_of_gpus(32) == [*range(1, 9), 16, 24, 32]
    words = ("fit", "--model", "llama-3.1-8b", "--gpus", "rtx-4090", "--concurrency", "8", "--context", "32768", "--json")
    (one,) = json.loads(call(*words).stdout)["fits"]
    assert (one["n_gpus"], one["pipeline_parallel"]) == (3, 3)


def test_fit_knows_stages_and_gpus_that_are_not_catalogued():
    words = ("fit", "--model", "qwen2.5-7b", "--context", "32768", "--concurrency", "64", "--json", "--gpus")
    (found,) = json.loads(call(*words, "l4").stdout)["fits"]
    assert found["pipeline_parallel"] > 1  # 28 heads
    both = json.loads(call(*words, "custom:80, h100-80gb").stdout)["fits"]
    assert {one["gpu"] for one in both} == {"custom:80", "h100-80gb"}
    assert "custom:GiB[:GB/s[" in refused(*words, "custom:much")


def test_an_engine_that_answers_for_no_number_is_wrong_input():
    line = refused("fit", "--model", "qwen3-30b-a3b", "--context", "8192", "--engine", "vllm-0.10")
    assert line.startswith("--engine: vllm-0.10: no number of GPUs has an answer")
