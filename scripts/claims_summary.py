"""How many claims of each kind hold, by routing law: all of them, and those that neither repeat another nor show nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, write_rows
from prophet_paper.verdicts import REPRODUCED, VERDICTS, by_claim, is_changed

KINDS = ("value", "range", "bound", "ordering", "external")
SCOPES = ("every", "distinct")


def belongs(row: Row, scope: str, kind: str) -> bool:
    """Whether a claim counts in a scope and a kind."""
    return kind in {row["kind"], "total"} and (scope == "every" or not (row["repeats"] or row["trivial"]))


def counted(chosen: Sequence[Mapping[str, Row]], law: str) -> Row:
    """The claims of one kind under one law."""
    first = [next(iter(by_law.values())) for by_law in chosen]
    verdicts = Counter(by_law[law]["verdict"] for by_law in chosen)
    holds = [[row["verdict"] == REPRODUCED for row in by_law.values()] for by_law in chosen]
    return {
        "claims": len(chosen),
        "identities_at_batch_1": sum(row["is_identity_at_batch_1"] for row in first),
        "reproduced_identities_at_batch_1": sum(
            by_law[law]["is_identity_at_batch_1"] and by_law[law]["verdict"] == REPRODUCED for by_law in chosen
        ),
        **{verdict: verdicts[verdict] for verdict in VERDICTS},
        "reproduced_by_any_law": sum(map(any, holds)),
        "reproduced_by_every_law": sum(map(all, holds)),
        "changed_under_profile": sum(is_changed(by_law[law]) for by_law in chosen),
    }


def main(*, claims: Path, output: Path) -> None:
    """Count, write; the last rows of each scope are the totals.

    Args:
        claims: claims.csv
        output: CSV file
    """
    judged, rows = by_claim(claims), []
    for scope in SCOPES:
        for kind in (*KINDS, "total"):
            chosen = [by_law for by_law in judged.values() if belongs(next(iter(by_law.values())), scope, kind)]
            laws = next(iter(judged.values()))
            rows += [{"scope": scope, "kind": kind, "routing": law} | counted(chosen, law) for law in laws]
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
