"""The verdict on a claim: what the source document printed against what the results hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from operator import ge, gt, le, lt
from pathlib import Path
from typing import Any

import polars as pl

from prophet_memory.axes import KEYS
from prophet_pipeline.queries import NotSweptError, Query, QueryError, Results
from prophet_pipeline.tables import Row, by_key
from prophet_pipeline.text import significant

REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE = "reproduced", "not_reproduced", "not_testable"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE)
ROUNDING = 1e-9  # of the results' nine decimals

# By how much a result is multiplied to be in the printed unit, and how the unit is printed.
UNITS = {
    "experts": (1, " experts"), "percent": (100, "%"), "times": (1, "×"), "batch": (1, ""), "count": (1, ""), "MB": (1e-6, " MB"),
    "GB": (1e-9, " GB"), "GB/s": (1e-9, " GB/s"), "tokens": (1, " tokens"), "fraction": (1, ""),
}  # fmt: skip
ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "decreasing": lt,
    "nonincreasing": le,
    "increasing": gt,
    "nondecreasing": ge,
}


@dataclass(frozen=True, slots=True)
class Interval:
    """The values that print as claimed: [lower, upper], an end None where the claim sets none; open ends are excluded."""

    lower: float | None
    upper: float | None
    open_lower: bool = False
    open_upper: bool = False

    def __contains__(self, value: float) -> bool:
        above = self.lower is None or (value > self.lower if self.open_lower else value >= self.lower - ROUNDING)
        below = self.upper is None or (value < self.upper if self.open_upper else value <= self.upper + ROUNDING)
        return above and below


@dataclass(frozen=True, slots=True)
class Finding:
    """What one routing law says of a claim; numbers in the claim's unit."""

    verdict: str
    computed: str
    lowest: float | None = None
    highest: float | None = None
    configurations: int = 0
    satisfied: int = 0
    reason: str = ""


def half_unit(printed: str) -> Decimal:
    """Half of the last printed digit's unit: what rounding to the printed precision allows ("9.0" means 8.95 to 9.05)."""
    exponent = Decimal(printed).as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101 - the schema lets only plain numbers through
    return Decimal(1).scaleb(exponent) / 2


def interval(claim: Mapping[str, Any]) -> Interval:
    """The values, in the printed unit, for which a value, range or bound holds.

    `value`, `range`, `at_least` and `at_most` take the tolerance of the printed precision; `above` and `below` are strict.
    """

    def low(printed: str) -> float:
        return float(Decimal(printed) - half_unit(printed))

    def high(printed: str) -> float:
        return float(Decimal(printed) + half_unit(printed))

    if "value" in claim:
        return Interval(low(claim["value"]), high(claim["value"]))
    if "range" in claim:
        return Interval(low(claim["range"][0]), high(claim["range"][1]))
    if "at_least" in claim:
        return Interval(low(claim["at_least"]), None)
    if "at_most" in claim:
        return Interval(None, high(claim["at_most"]))
    if "above" in claim:
        return Interval(float(claim["above"]), None, open_lower=True)
    return Interval(None, float(claim["below"]), open_upper=True)


def claimed_text(claim: Mapping[str, Any]) -> str:
    """What is claimed, as tables print it."""
    unit = UNITS[claim.get("unit", "count")][1]
    words = {"at_least": "≥ ", "at_most": "≤ ", "above": "> ", "below": "< ", "value": ""}
    for kind, sign in words.items():
        if kind in claim:
            return f"{sign}{claim[kind]}{unit}"
    if "range" in claim:
        return f"{claim['range'][0]}–{claim['range'][1]}{unit}"
    return f"{claim['order']} with {claim['along']}" if "order" in claim else "outside the results"


def kind_of(claim: Mapping[str, Any]) -> str:
    """value, range, bound, ordering or external."""
    for kind in ("value", "range", "order", "external"):
        if kind in claim:
            return "ordering" if kind == "order" else kind
    return "bound"


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


def judge(entry: Mapping[str, Any], results: Results, routing: str, defaults: Mapping[str, Any]) -> Finding:
    """The finding on one ledger entry under one routing law. Raises QueryError."""
    claim = entry["claim"]
    if "external" in claim:
        return Finding(NOT_TESTABLE, "", reason=f"would take {claim['external']}")
    try:
        frame = results.ask(Query(**entry["query"]), routing, defaults)
    except NotSweptError as problem:
        return Finding(NOT_TESTABLE, "", reason=f"the sweep has no {problem.key.removeprefix('where.')} {problem.value}")
    if frame.is_empty():
        return Finding(NOT_REPRODUCED, "undefined", reason="no configuration meets the claim's conditions")
    if "order" in claim:
        if claim["along"] not in frame.columns:
            raise QueryError("claim.along", claim["along"], f"a column that the query keeps: {', '.join(sorted(frame.columns))}")
        return _judge_ordering(claim, frame)
    return _judge_values(claim, frame, entry["claim"].get("quantifier", "every"))


def _judge_values(claim: Mapping[str, Any], frame: pl.DataFrame, quantifier: str) -> Finding:
    scale, _ = UNITS[claim["unit"]]
    values: list[float | None] = [None if v is None else v * scale for v in frame["value"].to_list()]
    allowed = interval(claim)
    defined = [value for value in values if value is not None]
    satisfied = sum(value in allowed for value in defined)  # an undefined value satisfies no claim
    holds = satisfied > 0 if quantifier == "some" else satisfied == len(values)
    return Finding(
        REPRODUCED if holds else NOT_REPRODUCED,
        _computed_text(claim, defined),
        lowest=min(defined, default=None),
        highest=max(defined, default=None),
        configurations=len(values),
        satisfied=satisfied,
        reason="" if holds else _why_not(frame, values, satisfied, _computed_text(claim, defined)),
    )


def _computed_text(claim: Mapping[str, Any], defined: Sequence[float]) -> str:
    """The computed value or its extent: to the printed digits for one value, one digit finer for bounds and extents."""
    if not defined:
        return "undefined"
    printed = next(text for text in (claim.get(k) for k in ("value", "range", "at_least", "at_most", "above", "below")) if text)
    texts = [printed] if isinstance(printed, str) else printed
    decimals = max(0, *(-int(Decimal(text).as_tuple().exponent) for text in texts))
    whole = claim["unit"] in {"batch", "count"}
    fine = decimals if whole else max(decimals, 1) + (claim["unit"] == "times" or decimals > 1)
    ends = [_rounded(value, fine) for value in (min(defined), max(defined))]
    if ends[0] == ends[1]:
        plain = _rounded(defined[0], decimals)
        at_odds = plain == printed and min(defined) not in interval(claim)
        ends = [plain if "value" in claim and not at_odds else ends[0]]
    return "–".join(ends) + UNITS[claim["unit"]][1]


def _rounded(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _why_not(frame: pl.DataFrame, values: Sequence[float | None], satisfied: int, computed: str) -> str:
    undefined = sum(value is None for value in values)
    several = len(values) > 1
    if undefined == len(values):
        return _why_undefined(frame, several=several)
    parts = [f"the results give {computed}"]
    if several:
        parts.append(f"{satisfied} of {len(values)} satisfy it")
    if undefined:
        parts.append(f"{undefined} undefined")
    return "; ".join(parts)


def _why_undefined(frame: pl.DataFrame, *, several: bool) -> str:
    if "fit_verdict" not in frame.columns:
        return "the law never reaches this point" if "saturation_batch" in frame.columns else "nothing to average: no model fits"
    if set(frame["fit_verdict"]) == {"does_not_fit"}:
        return "no model fits" if several else "the model does not fit"
    if several:
        return "no model fits with all experts resident, so no ratio exists"
    return "the model fits only with Prophet, so no ratio exists"


def _judge_ordering(claim: Mapping[str, Any], frame: pl.DataFrame) -> Finding:
    """Neighbours along one column, among rows that share every other key."""
    along, holds = claim["along"], ORDERS[claim["order"]]
    others = [key for key in KEYS if key in frame.columns and key != along]
    if not claim.get("within", True):
        others = []
    compared = wrong = 0
    example = ""
    groups = frame.partition_by(others, maintain_order=True) if others else [frame]
    for group in groups:
        ordered = group if along == "model" else group.sort(along, maintain_order=True)
        rows = [row for row in ordered.to_dicts() if row["value"] is not None]
        for before, after in pairwise(rows):
            if before[along] == after[along]:
                continue
            compared += 1
            if not holds(after["value"], before["value"]):
                wrong += 1
                example = example or _counterexample(before, after, along)
    kept = wrong == 0 and compared > 0
    defined = frame["value"].drop_nulls().to_list()
    return Finding(
        REPRODUCED if kept else NOT_REPRODUCED,
        f"{compared - wrong} of {compared} steps" if compared else "undefined",
        lowest=min(defined, default=None),
        highest=max(defined, default=None),
        configurations=compared,
        satisfied=compared - wrong,
        reason="" if kept else (example or "nothing to compare"),
    )


def _counterexample(before: Mapping[str, Any], after: Mapping[str, Any], along: str) -> str:
    def point(row: Mapping[str, Any]) -> str:
        name = "" if along == "model" else f"{row['name']}, " if "name" in row else ""
        return f"{significant(row['value'])} at {name}{along} {row[along]}"

    return f"{point(before)} but {point(after)}"
