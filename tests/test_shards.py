"""A shard that is short, cut or changed is refused by the join, with one line that names it."""

import json
import subprocess

import polars as pl
import pytest
from conftest import REPOSITORY
from forked import forked
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.tables import write_table
from prophet_paper.shards import check_shard, sidecar_of, write_sidecar

SWEEP = {
    "gpus": ["h100-80gb"], "n_gpus": [1], "batch_sizes": [8, 1], "routings": ["uniform"], "precisions": ["bf16"],
    "policies": ["prophet", "all_resident"], "provisions": ["mean"],
}  # fmt: skip
MODELS = ("dbrx", "grok-1")


def run_script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return forked(REPOSITORY / "scripts" / f"{name}.py", *arguments)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept")
    for model in MODELS:
        source = REPOSITORY / "config" / "models" / f"{model}.yaml"
        done = run_script("sweep_model", "--model", source, "--sweep", json.dumps(SWEEP), "--output", folder / f"{model}.parquet")
        assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def shards(swept, tmp_path):
    for name, content in swept.items():
        (tmp_path / name).write_bytes(content)
    return [tmp_path / f"{model}.parquet" for model in MODELS]


def join(shards, sweep=SWEEP):
    output = shards[0].parent / "joined.csv"
    return run_script("join_shards", "--shards", *shards, "--sweep", json.dumps(sweep), "--output", output), output


def test_whole_shards_are_joined(shards):
    done, output = join(shards)
    assert done.returncode == 0, done.stderr
    keys = pl.read_csv(output).select("model", "batch_size", "policy").rows()
    assert keys == [(model, batch, policy) for model in MODELS for batch in (1, 8) for policy in ("all_resident", "prophet")]


def cut(shard):
    shard.write_bytes(shard.read_bytes()[:-7])


def flip(shard):
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)


def lose_a_row(shard):
    write_table(pl.read_parquet(shard).head(-1), shard)
    write_sidecar(shard, pl.read_parquet(shard).height)


def repeat_a_row(shard):
    table = pl.read_parquet(shard)
    write_table(pl.concat([table.head(-1), table.head(1)]), shard)
    write_sidecar(shard, table.height)


def lose_the_sidecar(shard):
    sidecar_of(shard).unlink()


def halve_the_sidecar(shard):
    sidecar_of(shard).write_text(sidecar_of(shard).read_text(encoding="utf-8")[:20], encoding="utf-8")


def take_anothers(shard):
    other = shard.with_name(f"{MODELS[1]}.parquet")
    shard.write_bytes(other.read_bytes())
    sidecar_of(shard).write_bytes(sidecar_of(other).read_bytes())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "dbrx.parquet: sha256: "),
        (flip, "dbrx.parquet: sha256: "),
        (lose_a_row, "dbrx.parquet: rows: 3; allowed: 4, as the config promises"),
        (repeat_a_row, "dbrx.parquet: keys: other than the config's"),
        (lose_the_sidecar, "dbrx.json: file: missing"),
        (halve_the_sidecar, "dbrx.json: file: not a record"),
        (take_anothers, "dbrx.parquet: keys: other than the config's"),
        (lambda shard: shard.unlink(), "dbrx.parquet: file: missing"),
    ],
)
def test_a_damaged_shard_is_refused_in_one_line(shards, damage, said):
    damage(shards[0])
    done, output = join(shards)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not output.exists()


def test_shards_of_another_config_are_refused(shards):
    done, output = join(shards, SWEEP | {"batch_sizes": [1, 16]})
    assert done.returncode == 2
    assert "keys: other than the config's" in done.stderr
    assert not output.exists()


@given(st.binary(min_size=1, max_size=64), st.data())
def test_any_other_bytes_are_refused(tmp_path_factory, content, data):
    shard = tmp_path_factory.mktemp("any") / "a.parquet"
    shard.write_bytes(content)
    write_sidecar(shard, 3)
    check_shard(shard, 3)
    other = data.draw(st.binary(max_size=64).filter(lambda bytes_: bytes_ != content))
    shard.write_bytes(other)
    with pytest.raises(ConfigurationError, match="sha256"):
        check_shard(shard, 3)


@given(st.text(max_size=30))
def test_any_text_in_a_sidecar_is_a_record_or_one_line(tmp_path_factory, text):
    shard = tmp_path_factory.mktemp("any") / "a.parquet"
    shard.write_bytes(b"x")
    sidecar_of(shard).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not a record"):
        check_shard(shard, 3)
