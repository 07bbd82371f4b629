"""The workflow as its users meet it: from nothing, again, after an edit, with another config, killed and broken."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import (
    EXPLORER,
    GENERATED,
    IN_PAPER,
    REPOSITORY,
    RESULTS,
    SHOWN,
    committed,
    copy_project,
    generated,
    small_project,
    snakemake,
)
from forked import forked

MODEL = "config/models/olmoe-1b-7b.yaml"
ALL_AFTER_A_SHARD = {
    "sweep_model", "join_shards", "describe_models", "saturation_batches", "expert_savings_curves", "summary_statistics",
    "kv_extension_at_reference", "smallest_gpu_counts", "table_multi_gpu",
    "mean_extension_by_model", "mean_extension_by_expert_count", "max_context", "checksums",
    "sweep_concurrency", "table_concurrency", "figure_concurrency",
    *(f"figure{i}" for i in range(1, 8)), "table_model_catalogue", "table_saturation_thresholds",
    "exponent_fits", "table_exponent_fit", "distinct_experts", "savings_band", "prefill_chunks", "table_prefill_chunks",
    "figure9", "figure10", "figure12", "alternatives", "prophet_losses", "table_alternatives", "figure13", "figure15",
    "table_kv_extension", "table_extension_by_expert_count", "table_summary_statistics", "judge_claims", "claims_summary",
    "table_claims", "table_claims_summary", "prose_numbers", "batch_size_justification", "workload_weighted", "table_workloads",
    "figure17", "sweep_profile", "profile_concurrency", "profile_summary_statistics", "profile_mean_extension",
    "table_headlines", "readme", "explorer", "paper_claims", "artifact_appendix",
}  # fmt: skip


DESCRIBED = {"describe_gpus", "describe_laws", "describe_policies", "describe_engines"}
OBSERVED = {"compare_observations", "observation_errors", "figure8", "table_observations"}
# They ask no shard.
APART = {
    "cache_hits", "figure11", "law_errors", "table_law_errors", "sensitivity", "residency_curves", "latency_observed", "figure14",
    "table_latency_observed", "workload_batches", "serve_trace", "served", "decisions", "decision_tree", "figure16", "figure18",
    "bundle_explorer",
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean checkout in which everything has been regenerated from nothing."""
    folder = copy_project(tmp_path_factory.mktemp("built"))
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr
    return folder


def planned(folder, *arguments: str) -> dict[str, int]:
    """How many jobs of each rule a run would start; figures by their number."""
    done = snakemake(folder, "--dry-run", *arguments)
    assert done.returncode == 0, done.stderr
    jobs = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
    return {re.sub(r"^(figure\d+).*", r"\1", rule): int(count) for rule, count in jobs if rule not in {"total", "all"}}


def test_a_clean_checkout_regenerates_every_committed_byte(built):
    before = {name: (REPOSITORY / name).read_bytes() for name in committed()}
    regenerated = generated(built)
    assert len(before) > 25
    assert sorted(regenerated) == sorted(before)
    assert [name for name in before if before[name] != regenerated[name]] == []


def test_outputs_are_exactly_what_is_committed(built):
    shards = {f"{RESULTS}/shards/{model}.{kind}" for model in IN_PAPER for kind in ("parquet", "json")}
    found = (path for top in GENERATED for path in (built / top, *(built / top).rglob("*")))
    there = {str(path.relative_to(built)) for path in found if path.is_file()}
    served = {name for name in there if name.startswith("evaluation/memory_results/workloads/shards/")}
    assert len(served) == 2 * 3 * 5  # kinds, traces and policies
    assert there - shards - served - {f"{RESULTS}/prophet_kv_extension_data.csv"} == set(committed())


def test_a_clean_checkout_with_committed_results_runs_everything(tmp_path):
    folder = copy_project(tmp_path, with_results=True)
    jobs = planned(folder)
    assert jobs["sweep_model"] == len(IN_PAPER)
    assert set(jobs) == ALL_AFTER_A_SHARD | DESCRIBED | OBSERVED | APART


def test_a_second_run_does_nothing(built):
    assert planned(built) == {}


def touched(built, name: str, line: str) -> dict[str, int]:
    """What a run would do after a line is added to a file; the file is put back with its time."""
    file = built / name
    content, stat = file.read_bytes(), file.stat()
    file.write_bytes(content + line.encode())
    try:
        return planned(built)
    finally:
        file.write_bytes(content)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_an_edited_model_reruns_its_shard_and_what_depends_on_it(built):
    jobs = touched(built, MODEL, "# edited\n")
    assert jobs["sweep_model"] == 1
    assert set(jobs) == ALL_AFTER_A_SHARD


def test_an_edited_library_reruns_what_imports_it(built):
    assert touched(built, "src/prophet_memory/routing/uniform.py", "# edited\n")["sweep_model"] == len(IN_PAPER)
    assert set(touched(built, "src/prophet_paper/latex.py", "# edited\n")) == {
        rule for rule in ALL_AFTER_A_SHARD if "table" in rule
    } | {
        "table_observations",
        "table_law_errors",
        "table_latency_observed",
        "prose_numbers",
        "batch_size_justification",
        "readme",
        "paper_claims",
        "artifact_appendix",
        "explorer",
        "checksums",
    }
    assert set(touched(built, "src/prophet_paper/figures.py", "# edited\n")) == {f"figure{i}" for i in range(1, 19)} | {
        "figure_concurrency",
        "checksums",
    }
    assert touched(built, "src/prophet_memory/huggingface/decoders.py", "# edited\n") == {}, (
        "no job imports the reader of config.json"
    )
    assert set(touched(built, "requirements.lock", "# edited\n")) == ALL_AFTER_A_SHARD | DESCRIBED | OBSERVED | APART


def test_an_edited_script_reruns_its_own_output(built):
    assert set(touched(built, "scripts/table_kv_extension.py", "# edited\n")) == {"table_kv_extension", "checksums"}


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("encoder_source_tokens: 512", "encoder_source_tokens: 1024", {"sweep_model": len(IN_PAPER)}),
        ("breakdown_models: [deepseek-moe-16b,", "breakdown_models: [dbrx,", {"figure1": 1}),
        ("summary:\n    models: [mixtral-8x7b,", "summary:\n    models: [dbrx,", {"summary_statistics": 1}),
    ],
)
def test_a_config_edit_reruns_what_it_touches(built, right, wrong, expected):
    file = built / "config/config.yaml"
    content, stat = file.read_text(encoding="utf-8"), file.stat()
    assert right in content
    file.write_text(content.replace(right, wrong), encoding="utf-8")
    try:
        jobs = planned(built)
    finally:
        file.write_text(content, encoding="utf-8")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert expected.items() <= jobs.items()
    if "sweep_model" not in expected:
        assert "sweep_model" not in jobs


def test_the_csv_and_the_parquet_hold_the_same(built):
    data = pd.read_parquet(REPOSITORY / RESULTS / "prophet_kv_extension_data.parquet")
    text = pd.read_csv(built / RESULTS / "prophet_kv_extension_data.csv", low_memory=False)
    assert list(text.columns) == list(data.columns)
    for name in data.columns:
        left, right = text[name], data[name]
        if left.dtype == object or name in {"exceeds_model_context", "fit_verdict"}:
            left, right = left.astype("string"), right.astype("string")
        pd.testing.assert_series_equal(left, right, check_dtype=False, rtol=0, atol=0)


def test_any_part_of_the_lists_is_enough_for_every_output(small_built):
    folder = small_built
    assert len(list((folder / "evaluation/figures").rglob("*.pdf"))) == 19
    assert len(list((folder / "paper_tables").glob("*.tex"))) == 18
    rows = (folder / RESULTS / "prophet_kv_extension_data.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 2 * 1 * 2 * 2 * 1 * 1 * 2 * 2


def test_every_output_is_made_where_nothing_fits(own):
    folder = own
    config = folder / "config/config.yaml"
    engines = folder / "config/engines.yaml"
    engines.write_text(engines.read_text(encoding="utf-8").replace("usable_fraction: 1.0", "usable_fraction: 0.001"), "utf-8")
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("bf16]", "int8_experts]").replace("precision: bf16", "precision: int8_experts"), encoding="utf-8"
    )
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr
    rows = (folder / RESULTS / "prophet_kv_extension_data.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert all(row.endswith(",,,,does_not_fit,") for row in rows)
    assert "INT8 experts" in (folder / "paper_tables/table_kv_extension.tex").read_text(encoding="utf-8")


def test_the_order_of_lists_changes_no_byte(own, small_built):
    folder = own
    config = folder / "config/config.yaml"
    text = config.read_text(encoding="utf-8").replace("batch_sizes: [1, 8]", "batch_sizes: [8, 1]")
    text = text.replace("models: [qwen1.5-moe-a2.7b, mixtral-8x7b]", "models: [mixtral-8x7b, qwen1.5-moe-a2.7b]")
    config.write_text(text.replace("[prophet, all_resident]", "[all_resident, prophet]"), encoding="utf-8")
    assert planned(folder)["sweep_model"] == 2
    assert snakemake(folder).returncode == 0
    assert generated(folder) == generated(small_built)


def test_a_killed_run_is_taken_up_and_ends_in_the_same_bytes(tmp_path, small_built):
    folder, asked = small_project(tmp_path), [*SHOWN, str(RESULTS / "claims.csv")]
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *asked],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("evaluation/figures/*/*.pdf")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    locked = snakemake(folder, *asked)
    assert locked.returncode != 0  # a killed head leaves its lock
    assert snakemake(folder, "--unlock").returncode == 0
    assert planned(folder, *asked)
    done = snakemake(folder, *asked)
    assert done.returncode == 0, done.stderr
    made, whole = generated(folder), generated(small_built)
    del made[EXPLORER]  # lies in every checkout
    assert set(asked) <= set(made)
    assert made == {name: whole[name] for name in made}
    assert not [path for path in folder.rglob(".*.p*") if path.suffix in {".pdf", ".png", ".parquet"}], "half-written files"


def test_nothing_is_built_by_accident_only(tmp_path):
    """A clean tree has work to do: a Snakefile without a default target would say that there is none."""
    assert sum(planned(copy_project(tmp_path)).values()) == 122


@pytest.mark.parametrize("script", sorted((REPOSITORY / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_says_how_it_is_run(script):
    if script.stem == "export_environment":
        pytest.skip("takes no arguments")
    done = forked(script, "--help")
    assert done.returncode == 0
    assert "usage:" in done.stdout
    assert len(done.stdout.splitlines()) > 3


def test_the_report_builds_offline(built):
    done = snakemake(built, "--report", "report.html")
    assert done.returncode == 0, done.stderr
    text = (built / "report.html").read_text(encoding="utf-8")
    captioned = {file.stem for file in (REPOSITORY / "workflow/report").glob("*.rst")} - {"figure_design_space"}
    assert len(captioned) > 35
    assert [name for name in captioned if name not in text] == []
    for category in ("Figures", "Tables", "Pages"):
        assert category in text
