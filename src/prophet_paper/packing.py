"""Result tables as compressed typed columns, for a page that reads them without a network.

A packed file is deflated as a whole. It begins with the length of its header (four bytes, the lowest first) and the header
(JSON: tables, their columns, where in the rest each stands); the rest are bytes of columns. `explorer/src/columns.js` reads it.

A table is either a grid, in which every combination of its keys has a row, or a list of rows. Of a grid a column keeps the axes
along which it changes and no others. Distinct numbers are listed once each, in order: whole multiples of a power of ten by
their differences, seven bits a byte (`dictionary`), others as they stand in memory (`doubles`). A row holds its place in that
list, 0 where there is no value. A column that others give exactly is not stored: the page computes it by the same steps, and
`pack` keeps it stored where a single row would differ.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

DECIMALS = 9  # of results: floats carry at most so many
LARGEST_EXACT = 2**53  # above it, a number of the page is no whole number any more
Values = np.ndarray[Any, np.dtype[np.float64]]


class Derivation(Protocol):
    """How a column follows from others, row by row."""

    def values(self, frame: pl.DataFrame) -> Values:
        """The column, NaN where there is no value."""

    def described(self) -> dict[str, Any]:
        """What the page is told."""


def _numbers(frame: pl.DataFrame, name: str) -> Values:
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _rounded(values: Values) -> Values:
    """To the decimals of results, by the very steps of the page (JavaScript rounds halves up)."""
    scale = 10.0**DECIMALS
    return np.floor(values * scale + 0.5) / scale


@dataclass(frozen=True, slots=True)
class Difference:
    """One column less several others: what they leave of it."""

    of: str
    less: tuple[str, ...]

    def values(self, frame: pl.DataFrame) -> Values:
        """The column, NaN where there is no value."""
        left = _numbers(frame, self.of)
        for name in self.less:
            left = left - _numbers(frame, name)
        return left

    def described(self) -> dict[str, Any]:
        """What the page is told."""
        return {"rule": "difference", "of": self.of, "less": list(self.less)}


@dataclass(frozen=True, slots=True)
class Quotient:
    """One column over another."""

    of: str
    over: str

    def values(self, frame: pl.DataFrame) -> Values:
        """The column, NaN where there is no value."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return _rounded(_numbers(frame, self.of) / _numbers(frame, self.over))

    def described(self) -> dict[str, Any]:
        """What the page is told."""
        return {"rule": "quotient", "of": self.of, "over": self.over}


@dataclass(frozen=True, slots=True)
class Smaller:
    """The smaller of two columns, the first alone where the second has no value, times a third."""

    of: str
    than: str
    times: str

    def values(self, frame: pl.DataFrame) -> Values:
        """The column, NaN where there is no value."""
        first, second = _numbers(frame, self.of), _numbers(frame, self.than)
        least = np.where(np.isnan(second) | (first <= second), first, second)
        return np.where(np.isnan(first), first, least * _numbers(frame, self.times))

    def described(self) -> dict[str, Any]:
        """What the page is told."""
        return {"rule": "smaller", "of": self.of, "than": self.than, "times": self.times}


@dataclass(frozen=True, slots=True)
class Ratio:
    """A column over itself in the row where one key has another value: an extension over the baseline."""

    of: str
    key: str
    base: str

    def values(self, frame: pl.DataFrame) -> Values:
        """The column, NaN where there is no value; `frame` is a grid whose first key is `key`."""
        own = _numbers(frame, self.of)
        among = frame[self.key].unique(maintain_order=True).to_list()
        size = len(own) // len(among)
        first = among.index(self.base) * size
        with np.errstate(divide="ignore", invalid="ignore"):
            return _rounded(own / np.tile(own[first : first + size], len(among)))

    def described(self) -> dict[str, Any]:
        """What the page is told."""
        return {"rule": "ratio", "of": self.of, "key": self.key, "base": self.base}


@dataclass(frozen=True, slots=True)
class Packed:
    """A table to be packed.

    Attributes:
        frame: the rows; of a grid sorted by `keys`, the first of which changes slowest.
        keys: of a grid; none for a list of rows.
        derived: columns that follow from others.
    """

    frame: pl.DataFrame
    keys: tuple[str, ...] = ()
    derived: Mapping[str, Derivation] | None = None


class _Writer:
    """The bytes of columns, one after another."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def put(self, part: bytes) -> list[int]:
        """Where the part stands: its first byte and its length."""
        at = self._length
        self._parts.append(part)
        self._length += len(part)
        return [at, len(part)]

    def all(self) -> bytes:
        return b"".join(self._parts)


def varints(values: Sequence[int]) -> bytes:
    """Whole numbers of at least 0, seven bits a byte, the lowest first; the highest bit says that more follow."""
    out = bytearray()
    for value in values:
        rest = value
        while rest >= 128:  # noqa: PLR2004 - what seven bits hold
            out.append(rest % 128 + 128)
            rest //= 128
        out.append(rest)
    return bytes(out)


def _planes(codes: np.ndarray[Any, Any]) -> tuple[int, bytes]:
    """Codes in one, two or four bytes each, all first bytes before all second ones: they compress better so."""
    width = 1 if codes.max(initial=0) < 2**8 else 2 if codes.max() < 2**16 else 4
    narrow = codes.astype(f"<u{width}")
    return width, narrow.view(np.uint8).reshape(-1, width).T.tobytes()


def _scaled(values: Values) -> tuple[int, np.ndarray[Any, np.dtype[np.int64]]] | None:
    """The fewest decimals with which every value is a whole number over a power of ten, and these numbers; None if none do."""
    for decimals in range(DECIMALS + 1):
        whole = np.round(values * 10.0**decimals)
        if np.abs(whole).max(initial=0) < LARGEST_EXACT and np.array_equal(whole / 10.0**decimals, values):
            return decimals, whole.astype(np.int64)
    return None


def _distinct(values: Values, writer: _Writer) -> dict[str, Any]:
    """Distinct numbers in order: as whole multiples where they are, else as they stand in memory."""
    scaled = _scaled(values)
    if scaled is None:
        planes = values.astype("<f8").view(np.uint8).reshape(-1, 8).T.tobytes()
        return {"doubles": writer.put(planes)}
    decimals, whole = scaled
    steps = np.diff(whole, prepend=whole[:1]).tolist()
    return {"decimals": decimals, "first": int(whole[0]) if whole.size else 0, "dictionary": writer.put(varints(steps))}


def _coded(values: Values, writer: _Writer) -> dict[str, Any]:
    """A column of numbers: the distinct ones, and each row's place among them."""
    there = ~np.isnan(values)
    distinct, places = np.unique(values[there], return_inverse=True)
    codes = np.zeros(values.size, dtype=np.int64)
    codes[there] = places + 1
    width, planes = _planes(codes)
    return _distinct(distinct, writer) | {"width": width, "codes": writer.put(planes)}


def _named(column: pl.Series, writer: _Writer) -> dict[str, Any]:
    """A column of words or of yes and no: the distinct ones in order, and each row's place among them."""
    distinct = column.drop_nulls().unique().sort().to_list()
    places = {value: place for place, value in enumerate(distinct, start=1)}
    codes = np.array([places.get(value, 0) for value in column.to_list()], dtype=np.int64)
    width, planes = _planes(codes)
    return {"words": distinct, "width": width, "codes": writer.put(planes)}


def _cut(values: np.ndarray[Any, Any], shape: Sequence[int]) -> tuple[list[int], np.ndarray[Any, Any]]:
    """Of a grid: the axes along which the values change, and the values along these alone."""
    block, axes = values.reshape(shape), []
    for axis in range(len(shape)):
        first = block.take([0], axis=axis)
        if np.array_equal(np.broadcast_to(first, block.shape), block):
            block = first
        else:
            axes.append(axis)
    return axes, block.ravel()


def _column(name: str, table: Packed, shape: Sequence[int], writer: _Writer) -> dict[str, Any]:
    """One column of a table, as the header describes it."""
    series = table.frame[name]
    rule = (table.derived or {}).get(name)
    if rule is not None:
        own = _numbers(table.frame, name)
        if np.array_equal(rule.values(table.frame), own, equal_nan=True):
            return rule.described()
    words = series.dtype in (pl.String, pl.Boolean)
    if not shape:
        return _named(series, writer) if words else _coded(_numbers(table.frame, name), writer)
    if words:
        distinct = [None, *series.drop_nulls().unique().sort().to_list()]
        places = {value: place for place, value in enumerate(distinct)}
        axes, cut = _cut(np.array([places[value] for value in series.to_list()]), shape)
        return {"axes": axes} | _named(pl.Series([distinct[place] for place in cut.tolist()], dtype=series.dtype), writer)
    filled = series.cast(pl.Float64).fill_null(float("inf")).to_numpy()  # equal to itself, which NaN is not
    axes, cut = _cut(filled, shape)
    return {"axes": axes} | _coded(np.where(np.isinf(cut), np.nan, cut), writer)


def _table(table: Packed, writer: _Writer) -> dict[str, Any]:
    """One table, as the header describes it. Raises ValueError for a grid with rows missing, or in another order."""
    keys = {key: table.frame[key].unique(maintain_order=True).to_list() for key in table.keys}
    shape = [len(values) for values in keys.values()]
    if keys:
        places = [table.frame[key].replace_strict(values, range(len(values))).to_numpy() for key, values in keys.items()]
        at = np.ravel_multi_index(places, shape)
        if len(at) != np.prod(shape) or not np.array_equal(at, np.arange(len(at))):
            message = f"a grid of {', '.join(table.keys)}: one row for each combination, in order"
            raise ValueError(message)
    columns = {name: _column(name, table, shape, writer) for name in table.frame.columns if name not in keys}
    return {"rows": len(table.frame), "keys": keys, "columns": columns}


def pack(tables: Mapping[str, Packed], beside: Mapping[str, Any]) -> bytes:
    """Tables and what goes into the header beside them, deflated.

    Raises:
        ValueError: a table that is no grid of its keys.
    """
    writer = _Writer()
    header = {"tables": {name: _table(table, writer) for name, table in tables.items()}} | dict(beside)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    squeeze = zlib.compressobj(level=9, wbits=-15)  # no header, as DecompressionStream's deflate-raw reads
    return squeeze.compress(len(text).to_bytes(4, "little") + text + writer.all()) + squeeze.flush()
