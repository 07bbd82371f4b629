"""The environment: one lock, pinned by hash, the same for conda users, and clear words where it cannot be built."""

import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, copy_project

LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
BUILD = REPOSITORY / "scripts" / "build_environment.py"


def pinned() -> dict[str, tuple[str, str]]:
    """Name -> (version, marker), from the lock."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\]*?))? \\$", LOCK, re.MULTILINE)
    return {name: (number, marker) for name, number, marker in pins}


def test_every_pin_has_hashes_and_no_address_of_an_index():
    blocks = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pinned()) > 50
    assert all(block.count("--hash=sha256:") >= 1 for block in blocks)
    assert not re.search(r"https?://|index-url|find-links", LOCK)


def test_environment_yml_names_the_versions_of_the_lock():
    listed = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert listed[:2] == ["python >=3.11", "pip"]
    pip = listed[2]["pip"]
    expected = [f"{name}=={number}" + (f" ; {marker}" if marker else "") for name, (number, marker) in pinned().items()]
    assert pip == expected
    text = runpy.run_path(str(REPOSITORY / "scripts" / "export_environment.py"), run_name="imported")["environment"](LOCK)
    assert text == (REPOSITORY / "environment.yml").read_text(encoding="utf-8")


def test_the_lock_holds_what_pyproject_asks_for():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {re.match(r"[a-z0-9-]+", one)[0] for one in [*project["dependencies"], *extras["paper"], *extras["test"]]}
    assert {"snakemake", "numpy", "polars", "matplotlib"} <= wanted <= set(pinned())


def test_the_wheel_answers_from_an_empty_folder_and_asks_for_no_paper(tmp_path):
    """Built, unpacked and run where there is no checkout; `make paper`'s packages are neither required nor imported."""
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path,
        REPOSITORY,
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        required = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", archive.read(metadata).decode(), re.MULTILINE)
    assert set(required) == {"numpy", "polars", "pyyaml", "pydantic", "annotated-types", "rich", "click"}
    (tmp_path / "empty").mkdir()
    probe = (
        "import sys; from prophet_memory.cli import main; sys.argv = ['prophet-memory', *sys.argv[1:]]\n"
        "try: main()\n"
        "finally: print(sorted({'snakemake', 'matplotlib', 'seaborn', 'pandas', 'jinja2'} & set(sys.modules)), file=sys.stderr)"
    )
    ask = ["plan", "--model", "mixtral-8x7b", "--gpu", "h100-80gb", "--json"]
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", probe, *ask], cwd=tmp_path / "empty", env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "[]"), done.stderr
    assert json.loads(done.stdout)["model"] == "mixtral-8x7b"
    assert not list((tmp_path / "empty").iterdir())
    config = REPOSITORY / "tests/data/imported_configs/ernie-4.5-21b-a3b.json"
    program = [sys.executable, "-c", "from prophet_memory.cli import main; main()"]
    nowhere = subprocess.run([*program, "import-config", config], env=environment, capture_output=True, text=True, check=False)
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert "no config of yours to write to" in nowhere.stderr
    other = shutil.copytree(REPOSITORY / "config", tmp_path / "mine")
    (other / "models/dbrx.yaml").rename(other / "models/my-own.yaml")
    command = [*program, "--catalogue", other]
    listed = subprocess.run(
        [*command, "models"], env=environment, cwd=tmp_path / "empty", capture_output=True, text=True, check=True
    )
    assert "my-own" in listed.stdout
    wrong = subprocess.run([*command[:-1], tmp_path, "models"], env=environment, capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "config.yaml: missing; allowed: a folder with" in wrong.stderr


@pytest.mark.parametrize("name", ["snakemake", "numpy", "polars", "matplotlib", "pyyaml", "pydantic", "fontpkg-fira-sans"])
def test_the_tests_run_on_the_pinned_versions(name):
    assert version(name) == pinned()[name][0]


def test_every_dependency_is_named_with_its_reason():
    documented = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    dependencies = re.findall(r'^    "([a-z0-9-]+)[>=<]', project, re.MULTILINE)
    assert len(dependencies) > 10
    assert [name for name in dependencies if f"`{name}`" not in documented] == []


def run_build(folder: Path, path: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Run the script that builds the environment with a PATH of one's own."""
    command = [python, str(BUILD), "--stamp", str(folder / "venv" / "stamp")]
    environment = {"PATH": path, "HOME": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_python_without_venv_gets_a_line_that_says_what_to_install(tmp_path):
    # Debian's python3 has no ensurepip until python3-venv is installed: hide it the same way.
    (tmp_path / "hide.py").write_text(
        f"import sys, runpy\nsys.modules['ensurepip'] = None\nsys.argv = ['x', '--stamp', {str(tmp_path / 'v' / 's')!r}]\n"
        f"runpy.run_path({str(BUILD)!r}, run_name='__main__')\n",
        encoding="utf-8",
    )
    command = [sys.executable, str(tmp_path / "hide.py")]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    if shutil.which("uv", path="/usr/bin:/bin"):
        pytest.skip("uv is installed system-wide and takes the place of venv")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv" in done.stderr
    assert not (tmp_path / "v").exists()


def test_an_old_python_gets_a_line_that_says_what_is_needed(tmp_path):
    (tmp_path / "old.py").write_text(
        f"import sys, runpy\nsys.version_info = (3, 9, 0)\nsys.argv = ['x', '--stamp', {str(tmp_path / 'v' / 's')!r}]\n"
        f"runpy.run_path({str(BUILD)!r}, run_name='__main__')\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(tmp_path / "old.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needed: 3.11 or later" in done.stderr


def test_uv_is_used_where_it_is_present_and_a_failure_is_one_line(tmp_path):
    fake = tmp_path / "bin" / "uv"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ntest "$1" = venv\n', encoding="utf-8")
    fake.chmod(0o755)
    done = run_build(tmp_path, f"{fake.parent}:/usr/bin:/bin")
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert calls[0].startswith("venv ")
    assert "--require-hashes" in calls[1]
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "not built" in done.stderr
    assert not (tmp_path / "venv" / "stamp").exists()


def a_wheel(folder: Path, name: str) -> Path:
    """A distribution of nothing."""
    file = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return file


def fetch(folder: Path, lock: str) -> subprocess.CompletedProcess[str]:
    """Run the script that makes a wheelhouse, with a folder for an index."""
    (folder / "my.lock").write_text(lock, encoding="utf-8")
    command = [sys.executable, REPOSITORY / "scripts/wheelhouse.py", "--locks", "my.lock", "--output", "wheelhouse"]
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "index"), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(command, cwd=folder, env=os.environ | index, capture_output=True, text=True, check=False)


def test_a_wheelhouse_holds_what_the_locks_pin_and_nothing_else(tmp_path):
    (tmp_path / "index").mkdir()
    lines = {}
    for name in ("one", "two"):
        digest = hashlib.sha256(a_wheel(tmp_path / "index", name).read_bytes()).hexdigest()
        lines[name] = f"{name}==1.0 --hash=sha256:{digest}\n"
    for names in (["one", "two"], ["two"]):
        done = fetch(tmp_path, "".join(lines[name] for name in names))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"wheelhouse: {len(names)} wheels, 0 MB\n"
        assert sorted(file.name.partition("-")[0] for file in (tmp_path / "wheelhouse").iterdir()) == names
    wrong = fetch(tmp_path, lines["two"].replace("sha256:", "sha256:0")[:-2] + "\n")
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    assert wrong.stderr.startswith("my.lock: ")
    assert [file.name for file in tmp_path.glob("*wheelhouse*")] == ["wheelhouse"], "the old one stays, and no half"
    (tmp_path / "wheelhouse/mine.txt").touch()
    assert "mine.txt: no distribution; allowed: a folder of wheels alone" in fetch(tmp_path, lines["two"]).stderr


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_with_a_wheelhouse_no_index_is_asked_and_what_builds_comes_first(tmp_path, monkeypatch, tool):
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///nowhere")
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/bin/{name}" if name == tool else None)
    script = runpy.run_path(str(BUILD), run_name="imported")
    first = tmp_path / "builders.txt"
    first.write_text(script["builders"]([Path("requirements.lock")]), encoding="utf-8")
    assert re.findall(r"^(\S+)==", first.read_text(encoding="utf-8"), re.MULTILINE) == ["pip", "setuptools"]
    assert "--hash=sha256:" in first.read_text(encoding="utf-8")
    make, *installs = script["commands"](tmp_path / "venv", [first, Path("requirements.lock")], wheelhouse=tmp_path)
    assert "venv" in make
    assert [command[-1] for command in installs] == [str(first), str(REPOSITORY / "requirements.lock"), str(REPOSITORY)]
    for command in installs:
        assert {"--no-index", "--find-links", str(tmp_path), "--no-deps", "--no-build-isolation"} <= set(command)
    assert all("--require-hashes" in command for command in installs[:2])
    assert "PIP_EXTRA_INDEX_URL" not in script["surroundings"](tmp_path)
    assert "PIP_EXTRA_INDEX_URL" in script["surroundings"](None)
    _, *online = script["commands"](tmp_path / "venv", [first])
    assert not any("--no-index" in command for command in online)


def test_a_wheelhouse_that_is_missing_or_lacks_something_gets_a_line(tmp_path):
    def build(wheelhouse: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, BUILD, "--stamp", tmp_path / "venv" / "stamp", "--wheelhouse", wheelhouse]
        return subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)

    missing = build(tmp_path / "nowhere")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert f"WHEELHOUSE={tmp_path}/nowhere: folder: missing; allowed: " in missing.stderr
    assert not (tmp_path / "venv").exists()
    (tmp_path / "empty").mkdir()
    lacking = build(tmp_path / "empty")
    assert lacking.returncode == 2
    assert lacking.stderr.splitlines()[-1].endswith(
        "allowed: a wheelhouse of these locks, this Python and platform (make wheelhouse)"
    )


def test_make_says_what_it_would_do(tmp_path):
    folder = copy_project(tmp_path)

    def plan(target: str) -> str:
        plain = {"PATH": os.environ["PATH"]}
        done = subprocess.run(["make", "--dry-run", target], cwd=folder, env=plain, capture_output=True, text=True, check=True)
        return done.stdout

    assert "scripts/build_environment.py" in plan("paper")
    assert ".venv/bin/snakemake" in plan("paper")
    assert "pytest" in plan("test")
    assert "--wheelhouse" not in plan("paper")
    (folder / "wheelhouse").mkdir()
    assert "--wheelhouse wheelhouse" in plan("paper")
