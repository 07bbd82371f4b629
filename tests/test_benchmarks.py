"""The benchmarks run, and what is derived from their tables is what the committed tables say."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from conftest import REPOSITORY
from forked import forked

from prophet_memory.huggingface import read

FOLDER = REPOSITORY / "evaluation" / "benchmarks"
BENCHMARKS = sorted(path for path in (REPOSITORY / "benchmarks").glob("*.py") if path.stem != "measure")


def run(name: str, *arguments: object) -> None:
    command = [sys.executable, REPOSITORY / "benchmarks" / f"{name}.py", *arguments]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda path: path.stem)
def test_every_benchmark_says_how_it_is_run(benchmark):
    done = forked(benchmark, "--help")
    assert done.returncode == 0, done.stderr
    assert "--output" in done.stdout


def test_plan_figure_and_page_follow_from_the_tables(tmp_path):
    run("schedule", "--output", tmp_path / "schedule.csv")
    assert (tmp_path / "schedule.csv").read_bytes() == (FOLDER / "schedule.csv").read_bytes()
    run("plan", "--output", tmp_path / "scaling.md")
    assert (tmp_path / "scaling.md").read_bytes() == (REPOSITORY / "docs" / "scaling.md").read_bytes()
    run("draw", "--output", tmp_path / "benchmarks.pdf")
    assert (tmp_path / "benchmarks.pdf").read_bytes() == (FOLDER / "benchmarks.pdf").read_bytes()


def test_the_kernel_is_measured(tmp_path):
    run("kernel", "--repeat", 1, "--output", tmp_path / "kernel.csv")
    table = pl.read_csv(tmp_path / "kernel.csv")
    assert set(table["cache"]) == {"plain", "windows"}
    assert (table["fraction_of_fill"] > 0).all()
    # A share is that of the two rates beside it.
    shares = table["written_bytes_per_s"] / table["fill_bytes_per_s"]
    assert (shares - table["fraction_of_fill"]).abs().max() < 1e-9  # nine decimals are written


def test_a_slower_file_system_or_fewer_nodes_never_end_sooner(tmp_path):
    ends = {}
    for name, options in {"base": (), "slow disk": ("--file-operations-per-s", 10_000), "few": ("--nodes", 10)}.items():
        run("schedule", *options, "--output", tmp_path / "schedule.csv")
        ends[name] = pl.read_csv(tmp_path / "schedule.csv")["until_last_shard_h"]
    assert (ends["slow disk"] >= ends["base"]).all()
    assert (ends["few"] >= ends["base"]).all()
    assert ends["few"].max() > ends["base"].min()


def test_the_recorded_answers_of_other_calculators_come_to_ours(tmp_path):
    run("outsiders", "--recorded", "--page", tmp_path / "calculators.md")
    assert (tmp_path / "calculators.md").read_bytes() == (REPOSITORY / "docs" / "calculators.md").read_bytes()
    recorded = pl.read_csv(FOLDER / "outsiders.csv")
    assert recorded.group_by("calculator").agg(pl.col("model").n_unique()).sort("calculator").rows() == [
        ("aiconfigurator", 6), ("hf-mem", 6), ("kvfit", 21), ("llm-mem-planner", 4)
    ]  # fmt: skip
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    try:
        import outsiders
    finally:
        sys.path.pop(0)
    for row in recorded.iter_rows(named=True):
        (file,) = (REPOSITORY / "tests" / "data").glob(f"*_configs/{row['model']}.json")
        model = read(json.loads(file.read_text(encoding="utf-8"))).architecture
        assert outsiders.ours(row["quantity"], model) == row["ours"]
        if row["quantity"] == outsiders.ACTIVATIONS:
            assert row["explained"] is None
            assert outsiders.fitted_activations(model) == row["theirs"]
            continue
        assert outsiders.explained(row["calculator"], row["quantity"], model) == (row["explained"], row["explanation"] or "")
        assert row["theirs"] + row["explained"] == row["ours"]


def test_the_count_at_the_end_can_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    scaling = importlib.import_module("scaling")
    found = scaling.count(scaling.COUNTED_SHARDS[0], tmp_path, repeat=1)
    assert found["rows"] > 0
    assert found["seconds"] > 0


def test_serving_is_measured(tmp_path):
    run("serving", "--requests", 2000, "--repeat", 1, "--output", tmp_path / "serving.csv")
    table = pl.read_csv(tmp_path / "serving.csv")
    assert table["steps"].n_unique() == 2
    assert (table["requests_per_s"] * table["million_requests_s"] - 1e6).abs().max() < 1


def test_the_explorer_is_measured(tmp_path):
    pytest.importorskip("playwright", reason="playwright is not installed: pip install -e '.[browser]'")
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    run("explorer", "--repeat", 1, "--output", tmp_path / "explorer.csv")
    table = pl.read_csv(tmp_path / "explorer.csv")
    assert len(table) == 8
    assert table["page_bytes"].unique().to_list() == [(REPOSITORY / "evaluation/reports/explorer.html").stat().st_size]
    assert (table["of_empty"] > 1).all()
