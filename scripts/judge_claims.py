"""The claims ledger judged: each claim of the source document with what the results hold for it under each routing law."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.messages import error
from prophet_memory.edge.tables import Row, catalogued, write_rows
from prophet_paper.claims import Finding, claimed_text, exact, interval, judge, usable
from prophet_paper.ledger import Claim, Ledger, read_claims
from prophet_paper.queries import QueryError, Results
from prophet_paper.verdicts import NOT_TESTABLE

NUMBERS = ("lowest", "highest", "configurations", "satisfied")


def of_claim(entry: Claim) -> Row:
    """What a claim says, under whichever law."""
    claim = entry.claim
    bounds = interval(claim) if claim.printed else None
    return {
        "claim": entry.id,
        "section": entry.section,
        "quote": entry.quote,
        "kind": claim.kind,
        "unit": claim.unit,
        "claimed": claimed_text(claim),
        "accepted_from": bounds.lower if bounds else None,
        "accepted_to": bounds.upper if bounds else None,
        "repeats": entry.repeats,
        "trivial": entry.trivial,
        "is_identity_at_batch_1": entry.is_identity_at_batch_1,
    }


def of_finding(entry: Claim, law: str, found: Finding) -> Row:
    """What was found under a law, and what is pinned."""
    facts = asdict(found)
    return {
        "verdict": found.verdict,
        "expected": found.verdict if entry.expected is None else entry.expected.get(law),
        **{name: facts[name] for name in NUMBERS},
        "quantity": entry.quantity,
        "reason": found.reason,
        "why": entry.why,
    }


def judged(entry: Claim, law: str, ledger: Ledger, tables: Results, profile: Results | None) -> Row:
    """One row of claims.csv: a claim under a law, and under the engine's profile where its table depends on that."""
    asked = (law, ledger.defaults)
    found = judge(entry, tables, *asked)
    beside = {"exact": exact(entry, tables, *asked), "usable": usable(entry, tables, *asked)}
    under = judge(entry, profile, *asked) if profile and entry.query and profile.replaces(entry.query.table) else None
    engine = {"profile_computed": under and (under.computed or None), "profile_verdict": under and under.verdict}
    return {"routing": law, "computed": found.computed or None} | beside | engine | of_finding(entry, law, found)


def main(*, results: list[Path], profile_results: list[Path] = [], claims: Path, laws: Path, output: Path) -> None:  # noqa: B006
    """Read ledger and results, judge, write.

    Args:
        results: the result tables that queries may name
        profile_results: those of them that were computed under an engine's profile, too
        claims: config/claims.yaml
        laws: law_catalogue.csv
        output: CSV file
    """
    ledger, tables, rows = read_claims(claims), Results(results), []
    profile = Results(results, profile_results) if profile_results else None
    swept = list(catalogued(laws, "routing"))
    pinned = {law for entry in ledger.claims for law in entry.expected or {}}
    for position, entry in enumerate(ledger.claims):
        said = of_claim(entry)
        try:
            own = [judged(entry, law, ledger, tables, profile) for law in swept]
        except QueryError as problem:
            raise error(claims, f"claims[{position}].{problem.key}", problem.value, problem.allowed) from None
        nothing = dict.fromkeys(own[0])
        for law in sorted(pinned - set(swept)):
            found = Finding(NOT_TESTABLE, "", reason=f"the sweep has no routing {law}")
            own.append(nothing | {"routing": law} | of_finding(entry, law, found))
        rows += [said | row for row in own]
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
