"""A booktabs table with siunitx columns from plain rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "†": r"$^\dagger$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "×": r"$\times$",
    "≥": r"$\geq$", "≤": r"$\leq$", "→": r"$\rightarrow$", "<": r"$<$", ">": r"$>$", "§": r"\S{}", "|": r"$|$",
    "\u2003": r"\quad{}", "ρ": r"$\rho$", "β": r"$\beta$", "∘": r"$\circ$",
}  # fmt: skip
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
GROUP_RULE = r"    \addlinespace"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head (LaTeX), and `places` (integer digits, decimals) of a number column or None for text.

    A text column with a `width` (a LaTeX length) breaks its lines.
    """

    head: str
    places: tuple[int, int] | None = None
    width: str | None = None
    signed: bool = False  # room for a minus before the digits
    is_pale: bool = False  # in grey: beside the number that counts (the document loads xcolor)

    @property
    def specification(self) -> str:
        """For the tabular preamble."""
        if self.width is not None:
            return rf">{{\raggedright\arraybackslash}}p{{{self.width}}}"
        if self.places is None:
            return "l"
        pale = ",color=gray" if self.is_pale else ""
        return f"S[table-format={'-' if self.signed else ''}{self.places[0]}.{self.places[1]}{pale}]"

    def cell(self, value: object) -> str:
        """A value as this column prints it: text escaped, numbers rounded, None a dash, other text in a number column braced."""
        if value is None:
            return "{--}"
        if self.places is None:
            return escape(str(value))
        if isinstance(value, str):
            return value if not value or _NUMBER.fullmatch(value) else f"{{{escape(value)}}}"
        return f"{value:.{self.places[1]}f}"


@dataclass(frozen=True, slots=True)
class Remark:
    """Text below a row of a long table, from its second column to its end; `width` is a LaTeX length."""

    text: str
    width: str


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def head(text: str) -> str:
    """A column head: escaped, with a capital first letter."""
    return escape(text[:1].upper() + text[1:])


def macro(name: str, value: str, unit: str) -> str:
    """A number of the prose as a macro; what follows it decides the space after."""
    printed = {"": escape(value), "×": rf"\ensuremath{{{value}\times}}"}.get(unit, rf"{escape(value)}\,{escape(unit)}")
    return rf"\newcommand*{{\{name}}}{{{printed}\xspace}}" + "\n"


def with_group_rules(rows: Iterable[tuple[object, Sequence[object]]]) -> list[Sequence[object] | None]:
    """Rows, each given with its group, and None where the group changes."""
    ruled: list[Sequence[object] | None] = []
    for _, group in groupby(rows, key=itemgetter(0)):
        ruled += [None] if ruled else []
        ruled += [row for _, row in group]
    return ruled


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[object] | None],
    *,
    caption: str,
    label: str,
    spanning_heads: Sequence[tuple[str, int, int]] = (),
    wide: bool = False,
    column_gap_points: float = 6,
    size: str = "footnotesize",
) -> str:
    r"""A whole table environment; the document loads booktabs and siunitx.

    Args:
        columns: heads and formats.
        rows: values in the order of the columns; None is a thin rule between groups of rows.
        caption: LaTeX, above the table.
        label: key for \ref, with its prefix.
        spanning_heads: (LaTeX, first column, last column), 1-based, above the heads.
        wide: over both columns of a two-column page.
        size: LaTeX's name of the type size.
        column_gap_points: between columns; tables of many columns need less.
    """
    environment = "table*" if wide else "table"
    lines = [
        "% Generated from the results; edits are overwritten.",
        rf"\begin{{{environment}}}[t]",
        r"  \centering",
        rf"  \caption{{{caption}}}",
        rf"  \label{{{label}}}",
        r"  \smallskip",
        rf"  \{size}",
        rf"  \setlength{{\tabcolsep}}{{{column_gap_points / 2:g}pt}}",
        rf"  \begin{{tabular}}{{{_preamble(columns)}}}",
        *_heads(columns, spanning_heads),
        *_lines(columns, rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def long_table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[object] | Remark | None],
    *,
    caption: str,
    label: str,
    spanning_heads: Sequence[tuple[str, int, int]] = (),
    column_gap_points: float = 6,
    size: str = "footnotesize",
) -> str:
    """As `table`, over as many pages as it takes; the document loads longtable and sets one column of text."""
    heads = _heads(columns, spanning_heads)
    lines = [
        "% Generated from the results; edits are overwritten.",
        rf"{{\{size}\setlength{{\tabcolsep}}{{{column_gap_points / 2:g}pt}}",
        rf"\begin{{longtable}}{{{_preamble(columns)}}}",
        rf"  \caption{{\normalsize {caption}}}\label{{{label}}}\\",
        *heads,
        r"    \endfirsthead",
        r"  \caption[]{\normalsize (continued)}\\",
        *heads,
        r"    \endhead",
        r"    \bottomrule",
        r"    \endfoot",
        *_without_widows(_lines(columns, rows)),
        r"\end{longtable}}",
    ]
    return "\n".join(lines) + "\n"


def _without_widows(lines: Sequence[str]) -> list[str]:
    """Lines of which no page keeps the first of a group at its end, or gets its last alone."""
    last, kept = len(lines) - 1, list(lines)
    for at, line in enumerate(lines):
        first = at == 0 or lines[at - 1] == GROUP_RULE
        before_last = at + 1 == last or (at + 2 <= last and lines[at + 2] == GROUP_RULE)
        if line != GROUP_RULE and at < last and lines[at + 1] != GROUP_RULE and (first or before_last):
            kept[at] = f"{line.removesuffix('*')}*"
    return kept


def _preamble(columns: Sequence[Column]) -> str:
    return f"@{{}}{''.join(column.specification for column in columns)}@{{}}"


def _heads(columns: Sequence[Column], spanning: Sequence[tuple[str, int, int]]) -> list[str]:
    heads = [column.head if column.places is None else f"{{{column.head}}}" for column in columns]
    return [r"    \toprule", *_spanning(spanning, len(columns)), "    " + " & ".join(heads) + r" \\", r"    \midrule"]


def _lines(columns: Sequence[Column], rows: Sequence[Sequence[object] | Remark | None]) -> list[str]:
    found: list[str] = []
    for row in rows:
        if row is None:
            found.append(GROUP_RULE)
        elif isinstance(row, Remark):
            found[-1] += "*"  # on the page of its row
            cell = rf">{{\raggedright\arraybackslash\itshape}}p{{{row.width}}}@{{}}"
            found.append(rf"    & \multicolumn{{{len(columns) - 1}}}{{{cell}}}{{{escape(row.text)}}} \\")
        else:
            found.append("    " + " & ".join(column.cell(value) for column, value in zip(columns, row, strict=True)) + r" \\")
    return found


def _spanning(heads: Sequence[tuple[str, int, int]], width: int) -> list[str]:
    if not heads:
        return []
    cells, rules, at = [], [], 1
    for text, first, last in heads:
        cells += [""] * (first - at) + [rf"\multicolumn{{{last - first + 1}}}{{c}}{{{text}}}"]
        rules.append(rf"\cmidrule(lr){{{first}-{last}}}")
        at = last + 1
    cells += [""] * (width + 1 - at)
    return ["    " + " & ".join(cells) + r" \\", "    " + "".join(rules)]
