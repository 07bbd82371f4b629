"""The claims ledger judged: each claim of the source document with what the results hold for it under both routing laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prophet_memory.routing import ROUTING_LAW_NAMES
from prophet_pipeline.claims import NOT_REPRODUCED, Finding, claimed_text, interval, judge, kind_of
from prophet_pipeline.command import script
from prophet_pipeline.configuration import error, read_claims
from prophet_pipeline.queries import QueryError, Results
from prophet_pipeline.tables import Row, write_rows

NUMBERS = ("lowest", "highest", "configurations", "satisfied")


def reason(entry: Mapping[str, Any], findings: Mapping[str, Finding]) -> str | None:
    """One line on why a claim fails or cannot be tested; what both laws say is said once."""
    failing = {law: found for law, found in findings.items() if found.reason}
    if not failing:
        return None
    texts = {found.reason for found in failing.values()}
    if len(texts) == 1 and len(failing) == len(findings):
        line = texts.pop()
    else:
        line = "; ".join(f"{law.replace('_', ' ')}: {found.reason}" for law, found in failing.items())
    wrong = any(found.verdict == NOT_REPRODUCED for found in failing.values())
    return f"{line}. {entry['why']}" if wrong and "why" in entry else line


def judged(entry: Mapping[str, Any], findings: Mapping[str, Finding]) -> Row:
    """One row of claims.csv."""
    claim = entry["claim"]
    kind = kind_of(claim)
    bounds = interval(claim) if kind in {"value", "range", "bound"} else None
    row: Row = {
        "claim": entry["id"],
        "section": entry["section"],
        "quote": entry["quote"],
        "kind": kind,
        "unit": claim.get("unit"),
        "claimed": claimed_text(claim),
        "accepted_from": bounds.lower if bounds else None,
        "accepted_to": bounds.upper if bounds else None,
    }
    for law, found in findings.items():
        facts = asdict(found)
        row |= {f"computed_{law}": found.computed or None, f"verdict_{law}": found.verdict}
        row[f"expected_{law}"] = entry.get("expected", {}).get(law, found.verdict)
        row |= {f"{name}_{law}": facts[name] for name in NUMBERS}
    return row | {"reason": reason(entry, findings)}


def main(*, results: list[Path], claims: Path, output: Path) -> None:
    """Read ledger and results, judge, write.

    Args:
        results: the result tables that queries may name
        claims: config/claims.yaml
        output: CSV file
    """
    ledger, tables = read_claims(claims), Results(results)
    rows = []
    for position, entry in enumerate(ledger["claims"]):
        try:
            findings = {law: judge(entry, tables, law, ledger["defaults"]) for law in ROUTING_LAW_NAMES}
        except QueryError as problem:
            raise error(claims, f"claims[{position}].{problem.key}", problem.value, problem.allowed) from None
        rows.append(judged(entry, findings))
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
