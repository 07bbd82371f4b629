"""The paper's own claims, the experiments that show them, and the appendix that prints both."""

import json
import re
import subprocess
import sys
import tomllib

import polars as pl
import pytest
import yaml
from conftest import REPOSITORY, RESULTS
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.edge.command import ConfigurationError
from prophet_paper.artifact import BY_TEST, FAILS, HOLDS, NOT_TESTABLE, Bound, judged, read_artifact, verdicts
from prophet_paper.manuscript import figure_numbers

CONFIG = REPOSITORY / "config/artifact.yaml"
ARTIFACT = read_artifact(CONFIG)
APPENDIX = (REPOSITORY / "docs/ARTIFACT.md").read_text(encoding="utf-8")
NUMBERS = pl.read_csv(REPOSITORY / RESULTS / "prose_numbers.csv", infer_schema_length=None).to_dicts()
PAPER = (REPOSITORY / "paper/prophet-memory.tex").read_text(encoding="utf-8")
PLAIN = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
TWICE = {"claims": [PLAIN["claims"][0], dict(PLAIN["claims"][0])], "experiments": PLAIN["experiments"]}


def with_text(name: str, text: str) -> list[dict]:
    return [row | {"text": text} if row["number"] == name else row for row in NUMBERS]


def test_every_claim_of_the_paper_holds_or_is_decided_by_a_test():
    found = verdicts(REPOSITORY / RESULTS / "paper_claims.csv")
    assert {claim.id for claim in ARTIFACT.claims} == set(found)
    for claim in ARTIFACT.claims:
        assert found[claim.id][0] == (BY_TEST if claim.tested_by else HOLDS), claim.id
        assert claim.tested_by is None or (REPOSITORY / claim.tested_by).is_file()


def test_what_a_claim_is_shown_in_is_in_the_paper():
    shown = set(figure_numbers(PAPER)) | set(re.findall(r"paper_tables/(table_\w+)\.tex", PAPER))
    for claim in ARTIFACT.claims:
        assert set(claim.shown_in) <= shown, claim.id


@pytest.mark.parametrize(
    ("name", "text", "claim"),
    [("ModelsGain", "6", "C7"), ("ObservedTokensMost", "0.6", "C2"), ("LossesToAny", "undefined", "C9")],
)
def test_another_result_fails_its_claim_and_no_other(tmp_path, name, text, claim):
    file = tmp_path / "paper_claims.csv"
    pl.DataFrame(judged(ARTIFACT, with_text(name, text), CONFIG)).write_csv(file)
    assert {key for key, (verdict, _) in verdicts(file).items() if verdict == FAILS} == {claim}
    done = subprocess.run(
        [sys.executable, "scripts/verify_claims.py", "--own", file, "--claims", REPOSITORY / RESULTS / "claims.csv",
         "--laws", REPOSITORY / RESULTS / "law_catalogue.csv"],
        cwd=REPOSITORY, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"{claim}: {name} {text}")
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_what_is_not_swept_is_not_testable(tmp_path):
    file = tmp_path / "paper_claims.csv"
    pl.DataFrame(judged(ARTIFACT, with_text("ModelsGain", "not swept"), CONFIG)).write_csv(file)
    assert verdicts(file)["C7"][0] == NOT_TESTABLE


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_bounds_compare_what_is_printed(found, limit):
    text, bound = f"{found:,}", f"{limit:,}"
    assert Bound(value=bound).admits(text) == (found == limit)
    assert Bound(at_least=bound).admits(text) == (found >= limit)
    assert Bound(at_most=bound).admits(text) == (found <= limit)
    assert Bound(above=bound).admits(text) != Bound(at_most=bound).admits(text)
    assert Bound(below=bound).admits(text) != Bound(at_least=bound).admits(text)


def test_the_appendix_has_every_claim_experiment_and_what_is_not_supported():
    for claim in ARTIFACT.claims:
        assert f"\n| {claim.id} | " in APPENDIX
    for experiment in ARTIFACT.experiments:
        assert f"\n| {experiment.id} | `{experiment.command}` | " in APPENDIX
    assert "not measured" not in APPENDIX
    claims = pl.read_csv(REPOSITORY / RESULTS / "claims.csv", infer_schema_length=None).filter(pl.col("repeats").is_null())
    fails = claims.group_by("claim").agg(
        (pl.col("verdict") == "not_reproduced").any().alias("fails"), (pl.col("verdict") == "reproduced").any().alias("holds")
    )
    refused = set(fails.filter(pl.col("fails") & ~pl.col("holds"))["claim"])
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", APPENDIX, re.MULTILINE)) == refused
    assert len(refused) > 30


def test_every_experiment_is_a_target_of_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for experiment in ARTIFACT.experiments:
        program, target = experiment.command.split()
        assert program == "make"
        assert target in targets


def test_the_release_is_the_same_everywhere():
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.search(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2})\)$", changelog, re.MULTILINE).groups()
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (version, date) == (citation["version"], str(citation["date-released"]))
    assert version == project["version"]


def test_what_is_checked_before_a_commit_is_there():
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    programs = {hook["entry"].split()[0] for hook in hooks}
    assert programs == {f".venv/bin/{name}" for name in ("ruff", "mypy", "snakefmt")}
    lint = (REPOSITORY / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    for hook in hooks:
        assert hook["entry"].replace(".venv/bin", "$(BIN)") in lint


def changed(**change) -> dict:
    return {"claims": [PLAIN["claims"][0] | change], "experiments": PLAIN["experiments"]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (changed(id="D1"), r"claims\[0\]\.id"),
        (changed(experiments=["E9"]), r'claims\[0\]\.experiments: "E9"; allowed: one of E1, E2'),
        (changed(holds={"ModelsGain": {"value": "5"}}), r"claims\[0\].*one of holds and tested_by"),
        (changed(tested_by=None), r"claims\[0\].*one of holds and tested_by"),
        (changed(tested_by=None, holds={"ModelsGain": {"value": "5", "at_most": "5"}}), r"exactly one of value"),
        (changed(tested_by=None, holds={"ModelsGain": {"value": "many"}}), r'claims\[0\]\.holds\.ModelsGain\.value: "many"'),
        (TWICE, r'claims\[1\]\.id: "C1"; allowed: an id'),
        (changed(other=1), r"claims\[0\]\.other"),
    ],
)  # fmt: skip
def test_a_wrong_claim_gets_one_line(tmp_path, document, said):
    file = tmp_path / "artifact.yaml"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_artifact(file)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_a_claim_about_no_number_gets_one_line():
    wrong = read_artifact(CONFIG).claims[1]
    object.__setattr__(wrong, "says", "{Nothing}")
    with pytest.raises(
        ConfigurationError, match=r'artifact\.yaml: claims\[0\]: "Nothing"; allowed: a number of config/numbers\.yaml'
    ):
        judged(type(ARTIFACT)((wrong,), ARTIFACT.experiments), NUMBERS, CONFIG)
