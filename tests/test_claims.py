"""The claims ledger: verdicts follow from results alone, tolerances from printed digits."""

import shutil
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest
import yaml
from conftest import REPOSITORY, RESULTS
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.axes import KEYS
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.tables import read_table, write_table
from prophet_paper.claims import half_unit, interval, judge
from prophet_paper.ledger import Claim, Claimed, read_claims
from prophet_paper.prose import read_numbers
from prophet_paper.queries import Query, QueryError, Results
from prophet_paper.verdicts import NOT_REPRODUCED, REPRODUCED, by_claim

LEDGER = REPOSITORY / "config" / "claims.yaml"
CLAIMS = read_claims(LEDGER)
STUDIES = [REPOSITORY / RESULTS, *(REPOSITORY / "evaluation/memory_results" / name for name in ("routing", "alternatives"))]
FILES = [
    file for folder in STUDIES for file in folder.iterdir() if file.suffix in {".csv", ".parquet"} and "data.csv" not in file.name
]
EVERYWHERE = dict.fromkeys(KEYS, "all")
LAWS = REPOSITORY / RESULTS / "law_catalogue.csv"
VERIFY = [sys.executable, "scripts/verify_claims.py", "--laws", LAWS, "--claims"]


PLAIN = yaml.safe_load(LEDGER.read_text(encoding="utf-8"))["claims"]


def entry(name: str) -> Claim:
    return next(claim for claim in CLAIMS.claims if claim.id == name)


def judged_again(folder, changes: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """claims.csv from the committed results with some tables replaced."""
    files = []
    for file in FILES:
        if not file.stem.startswith("claims"):
            target = folder / file.name
            shutil.copyfile(file, target)
            if file.stem in changes:
                frame = changes[file.stem]
                frame.write_parquet(target) if file.suffix == ".parquet" else frame.write_csv(target)
            files.append(target)
    output = folder / "claims.csv"
    command = [
        sys.executable,
        REPOSITORY / "scripts/judge_claims.py",
        "--results",
        *files,
        "--laws",
        LAWS,
        "--claims",
        LEDGER,
        "--output",
        output,
    ]
    subprocess.run(command, check=True, cwd=folder)
    return pl.read_csv(output)


def test_a_tolerance_is_half_of_the_last_printed_digit():
    kept = interval(Claimed(value="9.0", unit="percent"))
    assert (kept.lower, kept.upper) == (8.95, 9.05)
    assert 8.949 not in kept
    assert 9.05 in kept
    assert 63 not in interval(Claimed(range=["64", "80"], unit="percent"))
    assert 79.9 in interval(Claimed(range=["60", "80"], unit="percent"))
    assert 1.3 not in interval(Claimed(below="1.3", unit="times"))
    assert 0 not in interval(Claimed(above="0", unit="percent"))


@given(st.decimals(0, 1000, places=2), st.integers(0, 2))
def test_what_rounds_to_the_printed_text_is_accepted(value: Decimal, places: int):
    printed = str(round(value, places) if places else int(value.to_integral_value()))
    assert float(value) in interval(Claimed(value=printed, unit="percent"))
    assert float(Decimal(printed) + half_unit(printed) * Decimal("1.01")) not in interval(Claimed(value=printed, unit="percent"))


def test_every_verdict_changes_with_the_results(tmp_path):
    """Savings turned upside down: what held by value fails, and a verdict that a hand had written would stay."""
    before = pl.read_csv(REPOSITORY / RESULTS / "claims.csv")
    curves = pl.read_parquet(REPOSITORY / RESULTS / "expert_savings_curves.parquet")
    turned = curves.with_columns(pl.col("expert_savings_fraction") * 0.5 + 0.013, pl.col("distinct_experts_uncapped") + 3)
    after = judged_again(tmp_path, {"expert_savings_curves": turned})
    rows = zip(before.to_dicts(), after.to_dicts(), strict=True)
    touched = [
        (old, new)
        for old, new in rows
        if "Example" in old["section"] and old["kind"] == "value" and not old["claim"].endswith(("saturation", "b16-experts"))
    ]
    assert len(touched) > 40
    assert all(
        old["verdict"] != "reproduced" or new["verdict"] == "not_reproduced"
        for old, new in touched
        if old["routing"] == "power_law"
    )


def test_a_failing_claim_becomes_reproduced_when_the_results_say_so(tmp_path):
    summary = pl.read_csv(REPOSITORY / RESULTS / "summary_statistics.csv")
    mixtral = (pl.col("model") == "mixtral-8x7b") & (pl.col("batch_size") == 1)
    bent = summary.with_columns(pl.when(mixtral).then(10.2).otherwise(pl.col("kv_extension")).alias("kv_extension"))
    after = judged_again(tmp_path, {"summary_statistics": bent}).filter(claim="summary-mixtral-b1-extension")
    assert after["verdict"].to_list() == ["reproduced"] * 2


def test_the_contradictions_that_a_reviewer_would_find_are_found():
    claims = by_claim(REPOSITORY / RESULTS / "claims.csv")
    assert "13.9" in claims["mixtral-b8-experts"]["power_law"]["reason"]
    assert "not with all experts resident" in claims["summary-mixtral-b1-extension"]["uniform"]["reason"]
    for name in ("tldr-deepseek-v3-batch64", "compat-128", "table-baseline-size"):
        assert claims[name]["power_law"]["verdict"] == claims[name]["uniform"]["verdict"] == NOT_REPRODUCED
    assert claims["mixtral-b4-savings"]["power_law"]["verdict"] == REPRODUCED


def test_verdicts_against_a_second_reading_of_the_results():
    """Savings claims of the examples, recomputed from the formula."""
    judged = by_claim(REPOSITORY / RESULTS / "claims.csv")
    for name, experts, top_k in (("mixtral", 8, 2), ("deepseek-moe", 64, 6), ("switch", 128, 1), ("deepseek-v3", 256, 8)):
        for claim in CLAIMS.claims:
            if claim.id.startswith(f"{name}-b") and claim.id.endswith("-savings"):
                batch, printed = claim.query.where["batch_size"], claim.claim.value
                values = {
                    "power_law": 1 - min(experts, top_k * batch**0.932) / experts,
                    "uniform": (1 - top_k / experts) ** batch,
                }
                for law, value in values.items():
                    holds = abs(100 * value - float(printed)) <= float(half_unit(printed))
                    assert (judged[claim.id][law]["verdict"] == REPRODUCED) == holds, claim.id


def test_external_claims_name_what_could_test_them_and_only_they_are_untested():
    for claim in pl.read_csv(REPOSITORY / RESULTS / "claims.csv").to_dicts():
        external = claim["kind"] == "external"
        untimed = (claim["reason"] or "").endswith("under power_law")  # which does not say which experts a cache would hold
        assert (claim["verdict"] == "not_testable") == (external or untimed)
        assert bool(claim["reason"]) or claim["verdict"] != "not_reproduced"


def test_verify_passes_and_fails_only_when_a_reproduced_claim_is_lost(tmp_path):
    file = tmp_path / "claims.csv"
    committed = (REPOSITORY / RESULTS / "claims.csv").read_text(encoding="utf-8")
    file.write_text(committed, encoding="utf-8")
    assert subprocess.run([*VERIFY, file], cwd=REPOSITORY, check=False, capture_output=True).returncode == 0
    frame = pl.read_csv(file)
    held = (pl.col("claim") == "mixtral-b4-savings") & (pl.col("routing") == "power_law")
    frame.with_columns(pl.when(held).then(pl.lit("not_reproduced")).otherwise("verdict").alias("verdict")).write_csv(file)
    done = subprocess.run([*VERIFY, file], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "mixtral-b4-savings" in done.stderr
    lost = (pl.col("claim") == "mixtral-b8-experts") & (pl.col("routing") == "power_law")
    frame.with_columns(pl.when(lost).then(pl.lit("reproduced")).otherwise("verdict").alias("verdict")).write_csv(file)
    done = subprocess.run([*VERIFY, file], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert done.returncode == 0
    assert "mixtral-b8-experts (power law): reproduced, pinned as not reproduced" in done.stdout


def test_verify_says_what_changed_and_fits_a_terminal(tmp_path):
    file = tmp_path / "claims.csv"
    frame = pl.read_csv(REPOSITORY / RESULTS / "claims.csv")
    one = (pl.col("claim") == "mixtral-b8-experts") & (pl.col("routing") == "uniform")
    frame.with_columns(pl.when(one).then(pl.lit("not_testable")).otherwise("verdict").alias("verdict")).write_csv(file)
    done = subprocess.run([*VERIFY, file], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert "mixtral-b8-experts (uniform law): not testable, pinned as not reproduced" in done.stdout
    assert "now reproduced" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    told = subprocess.run([*VERIFY, file, "--reasons"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    assert max(map(len, told.splitlines())) <= 100
    assert "the results give 31.6%" in told


WRONG_QUERIES = [
    ({"where": {"routing": {"at_least": 1}}}, "where.routing", "the column holds text"),
    ({"where": {"gpu": 5}}, "where.gpu", "text"),
    ({"where": {"batch_size": "8"}}, "where.batch_size", "a number"),
    ({"where": {"batch_size": [8, 8]}}, "where.batch_size", "each value once"),
    ({"where": {"batch_size": 10**30}}, "where.batch_size", "one of 1, 2"),
    ({"where": {"experts": {"at_least": 10**400}}}, "where.experts", "values of the column"),
    ({"value": "name"}, "value", "whose value is a number"),
    ({"value": "name", "statistic": "mean"}, "value", "whose value is a number"),
    ({"value": "name || 1"}, "value", "an expression"),
    ({"value": "(", "statistic": "sum"}, "value", "an expression of"),
    ({"value": "columns('^nosuch.*$')"}, "value", "one expression"),
    ({"value": "greatest()"}, "value", "an expression of"),
]


@pytest.mark.parametrize(("change", "key", "allowed"), WRONG_QUERIES)
def test_a_question_that_makes_no_sense_is_one_line_for_claims_and_prose_alike(change: dict, key: str, allowed: str):
    asked = {"table": "prophet_kv_extension_data", "where": {"model": "mixtral-8x7b"}, "value": "kv_extension"} | change
    with pytest.raises(QueryError) as caught:
        Results(FILES).ask(Query(**asked), "uniform", CLAIMS.defaults)
    assert (caught.value.key, "\n" in str(caught.value)) == (key, False)
    assert allowed in caught.value.allowed


def test_infinite_values_are_undefined():
    query = Query("model_catalogue", "kv_bytes_per_token_beyond_windows / LN(top_k / top_k)", {"model": "dbrx"})
    assert Results(FILES).ask(query, "uniform", {})["value"].to_list() == [None]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("share", [0, 0.1, 0.9])
def test_a_table_cut_short_is_one_line_or_a_shorter_csv(tmp_path, suffix: str, share: float):
    file = tmp_path / f"table{suffix}"
    frame = pl.read_csv(REPOSITORY / RESULTS / "mean_extension_by_model.csv", infer_schema_length=None)
    write_table(frame, file)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    if suffix == ".csv" and share:
        pytest.skip("a CSV does not say how long it is: its checksum does (tests/test_faults.py)")
    with pytest.raises(ConfigurationError, match=f"{file}: file: .*; allowed: a whole table"):
        read_table(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claim": {"value": "9.0"}}, "value with quantifier, unit"),
        ({"claim": {"value": "9.0", "above": "1", "unit": "percent"}}, "exactly one of"),
        ({"claim": {"value": 9.0, "unit": "percent"}}, "allowed: string"),
        ({"claim": {"range": ["9", "8"], "unit": "percent"}}, "the lower end first"),
        ({"verdict": "reproduced"}, "allowed: the keys"),
        ({"expected": {"unifrom": "reproduced"}}, r"claims\[0\].expected: .unifrom.; allowed: .*did you mean uniform"),
        ({"expected": {"power_law": "yes", "uniform": "reproduced"}}, "reproduced, not_reproduced"),
    ],
)
def test_a_wrong_ledger_gets_one_line(tmp_path, change, message):
    plain = next(claim for claim in PLAIN if claim["id"] == "mixtral-b4-savings")
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"defaults": {}, "claims": [plain | change]}), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_claims(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "key"),
    [
        (Query("nothing", "1"), "table"),
        (Query("saturation_batches", "no_such_column"), "value"),
        (Query("saturation_batches", "experts", {"model": "mixtral"}), "where.model"),
        (Query("saturation_batches", "experts", {"colour": "red"}), "where.colour"),
        (Query("saturation_batches", "experts +"), "value"),
    ],
)
def test_a_query_that_cannot_be_answered_names_its_key(query, key):
    with pytest.raises(QueryError) as caught:
        Results(FILES).ask(query, "uniform", EVERYWHERE)
    assert caught.value.key == key


def test_an_undefined_value_satisfies_nothing_and_averages_leave_it_out():
    claim = entry("summary-mixtral-b1-extension")
    assert judge(claim, Results(FILES), "uniform", CLAIMS.defaults).satisfied == 0
    mean = Results(FILES).ask(
        Query("summary_statistics", "kv_extension", {"batch_size": 1, "model": "mixtral-8x7b"}, "mean"), "uniform", EVERYWHERE
    )
    assert mean["value"].to_list() == [None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"law": "pwer_law"}, "numbers.Some.law: .pwer_law.; allowed: .*did you mean power_law"),
        ({"format": "gb"}, "numbers.Some.format: .gb.; allowed: one of plain, integer"),
        ({"query": {"table": "model_catalogue"}}, "numbers.Some.query.value: null; allowed: this key is required"),
        (
            {"query": {"table": "a", "value": "1", "where": {"x": {"at_leest": 1}}}},
            "where.x.at_leest: 1; allowed: the keys at_le",
        ),
        ({"query": {"table": "a", "value": "1", "where": {"x": [2, 2]}}}, "where.x: .2, 2.; allowed: .* each entry once"),
        ({"query": {"table": "a", "value": ""}}, "numbers.Some.query.value: ..; allowed: text that is not empty"),
        ({"law": "uniform_banana"}, "numbers.Some.law: .uniform_banana"),
        (
            {"query": {"table": "a", "value": "1", "where": {"x": [True]}}},
            "numbers.Some.query.where.x.0.: true; allowed: text or a number",
        ),
    ],
)
def test_a_wrong_number_of_the_prose_gets_one_line(tmp_path, change, message):
    number = {"format": "plain", "query": {"table": "model_catalogue", "value": "1"}} | change
    file = tmp_path / "numbers.yaml"
    file.write_text(yaml.safe_dump({"defaults": {"routing": "uniform"}, "numbers": {"Some": number}}), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        read_numbers(file)


def test_verify_sees_that_a_pinned_law_is_not_swept(tmp_path):
    """Its verdicts are not testable, and what held is lost."""
    laws = tmp_path / "law_catalogue.csv"
    pl.read_csv(LAWS).filter(routing="power_law").write_csv(laws)
    command = [sys.executable, "scripts/judge_claims.py", "--results", *FILES, "--laws", laws, "--claims", LEDGER, "--output",
               tmp_path / "claims.csv"]  # fmt: skip
    subprocess.run(command, check=True, cwd=REPOSITORY)
    done = subprocess.run([*VERIFY, tmp_path / "claims.csv"], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "mixtral-b1-savings" in done.stderr


def test_numbers_are_all_used_and_all_known():
    names = set(read_numbers(REPOSITORY / "config/numbers.yaml").numbers)
    text = (REPOSITORY / "paper/prophet-memory.tex").read_text() + (
        REPOSITORY / "workflow/templates/batch_size_justification.md.j2"
    ).read_text()
    unused = {name for name in names if f"\\{name}" not in text and f"n.{name} " not in text}
    assert unused == set()


def test_what_the_sweep_leaves_out_is_not_testable():
    claim = entry("mixtral-b4-savings")
    elsewhere = replace(claim, query=replace(claim.query, where={"model": "mixtral-8x7b", "batch_size": 3000}))
    found = judge(elsewhere, Results(FILES), "uniform", EVERYWHERE)
    assert (found.verdict, found.reason) == ("not_testable", "the sweep has no batch_size 3000")


def found_in(folder, rows: list[dict], claim: dict, **query):
    """The finding on a claim about one small table."""
    file = folder / "small.csv"
    pl.DataFrame(rows).write_csv(file)
    asked = Claim(
        id="a",
        section="a",
        quote="a",
        claim=Claimed(**claim),
        query=Query(**{"table": "small", "value": "value_of_row"} | query),
        expected={"uniform": "reproduced"},
    )
    return judge(asked, Results([file]), "uniform", EVERYWHERE)


def test_one_undefined_value_is_enough_to_fail(tmp_path):
    rows = [{"model": "a", "value_of_row": 2.0}, {"model": "b", "value_of_row": None}]
    claim = {"range": ["1", "3"], "unit": "times"}
    found = found_in(tmp_path, rows, claim)
    assert (found.verdict, found.satisfied, found.configurations) == (NOT_REPRODUCED, 1, 2)
    assert "1 undefined" in found.reason
    assert found_in(tmp_path, rows[:1], claim).verdict == REPRODUCED
    assert found_in(tmp_path, rows, claim | {"quantifier": "some"}).verdict == REPRODUCED


@pytest.mark.parametrize(
    ("order", "values", "holds"),
    [
        ("decreasing", (3, 2, 1), True), ("decreasing", (3, 3, 1), False), ("nonincreasing", (3, 3, 1), True),
        ("nonincreasing", (3, 1, 2), False), ("increasing", (1, 2, 3), True), ("nondecreasing", (1, 1, 0), False),
    ],
)  # fmt: skip
def test_orderings_hold_or_name_a_counterexample(tmp_path, order, values, holds):
    rows = [{"model": "a", "batch_size": 2**i, "value_of_row": float(v)} for i, v in enumerate(values)]
    found = found_in(tmp_path, rows[::-1], {"order": order, "along": "batch_size"})
    assert found.verdict == (REPRODUCED if holds else NOT_REPRODUCED)
    assert bool(found.reason) != holds


def test_an_ordering_compares_each_model_with_itself_unless_told_otherwise(tmp_path):
    points = (("a", 1, 9), ("a", 2, 8), ("b", 1, 2), ("b", 2, 1))
    rows = [{"model": m, "batch_size": b, "value_of_row": float(v)} for m, b, v in points]
    claim = {"order": "decreasing", "along": "batch_size"}
    assert found_in(tmp_path, rows, claim).verdict == REPRODUCED
    across = [{"model": m, "experts": e, "value_of_row": float(v)} for m, e, v in (("a", 8, 1), ("b", 16, 2), ("c", 64, 1))]
    assert found_in(tmp_path, across, {"order": "increasing", "along": "experts", "within": False}).verdict == NOT_REPRODUCED
    one = found_in(tmp_path, across[:1], {"order": "increasing", "along": "experts", "within": False})
    assert one.reason == "nothing to compare"


def test_pinned_verdicts_are_those_of_the_committed_results():
    for claim in pl.read_csv(REPOSITORY / RESULTS / "claims.csv").to_dicts():
        assert claim["verdict"] == claim["expected"], (claim["claim"], claim["routing"])


def test_claims_about_an_extension_say_what_is_usable():
    judged = pl.read_csv(REPOSITORY / RESULTS / "claims.csv", infer_schema_length=None)
    ledger = {entry.id: entry for entry in read_claims(REPOSITORY / "config/claims.yaml").claims}
    about = {name for name, entry in ledger.items() if entry.query and "kv_extension" in entry.query.value}
    assert set(judged.filter(pl.col("usable").is_not_null())["claim"]) == about - set(
        judged.filter((pl.col("verdict") == "not_testable") | pl.col("computed").is_null())["claim"]
    )
    (row,) = judged.filter((pl.col("claim") == "tldr-low-batch-extension") & (pl.col("routing") == "uniform")).to_dicts()
    assert (row["computed"], row["usable"]) == ("1.09–3.34×", "1.00–2.61×")
