"""The verdict on a claim: what the source document printed against what the results hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from operator import ge, gt, le, lt
from typing import Any

import polars as pl

from prophet_memory.axes import KEYS
from prophet_memory.edge.text import significant
from prophet_paper.ledger import BOUNDS, Claim, Claimed
from prophet_paper.queries import NotSweptError, QueryError, Results
from prophet_paper.verdicts import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, UNDEFINED

EXTENSION = re.compile(r"\b((?:mean_|median_|max_)?)kv_extension\b")
ROUNDING = 1e-9  # of the results' nine decimals

# By how much a result is multiplied to be in the printed unit, and how the unit is printed.
AXIS_WORDS = {"batch_size": "batch", "context_tokens": "context"}
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
    assert isinstance(exponent, int)  # noqa: S101 - the ledger lets only plain numbers through
    return Decimal(1).scaleb(exponent) / 2


def interval(claim: Claimed) -> Interval:
    """The values, in the printed unit, for which a value, range or bound holds.

    `value`, `range`, `at_least` and `at_most` take the tolerance of the printed precision; `above` and `below` are strict.
    """

    def low(printed: str) -> float:
        return float(Decimal(printed) - half_unit(printed))

    def high(printed: str) -> float:
        return float(Decimal(printed) + half_unit(printed))

    first, last = claim.printed[0], claim.printed[-1]
    match claim.name:
        case "value" | "range":
            return Interval(low(first), high(last))
        case "at_least":
            return Interval(low(first), None)
        case "at_most":
            return Interval(None, high(last))
        case "above":
            return Interval(float(first), None, open_lower=True)
    return Interval(None, float(last), open_upper=True)


def claimed_text(claim: Claimed) -> str:
    """What is claimed, as tables print it."""
    if claim.printed:
        return f"{BOUNDS.get(claim.name, '')}{'–'.join(claim.printed)}{UNITS[claim.unit or 'count'][1]}"
    return f"{claim.order} with {claim.along}" if claim.order else "outside the results"


def judge(entry: Claim, results: Results, routing: str, defaults: Mapping[str, Any]) -> Finding:
    """The finding on one ledger entry under one routing law. Raises QueryError."""
    claim = entry.claim
    if entry.query is None:
        return Finding(NOT_TESTABLE, "", reason=f"would take {claim.external}")
    try:
        frame = results.ask(entry.query, routing, defaults)
    except NotSweptError as problem:
        return Finding(NOT_TESTABLE, "", reason=problem.reason)
    if frame.is_empty():
        return Finding(UNDEFINED, "undefined", reason="no configuration meets the claim's conditions")
    if claim.order is not None:
        if claim.along not in frame.columns:
            raise QueryError("claim.along", claim.along, f"a column that the query keeps: {', '.join(sorted(frame.columns))}")
        return _judge_ordering(claim, frame)
    return _judge_values(claim, frame)


def usable(entry: Claim, results: Results, routing: str, defaults: Mapping[str, Any]) -> str | None:
    """What the results hold of a claim about KV extension if no sequence is longer than its model's own maximum; else None.

    The source document knows no such bound, so the verdict does not ask for it. Raises QueryError.
    """
    if entry.query is None or not EXTENSION.search(entry.query.value):
        return None
    return _instead(entry, EXTENSION.sub(r"\1usable_kv_extension", entry.query.value), results, routing, defaults)


def exact(entry: Claim, results: Results, routing: str, defaults: Mapping[str, Any]) -> str | None:
    """What stands beside the computed value, where the claim asks for something; else None. Raises QueryError."""
    return entry.exact and _instead(entry, entry.exact, results, routing, defaults)


def _instead(entry: Claim, value: str, results: Results, routing: str, defaults: Mapping[str, Any]) -> str | None:
    assert entry.query is not None  # noqa: S101 - what is external has nothing beside it
    asked = replace(entry, query=replace(entry.query, value=value))
    return judge(asked, results, routing, defaults).computed or None


def _judge_values(claim: Claimed, frame: pl.DataFrame) -> Finding:
    scale, _ = UNITS[claim.unit or "count"]
    values: list[float | None] = [None if v is None else v * scale for v in frame["value"].to_list()]
    allowed = interval(claim)
    defined = [value for value in values if value is not None]
    satisfied = sum(value in allowed for value in defined)
    return Finding(
        _verdict(claim, satisfied, len(defined), len(values)),
        _computed_text(claim, defined),
        lowest=min(defined, default=None),
        highest=max(defined, default=None),
        configurations=len(values),
        satisfied=satisfied,
        reason=_reason(frame, values, satisfied, _computed_text(claim, defined)),
    )


def _verdict(claim: Claimed, satisfied: int, defined: int, asked: int) -> str:
    """One that satisfies decides `some`, one that does not decides `every`; undefined values leave the rest open."""
    if claim.quantifier == "some" and satisfied:
        return REPRODUCED
    if claim.quantifier != "some" and satisfied < defined:
        return NOT_REPRODUCED
    if defined < asked:
        return UNDEFINED
    return NOT_REPRODUCED if claim.quantifier == "some" else REPRODUCED


def _computed_text(claim: Claimed, defined: Sequence[float]) -> str:
    """The computed value or its extent: to the printed digits for one value, one digit finer for bounds and extents."""
    if not defined:
        return "undefined"
    decimals = max(0, *(-int(Decimal(text).as_tuple().exponent) for text in claim.printed))
    whole = claim.unit in {"batch", "count"}
    fine = decimals if whole else max(decimals, 1) + (claim.unit == "times" or decimals > 1)
    ends = [_rounded(value, min(fine, _places(value))) for value in (min(defined), max(defined))]
    if ends[0] == ends[1]:
        plain = _rounded(defined[0], decimals)
        at_odds = (plain,) == claim.printed and min(defined) not in interval(claim)
        ends = [plain if claim.value is not None and not at_odds else ends[0]]
    return "–".join(ends) + UNITS[claim.unit or "count"][1]


def _places(value: float) -> int:
    """Decimals that leave a number above 1 no more than three digits."""
    return max(0, 2 - math.floor(math.log10(max(abs(value), 1))))


def _rounded(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _reason(frame: pl.DataFrame, values: Sequence[float | None], satisfied: int, computed: str) -> str:
    undefined = sum(value is None for value in values)
    several = len(values) > 1
    if undefined == len(values):
        return _why_undefined(frame, several=several)
    parts = [f"the results give {computed}"]
    if several:
        parts.append(f"all {len(values)} satisfy it" if satisfied == len(values) else f"{satisfied} of {len(values)} satisfy it")
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
    return "the model fits, but not with all experts resident, so no ratio exists"


def _judge_ordering(claim: Claimed, frame: pl.DataFrame) -> Finding:
    """Neighbours along one column, among rows that share every other key."""
    along, holds = claim.along or "", ORDERS[claim.order or ""]
    others = [key for key in KEYS if key in frame.columns and key != along]
    if claim.within is False:
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
                example = example or _counterexample(before, after, along, others)
    defined = frame["value"].drop_nulls().to_list()
    verdict = NOT_REPRODUCED if wrong else REPRODUCED if compared else UNDEFINED
    steps = f"all {compared} steps" if compared > 1 else "the one step"
    return Finding(
        verdict,
        f"{compared - wrong} of {compared} steps" if compared else "undefined",
        lowest=min(defined, default=None),
        highest=max(defined, default=None),
        configurations=compared,
        satisfied=compared - wrong,
        reason=example
        or (f"{steps} from one {AXIS_WORDS.get(along, along)} to the next are so" if compared else "nothing to compare"),
    )


def _counterexample(before: Mapping[str, Any], after: Mapping[str, Any], along: str, others: Sequence[str]) -> str:
    def point(row: Mapping[str, Any]) -> str:
        name = row.get("name", row[along] if along == "model" else "")
        at = "" if along == "model" else f"{AXIS_WORDS.get(along, along)} {row[along]}"
        return f"{significant(row['value'])} at {', '.join(part for part in (name, at) if part)}"

    where = (
        f" on {before['gpu']} at batch {before['batch_size']}" if along == "model" and {"gpu", "batch_size"} <= {*others} else ""
    )
    return f"{point(before)} but {point(after)}{where}"
