"""The explorer: what is packed is what the results say, the committed page holds it, and a browser shows it."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import zlib

import numpy as np
import polars as pl
import pytest
from conftest import REPOSITORY, RESULTS
from forked import forked
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.edge.tables import read_rows
from prophet_paper.explorer import (
    ALTERNATIVES_COLUMNS,
    ALTERNATIVES_KEYS,
    CONCURRENCY_COLUMNS,
    CONCURRENCY_KEYS,
    SWEEP_COLUMNS,
    SWEEP_KEYS,
)
from prophet_paper.packing import Difference, Packed, Quotient, Ratio, pack, varints

PAGE = REPOSITORY / "evaluation/reports/explorer.html"
STUDIES = REPOSITORY / "evaluation/memory_results"
PROFILE = STUDIES / "engine_profile"


class Unpacked:
    """A second reading of the format, column by column, without the writer's code."""

    def __init__(self, packed: bytes) -> None:
        whole = zlib.decompress(packed, wbits=-15)
        length = int.from_bytes(whole[:4], "little")
        self.header = json.loads(whole[4 : 4 + length])
        self.rest = whole[4 + length :]

    def part(self, place):
        return self.rest[place[0] : place[0] + place[1]]

    def gathered(self, place, width, kind):
        planes = np.frombuffer(self.part(place), np.uint8).reshape(width, -1)
        return np.ascontiguousarray(planes.T).view(kind).ravel()

    def distinct(self, column):
        if "words" in column:
            return column["words"]
        if "doubles" in column:
            return self.gathered(column["doubles"], 8, "<f8").tolist()
        whole, found, value, scale = column["first"], [], 0, 1
        for byte in self.part(column["dictionary"]):
            value, scale = value + byte % 128 * scale, scale * 128
            if byte < 128:
                whole += value
                found.append(whole / 10 ** column["decimals"])
                value, scale = 0, 1
        return found

    def table(self, name: str) -> dict[str, list]:
        told = self.header["tables"][name]
        shape = [len(values) for values in told["keys"].values()]
        grid = np.indices(shape).reshape(len(shape), -1) if shape else None
        found = {key: [values[at] for at in grid[axis]] for axis, (key, values) in enumerate(told["keys"].items())}
        for column, own in told["columns"].items():
            if "rule" in own:
                continue
            codes = self.gathered(own["codes"], own["width"], f"<u{own['width']}")
            if shape:
                kept = [size if axis in own["axes"] else 1 for axis, size in enumerate(shape)]
                codes = np.broadcast_to(codes.reshape(kept), shape).ravel()
            values = np.array([None, *self.distinct(own)], dtype=object)
            found[column] = values[codes].tolist()
        rules = {column: own for column, own in told["columns"].items() if "rule" in own}
        while rules:
            column, own = next((name, own) for name, own in rules.items() if self.needs(own) <= set(found))
            found[column] = self.derived(own, found, told)
            del rules[column]
        return found

    @staticmethod
    def needs(own):
        return {own["of"], *own.get("less", []), *(own[key] for key in ("over", "than", "times") if key in own)}

    @staticmethod
    def derived(own, found, told):
        of = found[own["of"]]
        if own["rule"] == "difference":
            return [value - sum(row) for value, *row in zip(of, *(found[name] for name in own["less"]), strict=True)]
        if own["rule"] == "quotient":
            return [None if a is None else round(a / b, 9) for a, b in zip(of, found[own["over"]], strict=True)]
        if own["rule"] == "smaller":
            pairs = zip(of, found[own["than"]], found[own["times"]], strict=True)
            return [None if a is None else (a if b is None else min(a, b)) * times for a, b, times in pairs]
        among = told["keys"][own["key"]]
        size = len(of) // len(among)
        base = of[among.index(own["base"]) * size :][:size] * len(among)
        return [None if a is None or b is None else round(a / b, 9) for a, b in zip(of, base, strict=True)]


@pytest.fixture(scope="module")
def committed() -> Unpacked:
    packed = re.search(r'<script id="packed"[^>]*>([^<]+)</script>', PAGE.read_text(encoding="utf-8"))
    return Unpacked(base64.b64decode(packed[1]))


@pytest.mark.parametrize(
    ("name", "file", "keys", "columns"),
    [
        ("sweep ideal", REPOSITORY / RESULTS / "prophet_kv_extension_data.parquet", SWEEP_KEYS, SWEEP_COLUMNS),
        ("sweep vllm-0.19", PROFILE / "prophet_kv_extension_data.parquet", SWEEP_KEYS, SWEEP_COLUMNS),
        ("concurrency ideal", REPOSITORY / RESULTS / "concurrency.parquet", CONCURRENCY_KEYS, CONCURRENCY_COLUMNS),
        ("concurrency vllm-0.19", PROFILE / "concurrency.parquet", CONCURRENCY_KEYS, CONCURRENCY_COLUMNS),
        ("alternatives", STUDIES / "alternatives/alternatives.parquet", ALTERNATIVES_KEYS, ALTERNATIVES_COLUMNS),
    ],
)
def test_the_committed_page_holds_the_committed_results(committed, name, file, keys, columns):
    found = committed.table(name)
    rows = pl.read_parquet(file).sort(keys)
    for column in (*keys, *columns):
        assert found[column] == rows[column].to_list(), column


def test_the_committed_page_holds_claims_numbers_and_observations(committed):
    for name, file in (("claims", "claims.csv"), ("numbers", "prose_numbers.csv"), ("observations", "observations.csv")):
        told = committed.header["listed"][name]
        rows = read_rows(REPOSITORY / RESULTS / file)
        assert told["rows"] == len(rows)
        for column, own in told["columns"].items():
            assert own["values"] == [row[column] for row in rows], (name, column)


def test_the_page_is_one_small_file_that_asks_nobody(committed):
    text = PAGE.read_text(encoding="utf-8")
    assert PAGE.stat().st_size <= 1.5e6
    assert len(committed.header["tables"]) > 25
    assert "default-src 'none'" in text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
    for library in ("@observablehq/plot", "d3-scale"):
        assert f"{library} " in text.partition('<pre id="licences">')[2], library


NUMBERS = st.one_of(
    st.none(), st.integers(-(2**40), 2**40).map(float), st.decimals(-1000, 1000, places=9).map(float), st.floats(-1e6, 1e6)
)


@given(
    st.lists(st.tuples(NUMBERS, st.sampled_from(["a", "b", None]), st.sampled_from([True, False, None])), min_size=1, max_size=40)
)
def test_a_list_comes_back_as_it_was(rows):
    frame = pl.DataFrame(rows, schema={"number": pl.Float64, "word": pl.String, "flag": pl.Boolean}, orient="row")
    found = Unpacked(pack({"list": Packed(frame)}, {})).table("list")
    assert found == {name: frame[name].to_list() for name in frame.columns}


@given(st.lists(st.integers(0, 2**50), max_size=20))
def test_varints_hold_whole_numbers(values):
    found, value, scale = [], 0, 1
    for byte in varints(values):
        value, scale = value + byte % 128 * scale, scale * 128
        if byte < 128:
            found.append(value)
            value, scale = 0, 1
    assert found == values


@given(st.lists(st.one_of(st.none(), st.integers(1, 10**6)), min_size=12, max_size=12), st.booleans())
def test_a_grid_comes_back_whole_whatever_follows_from_what(values, follows):
    keys = [(policy, batch, context) for policy in ("all", "own") for batch in (1, 2, 8) for context in (1, 2)]
    frame = pl.DataFrame(keys, schema=["policy", "batch", "context"], orient="row").with_columns(
        tokens=pl.Series(values, dtype=pl.Int64)
    )
    base = pl.Series(values[:6] * 2, dtype=pl.Int64)
    frame = frame.with_columns(
        each=(pl.col("tokens") / pl.col("batch")).round(9), ratio=(pl.col("tokens") / base).round(9),
        left=pl.col("batch") - pl.col("context"), batches=pl.col("batch") * 10,
    )  # fmt: skip
    if not follows:  # one row is another: then the column is stored
        frame = frame.with_columns(left=pl.when(pl.int_range(12) == 11).then(99).otherwise(pl.col("left")))
    rules = {
        "each": Quotient("tokens", "batch"),
        "ratio": Ratio("tokens", "policy", "all"),
        "left": Difference("batch", ("context",)),
    }
    unpacked = Unpacked(pack({"grid": Packed(frame, ("policy", "batch", "context"), rules)}, {}))
    assert ("rule" in unpacked.header["tables"]["grid"]["columns"]["left"]) == follows
    assert unpacked.header["tables"]["grid"]["columns"]["batches"]["axes"] == [1]
    found = unpacked.table("grid")
    assert {name: found[name] for name in frame.columns} == {name: frame[name].to_list() for name in frame.columns}


def test_a_table_that_is_no_grid_is_refused():
    frame = pl.DataFrame({"a": [1, 1, 2], "b": [1, 2, 1], "c": [1, 2, 3]})
    with pytest.raises(ValueError, match="one row for each combination"):
        pack({"grid": Packed(frame, ("a", "b"))}, {})


def small_inputs(folder):
    """The command of the page in a folder of its own, from the committed results."""
    results = REPOSITORY / RESULTS
    reference = {
        "gpu": "a100-80gb",
        "batch_size": 16,
        "precision": "bf16",
        "routing": "uniform",
        "policy": "prophet",
        "provision": "p99",
        "engine": "ideal",
    }
    for file in ("claims.csv", "observations.csv"):
        shutil.copyfile(results / file, folder / file)
    (folder / "bundle.json").write_text(json.dumps({"sources": "none", "code": "", "licences": ""}), encoding="utf-8")
    return {
        "data": [results / "prophet_kv_extension_data.parquet", PROFILE / "prophet_kv_extension_data.parquet"],
        "concurrency": [results / "concurrency.parquet", PROFILE / "concurrency.parquet"], "engines": ["ideal", "vllm-0.19"],
        "alternatives": [STUDIES / "alternatives/alternatives.parquet"],
        "observations": [folder / "observations.csv"], "claims": [folder / "claims.csv"],
        "results": [results / "saturation_batches.csv"],
        "numbers": [results / "prose_numbers.csv"], "ledger": [REPOSITORY / "config/claims.yaml"],
        "prose": [REPOSITORY / "config/numbers.yaml"], "models": [results / "model_catalogue.csv"],
        "gpus": [results / "gpu_catalogue.csv"], "laws": [results / "law_catalogue.csv"],
        "profiles": [results / "engine_catalogue.csv"], "policies": ['["all_resident", "prophet"]'],
        "reference": [json.dumps(reference)], "context-tokens": ["32768"], "breakdown-models": ["mixtral-8x7b"],
        "bundle": [folder / "bundle.json"], "style": [REPOSITORY / "workflow/templates/explorer.css"],
        "template": [REPOSITORY / "workflow/templates/explorer.html.j2"], "output": [folder / "page.html"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "column", "renamed"), [("claims.csv", "verdict", None), ("observations.csv", "measured", "seen")]
)
def test_a_column_that_is_missing_or_renamed_fails_in_one_line(tmp_path, file, column, renamed):
    given = small_inputs(tmp_path)
    rows = pl.read_csv(tmp_path / file, infer_schema_length=None)
    (rows.rename({column: renamed}) if renamed else rows.drop(column)).write_csv(tmp_path / file)
    done = forked(REPOSITORY / "scripts/explorer.py", *(word for name, words in given.items() for word in (f"--{name}", *words)))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert file in done.stderr
    assert f"a column {column}" in done.stderr
    assert not (tmp_path / "page.html").exists()


SOURCES = [REPOSITORY / "explorer" / name for name in ("package.json", "package-lock.json")] + sorted(
    (REPOSITORY / "explorer/src").glob("*.js")
)


def bundle(tmp_path, page, **environment):
    command = [
        sys.executable,
        REPOSITORY / "scripts/bundle_explorer.py",
        "--sources",
        *SOURCES,
        "--page",
        page,
        "--output",
        tmp_path / "bundle.json",
    ]
    return subprocess.run(list(map(str, command)), env=os.environ | environment, capture_output=True, text=True, check=False)


OFFLINE = {"npm_config_offline": "true", "npm_config_cache": "/nonexistent"}


def test_without_npm_the_code_of_the_committed_page_stays_and_one_line_says_so(tmp_path):
    done = bundle(tmp_path, PAGE, **OFFLINE)
    assert done.returncode == 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"the code in {PAGE} stays" in done.stderr
    made = json.loads((tmp_path / "bundle.json").read_text(encoding="utf-8"))
    assert f'<script id="code" data-sources="{made["sources"]}">\n{made["code"]}\n</script>' in PAGE.read_text(encoding="utf-8")
    assert "@observablehq/plot" in made["licences"]


def test_without_npm_and_without_a_page_one_line_says_what_is_allowed(tmp_path):
    done = bundle(tmp_path, tmp_path / "none.html", **OFFLINE)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "npm within reach" in done.stderr
    assert not (tmp_path / "bundle.json").exists()


def test_libraries_are_pinned_with_integrity_and_without_addresses():
    lock = json.loads((REPOSITORY / "explorer/package-lock.json").read_text(encoding="utf-8"))
    packages = {name: own for name, own in lock["packages"].items() if name}
    assert all("integrity" in own for own in packages.values())
    assert not any("resolved" in own for own in packages.values())
    named = json.loads((REPOSITORY / "explorer/package.json").read_text(encoding="utf-8"))
    assert all(
        re.fullmatch(r"\d+\.\d+\.\d+", version)
        for part in ("dependencies", "devDependencies")
        for version in named[part].values()
    )


def test_the_code_in_the_committed_page_is_of_these_sources(tmp_path):
    """From npm where it can be reached, else by the digest of the sources."""
    done = bundle(tmp_path, PAGE)
    assert done.returncode == 0, done.stderr
    assert "older" not in done.stderr
    made = json.loads((tmp_path / "bundle.json").read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert f'data-sources="{made["sources"]}"' in text
    assert made["code"].replace("</script", "<\\/script") in text
