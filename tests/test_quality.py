"""The tree is clean: formatted, linted, typed, and free of this or that machine."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, known_files

from prophet_paper.imports import imported_files

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "format", "--check", "."],
        ["ruff", "check", "."],
        ["mypy"],
        ["snakefmt", "--check", "Snakefile", "workflow"],
        ["snakemake", "--lint"],
    ],
    ids=" ".join,
)
def test_checker_is_content(command):
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def text_files() -> list[str]:
    return [name for name in known_files() if not name.endswith((".pdf", ".png", ".parquet"))]


def test_no_path_of_one_machine_stands_in_the_tree():
    machine = re.compile(r"(?<![\w.:/])/(?:work|root|home|Users)/\w|/opt/pypi")
    found = [name for name in text_files() if machine.search((REPOSITORY / name).read_text(encoding="utf-8"))]
    assert [name for name in found if name != "tests/test_quality.py"] == []


def test_no_run_blocks():
    rules = [(REPOSITORY / name).read_text(encoding="utf-8") for name in known_files() if name.endswith(".smk")]
    assert not any(re.search(r"^    run:", text, re.MULTILINE) for text in rules)


def test_rules_and_scripts_share_their_names_and_read_in_one_order():
    order = ["input", "output", "log", "threads", "resources", "localrule", "params", "message", "shell"]
    optional = {"threads", "resources", "localrule"}
    shared = {"mean_extension_by_model": "mean_extension", "mean_extension_by_expert_count": "mean_extension"}
    shared |= {"design_space_checksums": "checksums", "describe_design_space_laws": "describe_laws"}
    shared |= {"profile_concurrency": "sweep_concurrency", "profile_summary_statistics": "summary_statistics"}
    shared |= {"profile_mean_extension": "mean_extension"}
    for name in known_files():
        if not name.endswith(".smk"):
            continue
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        for rule, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", text, re.MULTILINE):
            directives = re.findall(r"^    (\w+):", body, re.MULTILINE)
            if "shell" not in directives:
                assert directives == ["input"], rule
                continue
            assert directives == [name for name in order if name in directives or name not in optional], rule
            assert f'**program("{shared.get(rule, rule)}"),' in body, rule


LIBRARY = REPOSITORY / "src" / "prophet_memory"


def imports_of(file: Path) -> set[str]:
    return set(re.findall(r"^ *(?:import|from) ([\w.]+)", file.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_library_is_pure():
    for file in LIBRARY.rglob("*.py"):
        if not {"edge", "cli"} & set(file.relative_to(LIBRARY).parts):
            roots = {name.split(".")[0] for name in imports_of(file)}
            assert not roots & {"pathlib", "os", "matplotlib", "yaml", "pydantic", "click", "rich", "prophet_paper"}, file
            assert "open(" not in file.read_text(encoding="utf-8"), file


def test_imports_go_up_only():
    """Model, edge, command line, paper: each knows those before it."""
    layers = ["prophet_memory", "prophet_memory.edge", "prophet_memory.cli", "prophet_paper"]
    for package in ("prophet_memory", "prophet_paper"):
        for file in (REPOSITORY / "src" / package).rglob("*.py"):
            own = [
                layer for layer in layers if str(file.relative_to(REPOSITORY / "src")).startswith(layer.replace(".", "/") + "/")
            ][-1]
            later = layers[layers.index(own) + 1 :]
            wrong = [name for name in imports_of(file) if any(name == layer or name.startswith(f"{layer}.") for layer in later)]
            assert not wrong, file


def test_scripts_stay_short():
    too_long = {file.name: n for file in (REPOSITORY / "scripts").glob("*.py") if (n := len(file.read_text().splitlines())) > 200}
    assert too_long == {}


@pytest.fixture(scope="module")
def loaded() -> dict[str, dict[str, list[str]]]:
    """For each script, the files of ours and the modules of others that Python loads with it."""
    command = [sys.executable, str(REPOSITORY / "tests/loaded_modules.py")]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_rule_depends_on_every_file_of_ours_that_its_script_imports(loaded):
    """The list read off the text is what Python loads."""
    assert len(loaded) == len(list((REPOSITORY / "scripts").glob("*.py")))
    for name, found in loaded.items():
        listed = imported_files(REPOSITORY / "scripts" / name, REPOSITORY / "src")
        assert sorted(str(Path(file).relative_to(REPOSITORY)) for file in listed) == found["ours"], name


def test_jobs_import_only_what_they_use(loaded):
    """Start-up is most of a job's time: no pandas, no pyplot (seaborn and SALib bring them), and no validation without config.

    numba, which serves requests, brings the beginnings of scipy.
    """
    for name, found in loaded.items():
        text = (REPOSITORY / "scripts" / name).read_text(encoding="utf-8")
        unused = (
            set()
            if "import seaborn" in text or "from SALib" in text or "from sklearn" in text
            else {"pandas", "pyarrow", "seaborn", "matplotlib.pyplot", "scipy"}
        )
        unused -= {"scipy"} if "prophet_memory.workload" in text else set()
        unused |= (
            set()
            if re.search(
                r"(?:edge|paper)\.(configuration|documents|observing|prose|claims|settings|design_space|queries|results|traces|manuscript|artifact)",
                text,
            )
            else {"pydantic", "yaml"}
        )
        unused |= set() if name.startswith("figure") or "from SALib" in text or "from sklearn" in text else {"matplotlib"}
        assert not unused & set(found["others"]), name
