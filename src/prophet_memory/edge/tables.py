"""Result tables: Parquet for programs and CSV for people, the same bytes for the same values."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from prophet_memory.axes import KEYS
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.files import FLOAT_DECIMALS, check_written, replacing

TEXT_THAT_LOOKS_LIKE_NUMBERS = {"expert_count_group": pl.String, "text": pl.String}

Row = dict[str, Any]


@contextmanager
def replacing_table(path: Path, *, receipt: bool = True) -> Iterator[Path]:
    """As `replacing`; polars' own words for a disk that is full or gone become an OSError that names the file."""
    with replacing(path, receipt=receipt) as temporary:
        try:
            yield temporary
        except (pl.exceptions.PolarsError, OSError) as problem:
            if isinstance(problem, OSError) and problem.errno is not None:
                raise
            full = os.statvfs(path.parent).f_bavail == 0
            reason = os.strerror(errno.ENOSPC) if full else f"not written ({problem})"
            raise OSError(errno.ENOSPC if full else errno.EIO, reason, str(path)) from problem


def write_table(table: pl.DataFrame, path: Path, *, receipt: bool = True) -> None:
    """Write Parquet or CSV, by the suffix of the path; null is an empty CSV field."""
    table = table.with_columns(cs.float().round(FLOAT_DECIMALS))
    with replacing_table(path, receipt=receipt) as temporary:
        if path.suffix == ".parquet":
            table.write_parquet(temporary, compression="zstd")
        else:
            table.write_csv(temporary, line_terminator="\n")


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows that share their keys."""
    write_table(pl.DataFrame(rows, infer_schema_length=None), path)


def read_table(path: Path) -> pl.DataFrame:
    """A Parquet or CSV file, all of it. Raises ConfigurationError for one that is not whole or not what its job wrote."""
    check_written(path)
    with readable(path):
        if path.suffix == ".csv":
            return pl.read_csv(path, infer_schema_length=None, schema_overrides=TEXT_THAT_LOOKS_LIKE_NUMBERS)
        return pl.read_parquet(path)


def points(path: Path, *, keys: Sequence[str], at: Mapping[str, object] | None = None) -> pl.DataFrame:
    """The rows of a result table at some point of its axes, each known by the keys that are left.

    Args:
        path: a result table.
        keys: the columns by which the reader tells rows apart.
        at: the value at which each of the other axes is pinned.

    Raises:
        ConfigurationError: if an axis of the table is neither kept nor pinned, if a named column is not there, or if rows have
            their keys in common, so that a reader would average or overwrite over an axis that it does not know.
    """
    frame, pinned = read_table(path), at or {}
    if missing := [name for name in (*keys, *pinned) if name not in frame.columns]:
        raise ConfigurationError(f"{path}: {missing[0]}: no such column; allowed: {', '.join(frame.columns)}")
    if loose := [name for name in KEYS if name in frame.columns and name not in {*keys, *pinned}]:
        raise ConfigurationError(
            f"{path}: {loose[0]}: neither kept nor pinned by its reader; allowed: each axis one or the other"
        )
    with readable(path):
        for name, value in pinned.items():
            if value not in (there := frame[name].unique().sort().to_list()):
                raise ConfigurationError(f"{path}: {name}: {json.dumps(value)}; allowed: {', '.join(map(str, there))}")
            frame = frame.filter(pl.col(name) == value)
        if keys and frame.select(keys).is_duplicated().any():
            twice = frame.filter(frame.select(keys).is_duplicated()).row(0, named=True)
            shown = ", ".join(f"{key} {twice[key]}" for key in keys)
            raise ConfigurationError(f"{path}: keys: several rows at {shown}; allowed: one, by {', '.join(keys)}")
    return frame


def by_key(path: Path, *, keys: Sequence[str], at: Mapping[str, object] | None = None) -> dict[tuple[Any, ...], Row]:
    """The same as plain rows, by the values of their keys in that order."""
    rows = points(path, keys=keys, at=at).to_dicts()
    return {tuple(row[key] for key in keys): row for row in rows}


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What polars says of a table that is missing, cut short or lacks a column becomes one line that names it.

    Raises:
        ConfigurationError: that line.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as problem:
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        allowed = "a whole table, as its job wrote it: delete it and run again"
        raise ConfigurationError(f"{path}: file: {reason}; allowed: {allowed}") from None


def read_rows(path: Path) -> list[Row]:
    """A table as plain rows, all of them."""
    return read_table(path).to_dicts()


def catalogued(path: Path, column: str) -> dict[str, Row]:
    """The rows of a catalogue table by the name that stands in a column."""
    return {name: row for (name,), row in by_key(path, keys=(column,)).items()}


def in_paper_order(models: Iterable[Row]) -> list[Row]:
    """Catalogue rows in the order of figures and tables: by expert count, by sparsity E/k, by size."""
    return sorted(models, key=lambda m: (m["experts"], m["experts"] / m["top_k"], m["total_params"]))


def label_of(policies: Path, policy: str) -> str:
    """What figures call a policy of a policy_catalogue.csv."""
    return str(catalogued(policies, "policy")[policy]["label"])


def policies_of(path: Path) -> tuple[Row, list[Row]]:
    """The baseline of a policy_catalogue.csv, and the other policies, sorted by name."""
    rows = catalogued(path, "policy").values()
    (baseline,) = (row for row in rows if row["is_baseline"])
    return baseline, [row for row in rows if not row["is_baseline"]]


def compared_policies(path: Path, policy: str) -> tuple[Row, Row]:
    """The baseline of a policy_catalogue.csv, and the policy that a figure or table compares with it."""
    return policies_of(path)[0], catalogued(path, "policy")[policy]
