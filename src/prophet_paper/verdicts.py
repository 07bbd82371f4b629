"""The verdicts on the claims as claims.csv holds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prophet_memory.edge.tables import Row, by_key

# What is asked for can also not exist: no ratio where the baseline does not fit, no batch that a law never reaches.
REPRODUCED, NOT_REPRODUCED, UNDEFINED, NOT_TESTABLE = "reproduced", "not_reproduced", "undefined", "not_testable"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, UNDEFINED, NOT_TESTABLE)


def by_claim(file: Path) -> dict[str, dict[str, Row]]:
    """The rows of claims.csv by claim and by routing law, in the order of the ledger."""
    found: dict[str, dict[str, Row]] = {}
    for (claim, law), row in by_key(file, keys=("claim", "routing")).items():
        found.setdefault(claim, {})[law] = row
    return found


def is_changed(row: Row) -> bool:
    """Whether the engine's profile decides a claim and decides it otherwise."""
    return row["profile_verdict"] not in {None, NOT_TESTABLE, row["verdict"]}


def remarks_of(by_law: Mapping[str, Row]) -> str:
    """As `reason_of`, without the computed values, for a place where they stand beside: empty where nothing else decides."""
    return _sentence(by_law, {law: _after(row["reason"], f"the results give {row['computed']}") for law, row in by_law.items()})


def _after(reason: str, start: str) -> str:
    return reason.removeprefix(start).removeprefix("; ")


def reason_of(by_law: Mapping[str, Row]) -> str:
    """One line on what decides a claim; what all laws say is said once."""
    return _sentence(by_law, {law: row["reason"] for law, row in by_law.items()})


def _sentence(by_law: Mapping[str, Row], reasons: Mapping[str, str]) -> str:
    each = [f"{law.replace('_', ' ')}: {reason}" for law, reason in reasons.items() if reason]
    said = "; ".join(each) if len(set(reasons.values())) > 1 else next(iter(reasons.values()))
    why = next((str(row["why"]) for row in by_law.values() if row["why"]), "")
    return ". ".join(part for part in (said, why[:1].upper() + why[1:]) if part)
