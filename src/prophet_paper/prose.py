"""Numbers as the prose prints them: a value with its rounding and unit, asked of the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Len, MinLen

from prophet_memory.edge.documents import read
from prophet_memory.edge.messages import error
from prophet_memory.edge.settings import check_law_name
from prophet_memory.edge.tables import Row
from prophet_memory.edge.text import percent, significant
from prophet_memory.errors import ModelError
from prophet_memory.fields import Described, OneOf, Pattern
from prophet_paper.queries import Conditions, NotSweptError, Query, QueryError, Results

GIB, MIB, KIB, MB = 2**30, 2**20, 2**10, 10**6
FORMS = (
    "plain",
    "integer",
    "percent",
    "share",
    "fine",
    "times",
    "gib",
    "megabytes",
    "mebibytes",
    "kibibytes",
    "tokens",
    "seconds",
    "milliseconds",
    "load",
    "rate",
)
NOT_SWEPT = "not swept"  # what stands for a number of a model or a batch that config leaves out
UNITS = ("", "%", "×")
SPACED_UNITS = {"GiB", "MB", "MiB", "KiB", "s", "tokens", "ms", "requests/s"}  # the others touch their number


@dataclass(frozen=True, slots=True)
class Reported(Described):
    """A number that others print, and where."""

    text: Annotated[str, Pattern(r"^[0-9]{1,9}([.,][0-9]{1,9})*$")]
    source: Annotated[str, MinLen(1)]
    unit: Annotated[str, OneOf(UNITS)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Described):
    """A number of the prose: how it is printed, what it is asked under, and the query; or what others report.

    Args:
        law: unless the defaults'.
        under_profile: whether it is asked of what was computed under `paper.profile`.
    """

    format: Annotated[str, OneOf(FORMS)] | None = None
    law: Annotated[str, MinLen(1)] | None = None
    under_profile: bool = False
    query: Query | None = None
    reported: Reported | None = None

    def __post_init__(self) -> None:
        if (self.query is None) == (self.reported is None):
            raise ModelError("", "query and reported", "one of them")
        if (self.query is None) != (self.format is None):
            raise ModelError("format", self.format, "a format for what is queried, none for what is reported")


@dataclass(frozen=True, slots=True)
class Numbers(Described):
    """config/numbers.yaml; `defaults` are as in the claims ledger, and the law of numbers without one."""

    defaults: Conditions
    numbers: Annotated[dict[Annotated[str, Pattern("^[A-Z][A-Za-z]*$")], Number], Len(1)]

    @property
    def law(self) -> str:
        """The law of numbers without one."""
        return str(self.defaults["routing"])

    def __post_init__(self) -> None:
        if not isinstance(self.defaults.get("routing"), str):
            raise ModelError("defaults.routing", self.defaults.get("routing"), "the name of a law")


def read_numbers(file: Path) -> Numbers:
    """The numbers of the prose. Raises ConfigurationError."""
    numbers = read(Numbers, file)
    laws = {f"numbers.{name}.law": number.law for name, number in numbers.numbers.items() if number.law}
    for key, law in (laws | {"defaults.routing": numbers.law}).items():
        check_law_name(law, key, file)
    return numbers


def printed(value: float, form: str) -> tuple[str, str]:
    """A value and its unit."""
    forms: dict[str, tuple[str, str]] = {
        "plain": (f"{value:g}", ""),
        "integer": (f"{value:,.0f}", ""),
        "percent": (percent(value), "%"),
        "share": (f"{100 * value:.4f}", "%"),
        "fine": (f"{100 * value:.1g}", "%"),
        "times": (significant(value), "×"),
        "gib": (f"{value / GIB:.1f}", "GiB"),
        "megabytes": (f"{value / MB:.1f}", "MB"),
        "mebibytes": (f"{value / MIB:.0f}", "MiB"),
        "kibibytes": (f"{value / KIB:.0f}", "KiB"),
        "tokens": (f"{value:,.0f}", "tokens"),
        "seconds": (f"{value:.2f}", "s"),
        "milliseconds": (f"{1e3 * value:g}", "ms"),
        "load": (f"{value:.3g}", ""),  # requests that are decoded at once
        "rate": (f"{value:.2g}", "requests/s"),
    }
    return forms[form]


def evaluated(name: str, number: Number, results: Results, defaults: Mapping[str, Any]) -> tuple[str, str]:
    """One number of config/numbers.yaml, printed. Raises QueryError unless the query finds exactly one value."""
    if number.reported is not None:
        return number.reported.text, number.reported.unit
    assert number.query is not None  # noqa: S101 - one of the two is there
    assert number.format is not None  # noqa: S101
    if number.under_profile and not results.replaces(number.query.table):
        raise QueryError("query.table", number.query.table, "a table that was computed under the profile")
    try:
        found = results.ask(number.query, number.law or defaults["routing"], defaults)
    except NotSweptError:
        return NOT_SWEPT, ""
    values = found["value"].to_list()
    if values == [None]:
        return "undefined", ""
    if len(values) != 1:
        raise QueryError("query", asdict(number.query), f"a query that finds one value for {name}; it finds {values[:3]}")
    return printed(values[0], number.format)


def prose_numbers(file: Path, results: Results, profile: Results) -> list[Row]:
    """Every number of config/numbers.yaml: its text and unit, the law that it is asked under, and the law of those without one.

    Args:
        file: config/numbers.yaml.
        results: the tables.
        profile: the same, with those that were computed under the engine's profile in their place.

    Raises:
        ConfigurationError: one line.
    """
    asked, rows = read_numbers(file), []
    for name, number in asked.numbers.items():
        try:
            text, unit = evaluated(name, number, profile if number.under_profile else results, asked.defaults)
        except QueryError as problem:
            raise error(file, f"numbers.{name}.{problem.key}", problem.value, problem.allowed) from None
        law = number.law or asked.law
        rows.append({"number": name, "text": text, "unit": unit or None, "routing": law, "default_routing": asked.law})
    return rows


def values_of(rows: Sequence[Row]) -> dict[str, str]:
    """The numbers of prose_numbers.csv by name, with their units, as Markdown prints them."""
    return {row["number"]: f"{row['text']}{' ' if row['unit'] in SPACED_UNITS else ''}{row['unit'] or ''}" for row in rows}
