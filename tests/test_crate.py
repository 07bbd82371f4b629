"""The crate of a run: every job with what is known of it and nothing else; refused for a run that is not finished."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, RESULTS, small_project, snakemake

from prophet_paper.crate import Entity, entities
from prophet_paper.jobs import Content, Record, jobs_of, missing
from prophet_paper.runs import Author, Citation, Package, Run
from prophet_paper.wiring import Kind

IMAGE = "docker://python:3.11-slim"
NO_STACK = hashlib.md5(b"", usedforsecurity=False).hexdigest()
DRAWN = Author("Team", is_person=False)
CITED = Citation("Title", "1.2.0", "2026-11-24", "Apache-2.0", (DRAWN,))


def plain(rule: str, command: str, inputs: Sequence[str], start: float | None, end: float, **more: Any) -> dict[str, Any]:
    """A record as Snakemake 9 writes it."""
    return {
        "rule": rule, "input": [*inputs], "log": [f"logs/{rule}.log"], "shellcmd": command, "params": [], "code": "",
        "record_format_version": 6, "conda_env": None, "container_img_url": IMAGE, "software_stack_hash": NO_STACK,
        "job_hash": 1, "starttime": start, "endtime": end, "incomplete": False, "external_jobid": None,
        "input_checksums": {name: f"sha256:{digest(name)}" for name in inputs if not name.endswith(".parquet")},
    } | more  # fmt: skip


def digest(name: str) -> str:
    """The SHA-256 of a file of these tests: each holds its own name."""
    return hashlib.sha256(name.encode()).hexdigest()


# Two rules run one script; the second reads what the first writes beside its table; one list of sums at the end.
COUNT = "python3 scripts/count.py --models m.yaml --law uniform --output a.parquet b.csv 2> logs/count.log"
AGAIN = "python3 scripts/count.py --models b.csv n.yaml --law power --exact --output c.csv 2> logs/again.log"
SUMS = "python3 scripts/sums.py --outputs b.csv c.csv --output SUMS 2> logs/sums.log && cat logs/sums.log >&2"
FIRST = plain("count", COUNT, ["scripts/count.py", "src/own.py", "m.yaml"], 100.25, 101.5)
WRITTEN = {
    "a.parquet": FIRST,
    "b.csv": FIRST | {"starttime": 100.5, "endtime": 102.0},
    "c.csv": plain("again", AGAIN, ["scripts/count.py", "src/own.py", "b.csv", "n.yaml"], 103.0, 104.125),
    "SUMS": plain("sums", SUMS, ["scripts/sums.py", "b.csv", "c.csv"], 105.0, 106.0),
    "elsewhere.csv": plain("other", "python3 scripts/other.py --output elsewhere.csv", ["scripts/other.py"], 1.0, 2.0),
}
LISTED = {"b.csv": digest("b.csv"), "c.csv": digest("c.csv"), "SUMS": None}
THERE = ["scripts/count.py", "scripts/sums.py", "src/own.py", "m.yaml", "n.yaml", "a.parquet", "b.csv", "c.csv", "SUMS"]
PARTS = ["Snakefile", "workflow/Snakefile", "config.yaml"]


def contents(*but: str) -> dict[str, Content]:
    return {name: Content(digest(name), len(name)) for name in [*THERE, *PARTS] if name not in but}


def records(written: Mapping[str, object] = WRITTEN) -> dict[str, Record | None]:
    return {name: Record.of(one) for name, one in written.items()}


def run(written: Mapping[str, object] = WRITTEN, **more: Any) -> Run:
    known = {"contents": contents(), "workflow": tuple(PARTS[:2]), "configuration": PARTS[2], "citation": CITED} | more
    return Run(jobs_of(LISTED, records(written)), tuple(sorted(LISTED)), **known)


def described(own: Run) -> dict[str, Entity]:
    found = entities(own)
    by_key = {entity["@id"]: entity for entity in found}
    assert len(by_key) == len(found), "an identifier stands once"
    return by_key


def of_type(by_key: Mapping[str, Entity], kind: str) -> dict[str, Entity]:
    return {
        key: own for key, own in by_key.items() if kind in ([own["@type"]] if isinstance(own["@type"], str) else own["@type"])
    }


def keys(value: object) -> list[str]:
    """What a property refers to."""
    return [one["@id"] for one in (value if isinstance(value, list) else [value] if value else [])]


def test_every_job_stands_once_with_its_times_files_and_command():
    crate = described(run())
    jobs = {key: own for key, own in of_type(crate, "CreateAction").items() if key != "#run"}
    assert sorted(jobs) == ["#job/SUMS", "#job/a.parquet", "#job/c.csv"], "not the job of another target"
    one = jobs["#job/a.parquet"]
    assert (one["startTime"], one["endTime"]) == ("1970-01-01T00:01:40.250+00:00", "1970-01-01T00:01:42.000+00:00")
    assert keys(one["object"]) == ["scripts/count.py", "src/own.py", "m.yaml", "#value/count/law"]
    assert keys(one["result"]) == ["#file/a.parquet", "b.csv"]
    assert one["description"] == COUNT
    whole = crate["#run"]
    assert (whole["startTime"], whole["endTime"]) == (one["startTime"], jobs["#job/SUMS"]["endTime"])
    assert keys(whole["result"]) == ["SUMS", "b.csv", "c.csv"]
    assert keys(whole["object"]) == ["m.yaml", "n.yaml", "scripts/count.py", "scripts/sums.py", "src/own.py", "config.yaml"]
    led = of_type(crate, "ControlAction")
    assert sorted(keys(crate["#engine"]["object"])) == sorted(led)
    assert {key: (keys(own["instrument"]), keys(own["object"])) for key, own in led.items()}["#control/c.csv"] == (
        ["#step/again"],
        ["#job/c.csv"],
    )
    assert [crate[f"#step/{rule}"]["position"] for rule in ("count", "again", "sums")] == [0, 1, 2]


def test_every_file_has_its_sum_and_what_is_not_kept_its_path():
    crate = described(run())
    files = of_type(crate, "File")
    assert {own["name"]: own["sha256"] for own in files.values()} == {name: digest(name) for name in [*THERE, *PARTS]}
    assert (files["#file/a.parquet"]["alternateName"], files["b.csv"].get("alternateName")) == ("a.parquet", None)
    assert files["workflow/Snakefile"]["isPartOf"] == {"@id": "Snakefile"}
    gone = described(run(contents=contents("a.parquet")))["#file/a.parquet"]
    assert not {"sha256", "contentSize"} & set(gone), "no job read it, so nobody knows"
    read = {"input": ["scripts/sums.py", "b.csv", "c.csv", "a.parquet"], "input_checksums": {"a.parquet": "sha256:12"}}
    told = described(run(WRITTEN | {"SUMS": WRITTEN["SUMS"] | read}, contents=contents("a.parquet")))
    assert told["#file/a.parquet"]["sha256"] == "12", "who read it says"


def test_parameters_are_what_command_lines_show():
    own = run()
    crate = described(own)
    assert {(p.rule, p.name): p.kind for p in own.wiring.options} == {
        ("count", "models"): Kind.READ, ("count", "law"): Kind.VALUE, ("count", "output"): Kind.WRITTEN,
        ("again", "models"): Kind.READ, ("again", "law"): Kind.VALUE, ("again", "exact"): Kind.VALUE,
        ("again", "output"): Kind.WRITTEN, ("sums", "outputs"): Kind.READ, ("sums", "output"): Kind.WRITTEN,
    }  # fmt: skip
    assert {(crate[key]["name"], crate[key]["value"]) for key in of_type(crate, "PropertyValue")} == {
        ("law", "uniform"),
        ("law", "power"),
        ("exact", True),
    }
    fed = {(keys(c["sourceParameter"])[0], keys(c["targetParameter"])[0]) for c in of_type(crate, "ParameterConnection").values()}
    assert fed == {
        ("#parameter/m.yaml", "#tool/count/models"),
        ("#parameter/n.yaml", "#tool/again/models"),
        ("#tool/count/output", "#tool/again/models"),
        ("#tool/count/output", "#tool/sums/outputs"),
        ("#tool/again/output", "#tool/sums/outputs"),
        ("#tool/count/output", "#parameter/b.csv"),
        ("#tool/again/output", "#parameter/c.csv"),
        ("#tool/sums/output", "#parameter/SUMS"),
    }
    for owner in ("#step/count", "#step/again", "#step/sums", "Snakefile"):  # the receiver has it
        ends = {keys(crate[key]["targetParameter"])[0].rpartition("/")[0] for key in keys(crate[owner].get("connection"))}
        assert ends == {"#parameter" if owner == "Snakefile" else owner.replace("step", "tool")}
    for parameter in of_type(crate, "FormalParameter"):
        examples = keys(crate[parameter]["workExample"])
        assert examples
        assert all(parameter in keys(crate[example]["exampleOfWork"]) for example in examples)


def test_what_nobody_recorded_is_left_out():
    late = {name: one | {"starttime": 1000.0} for name, one in WRITTEN.items()}  # Snakemake's stand-in for a start that it lost
    crate = described(run(late))
    assert not any("startTime" in own or "agent" in own or "containerImage" in own for own in crate.values())
    assert not of_type(crate, "ContainerImage"), "the workflow names a container, and no job ran in it"
    assert "softwareVersion" not in crate["#snakemake"]
    assert not {"softwareRequirements", "codeRepository"} & set(crate["Snakefile"])
    assert not {"isBasedOn", "publisher"} & set(crate["./"])
    text = json.dumps(entities(run(late)))
    assert "null" not in text
    assert "[]" not in text
    known = {
        "@id",
        "@type",
        "name",
        "description",
        "datePublished",
        "version",
        "license",
        "author",
        "conformsTo",
        "mainEntity",
        "mentions",
    }
    assert set(crate["./"]) == known


def test_what_is_known_is_said():
    packages = (Package("snakemake", "9.27.1", "https://snakemake.github.io"), Package("numpy", "2.4.1", None))
    used = hashlib.md5(IMAGE.encode(), usedforsecurity=False).hexdigest()
    written = {name: one | {"software_stack_hash": used} for name, one in WRITTEN.items()}
    crate = described(run(written, packages=packages, python="3.11.7", commit="ab12", agent=DRAWN))
    assert keys(crate["Snakefile"]["softwareRequirements"]) == [
        "pkg:generic/python@3.11.7",
        "pkg:pypi/numpy@2.4.1",
        "pkg:pypi/snakemake@9.27.1",
    ]
    assert keys(crate["#engine"]["instrument"]) == ["pkg:pypi/snakemake@9.27.1"]
    assert "url" not in crate["pkg:pypi/numpy@2.4.1"]
    assert keys(crate["./"]["isBasedOn"]) == ["swh:1:rev:ab12"]
    actions = [*of_type(crate, "CreateAction").values(), crate["#engine"]]
    assert all(keys(own["agent"]) == ["#author/Team"] for own in actions)
    assert [own["name"] for own in of_type(crate, "ContainerImage").values()] == [IMAGE]
    assert all("containerImage" in own for key, own in of_type(crate, "CreateAction").items() if key != "#run")


def test_nothing_refers_to_what_is_not_there():
    crate = described(run(commit="ab12", agent=DRAWN))
    text = json.loads(json.dumps(entities(run(commit="ab12", agent=DRAWN))), object_hook=lambda own: own)
    referred = {key for own in text for value in own.values() if isinstance(value, dict | list) for key in _referred(value)}
    assert referred - set(crate) == set()


def _referred(value: Any) -> list[str]:
    return keys(value) if not isinstance(value, list) or isinstance(value[0], dict) else []


def test_jobs_are_those_behind_the_outputs():
    assert [job.name for job in jobs_of(["SUMS"], records())] == ["SUMS", "a.parquet", "c.csv"], "through what they read"
    assert [job.name for job in jobs_of(["b.csv"], records())] == ["a.parquet"]
    assert jobs_of(["m.yaml"], records()) == ()


def test_the_order_of_the_records_changes_nothing():
    assert entities(run(dict(reversed(WRITTEN.items())))) == entities(run())


def test_a_finished_run_lacks_nothing():
    assert list(missing(LISTED, records(), [], contents())) == []
    assert list(missing(LISTED, records(), ["elsewhere.csv"], contents("a.parquet"))) == [], "no concern of these outputs"


@pytest.mark.parametrize(
    ("written", "began", "but", "line"),
    [
        ({"c.csv": ...}, [], [], "c.csv: Snakemake's record: missing; allowed: the record of the job that wrote it"),
        (
            {"c.csv": {"rule": "again"}},
            [],
            [],
            "c.csv: Snakemake's record: cut short; allowed: the record of the job that wrote it",
        ),
        ({"c.csv": WRITTEN["c.csv"] | {"incomplete": True}}, [], [], "c.csv: Snakemake's record: cut short"),
        ({"SUMS": ...}, [], [], "SUMS: Snakemake's record: missing"),
        ({}, ["b.csv"], [], "b.csv: job: not finished; allowed: an output whose job ended"),
        ({}, ["a.parquet"], [], "a.parquet: job: not finished"),
        ({}, ["m.yaml"], [], "m.yaml: job: not finished"),
        ({}, [], ["b.csv"], "b.csv: file: missing; allowed: what its job wrote"),
        ({}, [], ["m.yaml"], "m.yaml: file: missing; allowed: what rule count read"),
    ],
)
def test_an_unfinished_run_lacks_it(written, began, but, line):
    kept = {name: one for name, one in (WRITTEN | written).items() if one is not ...}
    lacking = list(missing(LISTED, records(kept), began, contents(*but)))
    assert len(lacking) == 1
    assert lacking[0].startswith(line)


def test_a_file_that_is_another_now_is_named():
    other = {"b.csv": Content("0" * 64, 1), "src/own.py": Content("1" * 64, 1)}
    found = list(missing(LISTED, records(), [], contents() | other))
    assert found == [
        f"b.csv: sha256: 000000000000...; allowed: {digest('b.csv')[:12]}..., as the list of the outputs says",
        f"b.csv: sha256: 000000000000...; allowed: {digest('b.csv')[:12]}..., as rule again read it",
        f"src/own.py: sha256: 111111111111...; allowed: {digest('src/own.py')[:12]}..., as rule again read it",
    ]


def kept(folder: Path, name: str, text: str, part: str = "metadata") -> Path:
    """Write what Snakemake keeps of an output; a long name is cut into folders, as Snakemake does."""
    encoded = base64.urlsafe_b64encode(name.encode()).decode()
    pieces = [encoded[at : at + 254] for at in range(0, len(encoded), 254)]
    file = folder.joinpath(".snakemake", part, *(f"@{piece}" for piece in pieces[:-1]), pieces[-1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def checkout(folder: Path) -> Path:
    """A folder in which a run has finished."""
    for name in [*THERE, *PARTS, "requirements.lock"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    shutil.copyfile(REPOSITORY / "CITATION.cff", folder / "CITATION.cff")
    (folder / "Snakefile").write_text('include: "workflow/Snakefile"\n', encoding="utf-8")
    (folder / "SUMS").write_text("".join(f"{own}  {name}\n" for name, own in LISTED.items() if own), encoding="utf-8")
    for name, one in WRITTEN.items():
        kept(folder, name, json.dumps(one))
    return folder


def make(folder: Path, *more: str, python: str | Path = sys.executable) -> subprocess.CompletedProcess[str]:
    command = [str(python), str(REPOSITORY / "scripts/make_crate.py"), "--output", "ro-crate-metadata.json", *more]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def graph(folder: Path) -> dict[str, Entity]:
    plain_graph = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    return {own["@id"]: own for own in plain_graph}


SYNTHETIC = ["--sums", "SUMS", "--configuration", "config.yaml"]


def crate_python() -> Path:
    """The Python that has ro-crate-py and the validator, or a reason to skip."""
    found = REPOSITORY / ".venv-crate" / "bin" / "python"
    have = (
        subprocess.run([found, "-c", "import rocrate, rocrate_validator"], capture_output=True, check=False)
        if found.exists()
        else None
    )
    if have is None or have.returncode:
        pytest.skip("no .venv-crate with rocrate and roc-validator; make crate builds it")
    return found


EDITED = f"{hashlib.sha256(b'edited').hexdigest()[:12]}..."
RECORD = "allowed: the record of the job that wrote it; make paper finishes the run"


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda f: shutil.rmtree(f / ".snakemake"), f"SUMS: Snakemake's record: missing; {RECORD} (2 more of the kind)"),
        (lambda f: kept(f, "c.csv", '{"rule": "aga'), f"c.csv: Snakemake's record: cut short; {RECORD}"),
        (
            lambda f: kept(f, "c.csv", "{}", "incomplete"),
            "c.csv: job: not finished; allowed: an output whose job ended; make paper finishes the run",
        ),
        (lambda f: (f / "c.csv").unlink(), "c.csv: file: missing; allowed: what its job wrote; make paper finishes the run"),
        (
            lambda f: (f / "c.csv").write_text("edited"),
            f"c.csv: sha256: {EDITED}; allowed: {digest('c.csv')[:12]}..., as the list of the outputs says; make paper finishes",
        ),
        (
            lambda f: (f / "n.yaml").write_text("edited"),
            f"n.yaml: sha256: {EDITED}; allowed: {digest('n.yaml')[:12]}..., as rule again read it; make paper finishes the run",
        ),
        (
            lambda f: (f / "SUMS").unlink(),
            "SUMS: file: missing; allowed: the checksums of a run's outputs; make paper writes them",
        ),
        (lambda f: (f / "CITATION.cff").write_text("title: [x"), "CITATION.cff: file: "),
        (
            lambda f: (f / "CITATION.cff").write_text("title: x\nversion: 1"),
            "CITATION.cff: date-released: null; allowed: what RO-Crate requires of its root",
        ),
    ],
)
def test_no_crate_of_an_unfinished_run(tmp_path, spoil, line):
    spoil(checkout(tmp_path))
    done = make(tmp_path, *SYNTHETIC)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith(line)
    assert not (tmp_path / "ro-crate-metadata.json").exists()


def test_other_wrong_input_gets_a_line(tmp_path):
    folder = checkout(tmp_path)
    assert (
        'authors: "Nobody"; allowed: --agent is one of SpecMoE Research Team'
        in make(folder, *SYNTHETIC, "--agent", "Nobody").stderr
    )
    assert (
        "no.yaml: file: missing; allowed: the workflow's config file"
        in make(folder, *SYNTHETIC, "--configuration", "no.yaml").stderr
    )
    assert "venv: environment: missing; allowed: the virtual" in make(folder, *SYNTHETIC, "--environment", "venv").stderr
    (folder / "requirements.lock").write_text("pytest==0.1 \\\n", encoding="utf-8")
    other = make(folder, *SYNTHETIC, "--environment", sys.prefix)
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)
    assert "allowed: 0.1, as requirements.lock pins it" in other.stderr


def test_long_names_and_foreign_files_among_the_records(tmp_path):
    folder = checkout(tmp_path)
    long = f"{'x' * 200}/{'y' * 200}.csv"
    kept(folder, long, json.dumps(WRITTEN["c.csv"] | {"rule": "long"}))
    (folder / ".snakemake/metadata/not base64!").write_text("", encoding="utf-8")
    done = make(folder, *SYNTHETIC, python=crate_python())
    assert done.returncode == 0, done.stderr
    sums = (folder / "SUMS").read_text(encoding="utf-8")
    (folder / "SUMS").write_text(f"{sums}{'0' * 64}  {long}\n", encoding="utf-8")
    assert make(folder, *SYNTHETIC).stderr.startswith(f"{long}: file: missing"), "its record was found"


def test_the_commit_is_named_while_no_file_of_its_differs(tmp_path):
    folder, python = checkout(tmp_path), crate_python()
    assert make(folder, *SYNTHETIC, python=python).returncode == 0
    assert "isBasedOn" not in graph(folder)["./"], "no git here"
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(folder)]
    for words in (["init", "--quiet"], ["add", *THERE, "CITATION.cff"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert make(folder, *SYNTHETIC, python=python).returncode == 0
    assert keys(graph(folder)["./"]["isBasedOn"]) == [f"swh:1:rev:{commit}"]
    with (folder / "CITATION.cff").open("a", encoding="utf-8") as stream:
        stream.write("# edited\n")
    assert make(folder, *SYNTHETIC, python=python).returncode == 0
    assert "isBasedOn" not in graph(folder)["./"]


# A real run: some rules of the workflow on two models, and checksums of what they write.
FEW = """
include: "workflow/Snakefile"

rule few:
    default_target: True
    input: "evaluation/few/SHA256SUMS"

rule few_checksums:
    input:
        **program("checksums"),
        outputs=[DATA, GPU_CATALOGUE, LAWS, f"{RESULTS}/saturation_batches.csv", f"{TABLES}/table_saturation_thresholds.tex"],
    output: "evaluation/few/SHA256SUMS"
    log: "logs/few_checksums.log"
    params: **options(receipts=CHECKED)
    shell: RUN
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which those rules have run, with its crate."""
    python = crate_python()
    folder = small_project(tmp_path_factory.mktemp("few"))
    (folder / "Snakefile").write_text(FEW, encoding="utf-8")
    (folder / "README.md").write_text("A readme.\n", encoding="utf-8")
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr
    made = make(folder, "--sums", "evaluation/few/SHA256SUMS", "--environment", sys.prefix, python=python)
    assert made.returncode == 0, made.stderr
    return folder


def test_the_crate_of_a_real_run_says_what_snakemake_recorded(ran):
    crate = graph(ran)
    jobs = {key: own for key, own in of_type(crate, "CreateAction").items() if key != "#run"}
    written: dict[str, list[dict[str, Any]]] = {}
    for file in (ran / ".snakemake/metadata").iterdir():
        one = json.loads(file.read_text(encoding="utf-8")) | {"output": base64.urlsafe_b64decode(file.name).decode()}
        written.setdefault(one["shellcmd"], []).append(one)
    assert {own["description"] for own in jobs.values()} == set(written)
    assert len(jobs) == len(written) > 7
    for own in jobs.values():
        group = written[own["description"]]
        results = {crate[key]["name"] for key in keys(own["result"])}
        assert results == {one["output"] for one in group}
        assert {crate[key]["name"] for key in keys(own["object"]) if not key.startswith("#value")} == set(group[0]["input"])
        assert abs(datetime.fromisoformat(own["startTime"]).timestamp() - min(one["starttime"] for one in group)) < 0.001
        assert abs(datetime.fromisoformat(own["endTime"]).timestamp() - max(one["endtime"] for one in group)) < 0.001
        assert keys(own["instrument"]) == [f"#tool/{group[0]['rule']}"]
    for own in of_type(crate, "File").values():
        content = (ran / own["name"]).read_bytes()
        assert (own["sha256"], own["contentSize"]) == (hashlib.sha256(content).hexdigest(), str(len(content)))
    assert f"{RESULTS}/prophet_kv_extension_data.parquet" in keys(crate["./"]["hasPart"])
    assert f"#file/{RESULTS}/prophet_kv_extension_data.csv" not in keys(crate["./"]["hasPart"]), "made on the way"
    assert "config/models/mixtral-8x7b.yaml" in keys(crate["./"]["hasPart"])
    assert str(ran) not in (ran / "ro-crate-metadata.json").read_text(encoding="utf-8")


def test_the_same_run_gives_the_same_crate(ran):
    before = (ran / "ro-crate-metadata.json").read_bytes()
    made = make(ran, "--sums", "evaluation/few/SHA256SUMS", "--environment", sys.prefix, python=crate_python())
    assert made.returncode == 0
    assert (ran / "ro-crate-metadata.json").read_bytes() == before


# The validator without a network: RO-Crate's context is ro-crate-py's own copy, and the terms of the profile that a crate uses
# stand here (https://w3id.org/ro/terms/workflow-run). Whatever else it asks for is refused.
VALIDATE = """
import json, sys
from io import BytesIO
import requests
from requests.adapters import HTTPAdapter
from rocrate.vocabs import RO_CRATE

assert RO_CRATE["@id"] == "https://w3id.org/ro/crate/1.1/context"
TERMS = "https://w3id.org/ro/terms/workflow-run"
names = ["ParameterConnection", "connection", "sourceParameter", "targetParameter", "sha256", "ContainerImage", "containerImage"]
served = {RO_CRATE["@id"]: RO_CRATE, f"{TERMS}/context": {"@context": {name: f"{TERMS}#{name}" for name in names}}}

def send(adapter, request, **options):
    if request.url not in served:
        raise requests.ConnectionError(request.url)
    response = requests.Response()
    response.status_code, response.url, response.request = 200, request.url, request
    response.headers["Content-Type"] = "application/ld+json"
    response.raw = BytesIO(json.dumps(served[request.url]).encode())
    return response

HTTPAdapter.send = send
from rocrate_validator import models, services

settings = services.ValidationSettings(rocrate_uri=sys.argv[1], profile_identifier="provenance-run-crate", no_cache=True,
    requirement_severity=models.Severity.RECOMMENDED)
result = services.validate(settings)
print(json.dumps([
    {"name": f"{check.requirement.profile.identifier}: {check.name}", "severity": check.severity.name,
     "issues": [str(issue.violatingEntity) for issue in result.get_issues_by_check(check)]}
    for check in sorted(result.executed_checks, key=lambda check: check.identifier)]))
"""

# What the profiles recommend and the crate does not do, each with its reason; docs/provenance.md has them in words.
LEFT = {
    "process-run-crate-0.5: Application url": "packages whose metadata names no place",
    "process-run-crate-0.5: SoftwareApplication id": "the tools are files of the crate, which the profile allows",
    "process-run-crate-0.5: Action agent": "Snakemake does not record who ran it; --agent says it",
    "ro-crate-1.1: Organization: RECOMMENDED url property": "CITATION.cff names none",
    "ro-crate-1.1: Root Data Entity: `publisher` property": "nobody has published it",
    "workflow-ro-crate-1.0: Main Workflow Bioschemas compliance": "its profile asks for a date of creation and a publisher",
}


def validated(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run([crate_python(), "-W", "ignore", "-c", VALIDATE, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_the_validator_passes_what_the_profiles_require_and_recommend(ran):
    checks = validated(ran)
    required = [own for own in checks if own["severity"] == "REQUIRED"]
    recommended = [own for own in checks if own["severity"] == "RECOMMENDED"]
    assert (len(required), len(recommended)) == (91, 98)
    assert {own["name"]: own["issues"] for own in required if own["issues"]} == {}
    failed = {own["name"]: own["issues"] for own in recommended if own["issues"]}
    assert set(failed) == set(LEFT)
    assert all(issue.startswith("pkg:pypi/") for issue in failed["process-run-crate-0.5: Application url"])


def test_the_validator_sees_what_is_broken(ran, tmp_path):
    """Else its silence would say nothing."""
    folder = shutil.copytree(ran, tmp_path / "broken", ignore=shutil.ignore_patterns(".snakemake"))
    plain_crate = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    for own in plain_crate["@graph"]:
        if own["@type"] == "CreateAction":
            own.pop("instrument")
        if own["@id"] == "#run":
            own.pop("endTime")
    (folder / "ro-crate-metadata.json").write_text(json.dumps(plain_crate), encoding="utf-8")
    (folder / "config/gpus.yaml").unlink()
    failed = {own["name"] for own in validated(folder) if own["issues"]} - set(LEFT)
    assert failed == {
        "process-run-crate-0.5: Action instrument",
        "process-run-crate-0.5: Action endTime",
        "provenance-run-crate-0.5: Tool inverse instrument",
        "workflow-run-crate-0.5: Main entity execution",
        "ro-crate-1.1: Data Entity: REQUIRED resource availability",
    }


def test_an_edit_after_the_run_is_refused(ran, tmp_path):
    folder = shutil.copytree(ran, tmp_path / "edited")
    with (folder / "config/gpus.yaml").open("a", encoding="utf-8") as stream:
        stream.write("# edited\n")
    done = make(folder, "--sums", "evaluation/few/SHA256SUMS", python=crate_python())
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("config/gpus.yaml: sha256: ")
