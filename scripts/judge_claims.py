"""The claims ledger judged: each claim of the source document with what the results hold for it under each routing law."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.messages import error
from prophet_memory.edge.tables import Row, catalogued, write_rows
from prophet_paper.claims import Finding, claimed_text, interval, judge, usable
from prophet_paper.ledger import Claim, read_claims
from prophet_paper.queries import QueryError, Results
from prophet_paper.verdicts import NOT_REPRODUCED, NOT_TESTABLE

NUMBERS = ("lowest", "highest", "configurations", "satisfied")


def judged(entry: Claim, law: str, found: Finding, usable_text: str | None = None) -> Row:
    """One row of claims.csv: a claim under a law."""
    claim = entry.claim
    bounds = interval(claim) if claim.printed else None
    pinned = found.verdict if entry.expected is None else entry.expected.get(law)
    row: Row = {
        "claim": entry.id,
        "section": entry.section,
        "quote": entry.quote,
        "kind": claim.kind,
        "unit": claim.unit,
        "claimed": claimed_text(claim),
        "accepted_from": bounds.lower if bounds else None,
        "accepted_to": bounds.upper if bounds else None,
        "routing": law,
        "computed": found.computed or None,
        "usable": usable_text,
        "verdict": found.verdict,
        "expected": pinned,
    }
    facts = asdict(found)
    row |= {name: facts[name] for name in NUMBERS}
    return row | {"reason": found.reason or None, "why": entry.why if found.verdict == NOT_REPRODUCED else None}


def main(*, results: list[Path], claims: Path, laws: Path, output: Path) -> None:
    """Read ledger and results, judge, write.

    Args:
        results: the result tables that queries may name
        claims: config/claims.yaml
        laws: law_catalogue.csv
        output: CSV file
    """
    ledger, tables, rows = read_claims(claims), Results(results), []
    swept = list(catalogued(laws, "routing"))
    pinned = {law for entry in ledger.claims for law in entry.expected or {}}
    for position, entry in enumerate(ledger.claims):
        try:
            asked = [(law, (entry, tables, law, ledger.defaults)) for law in swept]
            rows += [judged(entry, law, judge(*question), usable(*question)) for law, question in asked]
        except QueryError as problem:
            raise error(claims, f"claims[{position}].{problem.key}", problem.value, problem.allowed) from None
        rows += [judged(entry, law, Finding(NOT_TESTABLE, "", reason=f"the sweep has no routing {law}"))
                 for law in sorted(pinned - set(swept))]  # fmt: skip
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
