"""The claims ledger, config/claims.yaml: what the source document says, and the query into the results that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Len, MinLen

from prophet_memory.edge.documents import read
from prophet_memory.edge.messages import error
from prophet_memory.edge.settings import check_law_name
from prophet_memory.errors import ModelError
from prophet_memory.fields import Described, Pattern
from prophet_paper.queries import Conditions, Query

Printed = Annotated[str, Pattern(r"^[0-9]{1,30}(\.[0-9]{1,30})?$")]
Words = Annotated[str, MinLen(1)]
BOUNDS = {"at_least": "≥ ", "at_most": "≤ ", "above": "> ", "below": "< "}  # and the sign that tables print
Verdict = Literal["reproduced", "not_reproduced", "undefined", "not_testable"]
IDENTITIES = ("expert_savings_fraction", "distinct_experts")  # of one token: k experts, whatever the law
KINDS = ("value", "range", *BOUNDS, "order", "external")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Described):
    """What is claimed, of exactly one kind; what is printed is text, so that its digits give the tolerance."""

    value: Printed | None = None
    range: Annotated[tuple[Printed, ...], Len(2, 2)] | None = None
    at_least: Printed | None = None
    at_most: Printed | None = None
    above: Printed | None = None
    below: Printed | None = None
    order: Literal["decreasing", "nonincreasing", "increasing", "nondecreasing"] | None = None
    along: str | None = None  # the column along which the order holds
    within: bool | None = None  # each model, GPU, ... for itself; true unless said otherwise
    external: Words | None = None  # what could test a claim about the world outside
    unit: Literal["experts", "percent", "times", "batch", "count", "MB", "GB", "GB/s", "tokens", "fraction"] | None = None
    quantifier: Literal["every", "some"] | None = None

    def __post_init__(self) -> None:
        given = [name for name in self.__slots__ if getattr(self, name) is not None]
        kinds = [name for name in given if name in KINDS]
        said: dict[str, Any] = {name: getattr(self, name) for name in given}
        if len(kinds) != 1:
            raise ModelError("", said, f"exactly one of {', '.join(KINDS)}")
        needed, optional = {"external": (set(), set()), "order": ({"along"}, {"within"})}.get(
            kinds[0], ({"unit"}, {"quantifier"})
        )
        if not needed <= set(given) - {kinds[0]} <= needed | optional:
            raise ModelError("", said, f"{kinds[0]} with {', '.join(sorted(needed | optional)) or 'nothing else'}")
        if self.range is not None and float(self.range[0]) > float(self.range[1]):
            raise ModelError("range", self.range, "the lower end first")

    @property
    def name(self) -> str:
        """The key that it has of KINDS."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @property
    def kind(self) -> str:
        """value, range, bound, ordering or external."""
        return {"order": "ordering"}.get(self.name, "bound" if self.name in BOUNDS else self.name)

    @property
    def printed(self) -> tuple[str, ...]:
        """The numbers as they are printed; none for an ordering and for what is external."""
        value = getattr(self, self.name)
        return () if self.name in {"order", "external"} else (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Described):
    """A claim of the source document.

    Args:
        query: into the results; `exact` is an expression that is stated beside what it finds.
        expected: the pinned verdicts by routing law.
        quantity: words that can follow the computed value, where the quotation does not say what that is.
        why: what the computed values do not say by themselves.
        repeats: the claim that says the same elsewhere in the document.
        trivial: why it holds by definition or by what we chose, so that it shows nothing.
    """

    id: Annotated[str, Pattern("^[a-z0-9]+(-[a-z0-9]+)*$")]
    section: Words  # where it stands in the source document
    quote: Words
    claim: Claimed
    query: Query | None = None
    exact: Words | None = None
    expected: Annotated[dict[str, Verdict], Len(1)] | None = None
    quantity: Words | None = None
    why: Words | None = None
    repeats: Words | None = None
    trivial: Words | None = None

    def __post_init__(self) -> None:
        wanted = self.claim.external is None
        if (wanted, wanted) != (self.query is not None, self.expected is not None):
            raise ModelError("", self.id, "query and expected, and neither of them for an external claim")

    @property
    def is_identity_at_batch_1(self) -> bool:
        """Whether it asks what one token activates, which is k experts under every law."""
        query = self.query
        return query is not None and query.where.get("batch_size") == 1 and query.value.startswith(IDENTITIES)


@dataclass(frozen=True, slots=True)
class Ledger(Described):
    """All claims; `defaults` are conditions of every query on columns that it does not name."""

    defaults: Conditions
    claims: Annotated[tuple[Claim, ...], Len(1)]


def read_claims(file: Path) -> Ledger:
    """The ledger.

    Raises:
        ConfigurationError: one line.
    """
    ledger, seen = read(Ledger, file), set()
    if "routing" in ledger.defaults:
        raise error(file, "defaults.routing", ledger.defaults["routing"], "no law: a claim is judged under each")
    for position, claim in enumerate(ledger.claims):
        if claim.id in seen:
            raise error(file, f"claims[{position}].id", claim.id, "an id that no other claim has")
        if claim.repeats is not None and claim.repeats not in seen:
            raise error(file, f"claims[{position}].repeats", claim.repeats, "the id of a claim above")
        seen.add(claim.id)
        for law in claim.expected or {}:
            check_law_name(law, f"claims[{position}].expected", file)
    return ledger
