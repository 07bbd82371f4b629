"""Tables at a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click

GIB, MIB = 2**30, 2**20
GAP = "   "


def say(text: str = "", *, bold: bool = False) -> None:
    """A line of the answer; bold at a terminal."""
    click.echo(click.style(text, bold=True) if bold else text)


def print_table(heads: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A plain table; heads say whether a column holds numbers, which stand to the right."""
    lines = list(rows)
    columns = zip(*[[name for name, _ in heads], *lines], strict=True)
    widths = [max(map(len, column)) for column in columns]

    def laid_out(cells: Sequence[str]) -> str:
        each = zip(heads, widths, cells, strict=True)
        words = (cell.rjust(width) if numeric else cell.ljust(width) for (_, numeric), width, cell in each)
        return f" {GAP.join(words)}".rstrip()

    if title is not None:
        say(title, bold=True)
    say()
    say(laid_out([name for name, _ in heads]), bold=True)
    say(f" {'─' * (sum(widths) + len(GAP) * (len(widths) - 1))}")
    for cells in lines:
        say(laid_out(cells))
    say()


def gib(size_bytes: float) -> str:
    """Bytes in GiB, two decimals."""
    return f"{size_bytes / GIB:,.2f}"


def print_json(document: object) -> None:
    """A document for programs: no NaN, keys in their order."""
    click.echo(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))
