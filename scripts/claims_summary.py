"""How many claims of each kind hold, by routing law."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import write_rows
from prophet_paper.verdicts import REPRODUCED, VERDICTS, by_claim

KINDS = ("value", "range", "bound", "ordering", "external")


def main(*, claims: Path, output: Path) -> None:
    """Count, write; the last rows are the totals.

    Args:
        claims: claims.csv
        output: CSV file
    """
    judged, rows = by_claim(claims), []
    for kind in (*KINDS, "total"):
        chosen = [by_law for by_law in judged.values() if kind in {next(iter(by_law.values()))["kind"], "total"}]
        holds = [[row["verdict"] == REPRODUCED for row in by_law.values()] for by_law in chosen]
        for law in next(iter(judged.values())):
            counts = Counter(by_law[law]["verdict"] for by_law in chosen)
            row = {"kind": kind, "routing": law, "claims": len(chosen)} | {verdict: counts[verdict] for verdict in VERDICTS}
            rows.append(row | {"reproduced_by_any_law": sum(map(any, holds)), "reproduced_by_every_law": sum(map(all, holds))})
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
