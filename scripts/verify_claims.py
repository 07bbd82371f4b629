"""Print the verdict on every claim; exit 1 if a claim that the ledger pins as reproduced no longer is."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.tables import Row, catalogued
from prophet_paper.verdicts import by_claim, reason_of

MARKS = {"reproduced": "yes", "not_reproduced": "no", "undefined": "?", "not_testable": "-"}
CLAIM, CLAIMED, COMPUTED, MARK = 33, 17, 18, 3  # columns in characters: a line fits a terminal of 100
INDENT = "    "


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
    return textwrap.fill(said, initial_indent=INDENT, subsequent_indent=INDENT, width=100) + "\n"


def main(*, claims: Path, laws: Path, reasons: bool = False) -> None:
    """Read, print, compare with what is pinned.

    Args:
        claims: claims.csv
        laws: law_catalogue.csv
        reasons: say below each claim what decides it
    """
    for file in (claims, laws):
        if not file.exists():
            raise ConfigurationError(
                f'{file}: file: "missing"; allowed: the judged claims and their laws, which `make paper` writes'
            )
    judged, heads = by_claim(claims), {name: row["head"] for name, row in catalogued(laws, "routing").items()}
    changed: list[tuple[bool, str]] = []
    unpinned = 0
    print(line("claim", "claimed", ((head, "") for head in heads.values())))
    for claim, by_law in judged.items():
        found = [by_law[law] for law in heads]
        unpinned += sum(row["expected"] is None for row in found)
        print(line(claim, found[0]["claimed"], ((row["computed"] or "", MARKS[row["verdict"]]) for row in found)))
        print(usable(found, heads), end="")
        if reasons:
            print(textwrap.fill(reason_of(by_law), initial_indent=INDENT, subsequent_indent=INDENT, width=100))
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
