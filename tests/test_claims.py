"""The claims ledger: verdicts follow from results alone, tolerances from printed digits."""

import re
import shutil
from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest
import yaml
from conftest import REPOSITORY, RESULTS
from forked import forked
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.axes import KEYS
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.tables import read_table, write_table
from prophet_paper.claims import half_unit, interval, judge
from prophet_paper.ledger import Claim, Claimed, read_claims
from prophet_paper.prose import read_numbers
from prophet_paper.queries import WOULD_DECIDE, Query, QueryError, Results
from prophet_paper.verdicts import NOT_REPRODUCED, REPRODUCED, UNDEFINED, by_claim

LEDGER = REPOSITORY / "config" / "claims.yaml"
PROFILE = "evaluation/memory_results/engine_profile"
CLAIMS = read_claims(LEDGER)
STUDIES = [
    REPOSITORY / RESULTS,
    *(REPOSITORY / "evaluation/memory_results" / name for name in ("routing", "alternatives", "workloads")),
]
FILES = [
    file for folder in STUDIES for file in folder.iterdir() if file.suffix in {".csv", ".parquet"} and "data.csv" not in file.name
]
EVERYWHERE = dict.fromkeys(KEYS, "all")
LAWS = REPOSITORY / RESULTS / "law_catalogue.csv"
OWN = REPOSITORY / RESULTS / "paper_claims.csv"
VERIFY = ["scripts/verify_claims.py", "--own", OWN, "--laws", LAWS, "--claims"]


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
    assert forked(*command, folder=folder).returncode == 0
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


def test_every_verdict_has_a_reason_and_only_what_a_law_cannot_say_is_untested():
    for claim in pl.read_csv(REPOSITORY / RESULTS / "claims.csv", infer_schema_length=None).to_dicts():
        silent = claim["reason"].endswith(WOULD_DECIDE)
        assert (claim["verdict"] == "not_testable") == silent
        assert claim["routing"] == "power_law" or not silent


def by_model_and_batch(law: str, value: pl.Expr, *conditions: pl.Expr) -> pl.DataFrame:
    """The long table at the point at which claims are judged, on one A100-80GB."""
    found = pl.read_parquet(REPOSITORY / RESULTS / "prophet_kv_extension_data.parquet").filter(
        *conditions, routing=law, precision="bf16", provision="mean", n_gpus=1
    )
    return found.with_columns(value.alias("found"))


@pytest.mark.parametrize("law", ["power_law", "uniform"])
def test_claims_decided_anew_against_a_second_reading(law: str):
    """Each from the formula or the long table, without the ledger's queries."""
    judged = {name: row[law]["verdict"] for name, row in by_claim(REPOSITORY / RESULTS / "claims.csv").items()}

    def is_decided(name: str, holds: bool | None):
        assert judged[name] == {True: REPRODUCED, False: NOT_REPRODUCED, None: UNDEFINED}[holds], name

    grid = [2**n for n in range(13)]
    saturated = {(e, k): None if law == "uniform" else next(b for b in grid if k * b**0.932 >= e)
                 for e, k in ((8, 2), (8, 1), (16, 4), (16, 2), (60, 4), (64, 6), (64, 8), (64, 1), (128, 1), (128, 2),
                              (128, 8), (160, 6), (256, 8))}  # fmt: skip
    for name, models, least, most in (
        ("mixtral-saturation", [(8, 2)], 8, 8), ("deepseek-moe-saturation", [(64, 6)], 16, 16),
        ("deepseek-v3-saturation", [(256, 8)], 64, 64), ("threshold-8", [(8, 2)], 8, 8),
        ("threshold-16", [(16, 4), (16, 2)], 16, 16), ("threshold-60", [(60, 4), (64, 6), (64, 8)], 16, 32),
        ("threshold-128", [(128, 1), (128, 2), (128, 8)], 64, 10**9), ("threshold-160", [(160, 6), (256, 8)], 32, 64),
        ("figure6-coarse", [(8, 2), (8, 1), (16, 4), (16, 2)], 8, 16),
        ("figure6-64", [(60, 4), (64, 6), (64, 8), (64, 1)], 16, 32),
    ):  # fmt: skip
        batches = [saturated[model] for model in models]
        is_decided(name, None if law == "uniform" else all(least <= batch <= most for batch in batches))

    def saved(experts: int, top_k: int, batch: int) -> float:
        return 1 - min(experts, top_k * batch**0.932) / experts if law == "power_law" else (1 - top_k / experts) ** batch

    is_decided("tldr-switch-batch64", 0.595 <= saved(128, 1, 64) <= 0.805)
    is_decided("prophet-128-b1", True)
    is_decided("prophet-128-b16", abs(saved(128, 1, 16) - 0.875) < 0.0005)
    is_decided("qa-reduction", all(0.865 <= saved(128, 1, batch) <= 0.995 for batch in (1, 16)))
    is_decided("threshold-128-zero", all(saved(128, top_k, batch) > 0 for top_k in (1, 2, 8) for batch in grid[:6]))

    fitting, own = pl.col("fit_verdict") == "fits", pl.col("gpu") == "a100-80gb"
    context = by_model_and_batch(law, pl.col("max_context_tokens"), own, pl.col("fit_verdict") != "does_not_fit")
    rises = context.sort("batch_size").group_by("model", "policy").agg(pl.col("found").diff().drop_nulls().gt(0).all())
    is_decided("tradeoff-context", bool(rises["found"].all()))

    both = by_model_and_batch(law, pl.col("free_for_kv_bytes"), own)
    baseline = both.filter(policy="all_resident").select("model", "batch_size", baseline="found")
    gained = both.filter(fitting, policy="prophet").join(baseline, on=["model", "batch_size"])
    gained = gained.with_columns(pl.col("found") / pl.col("baseline")).sort("batch_size")
    falls = gained.group_by("model").agg(pl.col("found").diff().drop_nulls().le(0).all())
    is_decided("sensitivity-high-batch", bool(falls["found"].all()))
    nothing_saved = gained.filter(pl.col("expert_savings_fraction") <= 0.0005)["found"]
    is_decided("faq-no-overhead", bool(((nothing_saved - 1).abs() <= 0.005).all()))

    extended = by_model_and_batch(law, pl.col("kv_extension"), fitting, pl.col("policy") == "prophet").join(
        pl.read_csv(REPOSITORY / RESULTS / "model_catalogue.csv").select("model", "experts", "family"), on="model"
    )
    coarse = extended.filter(own, pl.col("experts") <= 16, pl.col("batch_size") <= 16)["found"]
    is_decided("tree-coarse", None if (coarse < 2).all() else False)  # of the others no ratio exists
    first = extended.filter(pl.col("found") == pl.col("found").max().over("gpu", "batch_size"), pl.col("found").round(2) > 1)
    is_decided("compat-maximum", bool((first["experts"] >= 64).all()))
    named = (pl.col("family") == "Switch") | pl.col("model").is_in(["deepseek-moe-16b", "qwen1.5-moe-a2.7b"])
    is_decided("qa-most", bool(first.filter(pl.col("batch_size") <= 16).select(named.all()).item()))
    order = ["deepseek-moe-16b", "qwen1.5-moe-a2.7b", "switch-base-128"]
    ranks = extended.filter(pl.col("model").is_in(order)).with_columns(
        pl.col("model").replace_strict(order, range(3)).alias("at")
    )
    each = ranks.sort("at").group_by("gpu", "batch_size").agg(pl.col("found").diff().drop_nulls().lt(0).all())
    is_decided("qa-order", bool(each["found"].all()))
    left = pl.col("free_for_kv_bytes") / pl.col("resident_expert_bytes")
    pressure = by_model_and_batch(law, left, own, pl.col("fit_verdict") != "does_not_fit", pl.col("policy") == "prophet")
    rising = pressure.sort("batch_size").group_by("model").agg(pl.col("found").diff().drop_nulls().gt(0).all())
    is_decided("tradeoff-pressure", bool(rising["found"].all()))


def test_claims_on_decisions_and_alternatives_are_decided_anew_by_a_second_reading():
    """Under the uniform law, the only one that times a step that fetches."""
    judged = {name: row["uniform"]["verdict"] for name, row in by_claim(REPOSITORY / RESULTS / "claims.csv").items()}
    cases = pl.read_csv(REPOSITORY / "evaluation/memory_results/workloads/decisions.csv", infer_schema_length=None)
    throughput = cases.filter(may_have_fewer_bits=1)
    coarse = throughput.filter(source_leaf="Quantization or CPU offloading")
    fine = throughput.filter(source_leaf="Prophet and quantization")
    fewer_bits, host = pl.col("best_precision") != "native", pl.col("best_policy") == "cpu_compute"
    by_prophet, resident = pl.col("best_policy") == "prophet", pl.col("best_policy") == "all_resident"
    for name, found, agrees in (
        ("tree-throughput-coarse-choice", coarse, fewer_bits | host),
        ("tree-throughput-fine-choice", fine, fewer_bits & by_prophet),
        ("offline-alternatives", pl.concat([coarse, fine]), host | fewer_bits & resident),
    ):
        share = found.select(agrees.fill_null(False).mean()).item()
        assert judged[name] == (REPRODUCED if share > 0.5 else NOT_REPRODUCED), (name, share)
    points = pl.read_parquet(REPOSITORY / "evaluation/memory_results/alternatives/alternatives.parquet").filter(
        fits=True,
        batch_size=1,
        routing="uniform",
        provision="p99",
        policy="prophet",
        model="qwen3-30b-a3b",
        gpu="a100-80gb",
        n_gpus=1,
    )
    assert points["is_dominated"].any()
    assert judged["prophet-only-viable"] == NOT_REPRODUCED


def test_what_repeats_or_shows_nothing_is_named_and_left_out_of_the_count():
    asked = {}
    for claim in CLAIMS.claims:
        if claim.query is not None and claim.repeats is None:
            key = (str(claim.claim), str(claim.query))
            assert key not in asked, f"{claim.id} asks what {asked[key]} asks: `repeats` says so"
            asked[key] = claim.id
    trivial = {claim.id for claim in CLAIMS.claims if claim.trivial}
    assert {"faq-predictor", "figure1-models", "formula-saturates"} <= trivial
    summary = pl.read_csv(REPOSITORY / RESULTS / "claims_summary.csv").filter(kind="total", routing="uniform")
    whole, distinct = summary.filter(scope="every")["claims"].item(), summary.filter(scope="distinct")["claims"].item()
    assert whole == len(CLAIMS.claims)
    assert distinct == sum(claim.repeats is None and claim.trivial is None for claim in CLAIMS.claims)
    one_token = [claim for claim in CLAIMS.claims if claim.is_identity_at_batch_1]
    assert summary.filter(scope="every")["identities_at_batch_1"].item() == len(one_token) > 10
    judged = by_claim(REPOSITORY / RESULTS / "claims.csv")
    for claim in one_token:
        assert len({row["computed"] for row in judged[claim.id].values()}) == 1, claim.id


def test_verdicts_under_an_engines_profile_stand_beside_those_that_count():
    judged = pl.read_csv(REPOSITORY / RESULTS / "claims.csv", infer_schema_length=None)
    asked = judged.filter(pl.col("profile_verdict").is_not_null())
    assert set(asked["claim"]) >= {"tldr-low-batch-extension", "summary-deepseek-moe-b1-extension", "qa-deepseek-mean"}
    savings = judged.filter(pl.col("claim") == "mixtral-b4-savings")  # no matter of an engine
    assert savings["profile_verdict"].is_null().all()
    profile = pl.read_parquet(REPOSITORY / PROFILE / "prophet_kv_extension_data.parquet")
    own = profile.filter(
        model="deepseek-moe-16b",
        gpu="a100-80gb",
        batch_size=1,
        routing="uniform",
        precision="bf16",
        policy="prophet",
        provision="mean",
    )["kv_extension"].item()
    said = asked.filter(claim="summary-deepseek-moe-b1-extension", routing="uniform")["profile_computed"].item()
    assert said == f"{own:.1f}×"
    assert own > judged.filter(claim="summary-deepseek-moe-b1-extension", routing="uniform")["highest"].item()


def test_verify_passes_and_fails_only_when_a_reproduced_claim_is_lost(tmp_path):
    file = tmp_path / "claims.csv"
    committed = (REPOSITORY / RESULTS / "claims.csv").read_text(encoding="utf-8")
    file.write_text(committed, encoding="utf-8")
    assert forked(*VERIFY, file, folder=REPOSITORY).returncode == 0
    frame = pl.read_csv(file)
    held = (pl.col("claim") == "mixtral-b4-savings") & (pl.col("routing") == "power_law")
    frame.with_columns(pl.when(held).then(pl.lit("not_reproduced")).otherwise("verdict").alias("verdict")).write_csv(file)
    done = forked(*VERIFY, file, folder=REPOSITORY)
    assert done.returncode == 1
    assert "mixtral-b4-savings" in done.stderr
    lost = (pl.col("claim") == "mixtral-b8-experts") & (pl.col("routing") == "power_law")
    frame.with_columns(pl.when(lost).then(pl.lit("reproduced")).otherwise("verdict").alias("verdict")).write_csv(file)
    done = forked(*VERIFY, file, folder=REPOSITORY)
    assert done.returncode == 0
    assert "mixtral-b8-experts (power law): reproduced, pinned as not reproduced" in done.stdout


def test_verify_says_what_changed_and_fits_a_terminal(tmp_path):
    file = tmp_path / "claims.csv"
    frame = pl.read_csv(REPOSITORY / RESULTS / "claims.csv")
    one = (pl.col("claim") == "mixtral-b8-experts") & (pl.col("routing") == "uniform")
    frame.with_columns(pl.when(one).then(pl.lit("not_testable")).otherwise("verdict").alias("verdict")).write_csv(file)
    done = forked(*VERIFY, file, folder=REPOSITORY)
    assert "mixtral-b8-experts (uniform law): not testable, pinned as not reproduced" in done.stdout
    assert "now reproduced" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    told = forked(*VERIFY, file, "--reasons", folder=REPOSITORY).stdout
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
    command = ["scripts/judge_claims.py", "--results", *FILES, "--laws", laws, "--claims", LEDGER, "--output",
               tmp_path / "claims.csv"]  # fmt: skip
    assert forked(*command, folder=REPOSITORY).returncode == 0
    done = forked(*VERIFY, tmp_path / "claims.csv", folder=REPOSITORY)
    assert done.returncode == 1
    assert "mixtral-b1-savings" in done.stderr


def test_numbers_are_all_used_and_all_known():
    names = set(read_numbers(REPOSITORY / "config/numbers.yaml").numbers)
    names_of_texts = ("batch_size_justification.md.j2", "README.md.j2", "ARTIFACT.md.j2")
    templates = (REPOSITORY / "workflow/templates" / name for name in names_of_texts)
    text = (REPOSITORY / "paper/prophet-memory.tex").read_text() + "".join(template.read_text() for template in templates)
    unused = {name for name in names if not re.search(rf"\\{name}\b", text) and f"n.{name} " not in text}
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


def test_an_undefined_value_leaves_open_what_no_other_decides(tmp_path):
    rows = [{"model": "a", "value_of_row": 2.0}, {"model": "b", "value_of_row": None}, {"model": "c", "value_of_row": 4.0}]
    claim = {"range": ["1", "3"], "unit": "times"}
    found = found_in(tmp_path, rows[:2], claim)
    assert (found.verdict, found.satisfied, found.configurations) == (UNDEFINED, 1, 2)
    assert "1 undefined" in found.reason
    assert found_in(tmp_path, rows[:1], claim).verdict == REPRODUCED
    assert found_in(tmp_path, rows, claim).verdict == NOT_REPRODUCED
    some = claim | {"quantifier": "some"}
    assert found_in(tmp_path, rows, some).verdict == REPRODUCED
    assert found_in(tmp_path, rows[1:], some).verdict == UNDEFINED
    assert found_in(tmp_path, rows[2:], some).verdict == NOT_REPRODUCED


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
    assert (" but " in found.reason) != holds


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
