"""The studies of routing and sensitivity: what their tables say, against other ways to the same numbers."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import ASSUMED, MODELS, REPOSITORY, RESULTS
from hypothesis import given, settings
from hypothesis import strategies as st

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import read_engines, read_gpus
from prophet_memory.edge.counting import (
    measured_distinct,
    median_skew,
    median_variation,
    published_hits,
    read_counts,
    variations,
)
from prophet_memory.edge.settings import read_settings
from prophet_memory.grid import Grid, Model
from prophet_memory.inclusion import zipf_inclusion
from prophet_memory.parallelism import parallelism
from prophet_memory.peaks import Step
from prophet_memory.planning import plan
from prophet_memory.provision import provision
from prophet_memory.residency import residency_policy
from prophet_memory.routing import routing_law
from prophet_memory.sensitivity import Case, Lattice, Responses, ScaledPeak, responses
from prophet_memory.sweeps import sweep

ROUTING = REPOSITORY / "evaluation/memory_results/routing"
SENSITIVITY = REPOSITORY / "evaluation/memory_results/sensitivity"
MEASURED = REPOSITORY / "config/routing/measured"
SETTINGS = read_settings()


def script(name: str) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "scripts" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_laws_against_measured_routing():
    table = pl.read_csv(ROUTING / "distinct_experts.csv")
    assert set(table["model"]) == {"gpt-oss-20b", "olmoe-1b-7b", "mixtral-8x7b"}
    for row in table.to_dicts():
        assert row["error_fraction"] == pytest.approx(row["distinct_experts"] / row["measured_experts"] - 1, abs=1e-8)
        if row["batch_size"] == 1:
            assert row["distinct_experts"] == pytest.approx(row["top_k"])
        assert row["p05"] <= row["p95"] <= row["p99"] <= row["experts"]
    frequency = table.filter(pl.col("routing") == "frequency")
    assert frequency["error_fraction"].abs().max() < 0.02
    tokens = table.filter((pl.col("routing") == "measured") & (pl.col("model") == "gpt-oss-20b"))
    own = measured_distinct(MEASURED / "gpt-oss-20b_distinct.csv")
    assert tokens["distinct_experts"].to_list() == pytest.approx([own[b].mean for b in tokens["batch_size"]], abs=1e-8)
    # Consecutive tokens of one sequence are no independent draws.
    runs = tokens.filter(pl.col("batch_size") > 1)
    assert (runs["run_experts"] < runs["distinct_experts"]).all()
    pooled = read_counts(REPOSITORY / "config/routing/olmoe-1b-7b.csv").counts
    share = 8 * pooled / pooled.sum(axis=1, keepdims=True)
    by_hand = (1 - (1 - share) ** 16).sum(axis=1).mean()
    olmoe = table.filter((pl.col("routing") == "measured") & (pl.col("model") == "olmoe-1b-7b") & (pl.col("batch_size") == 16))
    assert olmoe["distinct_experts"].item() == pytest.approx(by_hand)


def test_laws_on_routing_that_they_were_not_fitted_to():
    errors = pl.read_csv(ROUTING / "law_errors.csv")
    worst = {kind: part["error_fraction"].abs().max() for (kind,), part in errors.partition_by("kind", as_dict=True).items()}
    assert worst["frequency"] < 0.02  # at every batch
    assert worst["frequency"] < worst["beta"] < worst["zipf"] < worst["uniform"] < worst["power_law"]
    written = (REPOSITORY / "paper_tables/table_law_errors.tex").read_text(encoding="utf-8")
    assert r"Beta law, $\rho$ = 0.0816" in written
    assert errors.filter(kind="frequency")["worst_layer_fraction"].max() < 0.04
    topics = pl.read_csv(ROUTING / "topic_errors.csv")
    others = topics.filter(pl.col("domain") != "sorry_bench_base")
    assert others["error_fraction"].abs().max() < 0.03
    assert topics["error_fraction"].max() > 0.2  # a batch of one topic is not drawn from the mixture


def test_how_often_pools_are_short_of_an_expert():
    table = pl.read_csv(ROUTING / "pool_overflow.csv").filter(
        (pl.col("law") == "frequency") & pl.col("batch_size").is_between(4, 32)
    )
    short = {
        of: part["layers_short_fraction"].to_numpy() for (of,), part in table.partition_by("provision", as_dict=True).items()
    }
    assert (np.abs(short["mean"] - 0.5) < 0.06).all()  # about half of a layer's steps
    assert (short["p95"] < 0.05).all()
    assert (short["p99"] < 0.011).all()
    assert (table["steps_short_fraction"] >= table["layers_short_fraction"]).all()


def test_the_band_of_models_that_nobody_measured():
    table = pl.read_csv(ROUTING / "savings_band.csv")
    values = np.sort([np.median(layers) for layers in variations().values()])
    assert table["coefficient_of_variation"].unique().to_list() == [pytest.approx(values[len(values) // 2])]
    mean = table.filter(pl.col("provision") == "mean")
    assert (mean["skewed_savings_fraction"] >= mean["uniform_savings_fraction"] - 1e-9).all()
    curves = pl.read_parquet(REPOSITORY / RESULTS / "expert_savings_curves.parquet").filter(routing="uniform")
    both = table.join(curves, on=["model", "batch_size", "provision"], how="inner")
    assert len(both) == 24 * 8 * 3
    assert (both["uniform_savings_fraction"] - both["expert_savings_fraction"]).abs().max() < 1e-8
    wide = table.pivot("provision", index=["model", "batch_size"], values="uniform_savings_fraction")
    assert (wide["p99"] <= wide["p95"] + 1e-12).all()
    assert (wide["p95"] <= wide["mean"] + 1e-12).all()
    assert (wide["p99_pooled"] >= wide["p99"] - 1e-9).all()


@pytest.mark.parametrize("name", ["qwen3-30b-a3b", "mixtral-8x7b", "switch-base-128"])
def test_the_law_of_the_median_skew_varies_as_the_median_layer(name: str):
    moe = MODELS[name].moe
    found = zipf_inclusion(moe.routed_experts, moe.top_k, median_skew(moe).parameters["s"])
    assert found.std() / found.mean() == pytest.approx(median_variation(), rel=2e-3)


def test_the_correlation_of_layers_is_the_largest_that_was_measured():
    rows = pl.read_csv(MEASURED / "gpt-oss-20b_distinct.csv").filter((pl.col("kind") == "batch") & (pl.col("tokens") > 1))
    found = []
    for part in rows.partition_by("tokens"):
        together = part.filter(pl.col("layer") == "all")["sd"].item()
        alone = part.filter(pl.col("layer") != "all")["sd"].to_numpy()
        found.append(((together * alone.size) ** 2 - (alone**2).sum()) / (alone.sum() ** 2 - (alone**2).sum()))
    assert SETTINGS.assumptions.layer_correlation == pytest.approx(max(found), abs=0.005)


def test_a_pool_of_correlated_layers_holds_what_was_measured():
    """Of 4,000 batches of gpt-oss-20b; layers that are taken as independent are short by far more."""
    measured = pl.read_csv(MEASURED / "gpt-oss-20b_distinct.csv").filter(
        (pl.col("kind") == "batch") & (pl.col("layer") == "all") & (pl.col("tokens") == 16)
    )
    counts = read_counts(REPOSITORY / "config/routing/gpt-oss-20b.csv")
    model = Model("gpt-oss-20b", MODELS["gpt-oss-20b"], counts)
    sizes = {}
    for correlation in (0.0, ASSUMED.layer_correlation):
        grid = Grid(
            [model], gpus=[read_gpus()["b200"]], batch_sizes=[16], routings=[routing_law("frequency")],
            policies=[residency_policy("prophet")], provisions=[provision("p99_pooled")],
        )  # fmt: skip
        swept = sweep(grid, replace(ASSUMED, layer_correlation=correlation))
        sizes[correlation] = swept.column("resident_experts_per_layer").item()
    assert sizes[0.0] < measured["p95"].item() < measured["p99"].item() <= sizes[ASSUMED.layer_correlation] + 0.05


def test_hit_rates_of_caches():
    table = pl.read_csv(ROUTING / "cache_hits.csv")
    measured = table.filter(pl.col("origin") == "measured")
    wide = measured.pivot("policy", index=["start", "batch_size", "resident_fraction"], values="hit_rate")
    for policy in ("lru", "lfu", "popular"):
        assert (wide["belady"] >= wide[policy] - 1e-9).all()
    for part in measured.partition_by(["policy", "start", "batch_size"]):
        rates = part.sort("resident_fraction")["hit_rate"].to_numpy()
        assert (np.diff(rates) > 0).all()
        assert rates[-1] == pytest.approx(1) or part["start"][0] == "cold"
    published = table.filter(pl.col("origin") == "published")
    assert published["source"].str.contains(r"^github( (PR|issue) [\w.-]+/[\w.-]+#\d+$|:[\w.-]+/[\w.-]+ \w)").all()
    inferred = published.filter(~pl.col("residency_is_stated"))["source"].str.split(" ").list.first().unique(maintain_order=True)
    assert set(inferred) == {"github", "github:cyanmishra92/specMoE"}
    assert set(published.filter(~pl.col("residency_is_stated") & pl.col("source").str.starts_with("github PR"))["source"]) == {
        "github PR kekzl/imp#1374"
    }


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "O008,Qwen3-30B-A3B,lru",
            "O008,Qwen3-30B-A3B,lfu",
            'line 6, kind: "lfu"; allowed: one of lru, engine, static, hindsight',
        ),
        ("lru,0.4,no,0.947", "lru,0.4,no,9.47", 'line 6, hit_rate: "9.47"; allowed: a share from 0 to 1'),
        ("lru,0.4,no,0.947", "lru,0.4,maybe,0.947", 'line 6, inferred: "maybe"; allowed: one of yes, no'),
        ("lru,0.4,no,0.947", "lru,much,no,0.947", 'line 6, resident_fraction: "much"; allowed: a number of at least 0'),
        ("id,model,kind", "id,kind,model", 'line 1: "id,kind,model'),
    ],
)
def test_wrong_hit_rates_get_one_line(tmp_path: Path, right: str, wrong: str, said: str):
    text = (REPOSITORY / "config/routing/published/hit_rates.csv").read_text(encoding="utf-8")
    assert right in text
    file = tmp_path / "hit_rates.csv"
    file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as problem:
        published_hits(file)
    assert said in str(problem.value)


def test_what_a_chunk_of_a_prompt_fetches():
    rows = {(row["model"], row["chunk_tokens"]): row for row in pl.read_csv(ROUTING / "prefill_chunks.csv").to_dicts()}
    row = rows["qwen3-30b-a3b", 2048]
    expert, layers = 3 * 2048 * 768 * 2, 48
    assert row["activated_experts"] == pytest.approx(128 * (1 - (1 - 8 / 128) ** 2048))
    assert row["fetched_bytes"] == pytest.approx((128 - 90) * expert * layers)
    assert row["fetch_s"] == pytest.approx(
        row["fetched_bytes"] / read_gpus()["a100-80gb"].host_link_effective_bandwidth_bytes_per_s
    )
    assert all(row["activated_fraction"] > 0.999 for row in rows.values())
    assert not any(model.startswith("switch") for model, _ in rows)  # an encoder reads the whole prompt


@pytest.mark.parametrize("name", ["qwen3-30b-a3b", "gpt-oss-120b"])
def test_drafts_multiply_the_tokens_of_a_step_and_nothing_of_the_cache(name: str):
    model, gpu = Model(name, MODELS[name]), read_gpus()["b200"]
    drafted = replace(ASSUMED, tokens_per_sequence=4)
    few = plan(model, gpu, drafted, batch_size=4, n_gpus=2, provision=provision("p99"))
    many = plan(model, gpu, ASSUMED, batch_size=16, n_gpus=2, provision=provision("p99"))
    plain = plan(model, gpu, ASSUMED, batch_size=4, n_gpus=2, provision=provision("p99"))
    for column in ("distinct_experts", "resident_expert_bytes", "expert_savings_fraction"):
        assert few.row[column] == many.row[column] != plain.row[column]
    assert few.row["kv_bytes_per_token"] == plain.row["kv_bytes_per_token"]
    assert few.row["activation_bytes"] == plain.row["activation_bytes"]  # the prefill chunk is the larger step
    large = plan(model, gpu, replace(ASSUMED, tokens_per_sequence=1024), batch_size=4, n_gpus=2)
    assert large.row["activation_bytes"] > plain.row["activation_bytes"]


def answer(case: Case, **changed: Any) -> dict[str, float]:
    """The answers at the reference, with changes."""
    values: dict[str, Any] = {
        "routings": routing_law("uniform"), "activation_factors": 1.0, "predictor_bytes": 7_200_000, "usable_fractions": 1.0,
        "engines": ASSUMED.engine, "kv_formats": "bf16", "context_tokens": 8192,
    }  # fmt: skip
    lattice = Lattice(**{name: [value] for name, value in (values | changed).items()})
    return {name: getattr(responses(case, lattice, ASSUMED), name).item() for name in RESPONSES}


RESPONSES = [field.name for field in fields(Responses)]
QWEN = Case(Model("qwen3-30b-a3b", MODELS["qwen3-30b-a3b"]), read_gpus()["a100-80gb"], 16, "bf16", provision("p99"))


def test_the_reference_of_the_sensitivity_is_a_row_of_the_sweep():
    data = pl.read_parquet(REPOSITORY / RESULTS / "prophet_kv_extension_data.parquet")
    point = {"gpu": "a100-80gb", "n_gpus": 1, "batch_size": 16, "routing": "uniform", "precision": "bf16", "policy": "prophet"}
    (row,) = data.filter(model="qwen3-30b-a3b", provision="p99", **point).to_dicts()
    found = answer(QWEN)
    assert found["usable_kv_extension"] == pytest.approx(row["usable_kv_extension"], abs=1e-9)
    assert found["expert_savings_fraction"] == pytest.approx(row["expert_savings_fraction"], abs=1e-9)
    alone = pl.read_csv(SENSITIVITY / "one_at_a_time.csv").filter(model="qwen3-30b-a3b", response="usable_kv_extension")
    assert alone.filter(factor="zipf_s")["at_reference"].item() == pytest.approx(row["usable_kv_extension"], abs=1e-8)
    concurrency = pl.read_parquet(REPOSITORY / RESULTS / "concurrency.parquet").filter(
        model="qwen3-30b-a3b", provision="p99", context_tokens=8192, **{k: v for k, v in point.items() if k != "batch_size"}
    )
    assert found["concurrency_extension"] == pytest.approx(concurrency["concurrency_extension"].item())


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 3), st.integers(0, 10**9), st.floats(0.86, 1), st.floats(0, 1.5))
def test_what_assumptions_do(factor: float, predictor: int, usable: float, skew: float):
    zipf = routing_law({"zipf": {"s": round(skew, 2)}})
    plain = answer(QWEN, usable_fractions=usable)
    heavier = answer(QWEN, usable_fractions=usable, predictor_bytes=7_200_000 + predictor)
    assert not heavier["usable_kv_extension"] > plain["usable_kv_extension"]
    skewed = answer(QWEN, usable_fractions=usable, routings=zipf)
    assert skewed["expert_savings_fraction"] >= plain["expert_savings_fraction"] - 1.5 / 128  # a quantile is whole, a mean is not
    less = answer(QWEN, usable_fractions=usable, activation_factors=factor)
    assert less["expert_savings_fraction"] == plain["expert_savings_fraction"]


def test_a_lattice_has_each_point_where_it_belongs():
    values: dict[str, list[Any]] = {
        "engines": [ASSUMED.engine, read_engines()["vllm-0.19"]], "kv_formats": ["bf16", "fp8"], "activation_factors": [0.5, 2.0],
        "usable_fractions": [0.9, 1.0], "routings": [routing_law("uniform"), routing_law("power_law")],
        "predictor_bytes": [0, 10**9], "context_tokens": [2048, 32768, 10**6],
    }  # fmt: skip
    lattice = Lattice(**values)
    whole = responses(QWEN, lattice, ASSUMED)
    assert whole.usable_kv_extension.shape == lattice.shape == (2, 2, 2, 2, 2, 2, 3)
    for place in [(0, 1, 0, 1, 1, 0, 1), (1, 0, 1, 0, 0, 1, 2), (1, 1, 1, 1, 1, 1, 0)]:
        alone = answer(QWEN, **{name: own[at] for (name, own), at in zip(values.items(), place, strict=True)})
        assert {name: getattr(whole, name)[place] for name in RESPONSES} == alone
    longest = answer(QWEN, context_tokens=40_960)  # the model's own maximum
    assert longest["concurrency_extension"] == answer(QWEN, context_tokens=10**6)["concurrency_extension"]


def test_a_scaled_peak_is_the_peak_at_one():
    engine, architecture = read_engines()["vllm-0.19"], MODELS["qwen3-30b-a3b"]
    peak, step = engine.part("activation"), Step(np.array([2048, 8192]), np.array([256, 1024]))
    assert (ScaledPeak(peak, 1.0).peak_bytes(architecture, step) == peak.peak_bytes(architecture, step)).all()
    ratio = ScaledPeak(peak, 2.5).peak_bytes(architecture, step) / peak.peak_bytes(architecture, step)
    assert ratio == pytest.approx([2.5, 2.5], abs=1e-6)
    assert parallelism(architecture, 1).n_gpus == 1


def test_indices_of_an_answer_that_is_known():
    """a x + b y of two uniform factors: a^2 and b^2 of the variance, a product adds what only both together do."""
    module = script("sensitivity")
    steps = np.linspace(0, 1, 1025)
    factors = [module.Factor(name, steps, 0.5) for name in ("x", "y", "still")]

    def answers(of: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        def found(levels: np.ndarray) -> dict[str, np.ndarray]:
            values = of(steps[levels[:, 0]], steps[levels[:, 1]])
            return {"own": values, "never": np.full_like(values, np.nan), "level": np.ones_like(values)}

        return found

    rows = list(module.indices(factors, answers(lambda x, y: 3 * x + 4 * y), 1024, 7))
    first = {row["factor"]: row["first_order"] for row in rows if row["response"] == "own"}
    assert first["x"] == pytest.approx(9 / 25, abs=0.01)
    assert first["y"] == pytest.approx(16 / 25, abs=0.01)
    assert first["still"] == pytest.approx(0, abs=1e-6)
    undefined = [row for row in rows if row["response"] == "never"]
    assert all(row["first_order"] is None and row["undefined"] == row["samples"] for row in undefined)
    assert all(row["total"] is None for row in rows if row["response"] == "level")  # it never moves
    product = list(module.indices(factors, answers(lambda x, y: (x - 0.5) * (y - 0.5)), 1024, 7))
    both = {row["factor"]: row for row in product if row["response"] == "own"}
    assert both["x"]["first_order"] == pytest.approx(0, abs=0.02)
    assert both["x"]["total"] == pytest.approx(1, abs=0.05)


def test_samples_look_up_their_own_combination():
    module = script("sensitivity")
    factors = module.factors_of(SETTINGS.sensitivity, "ideal", "bf16")
    shape = (2, 2, 3, 7, 18, 3, 7)  # engine, cache, activations, usable share, nine laws of each kind, predictor, context
    whole = Responses(*[np.arange(np.prod(shape), dtype=float).reshape(shape)] * 3)
    names = [factor.name for factor in factors]
    levels = dict.fromkeys(names, 0) | {"zipf_s": 4, "exponent": 6, "context_tokens": 3, "engine": 1}
    zipf = module.looked_up(whole, factors, np.array([list(levels.values())]))
    power = module.looked_up(whole, factors, np.array([list((levels | {"law": 1}).values())]))
    assert zipf["usable_kv_extension"] == whole.usable_kv_extension[1, 0, 0, 0, 4, 0, 3]
    assert power["usable_kv_extension"] == whole.usable_kv_extension[1, 0, 0, 0, 9 + 6, 0, 3]


def test_every_factor_has_ends_and_the_tables_name_all():
    module = script("sensitivity")
    factors = module.factors_of(SETTINGS.sensitivity, "ideal", "bf16")
    names = [factor.name for factor in factors]
    together = pl.read_csv(SENSITIVITY / "sobol.csv")
    assert together["factor"].unique(maintain_order=True).to_list() == names
    assert together["undefined"].max() == 0
    assert together["samples"].unique().to_list() == [SETTINGS.sensitivity.base_samples * (len(names) + 2)]
    assert together.filter(pl.col("total") < pl.col("first_order") - pl.col("first_order_interval") - 0.05).is_empty()
    assert (together["total_interval"].fill_null(0) <= together["total"].fill_null(1).clip(0.01) + 0.05).all()  # converged
    for factor in factors:
        assert len(set(factor.values)) == len(factor.values)
        assert (factor.level(0.0), factor.level(1.0)) == (0, len(factor.values) - 1)
    assert (factors[-1].values[0], factors[-1].values[-1]) == SETTINGS.sensitivity.context_tokens
