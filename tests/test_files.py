"""Writing all of a file or nothing."""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from conftest import REPOSITORY

from prophet_memory.edge.files import replacing, sha256, write_text
from prophet_memory.edge.tables import write_table


def test_text_is_written_whole_with_unix_line_ends(tmp_path):
    write_text(tmp_path / "new" / "a.tex", "one\ntwo\n")
    assert (tmp_path / "new" / "a.tex").read_bytes() == b"one\ntwo\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.tex"]


def test_a_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    target = tmp_path / "a.csv"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), replacing(target) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_leftovers_of_dead_processes_go_and_those_of_the_living_stay(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = os.uname().nodename
    gone, kept = (tmp_path / f".a.{host}.{pid}.csv" for pid in (dead.pid, os.getppid()))
    elsewhere = tmp_path / f".a.other-host.{dead.pid}.csv"
    for path in (gone, kept, elsewhere):
        path.write_text("half")
    write_text(tmp_path / "a.csv", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "a.csv", kept, elsewhere])


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert sha256(tmp_path / "empty").startswith("e3b0c44298fc1c14")


@pytest.fixture
def tiny_disk(tmp_path):
    """A folder on a file system of 16 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small tmpfs cannot be mounted here: it takes the rights of root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("kibibytes", [15, 40, 400])
def test_a_full_disk_names_the_file_and_leaves_nothing(tiny_disk, suffix, kibibytes):
    table = pl.DataFrame({"random": np.random.default_rng(0).random(kibibytes * 128)})
    target = tiny_disk / f"table{suffix}"
    (tiny_disk / "neighbour").write_bytes(b"x" * 4096)
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_table(table, target)
    assert raised.value.filename == str(target)
    assert [path.name for path in tiny_disk.iterdir()] == ["neighbour"]


def test_a_script_says_in_one_line_that_the_disk_is_full(tiny_disk):
    (tiny_disk / "neighbour").write_bytes(b"x" * 12288)
    command = [sys.executable, str(REPOSITORY / "scripts/sweep_model.py"), "--model", str(REPOSITORY / "config/models/dbrx.yaml")]
    done = subprocess.run([*command, "--output", str(tiny_disk / "a.parquet")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{tiny_disk}/a.parquet: No space left on device; allowed: a file system that can be read and written\n"


def test_text_that_does_not_fit_names_its_file(tiny_disk):
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_text(tiny_disk / "a.tex", "x" * 100_000)
    assert raised.value.filename == str(tiny_disk / "a.tex")
    assert list(tiny_disk.iterdir()) == []
