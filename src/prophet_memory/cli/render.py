"""Tables at a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

GIB = 2**30
UNLIMITED_COLUMNS = 200  # of a pipe or a file, where nothing has to wrap


def console() -> Console:
    """Standard output; as wide as it must be where no terminal limits it."""
    width = None if os.isatty(1) else UNLIMITED_COLUMNS
    # Names are shown as they stand: what looks like markup in one is part of it.
    return Console(width=width, highlight=False, soft_wrap=False, markup=False, emoji=False)


def table(heads: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], title: str | None = None) -> Table:
    """A plain table; heads say whether a column holds numbers."""
    made = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for head, numeric in heads:
        made.add_column(head, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    return made


def gib(size_bytes: float) -> str:
    """Bytes in GiB, two decimals."""
    return f"{size_bytes / GIB:,.2f}"


def print_json(document: object) -> None:
    """A document for programs: no NaN, keys in their order."""
    click.echo(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))
