"""The artifact as one file: the same bytes each time, whole, and refused where something is not what it has to be.

That an unpacked archive regenerates itself without a network is a step of .ci/run.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

ARCHIVE = REPOSITORY / "scripts" / "archive.py"
DATE = 1_700_000_000
TOP = "prophet-memory-artifact-1.2"
TARBALL = f"dist/{TOP}.tar.gz"
# Of a crate: a file whose name is quoted, and a result that nobody keeps.
ALSO = [
    {"@id": "run%20me", "sha256": hashlib.sha256(b"#!/bin/sh\n").hexdigest()},
    {"@id": "#file/shard", "sha256": "0"},
]
CONTENT = "ARTIFACT_SHA256SUMS"
NOBODY = {
    **{f"GIT_{who}_{what}": "nobody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    **{f"GIT_{who}_DATE": f"{DATE} +0000" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_CONFIG_{which}": os.devnull for which in ("GLOBAL", "SYSTEM")},
}


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, env=os.environ | NOBODY, check=True, capture_output=True)


def archive(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the script in a folder as `make archive` does."""
    given = ["--sums", "evaluation/SHA256SUMS", "--crate", "crate.json", "--pdf", "paper/p.pdf", "--output", "dist", *words]
    command = [sys.executable, ARCHIVE, *given]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout with all that an archive asks for."""
    if shutil.which("git") is None:
        pytest.skip("no git; apt-get install git")
    folder = tmp_path / "checkout"
    result = b"a,b\n1,2\n"
    digest = hashlib.sha256(result).hexdigest()
    files = {
        "pyproject.toml": b'[project]\nname = "x"\nversion = "1.2"\n',
        ".gitignore": b"/dist/\n*.pdf\n/crate.json\n/wheelhouse/\n",
        "run me": b"#!/bin/sh\n",
        "evaluation/result.csv": result,
        "evaluation/SHA256SUMS": f"{digest}  evaluation/result.csv\n".encode(),
        "paper/p.pdf": b"%PDF",
        "crate.json": json.dumps({"@graph": [{"@id": "./"}, {"@id": "evaluation/result.csv", "sha256": digest}, *ALSO]}).encode(),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "run me").chmod(0o755)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def test_it_holds_everything_and_the_sha256_of_each(checkout, tmp_path):
    done = archive(checkout)
    assert done.returncode == 0, done.stderr
    with tarfile.open(checkout / TARBALL) as tar:
        members = tar.getmembers()
    (tmp_path / "there").mkdir()
    subprocess.run(["tar", "-xf", checkout / TARBALL, "-C", tmp_path / "there"], check=True)  # Python's own differs by release
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    inside = {member.name.removeprefix(f"{TOP}/") for member in members}
    assert inside == {*filter(None, listed.split("\0")), "paper/p.pdf", "crate.json", CONTENT}
    assert {(member.mtime, member.uid, member.gid, member.uname, member.gname) for member in members} == {(DATE, 0, 0, "", "")}
    assert {member.name.removeprefix(f"{TOP}/"): oct(member.mode) for member in members if member.mode != 0o644} == {
        "run me": "0o755"
    }
    there = tmp_path / "there" / TOP
    sums = dict(reversed(line.split("  ", 1)) for line in (there / CONTENT).read_text(encoding="utf-8").splitlines())
    assert sorted(sums) == sorted(inside - {CONTENT})
    assert all(hashlib.sha256((there / name).read_bytes()).hexdigest() == digest for name, digest in sums.items())


def test_the_same_checkout_gives_the_same_bytes(checkout, tmp_path):
    assert archive(checkout).returncode == 0
    first = (checkout / TARBALL).read_bytes()
    other = tmp_path / "elsewhere" / "clone"
    git(tmp_path, "clone", "--quiet", checkout, other)
    for name in ("paper/p.pdf", "crate.json"):
        (other / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(checkout / name, other / name)
    for file in other.rglob("*"):
        if file.is_file() and ".git" not in file.parts:
            file.chmod(0o600 | (file.stat().st_mode & 0o100))
            os.utime(file, (1, 1))
    assert archive(other).returncode == 0
    assert (other / TARBALL).read_bytes() == first


def test_a_wheelhouse_unpacks_into_the_same_folder(checkout, tmp_path):
    wheels = tmp_path / "wheels of mine"
    wheels.mkdir()
    done = archive(checkout, "--wheelhouse", wheels)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "wheels: missing; allowed:" in done.stderr
    (wheels / "a-1-py3-none-any.whl").write_bytes(b"PK")
    assert archive(checkout, "--wheelhouse", wheels).returncode == 0
    (made,) = (checkout / "dist").glob("prophet-memory-wheelhouse-1.2-cp3*.tar")
    with tarfile.open(made) as tar:
        assert tar.getnames() == [f"{TOP}/wheelhouse/a-1-py3-none-any.whl"]
    with tarfile.open(checkout / TARBALL) as tar:
        assert not [name for name in tar.getnames() if "wheelhouse" in name]


def committed_again(checkout: Path) -> None:
    git(checkout, "commit", "--quiet", "--all", "--message", "more")


def edited(checkout: Path) -> None:
    (checkout / "run me").write_text("edited", encoding="utf-8")


def with_a_file_that_git_does_not_know(checkout: Path) -> None:
    (checkout / "new").touch()


def with_a_stale_output(checkout: Path) -> None:
    (checkout / "evaluation/result.csv").write_text("a,b\n1,3\n", encoding="utf-8")
    committed_again(checkout)


def without_an_output(checkout: Path) -> None:
    (checkout / "evaluation/result.csv").unlink()
    committed_again(checkout)


def without_the_paper(checkout: Path) -> None:
    (checkout / "paper/p.pdf").unlink()


def without_the_crate(checkout: Path) -> None:
    (checkout / "crate.json").unlink()


def with_a_broken_crate(checkout: Path) -> None:
    (checkout / "crate.json").write_text("{}", encoding="utf-8")


def with_a_crate_of_other_results(checkout: Path) -> None:
    crate = checkout / "crate.json"
    crate.write_text(crate.read_text(encoding="utf-8").replace('"sha256": "', '"sha256": "0'), encoding="utf-8")


def with_a_link(checkout: Path) -> None:
    (checkout / "link").symlink_to("run me")
    git(checkout, "add", "link")
    committed_again(checkout)


def without_git(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (edited, "run me: git: 1 changed or unknown; allowed: what is committed"),
        (with_a_file_that_git_does_not_know, "new: git: 1 changed or unknown; allowed: what is committed"),
        (with_a_stale_output, "evaluation/result.csv: sha256: "),
        (without_an_output, "evaluation/result.csv: sha256: missing; allowed: "),
        (without_the_paper, "paper/p.pdf: file: missing; allowed: what make pdf writes"),
        (without_the_crate, "crate.json: file: missing; allowed: what make crate writes"),
        (with_a_broken_crate, "crate.json: not a crate; allowed: what make crate writes"),
        (with_a_crate_of_other_results, "crate.json: evaluation/result.csv: sha256: 0"),
        (with_a_link, "link: mode: 120000; allowed: files"),
        (without_git, "git rev-parse: fatal: not a git repository"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_whole_is_refused_in_one_line(checkout, change, says):
    change(checkout)
    done = archive(checkout)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(says)
    assert not list(checkout.glob("dist/*"))


def test_zenodo_says_what_the_citation_and_the_package_say():
    zenodo = json.loads((REPOSITORY / ".zenodo.json").read_text(encoding="utf-8"))
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert zenodo["version"] == citation["version"] == project["version"]
    assert zenodo["license"] == citation["license"] == project["license"]
    assert zenodo["title"] == citation["title"]
    assert zenodo["description"] == project["description"]
    assert zenodo["keywords"] == citation["keywords"]
    assert [one["name"] for one in zenodo["creators"]] == [one["name"] for one in citation["authors"]]
    assert zenodo["upload_type"] == citation["type"] == "software"
