"""LaTeX table over several pages: every claim of the source document, what was computed for it and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, catalogued, read_rows
from prophet_paper.latex import Column, Remark, escape, long_table
from prophet_paper.verdicts import by_claim, is_changed, remarks_of

WORDS = {"reproduced": "holds", "not_reproduced": "fails", "undefined": "undefined", "not_testable": "--"}
COLUMNS = (Column("Claim", width="1.4in"), Column("Printed", width="2.3in"))
OF_ONE_LAW = (Column("computed", width="0.9in"), Column("", width="0.5in"))
CAPTION = r"""The claims of the source document against the results (under \emph{{printed}}, a shortened quotation). A verdict
    follows from the printed precision; \emph{{undefined}}: what is claimed does not exist, as a ratio to a baseline that does
    not fit; a dash: nothing here can test it. \emph{{Exactly}}: the saturation batch itself, where the verdict uses the powers
    of two of the source document. \emph{{Usable}}: with no sequence longer than its model's own maximum, which the source
    document does not ask for and the verdict does not use. \emph{{{profile}}}: what the engine's profile changes. $=$: the claim
    says again what another says; $\circ$: it shows nothing. In italics: what decides a verdict beside the computed value."""
QUOTE_CHARACTERS, REMARK_WIDTH = 92, "5.3in"


def shortened(quote: str) -> str:
    """A quotation cut at a word."""
    if len(quote) <= QUOTE_CHARACTERS:
        return quote
    return quote[:QUOTE_CHARACTERS].rsplit(" ", 1)[0] + " ..."


def computed(row: Row, profile: str) -> str:
    """What was computed, and what stands beside where that differs."""
    said = [row["computed"] or ""]
    said += [
        f"{word} {row[name]}"
        for word, name in (("exactly", "exact"), ("usable", "usable"))
        if row[name] not in {None, row["computed"]} and row["computed"] != "undefined"
    ]
    if is_changed(row):
        said.append(f"{profile} {WORDS[row['profile_verdict']]} ({row['profile_computed']})")
    return "; ".join(said)


def marked(row: Row) -> str:
    """The claim's name, and whether it says anything new."""
    return f"{row['claim']}{' =' if row['repeats'] else ''}{' ∘' if row['trivial'] else ''}"


def lines(claims: Sequence[Mapping[str, Row]], laws: Sequence[str], profile: str) -> list[list[object] | Remark | None]:
    """The rows of the table: sections kept in order, a thin rule between them."""
    found: list[list[object] | Remark | None] = []
    for _, section in groupby(claims, key=lambda by_law: next(iter(by_law.values()))["section"]):
        found += [None] if found else []
        for by_law in section:
            first, own = next(iter(by_law.values())), [by_law[law] for law in laws]
            cells = [cell for row in own for cell in (computed(row, profile), WORDS[row["verdict"]])]
            found.append([marked(first), shortened(first["quote"]), *cells])
            remark = remarks_of(by_law)
            found += [Remark(remark, REMARK_WIDTH)] if remark else []
    return found


def main(*, claims: Path, laws: Path, engines: Path, profile: str, output: Path) -> None:
    """Read results, write.

    Args:
        claims: claims.csv
        laws: law_catalogue.csv
        engines: engine_catalogue.csv
        profile: the engine under which claims were judged, too
        output: .tex file
    """
    known = catalogued(laws, "routing")
    name = next(row["label"] for row in read_rows(engines) if row["engine"] == profile)
    heads = [law["head"] for law in known.values()]
    spans = [(escape(head), 3 + 2 * i, 4 + 2 * i) for i, head in enumerate(heads)]
    rows = lines(list(by_claim(claims).values()), list(known), name)
    columns = (*COLUMNS, *OF_ONE_LAW * len(heads))
    caption = CAPTION.format(profile=escape(name))
    write_text(output, long_table(columns, rows, caption=caption, label="tab:claims", spanning_heads=spans, size="scriptsize"))


if __name__ == "__main__":
    script(main)
