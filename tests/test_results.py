"""The committed results against the results contract, read and averaged again by pandas."""

import json
import textwrap

import numpy as np
import pandas as pd
import pytest
from conftest import IN_PAPER, MODELS, REPOSITORY, RESULTS

import prophet_memory
from prophet_memory.edge.results import key_values
from prophet_memory.edge.settings import read_settings
from prophet_memory.errors import ModelError
from prophet_memory.parameters import count_parameters

FOLDER = REPOSITORY / RESULTS
KEYS = ["model", "gpu", "n_gpus", "batch_size", "routing", "precision", "policy", "provision"]
CONTRACT = [
    "distinct_experts", "expert_savings_fraction", "non_expert_bytes", "resident_expert_bytes", "activation_bytes",
    "overhead_bytes", "free_for_kv_bytes", "kv_bytes_per_token", "kv_capacity_tokens", "max_context_tokens", "kv_extension",
    "fit_verdict", "exceeds_model_context",
]  # fmt: skip
SWEEP = read_settings().sweep
SWEPT = key_values(SWEEP) | {"model": SWEEP.models}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return pd.read_parquet(FOLDER / "prophet_kv_extension_data.parquet")


def test_keys_come_first_sorted_and_every_combination_once(data: pd.DataFrame):
    assert list(data.columns[: len(KEYS)]) == KEYS
    assert [name for name in data.columns if name in CONTRACT] == CONTRACT
    assert data[KEYS].equals(data[KEYS].sort_values(KEYS, ignore_index=True))
    assert not data.duplicated(KEYS).any()
    assert len(data) == np.prod([len(values) for values in SWEPT.values()])
    for key in KEYS:
        assert set(data[key]) == set(SWEPT[key])


def test_undefined_is_null_and_defined_is_finite(data: pd.DataFrame):
    no_fit, newly = data["fit_verdict"] == "does_not_fit", data["fit_verdict"] == "newly_fits"
    for name in ("kv_capacity_tokens", "max_context_tokens"):
        assert data[name].isna().equals(no_fit)
        assert (data.loc[~no_fit, name] >= 1).all()
    assert data["kv_extension"].isna().equals(no_fit | newly)
    numbers = data.select_dtypes("number")
    assert np.isfinite(numbers.fillna(0)).all(axis=None)
    unbounded = [slug for slug, model in MODELS.items() if model.max_context_tokens is None]
    assert data["exceeds_model_context"].isna().equals(no_fit | data["model"].isin(unbounded))


def test_enumerations(data: pd.DataFrame):
    assert set(data["fit_verdict"]) == {"fits", "newly_fits", "does_not_fit"}
    assert not (data.loc[data["policy"] == "all_resident", "fit_verdict"] == "newly_fits").any()


def test_extension_is_the_ratio_of_capacities(data: pd.DataFrame):
    others = [key for key in KEYS if key != "policy"]
    baseline = data[data["policy"] == "all_resident"].set_index(others)["kv_capacity_tokens"]
    prophet = data[data["policy"] == "prophet"].set_index(others)
    ratio = (prophet["kv_capacity_tokens"] / baseline).where(prophet["fit_verdict"] == "fits")
    pd.testing.assert_series_equal(ratio, prophet["kv_extension"], check_names=False, atol=1e-9, rtol=0)
    newly = prophet["fit_verdict"] == "newly_fits"
    assert baseline[newly].isna().all()
    assert prophet.loc[newly, "kv_capacity_tokens"].notna().all()


@pytest.mark.parametrize("by", ["model", "experts"])
def test_averages_cover_what_fits_and_count_the_rest(data: pd.DataFrame, by: str):
    name = {"model": "mean_extension_by_model.csv", "experts": "mean_extension_by_expert_count.csv"}[by]
    written = pd.read_csv(FOLDER / name).set_index([by, "routing", "precision", "provision"]).sort_index()
    prophet = data[(data["policy"] == "prophet") & (data["n_gpus"] == 1)]
    prophet = prophet.assign(experts=prophet["model"].map(lambda model: MODELS[model].moe.routed_experts))
    groups = prophet.groupby([by, "routing", "precision", "provision"])
    assert (written["configurations"] == groups.size()).all()
    for verdict in ("fits", "newly_fits", "does_not_fit"):
        counted = groups["fit_verdict"].apply(lambda verdicts, v=verdict: (verdicts == v).sum())
        assert (written[f"configurations_{verdict}"] == counted).all()
    for statistic in ("mean", "median", "max"):
        expected = groups["kv_extension"].agg(statistic)  # pandas leaves nulls out
        np.testing.assert_allclose(written[f"{statistic}_kv_extension"], expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(written["mean_expert_savings_fraction"], groups["expert_savings_fraction"].mean(), atol=2e-9)
    nothing_fits = written["configurations_fits"] == 0
    assert nothing_fits.any()
    assert written["mean_kv_extension"].isna().equals(nothing_fits)


def test_the_reference_table_is_rows_of_the_long_table(data: pd.DataFrame):
    reference = read_settings().paper.reference
    keys = ["model", "precision", "routing", "provision"]
    here = data[(data["gpu"] == reference.gpu) & (data["batch_size"] == reference.batch_size) & (data["n_gpus"] == 1)]
    written = pd.read_csv(FOLDER / "kv_extension_at_reference.csv").set_index(keys).sort_index()
    prophet = here[here["policy"] == "prophet"].set_index(keys).sort_index()
    baseline = here[here["policy"] == "all_resident"].set_index(keys).sort_index()
    for name in ("kv_extension", "kv_capacity_tokens", "free_for_kv_bytes"):
        np.testing.assert_array_equal(written[name], prophet[name])
    np.testing.assert_array_equal(written["baseline_kv_capacity_tokens"], baseline["kv_capacity_tokens"])


def test_catalogue_and_saturation_of_known_models():
    catalogue = pd.read_csv(FOLDER / "model_catalogue.csv").set_index("model")
    assert catalogue["total_params"].to_dict() == {slug: count_parameters(model).total for slug, model in IN_PAPER.items()}
    groups = set(catalogue["expert_count_group"].astype(str))
    assert groups == {"8-16", "60-64", "128", "160-256", "512-2048"}
    saturation = pd.read_csv(FOLDER / "saturation_batches.csv").set_index(["routing", "model"])
    mixtral = saturation.loc["power_law", "mixtral-8x7b"]
    assert mixtral["saturation_batch"] == pytest.approx(4 ** (1 / 0.932))
    assert (mixtral["saturation_batch_integer"], mixtral["first_swept_saturated_batch"]) == (5, 8)
    assert saturation.loc["uniform"]["saturation_batch"].isna().all()
    assert saturation.loc["uniform", "mixtral-8x7b"]["batch_99_percent"] == pytest.approx(16.0, abs=0.01)


def test_the_fewest_gpus_and_what_they_hold(data: pd.DataFrame):
    batch = read_settings().paper.reference.batch_size
    keys = ["model", "gpu", "routing", "precision", "provision"]
    written = pd.read_csv(FOLDER / "smallest_gpu_counts.csv").set_index(keys).sort_index()
    assert (written["batch_size"] == batch).all()
    fitting = data[(data["batch_size"] == batch) & (data["fit_verdict"] != "does_not_fit")].sort_values("n_gpus")
    for policy in ("all_resident", "prophet"):
        first = fitting[fitting["policy"] == policy].groupby(keys).first().reindex(written.index)
        for name in ("n_gpus", "kv_capacity_tokens", "max_context_tokens"):
            np.testing.assert_array_equal(written[f"{policy}_{name}"].astype(float), first[name].astype(float))
    # Prophet never needs more GPUs, and has its capacity on the baseline's number too.
    both = written.dropna(subset=["all_resident_n_gpus"])
    assert (both["prophet_n_gpus"] <= both["all_resident_n_gpus"]).all()
    at = fitting[fitting["policy"] == "prophet"].set_index([*keys, "n_gpus"])["kv_capacity_tokens"]
    expected = [at[(*key, n_gpus)] for key, n_gpus in both["all_resident_n_gpus"].items()]
    np.testing.assert_array_equal(both["prophet_kv_capacity_tokens_at_all_resident_n_gpus"], expected)
    assert written["all_resident_n_gpus"].isna().any()


def test_the_readme_in_python_says_what_the_results_say():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    code = textwrap.dedent(text.partition("  ```python\n")[2].partition("  ```\n")[0])
    config = json.loads((REPOSITORY / "tests/data/hf_configs/qwen3-30b-a3b.json").read_text(encoding="utf-8"))
    names: dict = {"config": config}
    exec(code, names)  # noqa: S102 - our own
    frame = names["frame"]
    assert list(frame["batch_size"]) == [1, 16, 64]
    plan = prophet_memory.plan(names["model"], names["gpu"], names["assumptions"], batch_size=16)
    row = frame[frame["batch_size"] == 16].iloc[0]
    assert plan.row["kv_capacity_tokens"] == row["kv_capacity_tokens"] > 0
    assert plan.holds
    for wrong in (
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"batch_size": 1, "context_tokens": -5},
        {"batch_size": 1, "precision": "x"},
    ):
        with pytest.raises(ModelError) as refused:
            prophet_memory.plan(names["model"], names["gpu"], names["assumptions"], **wrong)
        assert refused.value.key in wrong
    assert not prophet_memory.plan(names["model"], names["gpu"], names["assumptions"], batch_size=16, context_tokens=10**7).holds


def test_the_models_that_gain_are_counted_as_the_prose_says():
    said = pd.read_csv(FOLDER / "prose_numbers.csv", index_col="number")["text"]
    facts = pd.read_csv(FOLDER / "model_catalogue.csv", index_col="model")
    table = pd.read_csv(FOLDER / "kv_extension_at_reference.csv").query(
        "routing == 'uniform' and provision == 'p99' and precision == 'bf16'"
    )
    table = table.set_index("model")
    fits = table[table["fit_verdict"] == "fits"]
    gain = fits.index[fits["usable_kv_extension"].round(2) > 1]
    decoders = facts.loc[gain, "cross_bytes_per_source_token"] == 0
    verdicts = table["fit_verdict"].value_counts()
    expected = {
        "ModelsGain": len(gain), "ModelsGainDecoders": decoders.sum(), "ModelsLevel": len(fits) - len(gain),
        "ModelsNewlyFit": verdicts["newly_fits"], "ModelsNeverFit": verdicts["does_not_fit"],
    }  # fmt: skip
    assert {name: int(said[name]) for name in expected} == expected
