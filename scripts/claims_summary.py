"""How many claims of each kind hold, by routing law."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from prophet_memory.routing import ROUTING_LAW_NAMES
from prophet_pipeline.claims import REPRODUCED, VERDICTS
from prophet_pipeline.command import script
from prophet_pipeline.tables import read_rows, write_rows

KINDS = ("value", "range", "bound", "ordering", "external")


def main(*, claims: Path, output: Path) -> None:
    """Count, write; the last row is the total.

    Args:
        claims: claims.csv
        output: CSV file
    """
    judged = read_rows(claims)
    rows = []
    for kind in (*KINDS, "total"):
        chosen = [claim for claim in judged if kind in {claim["kind"], "total"}]
        counts = {law: Counter(claim[f"verdict_{law}"] for claim in chosen) for law in ROUTING_LAW_NAMES}
        either = sum(REPRODUCED in {claim[f"verdict_{law}"] for law in ROUTING_LAW_NAMES} for claim in chosen)
        both = sum(all(claim[f"verdict_{law}"] == REPRODUCED for law in ROUTING_LAW_NAMES) for claim in chosen)
        row = {"kind": kind, "claims": len(chosen), "reproduced_either_law": either, "reproduced_both_laws": both}
        rows.append(row | {f"{verdict}_{law}": counts[law][verdict] for law in ROUTING_LAW_NAMES for verdict in VERDICTS})
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
