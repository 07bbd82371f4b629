"""Numbers as the prose prints them: a value with its rounding and unit, asked of the results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prophet_pipeline.configuration import error, read_numbers
from prophet_pipeline.queries import NotSweptError, Query, QueryError, Results
from prophet_pipeline.settings import check_law_name
from prophet_pipeline.text import percent, significant

GIB, MIB, MB = 2**30, 2**20, 10**6


def printed(value: float, form: str) -> tuple[str, str]:
    """A value and its unit."""
    forms: dict[str, tuple[str, str]] = {
        "plain": (f"{value:g}", ""),
        "integer": (f"{value:.0f}", ""),
        "percent": (percent(value), "%"),
        "share": (f"{100 * value:.4f}", "%"),
        "times": (significant(value), "×"),
        "gib": (f"{value / GIB:.1f}", "GiB"),
        "megabytes": (f"{value / MB:.1f}", "MB"),
        "mebibytes": (f"{value / MIB:.0f}", "MiB"),
        "tokens": (f"{value:,.0f}", "tokens"),
    }
    return forms[form]


def evaluated(name: str, entry: Mapping[str, Any], results: Results, defaults: Mapping[str, Any]) -> tuple[str, str]:
    """One number of config/numbers.yaml, printed. Raises QueryError unless the query finds exactly one value."""
    own = {name: wanted for name, wanted in defaults.items() if name != "routing"}
    try:
        found = results.ask(Query(**entry["query"]), entry.get("law", defaults["routing"]), own)
    except NotSweptError:
        return "not swept", ""
    values = found["value"].to_list()
    if values == [None]:
        return "undefined", ""
    if len(values) != 1:
        raise QueryError("query", dict(entry["query"]), f"a query that finds one value for {name}; it finds {values[:3]}")
    return printed(values[0], entry["format"])


def prose_numbers(file: Path, results: Results) -> dict[str, tuple[str, str]]:
    """Every number of config/numbers.yaml by its name: text and unit. Raises ConfigurationError."""
    asked = read_numbers(file)
    laws = {f"numbers.{name}.law": entry["law"] for name, entry in asked["numbers"].items() if "law" in entry}
    for key, law in laws.items() | {("defaults.routing", asked["defaults"]["routing"])}:
        check_law_name(law, key, file)
    values = {}
    for name, entry in asked["numbers"].items():
        try:
            values[name] = evaluated(name, entry, results, asked["defaults"])
        except QueryError as problem:
            raise error(file, f"numbers.{name}.{problem.key}", problem.value, problem.allowed) from None
    return values
