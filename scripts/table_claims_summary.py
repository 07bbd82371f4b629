"""LaTeX table: how many claims of each kind hold."""

from __future__ import annotations

from pathlib import Path

from prophet_pipeline.command import script
from prophet_pipeline.files import write_text
from prophet_pipeline.latex import LAW_HEADS, Column, table
from prophet_pipeline.tables import read_rows

NAMES = {
    "value": "values", "range": "ranges", "bound": "bounds", "ordering": "orderings",
    "external": "about the world outside", "total": "all",
}  # fmt: skip
COLUMNS = (Column("Claims"), Column("number", (3, 0)), *(Column("holds", (2, 0)), Column("fails", (2, 0))) * 2)
CAPTION = r"""The source document's claims by kind, and how many hold under each routing law. Claims about the world outside are
    not tested here; Table~\ref{tab:claims} lists them all."""


def main(*, summary: Path, output: Path) -> None:
    """Read results, write.

    Args:
        summary: claims_summary.csv
        output: .tex file
    """
    rows: list[list[object] | None] = []
    for row in read_rows(summary):
        tested = row["kind"] != "external"
        cells = [row[f"{verdict}_{law}"] if tested else None for law in LAW_HEADS for verdict in ("reproduced", "not_reproduced")]
        rows += [None] if row["kind"] == "total" else []
        rows.append([NAMES[row["kind"]], row["claims"], *cells])
    spans = [(head, 3 + 2 * i, 4 + 2 * i) for i, head in enumerate(LAW_HEADS.values())]
    write_text(output, table(COLUMNS, rows, caption=CAPTION, label="tab:claims-summary", spanning_heads=spans))


if __name__ == "__main__":
    script(main)
