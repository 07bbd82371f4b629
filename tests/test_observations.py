"""What engines printed, against what the memory model says: the published rows, and how observations are read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml
from conftest import REPOSITORY, RESULTS
from hypothesis import given
from hypothesis import strategies as st
from test_command_line import call, refused

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.observing import catalogue_of, comparison_rows, read_observations
from prophet_memory.edge.text import COMPONENT_LABELS
from prophet_memory.errors import ModelError
from prophet_memory.observations import (
    COMPONENTS,
    COUNTED_IN,
    DERIVED,
    NAMES,
    UNITS,
    Observation,
    Source,
    amount,
    compared,
    error_rows,
    measured_amounts,
    predicted,
)
from prophet_memory.parameters import count_parameters

GIB = 2**30
OBSERVATIONS = read_observations()
CATALOGUE = catalogue_of(OBSERVATIONS)
ROWS = comparison_rows(OBSERVATIONS)
# A vision tower is not counted, and what is known to differ for another reason says so. What differs for none stays in.
TEXT = [row for row in ROWS if row["profile"] == "vllm-0.19" and not row["reason"]]
COMPLETE = [row for row in TEXT if row["component"] == "kv_tokens"]


def errors_of(component: str, rows: list[dict] = TEXT) -> list[float]:
    return [row["error_fraction"] for row in rows if row["component"] == component]


def test_weights_are_within_three_in_a_thousand():
    assert len(errors_of("weights")) >= 17
    assert max(map(abs, errors_of("weights"))) < 0.003


def test_activation_peaks_are_within_60_mib():
    rows = [row for row in TEXT if row["component"] == "activation_peak"]
    assert len(rows) >= 16
    assert max(abs(row["difference"]) for row in rows) < 0.06 * GIB


def test_tokens_are_within_one_percent_and_hardly_ever_promised_in_vain():
    assert len(COMPLETE) >= 17
    assert all(-0.01 < row["error_fraction"] < 0.005 for row in COMPLETE)


def test_tokens_hold_with_each_run_left_out_of_the_fit():
    left_out = [row["error_fraction_left_out"] for row in COMPLETE if row["error_fraction_left_out"] is not None]
    assert len(left_out) >= 14
    assert all(-0.01 < error < 0.005 for error in left_out)


def test_caches_of_the_llama_cpp_family_are_within_half_a_percent():
    errors = errors_of("kv_cache", [row for row in ROWS if row["profile"] in {"llama.cpp", "ik_llama.cpp"}])
    assert len(errors) == 17
    assert max(map(abs, errors)) < 0.005


def test_the_graphs_of_plain_decoders_take_what_the_fork_prints():
    errors = errors_of("compute_buffer", [row for row in ROWS if row["error_fraction"] is not None])
    assert [round(error, 6) for error in sorted(errors, key=abs)][:3] == [0, 0, 0]
    assert max(map(abs, errors)) < 0.011  # two GPUs: what copies between them take is not known


def test_sglang_gives_the_cache_what_its_fraction_and_the_weights_leave():
    rows = [row for row in ROWS if row["profile"] == "sglang" and not row["reason"]]
    assert len(errors_of("kv_tokens", rows)) >= 3
    assert max(map(abs, errors_of("kv_tokens", [row for row in rows if not row["unexplained"]]))) < 0.01
    assert max(map(abs, errors_of("weights", rows))) < 0.01


def test_what_nobody_can_explain_stays_in_and_is_marked():
    unexplained = [row for row in ROWS if row["unexplained"]]
    assert {row["run"] for row in unexplained} >= {"deepseek-v3-ik-258", "deepseek-r1-ik-259", "qwq-32b-sglang-tp4"}
    assert all(row["predicted"] is not None and not row["reason"] for row in unexplained)
    assert not any("not known" in (row["reason"] or "") for row in ROWS if row["predicted"] is not None)
    errors = error_rows(ROWS)
    assert sum(row["unexplained"] for row in errors) == len(unexplained)
    assert max(row["highest_error_fraction"] for row in errors if row["component"] == "model_file") > 0.07
    for run, component in (("granite-3.1-8b-tp1", "non_torch"), ("qwq-32b-sglang-tp4", "kv_tokens")):
        row = next(row for row in ROWS if (row["run"], row["component"]) == (run, component))
        own = next(one for one in errors if (one["profile"], one["component"]) == (row["profile"], component))
        assert own["worst_run"] == run


def test_a_figure_is_explained_or_not_but_never_both(tmp_path: Path):
    both = written(tmp_path, reasons={"weights": "y"}, unexplained={"weights": "x"})
    with pytest.raises(ConfigurationError, match=r'mine.unexplained.weights: "x"; allowed: none beside a reason'):
        read_observations([both])


def test_what_stands_beside_the_cache_is_the_sum_of_its_parts_where_one_stage_printed_them():
    rows = [row for row in ROWS if row["component"] == "beside_cache" and row["profile"] == "vllm-0.19"]
    assert len(rows) == 17
    own = next(row for row in rows if row["run"] == "phi-4-tp1")
    assert own["measured"] == (27.39 + 1.52 + 0.25) * GIB
    assert sorted(abs(row["error_fraction"]) for row in rows if not row["reason"])[-2] < 0.001
    pipelined = OBSERVATIONS["llama-3.1-8b-tp1-pp4"]
    assert "beside_cache" in measured_amounts(pipelined)
    assert "beside_cache" not in measured_amounts(replace(pipelined, stages=dict(pipelined.stages) | {"weights": 0}))
    printed = replace(pipelined, measured=dict(pipelined.measured) | {"beside_cache": "4.5 GiB"})
    assert measured_amounts(printed)["beside_cache"] == 4.5 * GIB
    for stage, gib in ((0, 5.43), (1, 4.4), (3, 6.34)):  # tests/data/logs/vllm-0.19-pp4.log
        of_stage = replace(printed, stages=dict(pipelined.stages) | {"beside_cache": stage})
        assert predicted(of_stage, "beside_cache", CATALOGUE)[0] == pytest.approx(gib * GIB, rel=2e-3)


def test_what_follows_of_other_figures_counts_as_none_of_its_own():
    """The prose counts figures without these; were one printed, its query would have to tell them apart."""
    assert not any(set(DERIVED) & own.measured.keys() for own in OBSERVATIONS.values())
    numbers = yaml.safe_load((REPOSITORY / "config/numbers.yaml").read_text(encoding="utf-8"))["numbers"]
    for name in ("ObservedFigures", "ObservedCompared", "ObservedExplained"):
        assert all(f"'{component}'" in numbers[name]["query"]["value"] for component in DERIVED)


def test_an_error_of_the_fit_itself_is_said_to_be_one():
    own = {row["run"] for row in ROWS if row["in_sample"]}
    assert own == {"llama-3.1-8b-tp4"}  # the only run of its layout
    assert all(row["error_fraction_left_out"] is None for row in ROWS if row["in_sample"])
    assert not any(row["in_sample"] for row in ROWS if row["component"] in {"weights", "activation_peak"})
    pair = {name: OBSERVATIONS[name] for name in ("qwen2.5-7b-tp2", "mixtral-8x7b-tp2")}
    assert not any(one.in_sample for one in compared(pair, CATALOGUE))
    assert any(one.in_sample for one in compared({"mixtral-8x7b-tp2": OBSERVATIONS["mixtral-8x7b-tp2"]}, CATALOGUE))


@pytest.mark.parametrize("run", ["qwen3-30b-a3b-30-layers", "mixtral-8x7b-22-layers", "qwen3-next-80b-tp4", "qwen1.5-moe-v100"])
def test_a_format_that_follows_from_a_figure_is_not_held_against_it(run: str):
    own = OBSERVATIONS[run]
    assert (own.weights, own.gguf, predicted(own, "weights", CATALOGUE)[0]) == (None, None, None)


def test_every_figure_is_compared_or_says_why_not():
    assert len(ROWS) == sum(len(measured_amounts(own)) for own in OBSERVATIONS.values())
    assert all((row["predicted"] is None) <= bool(row["reason"]) for row in ROWS)
    assert all(row["repository"] and row["thread"] for row in ROWS)


def test_the_committed_rows_are_these():
    written = pl.read_csv(REPOSITORY / RESULTS / "observations.csv", infer_schema_length=None)
    assert written["run"].to_list() == [row["run"] for row in ROWS]
    both = zip(written["predicted"].to_list(), [row["predicted"] for row in ROWS], strict=True)
    assert all(theirs == (own if own is None else pytest.approx(own, rel=1e-9)) for theirs, own in both)
    errors = pl.read_csv(REPOSITORY / RESULTS / "observation_errors.csv", infer_schema_length=None)
    assert errors["figures"].sum() == len(ROWS)
    assert errors["compared"].sum() + errors["explained"].sum() + errors["not_predicted"].sum() == len(ROWS)


def test_every_component_has_a_name_for_people():
    assert set(COMPONENT_LABELS) == set(COMPONENTS)


RUN = OBSERVATIONS["qwen3-30b-a3b-tp1"]


@pytest.mark.parametrize("setting", ["model", "profile", "gpu", "tensor", "weights", "kv"])
def test_a_setting_that_is_not_stated_leaves_out_what_it_decides_and_no_more(setting: str):
    without = replace(RUN, **{setting: None} | ({"gpu_memory": None} if setting == "gpu" else {}))
    value, reason = predicted(without, "kv_tokens", CATALOGUE)
    missing = "no profile describes the engine" if setting == "profile" else f"the source does not state {NAMES.get(setting)}"
    assert (value, reason) == (None, missing)
    weights, _ = predicted(without, "weights", CATALOGUE)
    assert (weights is None) == (setting in {"model", "tensor", "weights"})


def test_without_a_profile_weights_and_bytes_are_as_counted():
    bare = replace(RUN, profile=None)
    weights, _ = predicted(bare, "weights", CATALOGUE)
    assert weights == 2 * count_parameters(CATALOGUE.models["qwen3-30b-a3b"]).total
    assert predicted(bare, "kv_bytes_per_token", CATALOGUE) == (48 * 2 * 4 * 128 * 2, None)


def test_a_larger_step_and_a_larger_share_move_the_prediction():
    tokens, _ = predicted(RUN, "kv_tokens", CATALOGUE)
    less, _ = predicted(replace(RUN, step_tokens=16384), "kv_tokens", CATALOGUE)
    more, _ = predicted(replace(RUN, usable_fraction=0.97), "kv_tokens", CATALOGUE)
    assert less < tokens < more


def test_leaving_out_takes_the_reserve_from_the_others_alone():
    pair = {name: OBSERVATIONS[name] for name in ("qwen2.5-7b-tp2", "mixtral-8x7b-tp2")}
    found = {(one.run, one.component): one for one in compared(pair, CATALOGUE)}
    assert found["qwen2.5-7b-tp2", "non_torch"].predicted_left_out == pytest.approx(2.07 * GIB, abs=1)
    assert found["mixtral-8x7b-tp2", "non_torch"].predicted_left_out == pytest.approx(2.06 * GIB, abs=1)
    alone = {one.run: one for one in compared({"mixtral-8x7b-tp2": OBSERVATIONS["mixtral-8x7b-tp2"]}, CATALOGUE)}
    assert alone["mixtral-8x7b-tp2"].predicted_left_out is None


@given(st.decimals(min_value="0.01", max_value=10**6, places=2), st.sampled_from(COMPONENTS), st.sampled_from(sorted(UNITS)))
def test_amounts_are_read_with_their_unit(value, component: str, unit: str):
    counted = COUNTED_IN.get(component)
    value = value if counted in {None, "x"} else int(value) + 1
    if unit == counted or (counted is None and unit not in COUNTED_IN.values()):
        assert amount(component, f"{value} {unit}") == float(value) * UNITS[unit]
    else:
        with pytest.raises(ModelError, match=f"measured.{component}"):
            amount(component, f"{value} {unit}")


@pytest.mark.parametrize(
    "text", ["56.88", "56.88 TB", "GiB", "1,5 GiB", "-1 GiB", "56.88GiB", "", "1e3 B", "0 GiB", "0.00 MiB", "5 tokens"]
)
def test_another_unit_is_refused(text: str):
    with pytest.raises(ModelError, match=r"a number above zero and a unit: B, MiB, GiB, GB$"):
        amount("weights", text)


def test_an_error_counts_apart_from_what_is_explained():
    rows = [row for row in ROWS if row["run"] == "kimi-vl-a3b-tp1" and row["component"] == "weights"]
    (summed,) = error_rows(rows)
    assert (summed["compared"], summed["explained"], summed["median_error_fraction"]) == (0, 1, None)


def written(folder: Path, **changes: object) -> Path:
    own = yaml.safe_load((REPOSITORY / "config/observations/vllm-0.19-h100.yaml").read_text(encoding="utf-8"))
    run = own["phi-4-tp1"] | changes
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump({"mine": {key: value for key, value in run.items() if value is not None}}), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"measured": {"weights": "27.39 GB10"}}, r'measured.weights: "27.39 GB10"; allowed: a number above zero and a unit: B'),
        ({"measured": {"kv_tokens": "27 GiB"}}, r'measured.kv_tokens: "27 GiB"; allowed: a whole number above zero'),
        ({"gpu_memory": "80 tokens"}, r'gpu_memory: "80 tokens"; allowed: a number above zero and a unit: B'),
        ({"weights": "int9"}, r'mine.weights: "int9"; allowed: fp32'),
        ({"measured": {"kv_tokens": "0.5 tokens"}}, r'measured.kv_tokens: "0.5 tokens"; allowed: a whole number above zero'),
        ({"measured": {"kv_tokens": f"{'9' * 400} tokens"}}, r"measured.kv_tokens: .*allowed: a whole number above zero"),
        ({"reasons": {"kv_blocks": "x"}}, r'mine.reasons.kv_blocks: "x"; allowed: none: the run has no such figure'),
        ({"unexplained": {"kv_blocks": "x"}}, r'mine.unexplained.kv_blocks: "x"; allowed: none: the run has no such figure'),
        ({"gguf": {"file_type": "Q8_0", "era": "2023"}}, r'mine.gguf.era: "2023"; allowed'),
        ({"stages": {"weights": 1}}, r"mine.stages.weights: 1; allowed: 0 to 0, the stages of the pipeline"),
        ({"measured": {"weight": "27.39 GiB"}}, r"mine.measured.weight.*allowed: one of weights, kv_bytes_per_token"),
        ({"measured": {}}, r"mine.measured"),
        ({"model": "phi-5"}, r'mine.model: "phi-5"; allowed: the files in config/models: .*phi-4'),
        ({"profile": "vllm-9"}, r'mine.profile: "vllm-9"; allowed: the entries of config/engines.yaml'),
        ({"kv": "fp7"}, r'mine.kv: "fp7"; allowed: the formats of a cache'),
        ({"tensor": 0}, r"mine.tensor: 0; allowed"),
        ({"speed": 1}, r"mine.speed: 1; allowed"),
        ({"source": None}, r"mine.source"),
    ],
)
def test_a_wrong_observation_gets_one_line(tmp_path: Path, changes: dict, line: str):
    with pytest.raises(ConfigurationError, match=line) as refusal:
        read_observations([written(tmp_path, **changes)])
    assert "\n" not in str(refusal.value)


def test_a_run_stands_once(tmp_path: Path):
    file = written(tmp_path)
    again = tmp_path / "again.yaml"
    shutil.copy(file, again)
    with pytest.raises(ConfigurationError, match=r"again.yaml: mine: .*allowed: a run that no other file holds"):
        read_observations([file, again])


def test_what_is_unknown_of_a_run_is_no_error():
    bare = Observation(source=Source("a/b", "1"), named="x", engine="y", measured={"weights": "1 GiB"})
    assert predicted(bare, "weights", CATALOGUE) == (None, "the source does not state a model of the catalogue")


def test_the_command_compares_and_sums_up():
    rows = json.loads(call("observations", "compare", "--engine", "vllm-0.19", "--json").stdout)
    assert {row["run"] for row in rows} == {run for run, own in OBSERVATIONS.items() if own.profile == "vllm-0.19"}
    text = call("observations", "compare", "--run", "qwen3-30b-a3b-tp1").stdout
    assert all(word in text for word in ("2.68 GiB", "168,288", "CUDA graphs", "no model of CUDA graphs"))
    summed = json.loads(call("observations", "compare", "--summary", "--json").stdout)
    assert sum(row["figures"] for row in summed) == len(ROWS)
    assert "allowed: ik_llama.cpp, llama.cpp, none, sglang" in refused("observations", "compare", "--engine", "vllm")
    assert "did you mean qwen3-30b-a3b-tp1" in refused("observations", "compare", "--run", "qwen3-30b-a3b-tp")


def test_a_layout_that_the_model_cannot_have_has_no_prediction():
    value, reason = predicted(replace(RUN, tensor=3), "weights", CATALOGUE)
    assert value is None
    assert reason
