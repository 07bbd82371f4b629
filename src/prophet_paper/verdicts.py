"""The verdicts on the claims as claims.csv holds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prophet_memory.edge.tables import Row, by_key

REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE = "reproduced", "not_reproduced", "not_testable"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE)


def by_claim(file: Path) -> dict[str, dict[str, Row]]:
    """The rows of claims.csv by claim and by routing law, in the order of the ledger."""
    found: dict[str, dict[str, Row]] = {}
    for (claim, law), row in by_key(file, keys=("claim", "routing")).items():
        found.setdefault(claim, {})[law] = row
    return found


def reason_of(by_law: Mapping[str, Row]) -> str | None:
    """One line on why a claim fails or cannot be tested; what all laws say is said once."""
    failing = {law: row for law, row in by_law.items() if row["reason"]}
    if not failing:
        return None
    texts = {row["reason"] for row in failing.values()}
    if len(texts) == 1 and len(failing) == len(by_law):
        line = texts.pop()
    else:
        line = "; ".join(f"{law.replace('_', ' ')}: {row['reason']}" for law, row in failing.items())
    why = next((row["why"] for row in failing.values() if row["why"]), None)
    return f"{line}. {why}" if why else str(line)
