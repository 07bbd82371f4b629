"""What Snakemake's workflow catalogue asks for, and the small configuration, on the locked Snakemake and the lowest stated."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, RESULTS, SMALL, copy_project, generated

LOWEST = re.search(r'^min_version\("(.+)"\)$', (REPOSITORY / "workflow/Snakefile").read_text(encoding="utf-8"), re.MULTILINE)[1]


def python_of(which: str) -> Path:
    """This Python, or that of the environment with the lowest Snakemake, or a reason to skip."""
    if which == "locked":
        return Path(sys.executable)
    found = REPOSITORY / ".venv-lowest" / "bin" / "python"
    if not found.exists():
        pytest.skip(f"no .venv-lowest with snakemake=={LOWEST}; .ci/run says how it is made")
    return found


def run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "snakemake", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, small_built: Path) -> Callable[[str], Path]:
    """A checkout in which one or the other has run the small configuration; the lowest beside the committed results."""
    known: dict[str, Path] = {}

    def folder(which: str) -> Path:
        python = python_of(which)
        if which not in known and which == "locked":
            known[which] = Path(shutil.copytree(small_built, tmp_path_factory.mktemp(which) / "copy", symlinks=True))
        elif which not in known:
            copy = copy_project(tmp_path_factory.mktemp(which), with_results=True)
            done = run(python, copy, "--configfile", SMALL)
            assert done.returncode == 0, done.stderr
            known[which] = copy
        return known[which]

    return folder


@pytest.mark.parametrize(("which", "words"), [("locked", ()), ("lowest", ("--configfile", SMALL))])
def test_the_small_configuration_is_run_once_and_has_a_report(which, words, small):
    folder = small(which)
    models = yaml.safe_load((REPOSITORY / SMALL).read_text(encoding="utf-8"))["sweep"]["models"]
    assert sorted(path.stem for path in folder.glob(f"{RESULTS}/shards/*.json")) == sorted(models)
    again = run(python_of(which), folder, *words, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr
    done = run(python_of(which), folder, *words, "--report", "report.zip")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(folder / "report.zip") as report:
        assert sum(name.endswith(".png") for name in report.namelist()) >= 19


def test_the_lowest_snakemake_that_is_stated_gives_the_same_bytes(small):
    lowest = python_of("lowest")
    said = run(lowest, REPOSITORY, "--version").stdout.split(".")
    assert said[: LOWEST.count(".") + 1] == LOWEST.split(".")
    assert generated(small("lowest")) == generated(small("locked"))
    linted = run(lowest, REPOSITORY, "--lint")
    assert linted.returncode == 0, linted.stdout


def test_the_package_asks_for_the_snakemake_that_the_workflow_asks_for():
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert f"snakemake>={LOWEST},<{int(LOWEST.split('.')[0]) + 1}" in extras["paper"]


def test_the_catalogue_finds_what_it_asks_for():
    usage = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["report"] is True
    assert usage["software-stack-deployment"].keys() == {"conda", "apptainer", "apptainer+conda"}
    assert (REPOSITORY / "workflow" / "Snakefile").is_file()
    assert {"snakemake", "workflow"} <= set(re.findall(r"\w+", (REPOSITORY / "README.md").read_text(encoding="utf-8").lower()))
    assert list((REPOSITORY / "workflow" / "rules").glob("*.smk"))


def test_every_file_and_every_section_of_config_is_described():
    text = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    there = {path.name + "/" * path.is_dir() for path in (REPOSITORY / "config").iterdir()} - {"README.md"}
    sections = set(yaml.safe_load((REPOSITORY / "config/config.yaml").read_text(encoding="utf-8")))
    assert [name for name in sorted(there | sections) if f"`{name}`" not in text] == []
