"""Measured routing: counts in files, distinct experts, overlap and caches by hand, and the committed tables."""

import csv
import hashlib
import json
import re
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import MODELS, REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st
from test_command_line import call, refused

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.counting import (
    ROUTING_FOLDER,
    RoutingSources,
    counted_models,
    counts_of,
    median_variation,
    read_counts,
    variations,
)
from prophet_memory.edge.documents import read
from prophet_memory.edge.measuring import checked_routing
from prophet_memory.locality import (
    TokenRouting,
    distinct_of_batches,
    distinct_of_runs,
    furthest_ahead,
    hit_rate,
    least_frequently_used,
    least_recently_used,
    most_popular,
    needed_steps,
    shared_with_previous,
)
from prophet_memory.measured import counts_of_layers
from prophet_memory.routing import routing_law

SCRIPT = REPOSITORY / "scripts" / "measure_routing.py"
HEAD = "domain,layer,expert,count\n"


def routing_of(lengths: Sequence[int], layers: int, experts: int, top_k: int, seed: int = 1) -> TokenRouting:
    """Random tokens whose experts are not alike."""
    noise = np.log(np.arange(1, experts + 1) ** -0.7) + np.random.default_rng(seed).gumbel(size=(sum(lengths), layers, experts))
    return TokenRouting(np.argsort(-noise, axis=-1)[..., :top_k].astype(np.uint8), np.array(lengths), experts)


def test_counts_and_runs_by_hand():
    experts = np.array([[[0, 1]], [[1, 2]], [[0, 1]], [[3, 2]]], np.uint8)
    routing = TokenRouting(experts, np.array([3, 1]), 4)
    assert routing.counts().tolist() == [[2, 3, 2, 1]]
    assert distinct_of_runs(routing, 2).tolist() == [[3]]  # the second sequence is too short, and the third token stands alone
    assert distinct_of_runs(routing, 3).tolist() == [[3]]
    assert shared_with_previous(routing).tolist() == [0.5]  # of two pairs of tokens, one of two experts each
    assert routing.of_sequences([1]).counts().tolist() == [[0, 0, 1, 1]]
    assert set(distinct_of_batches(routing, 2, 50, np.random.default_rng(0)).ravel().tolist()) <= {3, 4}


def test_batches_agree_with_the_frequency_law():
    """Tokens drawn independently: the law of their own frequencies is exact."""
    routing = routing_of([40] * 100, 3, 16, 2)
    found = distinct_of_batches(routing, 8, 4000, np.random.default_rng(2))
    expected = (1 - (1 - routing.counts() / routing.experts.shape[0]) ** 8).sum(axis=1)
    assert np.abs(found.mean(axis=0) - expected).max() < 0.1


def simulated(steps: list[set[int]], slots: int, policy: str, future: list[set[int]]) -> int:
    """Hits of one layer, one expert after another."""
    resident: set[int] = set()
    last: dict[int, int] = {}
    uses: dict[int, int] = {}
    hits = 0
    for step, wanted in enumerate(steps):
        hits += len(wanted & resident)
        for expert in wanted:
            last[expert], uses[expert] = step, uses.get(expert, 0) + 1
        known = resident | wanted

        def rank(expert: int, step: int = step) -> tuple[float, ...]:
            if policy == "lru":
                return (-last[expert], expert)
            if policy == "lfu":
                return (-uses[expert], -last[expert], expert)
            ahead = next((i for i in range(step + 1, len(future)) if expert in future[i]), 10**9)
            return (ahead, expert)

        resident = set(sorted(known, key=rank)[:slots])
    return hits


@given(st.integers(0, 10_000), st.integers(1, 8))
@settings(max_examples=40)
def test_caches_against_simulation_by_hand(seed: int, slots: int):
    routing = routing_of([12], 2, 8, 2, seed)
    (needed,) = needed_steps(routing, 1)
    for policy, priority in (("lru", least_recently_used), ("lfu", least_frequently_used), ("belady", furthest_ahead(needed))):
        rates = hit_rate(needed, slots, priority)
        for layer in range(2):
            steps = [set(np.flatnonzero(step[layer]).tolist()) for step in needed]
            asked = sum(map(len, steps))
            assert rates[layer] == pytest.approx(simulated(steps, slots, policy, steps) / asked)


@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from([1, 3]))
@settings(max_examples=40)
def test_belady_is_the_best_and_more_slots_hit_more(seed: int, slots: int, batch: int):
    routing = routing_of([10, 14, 9], 2, 8, 2, seed)
    for needed in needed_steps(routing, batch):
        best = hit_rate(needed, slots, furthest_ahead(needed))
        popular = most_popular(routing.counts())
        for priority in (least_recently_used, least_frequently_used, popular):
            assert (hit_rate(needed, slots, priority) <= best + 1e-9).all()
        assert (hit_rate(needed, slots, least_recently_used) <= hit_rate(needed, slots + 1, least_recently_used) + 1e-9).all()
        whole = hit_rate(needed, 8, least_recently_used)
        first = needed.any(axis=0).sum(axis=-1) / needed.sum(axis=(0, 2))
        assert whole == pytest.approx(1 - first)  # everything resident misses each expert once
        assert hit_rate(needed, 8, popular, warm=routing.counts()) == pytest.approx(1)


def test_every_measured_model_has_a_source_and_fits_the_catalogue():
    sources = read(RoutingSources, ROUTING_FOLDER / "sources.yaml")
    assert counted_models() == ["gpt-oss-20b", "mixtral-8x7b", "olmoe-1b-7b"]
    assert sorted(sources) == sorted(variations())
    for name in counted_models():
        counts, model = counts_of(name), MODELS[name]
        assert counts is not None
        assert counts.inclusion(model.moe).sum(axis=1) == pytest.approx(model.moe.top_k)
        assert counts.layers[-1] < model.moe_layer_count
    assert counts_of("dbrx") is None


def test_how_unlike_the_experts_of_measured_models_are():
    """science.md 2.1 to 2.2: the ranges over layers."""
    found = variations()
    assert {name: own.size for name, own in found.items()} == {
        "deepseek-v3": 12 * 58, "gpt-oss-20b": 24, "mixtral-8x7b": 3, "olmoe-1b-7b": 3, "switch-base-128": 6,
    }  # fmt: skip
    assert found["switch-base-128"].round(2).tolist() == [0.60, 1.66, 1.18, 1.41, 1.51, 2.23]
    assert 0.4 < found["gpt-oss-20b"].min() < found["gpt-oss-20b"].max() < 1.0
    assert found["mixtral-8x7b"].max() < 0.25
    assert 0.5 < median_variation() < 1


# science.md 2.1: distinct experts of OLMoE's mixed batches in layers 0, 7 and 15.
OLMOE = {4: (26.0, 25.5, 25.3), 8: (40.7, 39.5, 39.2), 16: (54.7, 53.2, 52.7), 32: (62.3, 61.5, 61.1)}


def test_the_frequency_law_of_olmoe():
    counts = counts_of("olmoe-1b-7b")
    law = routing_law("frequency").bind(MODELS["olmoe-1b-7b"].moe, counts)
    for batch, expected in OLMOE.items():
        assert np.abs(law.means(batch) - expected).max() < 0.5
    mixtral = routing_law("frequency").bind(MODELS["mixtral-8x7b"].moe, counts_of("mixtral-8x7b"))
    assert 5.3 < float(mixtral.mean(4)) < 5.47
    assert 7.0 < float(mixtral.mean(8)) < 7.2


def test_laws_on_the_other_half_of_gpt_oss():
    """The committed errors: the frequency law within 2 % at every batch, uniform and power law far above."""
    errors = pl.read_csv(ROUTING_FOLDER / "measured" / "gpt-oss-20b_errors.csv")
    worst = {law: own["error_percent"].abs().max() for (law,), own in errors.group_by("routing")}
    assert worst["frequency"] < 2
    at_16 = dict(errors.filter(tokens=16).select("routing", "error_percent").iter_rows())
    assert 20 < at_16["uniform"] < 28
    assert 36 < at_16["power_law"] < 45
    distinct = pl.read_csv(ROUTING_FOLDER / "measured" / "gpt-oss-20b_distinct.csv")
    batch = distinct.filter(kind="batch", layer="all").select("tokens", "mean", "sd")
    law = routing_law("frequency").bind(MODELS["gpt-oss-20b"].moe, counts_of("gpt-oss-20b"))
    for tokens, mean, _ in batch.iter_rows():
        assert float(law.mean(tokens)) == pytest.approx(mean, rel=0.01)
    by_layer = distinct.filter((pl.col("kind") == "batch") & (pl.col("layer") != "all") & (pl.col("tokens") == 16))
    spread = float((by_layer["sd"] ** 2).mean() ** 0.5)
    assert spread == pytest.approx(2.0, abs=0.1)  # science.md 2.1b
    assert by_layer["p99"].mean() == pytest.approx(27.5, abs=1)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A small file of tokens as the script takes it."""
    routing = routing_of([9, 12, 7, 30, 11, 8] * 12, 24, 32, 4)
    file = tmp_path / "tokens.npz"
    names = np.array(["one", "two"] * 36)
    np.savez_compressed(file, experts=routing.experts, lengths=routing.lengths.astype(np.int32), dataset=names)
    return file


def measured(file: Path, folder: Path, **changes: str) -> None:
    own = {"tokens": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "model": "gpt-oss-20b"} | changes
    runpy.run_path(str(SCRIPT))["main"](**own, folder=folder)


def test_the_script_measures_what_is_in_the_tokens(tokens: Path, tmp_path: Path):
    measured(tokens, tmp_path / "out")
    measured(tokens, tmp_path / "again")
    for file in sorted((tmp_path / "out").rglob("*.csv")):
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(tmp_path / "out")).read_bytes()
    counts = read_counts(tmp_path / "out" / "gpt-oss-20b.csv")
    assert counts.counts.sum() == 77 * 12 * 24 * 4
    assert read_counts(tmp_path / "out" / "gpt-oss-20b.csv", "one").counts.sum() < counts.counts.sum()
    errors = pl.read_csv(tmp_path / "out" / "measured" / "gpt-oss-20b_errors.csv")
    assert set(errors.filter(tokens=1)["error_percent"].round(9)) == {0.0}
    caches = pl.read_csv(tmp_path / "out" / "measured" / "gpt-oss-20b_caches.csv")
    full = caches.filter(resident_fraction=1.0, start="warm")["hit_rate"]
    assert full.to_list() == pytest.approx([1.0] * full.len())


def test_tokens_that_are_not_what_they_should_be(tokens: Path, tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"sha256: [0-9a-f]{64} of what is there; allowed: 00"):
        measured(tokens, tmp_path, sha256="00")
    with pytest.raises(ConfigurationError, match=r"experts: \[924, 24, 4\]; allowed: \(token, 32, 2\), with tokens"):
        measured(tokens, tmp_path, model="mixtral-8x7b")
    with pytest.raises(ConfigurationError, match="a path or URL that can be read"):
        measured(tokens, tmp_path, tokens=str(tmp_path / "none.npz"))
    tokens.write_bytes(b"no archive")
    with pytest.raises(ConfigurationError, match=r"an \.npz with experts, lengths and dataset"):
        measured(tokens, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["tokens.npz"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAD, "domain: null; allowed: a row for each layer and expert"),
        ("layer,expert,count\n0,0,1\n", 'line 1: "layer,expert,count"; allowed: domain,layer,expert,count'),
        (HEAD + "a,0,0,-1\n", 'line 2, count: "-1"; allowed: a number of at least 0'),
        (HEAD + "a,0,0,\n", 'line 2, count: ""; allowed: a number of at least 0'),
        (HEAD + "a,0,0,nan\n", 'line 2, count: "nan"; allowed: a number of at least 0'),
        (HEAD + "a,0,0.5,1\n", 'line 2, expert: "0.5"; allowed: a whole number'),
        (HEAD + "a,0,0,1\na,0,0,1\n", 'line 3: "a, layer 0, expert 0"; allowed: each of them once'),
        (HEAD + "a,0,0,1\na,0,2,1\n", 'layer 0, expert 1: "missing"; allowed: a count for each of 3 experts'),
        (HEAD + "a,0,0,1\na,0,1,1\na,3,0,1\na,3,1,2\n", "layer 3: 3; allowed: 2, as of layer 0"),
    ],
)
def test_wrong_counts_get_one_line(tmp_path: Path, text: str, line: str):
    file = tmp_path / "counts.csv"
    file.write_text(text, encoding="utf-8")
    said = refused("plan", "--model", "mixtral-8x7b", "--gpu", "b200", "--routing", "frequency", "--counts", file)
    assert line in said


def counts_file(folder: Path, layers: int, experts: int) -> Path:
    file = folder / "own.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["domain", "layer", "expert", "count"])
        writer.writerows(["mine", layer, expert, 100 + expert] for layer in range(layers) for expert in range(experts))
    return file


def test_counts_of_ones_own(tmp_path: Path):
    words = ("plan", "--model", "mixtral-8x7b", "--gpu", "b200", "--batch", "4", "--routing", "frequency", "--json", "--counts")
    own = json.loads(call(*words, counts_file(tmp_path, 32, 8)).stdout)["distinct_experts"]
    uniform = routing_law("uniform").bind(MoE(8, 2, expert_intermediate_size=1))
    assert own == pytest.approx(float(uniform.mean(4)), rel=1e-3)
    assert "experts: 9; allowed: 8, as the model has" in refused(*words, counts_file(tmp_path, 1, 9))
    assert "layer: 32; allowed: 0 to 31, the model's MoE layers" in refused(*words, counts_file(tmp_path, 33, 8))
    marked = counts_file(tmp_path, 32, 8)
    marked.write_bytes(b"\xef\xbb\xbf" + marked.read_bytes())  # as spreadsheets save UTF-8
    answer = json.loads(call(*words, marked).stdout)
    assert (answer["distinct_experts"], answer["counts"]) == (own, str(marked))
    assert "--counts" in refused("plan", "--model", "dbrx", "--gpu", "b200", "--counts", tmp_path / "own.csv")
    assert "the columns domain,layer,expert,count" in refused(*words, tmp_path)


def test_a_model_without_counts_is_refused_and_named():
    line = refused("plan", "--model", "dbrx", "--gpu", "b200", "--routing", "frequency")
    known = "gpt-oss-20b, mixtral-8x7b, olmoe-1b-7b"
    allowed = f"for {known}, whose routing was measured, and not for dbrx"
    assert line == f'--routing: "frequency"; allowed: {allowed}, or beside --counts FILE'
    line = refused("sweep", "--models", "gpt-oss-20b,dbrx", "--gpus", "b200", "--routings", "frequency")
    assert line == f'--routings: "frequency"; allowed: {allowed}; plan and fit take --counts FILE'


def test_a_sweep_of_all_models_by_measured_routing_names_those_that_it_leaves_out(tmp_path: Path):
    done = call("sweep", "--models", "all", "--gpus", "l40s", "--n-gpus", "1", "--batches", "1", "--routings", "frequency",
                "--tokens-per-sequence", "2", "--out", tmp_path / "rows.csv")  # fmt: skip
    assert re.search(r"note: routing was not measured of dbrx, .*, which are left out", done.stderr)
    rows = pl.read_csv(tmp_path / "rows.csv")
    assert set(rows["model"]) == {"gpt-oss-20b", "mixtral-8x7b", "olmoe-1b-7b"}
    assert set(rows["tokens_per_sequence"]) == {2}


def test_measured_routing_in_plan_fit_and_sweep(tmp_path: Path):
    plan = ("plan", "--model", "gpt-oss-20b", "--gpu", "l4", "--weights", "native", "--batch", "16", "--routing", "frequency")
    found = json.loads(call(*plan, "--json").stdout)
    assert found["distinct_experts"] == pytest.approx(22.9, abs=0.15)
    assert "measured frequencies: 22." in call(*plan).stdout
    fit = ("fit", "--model", "gpt-oss-20b", "--context", "8192", "--gpus", "l4", "--routing", "frequency", "--json")
    assert json.loads(call(*fit).stdout)["routing"] == "frequency"
    words = ("sweep", "--models", "gpt-oss-20b", "--gpus", "l4", "--n-gpus", "1,2", "--batches", "16", "--precisions", "native")
    call(*words, "--routings", "frequency,uniform,zipf:s=0.7", "--out", tmp_path / "rows.csv")
    rows = pl.read_csv(tmp_path / "rows.csv").filter(policy="prophet", n_gpus=1)
    distinct = dict(rows.select("routing", "distinct_experts").iter_rows())
    assert distinct["frequency"] < distinct["zipf_0.7"] < distinct["uniform"]
    assert distinct["frequency"] == pytest.approx(found["distinct_experts"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"experts": np.zeros((5, 12, 4), np.uint8)}, "experts: [5, 12, 4]; allowed: (token, 24, 4), with tokens"),
        ({"experts": np.zeros((0, 24, 4), np.uint8)}, "experts: [0, 24, 4]; allowed: (token, 24, 4), with tokens"),
        ({"experts": np.tile(np.arange(-1, 3), (5, 24, 1))}, "allowed: 4 different numbers from 0 to 31"),
        ({"experts": np.tile(np.arange(29, 33), (5, 24, 1))}, "allowed: 4 different numbers from 0 to 31"),
        ({"experts": np.zeros((5, 24, 4), np.uint8)}, "allowed: 4 different numbers from 0 to 31"),
        ({"experts": np.tile(np.arange(4.0), (5, 24, 1))}, "dtype: float64, int64; allowed: integers"),
        ({"lengths": np.array([2, 2])}, "lengths: 4; allowed: counts above 0 that sum to 5 tokens"),
    ],
)
def test_token_routing_that_the_model_cannot_have_gets_one_line(changed: dict[str, np.ndarray], said: str):
    plain = {"experts": np.tile(np.arange(4), (5, 24, 1)), "lengths": np.array([2, 3]), "dataset": np.array(["a", "b"])}
    assert checked_routing("file", plain, MODELS["gpt-oss-20b"].moe, 24).experts.shape == (5, 24, 4)
    with pytest.raises(ConfigurationError) as problem:
        checked_routing("file", plain | changed, MODELS["gpt-oss-20b"].moe, 24)
    assert said in str(problem.value)


def test_counts_of_some_layers_are_said_to_stand_for_all(tmp_path: Path):
    words = ("plan", "--model", "olmoe-1b-7b", "--gpu", "l4", "--routing", "frequency")
    said = "note: routing was measured in 3 of 16 MoE layers, which stand for all"
    assert said in call(*words).stderr
    assert said.removeprefix("note: ") in json.loads(call(*words, "--json").stdout)["notes"]
    assert said in call("fit", "--model", "olmoe-1b-7b", "--context", "1024", "--routing", "frequency", "--gpus", "l4").stderr
    assert "measured in" not in call("plan", "--model", "gpt-oss-20b", "--gpu", "l4", "--routing", "frequency").stderr
    file = tmp_path / "counts.csv"
    file.write_text("domain,layer,expert,count\na,0,0,5,9\n")
    assert "line 2: \"a,0,0,5,['9']\"; allowed: 4 values" in refused(*words, "--counts", file)
    file.write_text("domain,layer,expert,count\n" + "".join(f"a,0,{expert},1e308\n" for expert in range(64)))
    assert "allowed: counts whose sum a float holds" in refused(*words, "--counts", file)


def test_what_a_plan_of_measured_routing_is_provisioned_for():
    words = ("plan", "--model", "gpt-oss-20b", "--gpu", "l4", "--weights", "native", "--batch", "16", "--routing", "frequency")
    sized = {
        name: json.loads(call(*words, "--provision", name, "--json").stdout) for name in ("mean", "p95", "p99", "p99_pooled")
    }
    resident = {name: found["resident_experts_per_layer"] for name, found in sized.items()}
    assert resident["mean"] < resident["p99_pooled"] < resident["p95"] < resident["p99"] < 32
    assert {found["distinct_experts"] for found in sized.values()} == {resident["mean"]}
    distinct = pl.read_csv(ROUTING_FOLDER / "measured" / "gpt-oss-20b_distinct.csv")
    by_layer = distinct.filter((pl.col("kind") == "batch") & (pl.col("layer") != "all") & (pl.col("tokens") == 16))
    assert resident["p99"] == pytest.approx(by_layer["p99"].mean(), abs=0.7)
    assert resident["p95"] == pytest.approx(by_layer["p95"].mean(), abs=0.7)
    assert re.search(
        r"on average at batch 16, pools of 26\.9\d for the p99 of each layer", call(*words, "--provision", "p99").stdout
    )
    assert '--provision: "p90"; allowed: mean, p95, p99' in refused(*words, "--provision", "p90")
    fit = ("fit", "--model", "gpt-oss-20b", "--context", "8192", "--gpus", "l4", "--provision", "p99")
    assert "pools for the p99" in call(*fit).stdout
    more, fewer = (json.loads(call(*fit[:-1], name, "--json").stdout)["fits"][0] for name in ("mean", "p99"))
    assert fewer["concurrency"] <= more["concurrency"]


def test_the_committed_counts_are_what_the_script_makes():
    """Its columns and layers; the tokens are no part of the repository."""
    table = pl.read_csv(ROUTING_FOLDER / "gpt-oss-20b.csv")
    assert table.columns == ["domain", "layer", "expert", "count"]
    assert table["count"].sum() == 32378 * 24 * 4
    assert sys.getsizeof(table) < 2**20


def test_each_pipeline_stage_has_the_routing_of_its_own_layers():
    plan = ("plan", "--model", "gpt-oss-20b", "--gpu", "l4", "--n-gpus", "4", "--pp", "4", "--weights", "native",
            "--routing", "frequency", "--json", "--provision")  # fmt: skip
    whole = counts_of("gpt-oss-20b")
    assert whole is not None
    moe = MODELS["gpt-oss-20b"].moe
    stages = [routing_law("frequency").bind(moe, counts_of_layers(whole, start, start + 6)) for start in range(0, 24, 6)]
    for name, needed in (("mean", lambda law: law.mean(16)), ("p99", lambda law: law.quantile(16, 0.99))):
        row = json.loads(call(*plan, name).stdout)
        assert row["resident_experts_per_layer"] == pytest.approx(max(float(needed(law)) for law in stages), abs=1e-6)
        assert row["distinct_experts"] == pytest.approx(float(routing_law("frequency").bind(moe, whole).mean(16)), abs=1e-6)
    pooled = json.loads(call(*plan, "p99_pooled").stdout)["resident_experts_per_layer"]
    assert row["resident_experts_per_layer"] > pooled > max(float(law.pooled_quantile(16, 0.99, 6)) for law in stages)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "plan --model phi-4 --gpu l40s --routing zipf --provision p99",
            "no routed experts: --routing, --provision change nothing",
        ),
        ("fit --model phi-4 --context 8192 --gpus l40s --routing zipf", "no routed experts: --routing changes nothing"),
        ("plan --model dbrx --gpu h200-141gb --n-gpus 2 --routing worst_case", "no spread: a pool for its p99 is one for that"),
        (
            "fit --model dbrx --context 8192 --gpus h200-141gb --n-gpus 2 --ep 2 --provision p99_pooled",
            "p99 pooled takes what p99 does",
        ),
        ("plan --model dbrx --gpu h200-141gb --n-gpus 2 --tokens-per-sequence 200 --batch 16", "steps of 3,200 tokens"),
        ("fit --model dbrx --context 8192 --gpus b200 --n-gpus 2 --tokens-per-sequence 3", "3 tokens of each sequence a step"),
        ("plan --model dbrx --gpu h200-141gb --n-gpus 2 --routing zipf:s=0.7", "Zipf law, s = 0.7: "),
        ("plan --model dbrx --gpu h200-141gb --n-gpus 2 --routing zipf", "Zipf law, s = 0.8: "),
        ("plan --model dbrx --gpu h200-141gb --n-gpus 2 --routing beta", "Beta law, ρ = 0.02: "),
        ("plan --model dbrx --gpu h200-141gb --n-gpus 2 --routing power_law", "power law (source), exponent 0.932: "),
        ("plan --help", "beta:rho=0.02, power_law:exponent=0.932, zipf:s=0.8"),
    ],
)
def test_what_is_said_beside_an_answer(arguments: str, said: str):
    done = call(*arguments.split())
    assert done.returncode == 0, done.stderr
    assert said in " ".join((done.stdout + done.stderr).split())


def test_a_dense_model_is_planned_without_a_law():
    done = call("fit", "--model", "phi-4", "--context", "8192", "--gpus", "l40s")
    assert "assumed: bf16 weights, KV bf16, usable 100%" in done.stdout
    assert "note" not in done.stderr
