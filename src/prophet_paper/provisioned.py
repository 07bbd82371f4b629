"""Tables that show, under each law for which the two differ, the extension with pools for the mean beside that of a quantile."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from prophet_memory.edge.tables import Row
from prophet_paper.latex import Column

AT_MEAN = Column("mean", (1, 2))
Rows = Mapping[tuple[Any, ...], Row]  # by keys of which the last is the law


def usable_extension(row: Row) -> object:
    """Of the usable capacity, or that there is no baseline to compare with."""
    return "new" if row["fit_verdict"] == "newly_fits" else row["usable_kv_extension"]


def laws_that_differ(found: Rows, at_mean: Rows, provision: str) -> set[str]:
    """Laws under which a row with pools of a provision is not that with pools for the mean."""
    return {key[-1] for key, row in found.items() if row != at_mean[key] | {"provision": provision}}


def columns_of_laws(
    first: Sequence[Column],
    laws: Mapping[str, Row],
    of_one: Sequence[Column],
    differing: Collection[str],
    head: Callable[[Row], str],
) -> tuple[list[Column], list[tuple[str, int, int]]]:
    """The columns of a table behind its first ones, some for each law, and the heads that span them."""
    columns, spans = list(first), list[tuple[str, int, int]]()
    for name, law in laws.items():
        own = (*of_one, AT_MEAN) if name in differing else of_one
        spans.append((head(law), len(columns) + 1, len(columns) + len(own)))
        columns += own
    return columns, spans
