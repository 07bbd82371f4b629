"""Result tables: Parquet for programs and CSV for people, the same bytes for the same values."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from prophet_pipeline.command import ConfigurationError
from prophet_pipeline.files import FLOAT_DECIMALS, replacing

TEXT_THAT_LOOKS_LIKE_NUMBERS = {"expert_count_group": pl.String}

# What is said of "the GPU" is said of one.
ONE_GPU = {"n_gpus": 1}

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


def read_table(path: Path, columns: Sequence[str] | None = None, **wanted: object) -> pl.DataFrame:
    """Rows of a Parquet or CSV file in which each named column has the wanted value, or one of the wanted list."""
    with readable(path):
        if path.suffix == ".csv":
            frame = pl.read_csv(path, infer_schema_length=None, schema_overrides=TEXT_THAT_LOOKS_LIKE_NUMBERS)
        else:
            frame = pl.read_parquet(path)
        for name, value in wanted.items():
            frame = frame.filter(pl.col(name).is_in(value if isinstance(value, list | tuple) else [value]))
        return frame if columns is None else frame.select(columns)


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


def read_rows(path: Path, columns: Sequence[str] | None = None, **wanted: object) -> list[Row]:
    """The same as plain rows."""
    return read_table(path, columns, **wanted).to_dicts()


def in_paper_order(models: Iterable[Row]) -> list[Row]:
    """Catalogue rows in the order of figures and tables: by expert count, by sparsity E/k, by size."""
    return sorted(models, key=lambda m: (m["experts"], m["experts"] / m["top_k"], m["total_params"]))


def laws_present(rows: Iterable[Row]) -> list[str]:
    """The routing laws that results hold, the source's power law first."""
    return sorted({row["routing"] for row in rows})
