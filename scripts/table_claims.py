"""LaTeX tables, as many as it takes: every claim of the source document, what was computed for it and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, catalogued
from prophet_paper.latex import Column, escape, table
from prophet_paper.verdicts import by_claim

WORDS = {"reproduced": "holds", "not_reproduced": "fails", "not_testable": "--"}
COLUMNS = (Column("Claim", width="1.35in"), Column("Printed", width="2.5in"))
OF_ONE_LAW = (Column("computed", width="0.82in"), Column(""))
CAPTION = r"""The claims of the source document against the results (under \emph{{printed}}, a shortened quotation). A
    verdict follows from the printed precision; a dash: nothing here can test it. \emph{{Usable}}: with no sequence longer
    than its model's own maximum, which the source document does not ask for and the verdict does not use. The reasons stand
    in \texttt{{claims.csv}}{part}."""
QUOTE_CHARACTERS = 92
LINE_CHARACTERS = 46  # of a quotation in its column
COMPUTED_CHARACTERS = 15
LINES_PER_PAGE = 76


def shortened(quote: str) -> str:
    """A quotation cut at a word."""
    if len(quote) <= QUOTE_CHARACTERS:
        return quote
    return quote[:QUOTE_CHARACTERS].rsplit(" ", 1)[0] + " ..."


def computed(row: Row) -> str:
    """What was computed, and what of it is usable where that differs."""
    usable = row["usable"]
    return (row["computed"] or "") + ("" if usable in {None, row["computed"]} else f"; usable {usable}")


def pages(claims: Sequence[Mapping[str, Row]], laws: Sequence[str]) -> list[list[list[object] | None]]:
    """The rows of each table: sections kept in order, a thin rule between them."""
    parts: list[list[list[object] | None]] = [[]]
    used = 0
    for _, section in groupby(claims, key=lambda by_law: next(iter(by_law.values()))["section"]):
        for first, by_law in ((i == 0, c) for i, c in enumerate(section)):
            claim = next(iter(by_law.values()))
            quote = shortened(claim["quote"])
            own = [by_law[law] for law in laws]
            lines = max(-(-len(quote) // LINE_CHARACTERS), -(-len(claim["claim"]) // 25))
            lines = max(lines, *(-(-len(computed(row)) // COMPUTED_CHARACTERS) for row in own))
            if used + lines > LINES_PER_PAGE:
                parts.append([])
                used = 0
            if first and parts[-1]:
                parts[-1].append(None)
                used += 1
            cells = [cell for row in own for cell in (computed(row), WORDS[row["verdict"]])]
            parts[-1].append([claim["claim"], quote, *cells])
            used += lines
    return parts


def main(*, claims: Path, laws: Path, output: Path) -> None:
    """Read results, write.

    Args:
        claims: claims.csv
        laws: law_catalogue.csv
        output: .tex file
    """
    known = catalogued(laws, "routing")
    heads = [law["head"] for law in known.values()]
    spans = [(escape(head), 3 + 2 * i, 4 + 2 * i) for i, head in enumerate(heads)]
    parts = pages(list(by_claim(claims).values()), list(known))
    text = "".join(
        table(
            (*COLUMNS, *OF_ONE_LAW * len(heads)), rows, caption=CAPTION.format(part=f"; part {i} of {len(parts)}"),
            label="tab:claims" if i == 1 else None, spanning_heads=spans, wide=True, size="scriptsize",
        )
        for i, rows in enumerate(parts, 1)
    )  # fmt: skip
    write_text(output, text)


if __name__ == "__main__":
    script(main)
