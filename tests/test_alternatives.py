"""Policies side by side: what dominates what, largest batches in time, bounds against published speeds, and the study's files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import ASSUMED, MODELS, REPOSITORY
from hypothesis import given
from hypothesis import strategies as st
from test_command_line import call, refused

from prophet_memory.alternatives import Asked, Demanded, alternatives, demanded, dominated, within_target
from prophet_memory.concurrency import ORDER, Concurrency
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import read_gpus
from prophet_memory.edge.offloading import COLUMNS, OFFLOAD_FILE, published_runs, resident_runs
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.errors import ModelError
from prophet_memory.grid import Grid, Model
from prophet_memory.latency import Link, Prefetch
from prophet_memory.offloading import OffloadRun, fixed_cost_s, least_resident_step_s, least_step, with_fixed_costs
from prophet_memory.provision import PROVISIONS
from prophet_memory.residency import POLICIES, residency_policies, residency_policy
from prophet_memory.routing import routing_law

GPUS, LATENCY = read_gpus(), read_settings_alone().latency
ASKED = Asked(4096, LATENCY.timing())
STUDY = REPOSITORY / "evaluation/memory_results/alternatives"
PUBLISHED = published_runs()


def grid_of(model: str, **axes: object) -> Grid:
    plain = {
        "gpus": [GPUS["a100-80gb"]], "n_gpus": [1], "batch_sizes": [1, 16], "routings": [routing_law("uniform")],
        "precisions": ["bf16", "int8"], "policies": residency_policies(list(POLICIES)), "provisions": [PROVISIONS["p99"]],
    } | axes  # fmt: skip
    return Grid([Model(model, MODELS[model])], **plain)


def test_a_choice_is_dominated_where_another_takes_no_more_of_either():
    rows = alternatives(grid_of("qwen3-30b-a3b"), ASSUMED, ASKED).filter(batch_size=16).to_dicts()
    bounds = {name for name in POLICIES if residency_policy(name).is_bound}
    assert bounds == {"oracle_cache"}
    for row in rows:
        better = [
            other
            for other in rows
            if other["fits"] and other["policy"] not in bounds
            and other["gpu_bytes"] <= row["gpu_bytes"] and other["step_s"] <= row["step_s"]
            and any(other[name] < row[name] for name in ("gpu_bytes", "step_s", "host_memory_bytes"))
        ]  # fmt: skip
        assert row["is_dominated"] == bool(better), row["policy"]
    assert {row["is_dominated"] for row in rows} == {True, False}


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.booleans()), min_size=8, max_size=8))
def test_what_nothing_dominates_is_a_front(points: list[tuple[int, int, bool]]):
    grid = grid_of("mixtral-8x7b", batch_sizes=[1], precisions=["bf16"])
    size, time, fits = (np.array(part).reshape(grid.shape) for part in zip(*points, strict=True))
    left = [
        (s, t)
        for (s, t, can), beaten in zip(points, dominated(grid, fits, size, time, np.zeros_like(size)).ravel(), strict=True)
        if can and not beaten
    ]
    real = [p for p, policy in zip(points, grid.policies, strict=True) if p[2] and not policy.is_bound]
    assert not real or left
    for one in left:
        for other in real:
            assert not (other[0] <= one[0] and other[1] <= one[1] and (other[0], other[1]) != one)


def test_the_largest_batch_in_time_fits_and_is_in_time_and_the_next_is_not():
    grid = grid_of("qwen3-30b-a3b")
    found = within_target(grid, ASSUMED, ASKED, 0.05).to_dicts()
    held = Concurrency(replace(grid, batch_sizes=[1], order=ORDER, context_tokens=[4096]), ASSUMED).to_polars()
    for row in found:
        key = {name: row[name] for name in ("precision", "policy")}
        most = held.filter(**key)["concurrency"].item()
        if row["batch_size"] is None:
            once = alternatives(replace(grid, batch_sizes=[1]), ASSUMED, ASKED).filter(**key)
            assert not once["fits"].item() or once["step_s"].item() > 0.05
            continue
        assert row["batch_size"] <= most
        assert row["step_s"] <= 0.05
        twice = alternatives(replace(grid, batch_sizes=[2 * row["batch_size"]]), ASSUMED, ASKED).filter(**key)
        assert 2 * row["batch_size"] > most or twice["step_s"].item() > 0.05
        assert row["tokens_per_s_per_gpu"] == pytest.approx(row["batch_size"] / row["step_s"])
    assert any(row["batch_size"] is None for row in found)


@given(st.floats(1e-4, 1), st.floats(1e6, 1e11), st.floats(1e9, 1e11), st.floats(1.01, 10), st.floats(0, 1))
def test_the_residency_that_a_factor_takes(resident: float, activated: float, bandwidth: float, factor: float, recall: float):
    step = Demanded(resident, activated, 0.0, Link(bandwidth))
    share = step.residency_for(factor, Prefetch(recall))
    assert 0 <= share <= 1
    assert float(step.factor(share, Prefetch(recall))) <= factor * (1 + 1e-9)
    if share > 1e-6:
        assert float(step.factor(share * (1 - 1e-6) - 1e-9, Prefetch(recall))) >= factor * (1 - 1e-4)


# science: what 1.2 times the resident step takes at batch 1, without and with everything foreseen, in percent; there a step reads
# the embedding, too, by which it is up to a tenth longer.
@pytest.mark.parametrize(
    ("model", "gpu", "alone", "foreseen"),
    [
        ("mixtral-8x7b", "a100-80gb", 99.6, 97.9),
        ("qwen3-30b-a3b", "a100-80gb", 99.4, 96.5),
        ("qwen3-30b-a3b", "h100-80gb", 99.2, 95.4),
    ],
)
def test_residencies_that_science_has(model: str, gpu: str, alone: float, foreseen: float):
    grid = grid_of(model, gpus=[GPUS[gpu]], batch_sizes=[1], precisions=["bf16"], policies=[residency_policy("prophet")])
    step = demanded(grid, ASSUMED, Asked(1024, replace(LATENCY.timing(), copy_start_s=0.0)))
    assert 100 * step.residency_for(1.2, Prefetch()) == pytest.approx(alone, abs=0.15)
    assert 100 * step.residency_for(1.2, Prefetch(recall=1)) == pytest.approx(foreseen, abs=0.5)


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda one: one.run.name)
def test_the_bound_lies_above_no_published_speed(published):
    run = published.run
    assert run.step_s >= least_step(run, ASSUMED).step_s
    if not published.doubt:
        assert run.step_s >= with_fixed_costs(run, least_step(run, ASSUMED).step_s, 0.0, LATENCY.offload_layer_s)


def test_enough_runs_of_enough_sources():
    assert len(PUBLISHED) >= 40
    assert len({one.source for one in PUBLISHED}) >= 15
    assert len(resident_runs()) >= 300


def test_the_fixed_cost_is_where_the_line_of_one_engine_ends():
    own = [one.run for one in PUBLISHED if one.run.engine == "imp"]
    assert fixed_cost_s(own) == pytest.approx(LATENCY.offload_layer_s, rel=0.02)
    end, slope = 0.010, 0.1
    made = [
        replace(own[2], hit_rate=hit, tokens_per_s=1 / (end + slope * (1 - hit)), resident_tokens_per_s=200.0)
        for hit in (0.2, 0.5, 0.9)
    ]
    assert fixed_cost_s(made) == pytest.approx((end - 1 / 200) / 48)
    with pytest.raises(ModelError, match="runs: 1; allowed: at least two with a hit rate"):
        fixed_cost_s(own[2:3])


def test_a_run_without_what_its_bound_needs_is_named():
    run: OffloadRun = PUBLISHED[0].run
    with pytest.raises(ModelError, match="link_bytes_per_s: None; allowed: a number above 0, for on_demand_offload of L001"):
        least_step(replace(run, link_bytes_per_s=None), ASSUMED)
    with pytest.raises(ModelError, match="hit_rate: None; allowed: a number from 0 to 1"):
        least_step(replace(run, resident_fraction=None, hit_rate=None), ASSUMED)


def test_resident_bounds_are_those_of_the_table():
    table = pl.read_csv(STUDY / "latency_observed.csv").filter(policy="all_resident")
    for run in resident_runs():
        assert table.filter(run=run.name)["bound_s"].item() == pytest.approx(least_resident_step_s(run, ASSUMED), rel=1e-5)
    assert (pl.read_csv(STUDY / "latency_observed.csv").filter(pl.col("doubt").is_null())["ratio"] >= 1).all()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("hit_rate", "1.2", 'line 2, hit_rate: "1.2"; allowed: a share from 0 to 1'),
        ("tokens_per_s", "fast", 'line 2, tokens_per_s: "fast"; allowed: a number of at least 0'),
        ("policy", "magic", 'line 2, policy: "magic"; allowed: '),
        ("gpu", "h999", 'line 2, gpu: "h999"; allowed: '),
        ("weights", "Q9_K", 'line 2, weights: "Q9_K"; allowed: a GGUF recipe, a precision'),
    ],
)
def test_wrong_runs_get_one_line(tmp_path: Path, column: str, value: str, said: str):
    table = pl.read_csv(OFFLOAD_FILE, infer_schema_length=0).head(1).with_columns(pl.lit(value).alias(column))
    assert tuple(table.columns) == COLUMNS
    file = tmp_path / "offload.csv"
    table.write_csv(file)
    with pytest.raises(ConfigurationError) as problem:
        published_runs(file)
    assert said in str(problem.value)


def test_the_study_has_every_model_gpu_batch_and_choice():
    table, study = pl.read_parquet(STUDY / "alternatives.parquet"), read_settings_alone().alternatives
    uniform = table.filter(routing="uniform")
    assert uniform["policy"].n_unique() == len(study.policies) == len(POLICIES)
    for model, own in uniform.group_by("model"):
        precisions = own["precision"].n_unique()
        points = len(study.gpus) * len(study.n_gpus) * len(study.batch_sizes) * len(study.policies) * len(study.provisions)
        assert own.height == points * precisions, model
    assert set(table.filter(routing="frequency")["model"]) == {"gpt-oss-20b", "mixtral-8x7b", "olmoe-1b-7b"}
    assert (table["step_s"] >= table["resident_step_s"]).filter(table["policy"] != "cpu_compute").all()


def test_the_comparison_that_the_issue_names():
    """A100-80GB at batch 16: INT8 with everything resident leaves more than Prophet in bf16, both together the most."""
    table = pl.read_parquet(STUDY / "alternatives.parquet").filter(
        model="qwen3-30b-a3b", gpu="a100-80gb", n_gpus=1, batch_size=16, routing="uniform", provision="mean"
    )
    tokens = {(row["policy"], row["precision"]): row["usable_kv_capacity_tokens"] for row in table.to_dicts()}
    assert tokens["prophet", "bf16"] == pytest.approx(446_000, rel=0.01)
    assert tokens["all_resident", "int8"] > tokens["prophet", "bf16"]
    assert tokens["prophet", "int8"] > tokens["all_resident", "int8"]


def test_compare_prints_the_best_first_and_what_dominates():
    words = ("compare", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--batch", "16")
    answer = json.loads(call(*words, "--json").stdout)
    rows = answer["alternatives"]
    assert [row["fits"] for row in rows] == sorted((row["fits"] for row in rows), reverse=True)
    fitting = [row for row in rows if row["fits"]]
    assert [row["step_s"] for row in fitting] == sorted(row["step_s"] for row in fitting)
    assert all((row["dominated_by"] is not None) == row["is_dominated"] for row in rows)
    printed = call(*words)
    assert "dominated by all_resident int4" in printed.stdout
    assert "a bound, nobody can build it" in printed.stdout
    assert "hit rates are those of independent steps" in printed.stderr
    alone = call(*words, "--precisions", "bf16", "--policies", "prophet,lru_cache:resident_fraction=0.5")
    assert "lru_cache_0.5" in alone.stdout
    assert "published" in call("compare", "--model", "gpt-oss-120b", "--gpu", "b200").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("compare --model phi-4 --gpu l40s", "--model: phi-4; allowed: a model with routed experts"),
        ("compare --model dbrx --gpu custom:96 --precisions bf16", 'custom:96"; allowed: a GPU with a memory bandwidth'),
        (
            "compare --model dbrx --gpu b200 --routing power_law --policies lru_cache",
            "allowed: a law that says which experts are popular",
        ),
        ("compare --model dbrx --gpu b200 --routing frequency", '--routing: "frequency"; allowed: for gpt-oss-20b'),
        (
            "compare --model dbrx --gpu b200 --policies lru_cache:resident_fraction=1.5",
            "lru_cache.resident_fraction: 1.5; allowed: ",
        ),
        ("compare --model dbrx --gpu b200 --policies prophet:recall=2", "prophet.recall: 2.0; allowed: a number from 0 to 1"),
        ("compare --model dbrx --gpu b200 --host-memory swapped", "allowed: pinned, pageable"),
        ("plan --model dbrx --gpu b200 --fixed-costs", "--fixed-costs: alone; allowed: beside --latency"),
        ("plan --model dbrx --gpu custom:96 --latency", 'custom:96"; allowed: a GPU with a memory bandwidth'),
    ],
)
def test_wrong_questions_get_one_line(words: str, said: str):
    assert said in refused(*words.split())


def test_the_time_of_a_step_in_plan_and_sweep(tmp_path: Path):
    plan = ("plan", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--batch", "16", "--policy", "lru_cache", "--latency")
    times = json.loads(call(*plan, "--json").stdout)["latency"]
    table = pl.read_parquet(STUDY / "alternatives.parquet").filter(
        model="qwen3-30b-a3b", gpu="a100-80gb", n_gpus=1, batch_size=16, routing="uniform", policy="lru_cache", precision="bf16",
        provision="p99",
    )  # fmt: skip
    assert times["step_s"] == pytest.approx(table["step_s"].item(), abs=1e-8)
    printed = call(*plan).stdout
    assert "over the host link" in printed
    assert "tokens a second and GPU" in printed
    slower = json.loads(call(*plan, "--fixed-costs", "--host-memory", "pageable", "--json").stdout)["latency"]
    assert slower["step_s"] > 1.5 * times["step_s"]
    call("sweep", "--models", "qwen3-30b-a3b", "--gpus", "a100-80gb", "--n-gpus", "1", "--batches", "16", "--routings", "uniform",
         "--precisions", "bf16", "--policies", "lru_cache,all_resident", "--provisions", "p99", "--latency", "--out",
         tmp_path / "rows.csv")  # fmt: skip
    rows = pl.read_csv(tmp_path / "rows.csv")
    assert rows.filter(policy="lru_cache")["step_s"].item() == pytest.approx(times["step_s"], abs=1e-8)
    assert rows.filter(policy="all_resident")["hit_rate"].null_count() == 1
