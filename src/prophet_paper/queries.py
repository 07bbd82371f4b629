"""Questions to the results: which rows of which table, and what is computed of each; for claims and for the prose alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from annotated_types import MinLen

from prophet_memory.axes import KEYS
from prophet_memory.edge.tables import read_table
from prophet_memory.edge.text import first_line
from prophet_memory.errors import ModelError
from prophet_memory.fields import Described, Parsed

EVERYTHING = "all"
ENDS = ("at_least", "at_most")
CATALOGUES = {"model": "model_catalogue", "gpu": "gpu_catalogue"}
WOULD_DECIDE = "routing recorded token by token would decide"
# What polars raises for a question that makes no sense; a panic is what its core says of some of them.
UNANSWERABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OverflowError, TypeError)


class QueryError(ValueError):
    """A query that the results cannot answer: key, value and what is allowed."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key}: {value}; allowed: {allowed}")
        self.key, self.value, self.allowed = key, value, allowed


class NotSweptError(QueryError):
    """A query about what the results leave out: another config, not a mistake. `reason` says it in a sentence."""

    def __init__(self, key: str, value: object, allowed: str, reason: str | None = None) -> None:
        super().__init__(key, value, allowed)
        self.reason = reason or f"the sweep has no {key.removeprefix('where.')} {value}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_condition(name: str, wanted: object) -> None:
    """A value, a list of them, or bounds."""
    if isinstance(wanted, dict):
        if unknown := [key for key in wanted if key not in ENDS]:
            raise ModelError(f"{name}.{unknown[0]}", wanted[unknown[0]], f"the keys {', '.join(ENDS)}")
        if not wanted:
            raise ModelError(name, wanted, f"at least one of {' and '.join(ENDS)}")
        for key, end in wanted.items():
            if not _is_number(end):
                raise ModelError(f"{name}.{key}", end, "a number")
        return
    values = wanted if isinstance(wanted, list) else [wanted]
    for i, value in enumerate(values):
        if not isinstance(value, str) and not _is_number(value):
            raise ModelError(f"{name}[{i}]" if isinstance(wanted, list) else name, value, "text or a number")
    if not values or any(value in values[:i] for i, value in enumerate(values)):
        raise ModelError(name, wanted, "a list that is not empty, with each entry once")


def _conditions(given: object) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ModelError("", given, "mapping")
    for name, wanted in given.items():
        _check_condition(name, wanted)
    return given


Plain = str | int | float
Conditions = Annotated[
    dict[str, Any],
    Parsed(_conditions, dict[str, Plain | list[Plain] | dict[Literal["at_least", "at_most"], float]]),
]


@dataclass(frozen=True, slots=True)
class Query(Described):
    """Rows of one table and a value of each.

    `where` holds a value, a list, {at_least, at_most}, or "all" by column; columns of the catalogues are there too. `value` is
    an SQL expression. `statistic` reduces what is found to one value.
    """

    table: str  # a file of the results without its suffix
    value: Annotated[str, MinLen(1)]
    where: Conditions = field(default_factory=dict)
    statistic: Literal["mean", "median", "min", "max", "sum", "count"] | None = None


class Results:
    """The tables of a results folder by name, read once, each with its models' and GPUs' catalogue columns.

    Args:
        files: the tables.
        instead: tables of the same names that take the place of theirs.
    """

    def __init__(self, files: Iterable[Path], instead: Iterable[Path] = ()) -> None:
        replacing = {file.stem: file for file in instead}
        self._replaced = set(replacing)
        self._files = {file.stem: file for file in files} | replacing
        self._tables: dict[str, pl.DataFrame] = {}
        self._swept: dict[tuple[str, str], list[Any]] = {}
        self._begun: dict[tuple[str, ...], pl.DataFrame] = {}  # rows by the conditions that they meet

    def replaces(self, name: str) -> bool:
        """Whether a table stands in the place of another."""
        return name in self._replaced

    def table(self, name: str) -> pl.DataFrame:
        """One table; raises QueryError for a name that no file has."""
        if name not in self._files:
            raise QueryError("table", name, ", ".join(sorted(self._files)))
        if name not in self._tables:
            found = read_table(self._files[name])
            nothing = [column for column in found.columns if found[column].null_count() == len(found)]
            found = found.with_columns(pl.col(nothing).cast(pl.Float64))  # a CSV does not say what an empty column would hold
            for key, catalogue in CATALOGUES.items():
                if key in found.columns and name != catalogue and catalogue in self._files:
                    facts = read_table(self._files[catalogue])
                    new = [key, *(column for column in facts.columns if column not in found.columns)]
                    found = found.join(facts.select(new), on=key, how="left")
            self._tables[name] = found
        return self._tables[name]

    def _values(self, table: str, column: str) -> list[Any]:
        """The values of a column of a whole table, each once."""
        if (table, column) not in self._swept:
            self._swept[table, column] = self.table(table)[column].drop_nulls().unique().to_list()
        return self._swept[table, column]

    def _selected(self, table: str, where: Mapping[str, Any]) -> pl.DataFrame:
        """The rows that meet all conditions: single values first, in one order, for many questions begin with the same ones."""
        single = {name: wanted for name, wanted in where.items() if not isinstance(wanted, list | Mapping)}
        first = sorted(single, key=lambda name: (KEYS.index(name) if name in KEYS else len(KEYS), name))
        found = self.table(table)
        met: tuple[str, ...] = (table,)
        for name in [*first, *(name for name in where if name not in single)]:
            met = (*met, f"{name} {where[name]!r}")
            if name in single and met in self._begun:
                found = self._begun[met]
                continue
            try:
                found = _filtered(found, name, where[name], lambda column: self._values(table, column))
            except UNANSWERABLE as problem:
                raise QueryError(f"where.{name}", where[name], f"values of the column ({first_line(problem)})") from None
            if name in single:
                self._begun[met] = found
        return found

    def ask(self, query: Query, routing: str, defaults: Mapping[str, Any]) -> pl.DataFrame:
        """The rows that a query selects under a routing law, with their numeric `value`, in the order of its lists.

        `defaults` apply to columns that the table has and the query does not name. Values that are not finite are null.
        Raises QueryError; NotSweptError where the results have no such model, GPU, batch size, precision or law.
        """
        found = self.table(query.table)
        implied = {**defaults, "routing": routing}
        where = {name: wanted for name, wanted in implied.items() if name in found.columns} | dict(query.where)
        if loose := [key for key in KEYS if key in found.columns and key not in where]:
            raise QueryError(f"where.{loose[0]}", None, f"a value, a list or {EVERYTHING}: queries or defaults name each axis")
        whole, asked = found, {name: wanted for name, wanted in where.items() if name in ("policy", "routing")}
        found = self._selected(query.table, where)
        if found.is_empty() and len(asked) > 1:  # a law that does not say which experts are popular times no cache
            there = whole
            for name, wanted in asked.items():
                there = _filtered(there, name, wanted, lambda column: self._values(query.table, column))
            if there.is_empty():
                reason = (
                    f"the law says how many experts are active and not which: no step that fetches has a time; {WOULD_DECIDE}"
                )
                named = f"{asked['policy']} under {asked['routing']}"
                raise NotSweptError("where.policy", named, "a policy that the law can time", reason)
        columns = ", ".join(sorted(found.columns))
        try:
            with _without_panics():
                found = found.with_columns(pl.sql_expr(query.value).alias("value"))
        except UNANSWERABLE as problem:
            raise QueryError("value", query.value, f"an expression of {columns} ({first_line(problem)})") from None
        if "value" not in found.columns:
            raise QueryError("value", query.value, f"one expression of {columns}; this one makes none or several columns")
        kind = found.schema["value"]
        if not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
            raise QueryError("value", query.value, f"an expression whose value is a number; this one's is {kind}")
        value = pl.col("value").cast(pl.Float64)
        found = found.with_columns(pl.when(value.is_finite()).then(value).alias("value"))
        return found if query.statistic is None else _reduced(found, query.statistic)


@contextmanager
def _without_panics() -> Iterator[None]:
    """The core of polars says more of a panic on standard error than its exception does; here the exception is enough."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _check_values(name: str, values: list[Any], *, is_text: bool, is_empty: bool) -> None:
    """Raise a QueryError for values that a column cannot have; NotSweptError for text where no row has a value."""
    if is_empty and isinstance(values[0], str):
        raise NotSweptError(f"where.{name}", values[0], "a value that some row has; here none has any")
    for value in values:
        if isinstance(value, str) != is_text:
            raise QueryError(f"where.{name}", value, "text" if is_text else "a number")
    if len(set(values)) < len(values):
        raise QueryError(f"where.{name}", values, "each value once")


def _filtered(found: pl.DataFrame, name: str, wanted: object, swept_of: Callable[[str], list[Any]]) -> pl.DataFrame:
    if name not in found.columns:
        raise QueryError(f"where.{name}", wanted, f"a column: {', '.join(sorted(found.columns))}")
    if wanted == EVERYTHING:
        return found
    column, is_text = pl.col(name), found.schema[name] == pl.String
    if isinstance(wanted, Mapping):
        if is_text:
            raise QueryError(f"where.{name}", dict(wanted), "a value or a list of values: the column holds text")
        return found.filter(column >= wanted.get("at_least", -float("inf")), column <= wanted.get("at_most", float("inf")))
    values, swept = wanted if isinstance(wanted, list) else [wanted], swept_of(name)
    _check_values(name, values, is_text=is_text, is_empty=not swept)
    unknown = [value for value in values if value not in swept]
    if unknown and name != "fit_verdict":  # a verdict that no row has is an answer
        there = ", ".join(map(str, sorted(swept)))
        reason = (
            f"computed under {there} alone, for steps that fetch need a law that says which experts are active; {WOULD_DECIDE}"
        )
        raise NotSweptError(f"where.{name}", unknown[0], f"one of {there}", reason if name == "routing" else None)
    kept = found.filter(column.is_in(values))
    if isinstance(wanted, list):
        kept = kept.sort(column.replace_strict(values, range(len(values))), maintain_order=True)
    return kept


def _reduced(found: pl.DataFrame, statistic: str) -> pl.DataFrame:
    """One row; undefined values take no part, and if nothing else is there the result is undefined."""
    reduced = getattr(pl.col("value").drop_nulls(), statistic)()
    return found.select(pl.lit(len(found)).alias("rows"), reduced.cast(pl.Float64).alias("value"))
