"""Traces of requests: files or addresses of several publishers, told apart by their columns, and config/workloads.yaml."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
from annotated_types import Ge, Gt, Le, Len

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import CONFIG, check_known
from prophet_memory.edge.contents import REMOTE, content_of
from prophet_memory.edge.documents import read
from prophet_memory.edge.messages import relative
from prophet_memory.edge.text import first_line
from prophet_memory.errors import ModelError
from prophet_memory.fields import Described, OneOf, Pattern, Slug, Text
from prophet_memory.workload.requests import Requests

WORKLOADS_FILE = CONFIG / "workloads.yaml"
PARQUET = b"PAR1"
MOST_TOKENS = 2**40


@dataclass(frozen=True, slots=True)
class Columns:
    """How a publisher calls what a request is; a time is a number of `unit_s`, or a date and time."""

    arrival: str
    prompt: str
    output: str
    unit_s: float = 1.0
    fails_without_output: bool = False  # a request with no output token was refused, and is no request that was served

    @property
    def names(self) -> tuple[str, str, str]:
        """As a header has them."""
        return self.arrival, self.prompt, self.output


KNOWN = (
    Columns("arrival_s", "prompt_tokens", "output_tokens"),
    Columns("TIMESTAMP", "ContextTokens", "GeneratedTokens"),  # Azure 2023 and 2024
    Columns("timestamp_ms", "input_length", "output_length", 0.001),  # Mooncake, lengths alone
    Columns("timestamp", "input_length", "output_length", 0.001),  # as it publishes them, lines of JSON
    Columns("Timestamp", "Request tokens", "Response tokens", fails_without_output=True),  # BurstGPT
)


@dataclass(frozen=True, slots=True)
class Trace(Described):
    """A published trace. `file` is a path beside config/workloads.yaml or an address."""

    name: Text
    file: Text
    sha256: Annotated[str, Pattern("^[0-9a-f]{64}$")]
    licence: Text
    source: Text
    note: Text  # what a reader must know of it


@dataclass(frozen=True, slots=True)
class WorkloadClass(Described):
    """A sentence of the source document: so many of the requests of a kind meet a batch of at most so many."""

    name: Text
    share: Annotated[float, Gt(0), Le(1)]
    at_most: Annotated[int, Ge(1), Le(10**6)]
    traces: tuple[Slug, ...]  # of this kind of requests


@dataclass(frozen=True, slots=True)
class Leaf(Described):
    """Of the source document's decision tree: where it applies and what it recommends."""

    name: Text
    batch_size: Annotated[tuple[int, ...], Len(2, 2)]  # from and to, as of experts
    experts: Annotated[tuple[int, ...], Len(2, 2)]
    policies: tuple[Slug, ...]
    fewer_bits: Annotated[str, OneOf(("either", "and", "or"))]  # than published: no matter, needed, or enough

    def holds(self, batch_size: int, experts: int) -> bool:
        """Whether it applies."""
        inside = (self.batch_size, batch_size), (self.experts, experts)
        return all(first <= value <= last for (first, last), value in inside)

    def agrees(self, policy: str, *, fewer_bits: bool) -> bool:
        """Whether it recommends a choice."""
        is_named = policy in self.policies
        return {"either": is_named, "and": is_named and fewer_bits, "or": is_named or fewer_bits}[self.fewer_bits]


@dataclass(frozen=True, slots=True)
class Workloads(Described):
    """config/workloads.yaml."""

    traces: Annotated[dict[Slug, Trace], Len(1)]
    classes: Annotated[dict[Slug, WorkloadClass], Len(1)]
    tree: Annotated[tuple[Leaf, ...], Len(1)]  # of the source document

    def __post_init__(self) -> None:
        for name, one in self.classes.items():
            for trace in one.traces:
                if trace not in self.traces:
                    raise ModelError(f"classes.{name}.traces", trace, f"one of {', '.join(self.traces)}")


def read_workloads(file: Path = WORKLOADS_FILE) -> Workloads:
    """Traces, classes and the tree of the source document. Raises ConfigurationError."""
    return read(Workloads, file)


def known_traces(names: Iterable[str], settings: Path) -> dict[str, Trace]:
    """Every trace, once those that settings name are among them. Raises ConfigurationError."""
    traces = read_workloads().traces
    check_known(names, "workloads.served.traces", traces, f"the traces of {relative(WORKLOADS_FILE)}", settings)
    return traces


def requests_of(trace: Trace, folder: Path = CONFIG) -> Requests:
    """The requests of an entry. Raises ConfigurationError for another content than its checksum says."""
    place = trace.file if trace.file.startswith(REMOTE) else str(folder / trace.file)
    return read_requests(place, trace.sha256)[0]


def read_requests(place: str, sha256: str | None = None) -> tuple[Requests, int]:
    """The requests of a trace from the first on, and how many of its rows were none.

    Args:
        place: a path or URL of CSV or Parquet, with the columns of one of KNOWN.
        sha256: of its content; a URL needs one.

    Raises:
        ConfigurationError: for a file that cannot be read or is another, for a missing column, a length that is none, and times
            that run backwards.
    """
    table = _table(place, content_of(place, sha256))
    columns = _columns(place, table)
    if not table.height:
        raise ConfigurationError(f"{place}: rows: 0; allowed: at least one request")
    times = _seconds(place, table[columns.arrival], columns.unit_s)
    prompt, output = (_tokens(place, table[name]) for name in columns.names[1:])
    served = (output != 0) & (prompt != 0) if columns.fails_without_output else np.ones(len(times), np.bool_)
    if not served.any():
        raise ConfigurationError(f"{place}: rows: 0; allowed: at least one request")
    if (backwards := np.flatnonzero(np.diff(times) < 0)).size:
        row = int(backwards[0]) + 1
        allowed = f"a time that is not before the one of the row before ({times[row - 1]:g} s): sort the rows"
        raise ConfigurationError(f"{place}: {columns.arrival}, row {row + 1}: {times[row]:g} s; allowed: {allowed}")
    try:
        found = Requests(times[served], prompt[served], output[served])
    except ModelError as problem:
        raise ConfigurationError(f"{place}: {problem}") from None
    return replace(found, arrival_s=found.arrival_s - found.arrival_s[0]), int((~served).sum())


def _columns(place: str, table: pl.DataFrame) -> Columns:
    """Whose columns a table has, or what the nearest publisher's lacks."""
    lacking = {known: [name for name in known.names if name not in table.columns] for known in KNOWN}
    nearest = min(lacking, key=lambda known: len(lacking[known]))
    if not lacking[nearest]:
        return nearest
    if len(lacking[nearest]) < len(nearest.names):
        allowed = f"one beside {', '.join(name for name in nearest.names if name not in lacking[nearest])}"
        raise ConfigurationError(f"{place}: {lacking[nearest][0]}: no such column; allowed: {allowed}")
    allowed = "; or ".join(", ".join(known.names) for known in KNOWN)
    raise ConfigurationError(f"{place}: columns: {', '.join(table.columns)}; allowed: {allowed}")


def _table(place: str, content: bytes) -> pl.DataFrame:
    try:
        if content.startswith(PARQUET):
            return pl.read_parquet(io.BytesIO(content))
        if content.startswith(b"{"):
            return pl.read_ndjson(io.BytesIO(content))
        return pl.read_csv(io.BytesIO(content), infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError, OSError) as problem:
        raise ConfigurationError(
            f"{place}: file: {first_line(problem)}; allowed: CSV or Parquet with a header, or lines of JSON"
        ) from None


def _seconds(place: str, column: pl.Series, unit_s: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if column.dtype == pl.String:
        try:
            stamps = column.str.to_datetime(time_unit="us", strict=False)
        except pl.exceptions.PolarsError:  # not even the first is one
            stamps = pl.Series([None] * len(column), dtype=pl.Datetime("us"))
        if wrong := column.filter(stamps.is_null()).to_list():
            allowed = "a number, or a date and time such as 2023-11-16 18:15:46.68"
            raise ConfigurationError(f"{place}: {column.name}: {json.dumps(wrong[0])}; allowed: {allowed}")
        column, unit_s = (stamps - stamps[0]).dt.total_microseconds(), 1e-6
    if not column.dtype.is_numeric() or column.null_count():
        raise ConfigurationError(f"{place}: {_first_other(column, pl.Float64)}; allowed: a number in every row")
    return column.cast(pl.Float64).to_numpy() * unit_s


def _first_other(column: pl.Series, kind: type[pl.Int64 | pl.Float64]) -> str:
    """Column, row and value of the first that is not of a kind."""
    cast = column.cast(pl.String).str.strip_chars().cast(kind, strict=False)
    row = int(cast.is_null().arg_max() or 0)
    value = column[row]
    return f"{column.name}, row {row + 1}: {'empty' if value is None else json.dumps(value, default=str)}"


def _tokens(place: str, column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if not column.dtype.is_integer() or column.null_count():
        raise ConfigurationError(f"{place}: {_first_other(column, pl.Int64)}; allowed: an integer in every row")
    if (beyond := column.filter(column.cast(pl.Float64) > MOST_TOKENS)).len():
        raise ConfigurationError(f"{place}: {column.name}: {beyond[0]}; allowed: at most {MOST_TOKENS}")
    return column.cast(pl.Int64).to_numpy()
