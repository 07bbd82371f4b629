"""Writing all of a file or nothing."""

import os
import subprocess
import sys

import pytest

from prophet_pipeline.files import replacing, sha256, write_text


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
