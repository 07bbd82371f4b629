"""Reading results: each axis is kept or pinned, so that a new one stops its readers instead of being averaged away."""

import os
import runpy
import shutil
import subprocess
import sys
from inspect import signature
from pathlib import Path

import polars as pl
import pytest
from conftest import REPOSITORY, RESULTS, small_project, snakemake
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.axes import KEYS
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.tables import by_key, points
from prophet_paper.queries import Query, QueryError, Results

DATA = REPOSITORY / RESULTS / "prophet_kv_extension_data.parquet"
POINT = {"gpu": "a100-80gb", "n_gpus": 1, "batch_size": 16, "precision": "bf16", "policy": "prophet", "provision": "p99"}


def test_a_pin_that_nobody_swept_is_one_line():
    with pytest.raises(ConfigurationError, match=r'policy: "propet"; allowed: all_resident, prophet'):
        points(DATA, keys=KEYS, at={"policy": "propet"})


def test_rows_at_a_point_are_known_by_the_keys_that_are_left():
    found = points(DATA, keys=("model", "routing"), at=POINT)
    whole = pl.read_parquet(DATA).filter(*(pl.col(name) == value for name, value in POINT.items()))
    assert found.equals(whole)
    assert by_key(DATA, keys=("model", "routing"), at=POINT)["dbrx", "uniform"]["batch_size"] == 16


@given(st.sets(st.sampled_from(KEYS)), st.sets(st.sampled_from(KEYS)))
def test_an_axis_that_is_neither_kept_nor_pinned_stops_the_reader(keys: set[str], pinned: set[str]):
    at = {name: (POINT | {"model": "dbrx", "routing": "uniform"})[name] for name in pinned}
    loose = [key for key in KEYS if key not in keys | pinned]
    if loose:
        with pytest.raises(ConfigurationError, match=f"{loose[0]}: neither kept nor pinned"):
            points(DATA, keys=sorted(keys), at=at)
    else:
        assert points(DATA, keys=sorted(keys), at=at).height > 0


def test_an_axis_that_nobody_knows_is_found_by_keys_that_repeat(tmp_path: Path):
    table = pl.read_parquet(DATA)
    file = tmp_path / "data.parquet"
    table.join(pl.DataFrame({"link": ["pinned", "pageable"]}), how="cross").write_parquet(file)
    with pytest.raises(ConfigurationError, match=r"keys: several rows at model .*; allowed: one, by model, routing"):
        points(file, keys=("model", "routing"), at=POINT)
    assert points(file, keys=("model", "routing"), at=POINT | {"link": "pinned"}).height == 48


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ConfigurationError, match=r"data\.parquet: zipf: no such column"):
        points(DATA, keys=(*KEYS, "zipf"))


def test_a_query_names_each_axis_itself_or_in_its_defaults():
    results, query = Results([DATA]), Query(DATA.stem, "kv_extension", {"model": "dbrx"})
    assert len(results.ask(query, "uniform", POINT)) == 1
    with pytest.raises(QueryError, match=r"where.n_gpus: None; allowed: a value, a list or all"):
        results.ask(query, "uniform", {name: value for name, value in POINT.items() if name != "n_gpus"})


def scripts() -> list[Path]:
    own = [file for file in (REPOSITORY / "scripts").glob("*.py") if "script(main)" in file.read_text(encoding="utf-8")]
    assert len(own) > 30
    return own


def test_a_new_axis_stops_every_reader_with_one_line(tmp_path: Path):
    """The drill: an axis joins the list and the long table, and nothing else knows of it."""
    folder = small_project(tmp_path / "project")
    assert snakemake(folder, str(RESULTS / DATA.name), str(RESULTS / "model_catalogue.csv")).returncode == 0
    axes = folder / "src/prophet_memory/axes.py"
    axes.write_text(
        axes.read_text(encoding="utf-8").replace('    "policy"', '    "link": "links",\n    "policy"'), encoding="utf-8"
    )
    data = folder / RESULTS / DATA.name
    pl.read_parquet(data).join(pl.DataFrame({"link": ["pinned", "pageable"]}), how="cross").write_parquet(data)
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    takes = {file: signature(runpy.run_path(str(file), run_name="imported")["main"]).parameters for file in scripts()}
    readers = [file for file, parameters in takes.items() if "data" in parameters]
    assert len(readers) >= 7
    shutil.copytree(REPOSITORY / RESULTS, folder / "committed")
    for reader in readers:
        words = {
            "data": data, "catalogue": folder / RESULTS / "model_catalogue.csv", "gpu": "h100-80gb", "batch_size": 8,
            "gpu_catalogue": folder / "committed" / "gpu_catalogue.csv", "precision": "bf16", "policy": "prophet",
            "policies": folder / "committed" / "policy_catalogue.csv", "laws": folder / "committed" / "law_catalogue.csv",
            "routing": "uniform", "provision": "mean", "models": "mixtral-8x7b", "chunk_tokens": 512,
            "batch_sizes": 8, "by": "model", "output": tmp_path / f"{reader.stem}.csv", "swept": "ideal", "profile": "vllm-0.19",
            "concurrency": folder / "committed" / "concurrency.parquet", "context_tokens": 2048,
            "engines": folder / "committed" / "engine_catalogue.csv",
        }  # fmt: skip
        if reader.stem == "explorer":  # what it reads after the tables does not matter
            words = (
                dict.fromkeys(takes[reader], "{}") | words | {"models": words["catalogue"], "context_tokens": 1, "policies": "[]"}
            )
        options = [part for name in takes[reader] for part in (f"--{name.replace('_', '-')}", words[name])]
        command = [sys.executable, folder / "scripts" / reader.name, *options]
        done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, check=False)
        if reader.stem == "max_context":  # keeps every key there is
            assert pl.read_csv(tmp_path / "max_context.csv")["link"].n_unique() == 2
            continue
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), (reader.name, done)
        assert "link: neither kept nor pinned by its reader" in done.stderr
        assert not (tmp_path / f"{reader.stem}.csv").exists()
