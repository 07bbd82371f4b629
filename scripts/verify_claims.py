"""Print whether each claim of the paper holds, then the verdict on every claim of the source document.

Exit 1 if a claim of the paper fails, or if one that the ledger pins as reproduced no longer is.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.tables import Row, catalogued
from prophet_paper.artifact import BY_TEST, FAILS, HOLDS, NOT_TESTABLE, verdicts
from prophet_paper.verdicts import by_claim, reason_of

MARKS = {"reproduced": "yes", "not_reproduced": "no", "undefined": "?", "not_testable": "-"}
CLAIM, CLAIMED, COMPUTED, MARK = 33, 17, 18, 3  # columns in characters: a line fits a terminal of WIDTH
WIDTH = 100
INDENT = "    "
OWN = {HOLDS: "holds", FAILS: "FAILS", BY_TEST: "decided by make test", NOT_TESTABLE: "config leaves out what would decide"}


def line(claim: str, claimed: str, computed: Iterable[tuple[str, str]]) -> str:
    """One claim, or the heads."""
    short = claimed if len(claimed) <= CLAIMED else claimed[: CLAIMED - 1] + "…"
    cells = "".join(f" {value:>{COMPUTED}} {mark:{MARK}}" for value, mark in computed)
    return f"{claim:{CLAIM}} {short:{CLAIMED}}{cells}".rstrip()


def usable(found: Sequence[Row], heads: Mapping[str, str]) -> str:
    """A line on what of a claimed extension is usable, where that differs."""
    if all(row["usable"] in {None, row["computed"]} for row in found):
        return ""
    each = ", ".join(f"{heads[row['routing']]} {row['usable']}" for row in found)
    said = f"usable, with no sequence beyond its model's own maximum: {each}"
    return textwrap.fill(said, initial_indent=INDENT, subsequent_indent=INDENT, width=WIDTH) + "\n"


def own_claims(file: Path) -> list[str]:
    """Print each claim of the paper with its verdict; those that fail, each with the numbers that do not print as they must."""
    lost = []
    for claim, (verdict, rows) in verdicts(file).items():
        said = f"{claim:4} {OWN[verdict]}: {rows[0]['says']}"
        print(textwrap.fill(said, subsequent_indent=INDENT + " ", width=WIDTH))
        failed = [f"{row['number']} {row['computed']}, claimed {row['expected']}" for row in rows if row["verdict"] == FAILS]
        if failed:
            lost.append(f"{claim}: {'; '.join(failed)}")
    print()
    return lost


def main(*, own: Path, claims: Path, laws: Path, reasons: bool = False) -> None:
    """Read, print, compare with what is pinned.

    Args:
        own: paper_claims.csv
        claims: claims.csv
        laws: law_catalogue.csv
        reasons: say below each claim what decides it
    """
    for file in (own, claims, laws):
        if not file.exists():
            raise ConfigurationError(
                f'{file}: file: "missing"; allowed: the judged claims and their laws, which `make paper` writes'
            )
    judged, heads = by_claim(claims), {name: row["head"] for name, row in catalogued(laws, "routing").items()}
    print("The paper's claims")
    changed = [(True, said) for said in own_claims(own)]
    print("The source document's claims")
    unpinned = 0
    print(line("claim", "claimed", ((head, "") for head in heads.values())))
    for claim, by_law in judged.items():
        found = [by_law[law] for law in heads]
        unpinned += sum(row["expected"] is None for row in found)
        print(line(claim, found[0]["claimed"], ((row["computed"] or "", MARKS[row["verdict"]]) for row in found)))
        print(usable(found, heads), end="")
        if reasons:
            print(textwrap.fill(reason_of(by_law), initial_indent=INDENT, subsequent_indent=INDENT, width=WIDTH))
        for row in by_law.values():  # also of a law that is pinned and not swept
            if row["verdict"] != (row["expected"] or row["verdict"]):
                verdict, pinned = (row[name].replace("_", " ") for name in ("verdict", "expected"))
                said = f"{claim} ({heads.get(row['routing'], row['routing'])}): {verdict}, pinned as {pinned}"
                changed.append((row["expected"] == "reproduced", said))
    for law, head in heads.items():
        counts = [sum(by_law[law]["verdict"] == verdict for by_law in judged.values()) for verdict in MARKS]
        said = f"{counts[0]} reproduced, {counts[1]} not reproduced, {counts[2]} undefined, {counts[3]} not testable here"
        print(f"{head}: {said}, of {len(judged)}")
    if unpinned:
        print(f"{unpinned} verdicts are pinned nowhere")
    for is_lost, said in changed:
        print(said, file=sys.stderr if is_lost else sys.stdout)
    sys.exit(1 if any(is_lost for is_lost, _ in changed) else 0)


if __name__ == "__main__":
    script(main)
