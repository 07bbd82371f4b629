"""What the command line keeps between calls: the same answers, and nothing that a change should have undone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from prophet_memory.edge import remembered
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import GPUS_FILE, MODELS_FOLDER, GpuEntries, ModelEntry
from prophet_memory.edge.documents import read as read_anew

PLAN = ("plan", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--json")
PROGRAM = "import sys; from prophet_memory.cli import main; sys.argv[1:] = {words}\ntry:\n    main()\nfinally:\n    {last}"


@pytest.fixture
def folder(tmp_path):
    """A folder in which what is read is kept."""
    remembered.keep_in(tmp_path / "kept")
    yield tmp_path / "kept"
    remembered.keep_in(None)


def called(home: Path, *words: str, last: str = "pass") -> subprocess.CompletedProcess[str]:
    """The command line with a cache of its own."""
    code = PROGRAM.format(words=list(words), last=last)
    env = os.environ | {"XDG_CACHE_HOME": str(home)}
    return subprocess.run([sys.executable, "-c", code], env=env, cwd=REPOSITORY, text=True, capture_output=True, check=False)


def test_a_second_call_checks_nothing_again_and_says_the_same(tmp_path):
    said = "print(*sorted({'pydantic', 'yaml', 'rich', 'polars'} & set(sys.modules)), file=sys.stderr)"
    first, second = (called(tmp_path, *PLAN, last=said) for _ in range(2))
    assert first.returncode == second.returncode == 0
    assert (first.stderr.split(), second.stderr.split()) == (["pydantic", "yaml"], [])
    assert json.loads(first.stdout) == json.loads(second.stdout)
    assert (tmp_path / "prophet-memory").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("file", [GPUS_FILE, *sorted(MODELS_FOLDER.glob("*.yaml"))[::8]])
def test_what_is_kept_is_what_is_read(folder, file):
    kind = GpuEntries if file == GPUS_FILE else ModelEntry
    first, second = remembered.read(kind, file), remembered.read(kind, file)
    assert first == second == read_anew(kind, file)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.usefixtures("folder")
def test_a_changed_file_is_read_anew(tmp_path):
    file = tmp_path / "model.yaml"
    text = (MODELS_FOLDER / "olmoe-1b-7b.yaml").read_text(encoding="utf-8")
    times = (1_000_000_000, 1_000_000_000)
    for name in ("OLMoE-1B-7B", "OLMoE-9B-9B"):  # of the same length and time
        file.write_text(text.replace("name: OLMoE-1B-7B", f"name: {name}"), encoding="utf-8")
        os.utime(file, times)
        assert remembered.read(ModelEntry, file).name == name
    file.write_text(text.replace("hidden_size", "hiden_size"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="did you mean hidden_size"):
        remembered.read(ModelEntry, file)
    file.unlink()
    with pytest.raises(ConfigurationError, match="missing"):
        remembered.read(ModelEntry, file)


def test_a_file_of_another_kind_is_refused_as_before(folder):
    remembered.read(GpuEntries, GPUS_FILE)
    with pytest.raises(ConfigurationError, match=r"gpus\.yaml: v100-32gb: "):
        remembered.read(ModelEntry, GPUS_FILE)
    assert len(list(folder.iterdir())) == 1


def test_other_code_reads_anew(folder, monkeypatch):
    monkeypatch.setattr(remembered, "_code", lambda: b"other code")
    remembered.read(GpuEntries, GPUS_FILE)
    (kept,) = folder.iterdir()
    before = kept.read_bytes()
    monkeypatch.setattr(remembered, "_code", lambda: b"code that was changed")
    remembered.read(GpuEntries, GPUS_FILE)
    assert kept.read_bytes()[:32] != before[:32]


@pytest.mark.parametrize("damage", [b"", b"short", b"cut", b"no pickle"])
def test_a_damaged_file_is_as_none(folder, damage):
    whole = remembered.read(GpuEntries, GPUS_FILE)
    (kept,) = folder.iterdir()
    content = kept.read_bytes()
    kept.write_bytes({b"cut": content[:-20], b"no pickle": content[:32] + b"\x80\x04nonsense"}.get(damage, damage))
    assert remembered.read(GpuEntries, GPUS_FILE) == whole
    assert kept.read_bytes() == content


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = called(tmp_path / "file", *PLAN)
    assert (done.returncode, done.stderr) == (0, "")


def test_where_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert remembered.cache_folder() == tmp_path / "prophet-memory"
    for none in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", none)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert remembered.cache_folder() == tmp_path / ".cache" / "prophet-memory"


def test_scripts_keep_nothing(tmp_path):
    """A job of the workflow reads what is there."""
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "scripts/describe_gpus.py", "--names", "l4", "--output", str(tmp_path / "gpus.csv")]
    subprocess.run(command, cwd=REPOSITORY, env=env, check=True, capture_output=True)
    assert [file.name for file in tmp_path.iterdir()] == ["gpus.csv"]
