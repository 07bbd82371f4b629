"""What the paper itself claims (config/artifact.yaml), whether the results still say it, and the experiments that show it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Len, MinLen

from prophet_memory.edge.documents import read
from prophet_memory.edge.messages import error
from prophet_memory.edge.tables import Row, by_key
from prophet_memory.errors import ModelError
from prophet_memory.fields import Described, Pattern
from prophet_paper.prose import NOT_SWEPT, values_of

Printed = Annotated[str, Pattern(r"^[0-9][0-9,]*(\.[0-9]+)?$")]
Words = Annotated[str, MinLen(1)]
PLACE = re.compile(r"\{([A-Za-z]+)\}")
HOLDS, FAILS, BY_TEST, NOT_TESTABLE = "holds", "fails", "by_test", "not_testable"
SIGNS = {"value": "", "at_least": "≥ ", "at_most": "≤ ", "above": "> ", "below": "< "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound(Described):
    """What a number must print: the text itself, or a bound on it; exactly one."""

    value: Printed | None = None
    at_least: Printed | None = None
    at_most: Printed | None = None
    above: Printed | None = None
    below: Printed | None = None

    def __post_init__(self) -> None:
        if sum(getattr(self, name) is not None for name in SIGNS) != 1:
            raise ModelError("", {name: getattr(self, name) for name in SIGNS}, f"exactly one of {', '.join(SIGNS)}")

    @property
    def name(self) -> str:
        """The key that it has of SIGNS."""
        return next(name for name in SIGNS if getattr(self, name) is not None)

    def __str__(self) -> str:
        return f"{SIGNS[self.name]}{getattr(self, self.name)}"

    def admits(self, text: str) -> bool:
        """Whether a number that prints as this text is within."""
        limit = getattr(self, self.name)
        if self.name == "value":
            return bool(text == limit)
        if not re.fullmatch(r"[0-9][0-9,]*(\.[0-9]+)?", text):
            return False
        found, bound = (float(number.replace(",", "")) for number in (text, limit))
        return {"at_least": found >= bound, "at_most": found <= bound, "above": found > bound, "below": found < bound}[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperClaim(Described):
    """A claim of the paper.

    Args:
        says: the sentence, with {Name} for a number of the prose.
        holds: the numbers that decide it, and what they must print.
        tested_by: the test that decides it, where no number does.
        shown_in: figures and tables, by the name of their file.
        experiments: by which an evaluator sees it.
    """

    id: Annotated[str, Pattern("^C[1-9][0-9]*$")]
    says: Words
    holds: dict[str, Bound] | None = None
    tested_by: Words | None = None
    shown_in: Annotated[tuple[Words, ...], Len(1)]
    experiments: Annotated[tuple[Words, ...], Len(1)]

    def __post_init__(self) -> None:
        if bool(self.holds) == (self.tested_by is not None):
            raise ModelError("", self.id, "one of holds and tested_by")

    @property
    def numbers(self) -> list[str]:
        """All that it names, each once."""
        return list(dict.fromkeys([*PLACE.findall(self.says), *(self.holds or {})]))

    def said(self, values: Mapping[str, str]) -> str:
        """The sentence with numbers put in."""
        return PLACE.sub(lambda place: values[place[1]], self.says)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment(Described):
    """A command that an evaluator types, what is compared afterwards, and within what."""

    id: Annotated[str, Pattern("^E[1-9][0-9]*$")]
    command: Words
    does: Words
    compared: Words
    tolerance: Words
    needs: Words | None = None


@dataclass(frozen=True, slots=True)
class Artifact(Described):
    """config/artifact.yaml."""

    claims: Annotated[tuple[PaperClaim, ...], Len(1)]
    experiments: Annotated[tuple[Experiment, ...], Len(1)]


def read_artifact(file: Path) -> Artifact:
    """The paper's claims and experiments.

    Raises:
        ConfigurationError: one line.
    """
    found = read(Artifact, file)
    for section, entries in (("claims", found.claims), ("experiments", found.experiments)):
        ids = [entry.id for entry in entries]
        for position, name in enumerate(ids):
            if name in ids[:position]:
                raise error(file, f"{section}[{position}].id", name, "an id that no other has")
    known = [experiment.id for experiment in found.experiments]
    for position, claim in enumerate(found.claims):
        for name in claim.experiments:
            if name not in known:
                raise error(file, f"claims[{position}].experiments", name, f"one of {', '.join(known)}")
    return found


def judged(artifact: Artifact, numbers: Sequence[Row], file: Path) -> list[Row]:
    """A row for each number that decides a claim, and one for each claim that a test decides.

    Args:
        artifact: the claims.
        numbers: rows of prose_numbers.csv.
        file: that the claims are from, for messages.

    Raises:
        ConfigurationError: a claim names a number that is none.
    """
    texts, values = {row["number"]: row["text"] for row in numbers}, values_of(numbers)
    rows: list[Row] = []
    for position, claim in enumerate(artifact.claims):
        for name in claim.numbers:
            if name not in texts:
                raise error(file, f"claims[{position}]", name, "a number of config/numbers.yaml")
        of_claim = {"claim": claim.id, "says": claim.said(values), "tested_by": claim.tested_by}
        if claim.tested_by:
            rows.append(of_claim | {"number": None, "expected": None, "computed": None, "verdict": BY_TEST})
        for name, bound in (claim.holds or {}).items():
            admitted = HOLDS if bound.admits(texts[name]) else FAILS
            verdict = NOT_TESTABLE if texts[name] == NOT_SWEPT else admitted
            unit = values[name].removeprefix(texts[name])
            rows.append(of_claim | {"number": name, "expected": f"{bound}{unit}", "computed": values[name], "verdict": verdict})
    return rows


def verdicts(file: Path) -> dict[str, tuple[str, list[Row]]]:
    """The verdict on each claim with its rows: it fails if one number does, and holds if all do; a test decides some.

    Args:
        file: paper_claims.csv.
    """
    found: dict[str, list[Row]] = {}
    for (claim, _), row in by_key(file, keys=("claim", "number")).items():
        found.setdefault(claim, []).append(row)
    return {claim: (_whole([row["verdict"] for row in rows]), rows) for claim, rows in found.items()}


def _whole(parts: Sequence[str]) -> str:
    return next((verdict for verdict in (FAILS, NOT_TESTABLE, BY_TEST) if verdict in parts), HOLDS)
