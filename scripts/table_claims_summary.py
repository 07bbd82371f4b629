"""LaTeX table: how many claims of each kind hold."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import by_key, catalogued
from prophet_paper.latex import Column, escape, table

NAMES = {
    "value": "values", "range": "ranges", "bound": "bounds", "ordering": "orderings",
    "external": "about the world outside", "total": "all",
}  # fmt: skip
COLUMNS = (Column("Claims"), Column("number", (3, 0)))
OF_ONE_LAW = tuple(Column(word, (3, 0)) for word in ("holds", "fails", "undef."))
DECIDED = ("reproduced", "not_reproduced", "undefined")
CAPTION = r"""The source document's claims by kind, without those that repeat another or show nothing, and how many hold under
    each routing law. \emph{Undefined}: what is claimed does not exist under the law. The rest is untested: a law that does
    not say which experts a step needs gives no time to a step that fetches. Table~\ref{tab:claims} lists all claims."""


def main(*, summary: Path, laws: Path, output: Path) -> None:
    """Read results, write.

    Args:
        summary: claims_summary.csv
        laws: law_catalogue.csv
        output: .tex file
    """
    known, found = catalogued(laws, "routing"), by_key(summary, keys=("kind", "routing"), at={"scope": "distinct"})
    rows: list[list[object] | None] = []
    for kind, name in NAMES.items():
        if kind == "external" and not found[kind, next(iter(known))]["claims"]:
            continue
        own = [found[kind, law] for law in known]
        cells = [row[verdict] if kind != "external" else None for row in own for verdict in DECIDED]
        rows += [None] if kind == "total" else []
        rows.append([name, own[0]["claims"], *cells])
    width = len(DECIDED)
    spans = [(escape(law["head"]), 3 + width * i, 2 + width * (i + 1)) for i, law in enumerate(known.values())]
    columns = (*COLUMNS, *OF_ONE_LAW * len(known))
    write_text(output, table(columns, rows, caption=CAPTION, label="tab:claims-summary", spanning_heads=spans))


if __name__ == "__main__":
    script(main)
