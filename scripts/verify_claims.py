"""Print the verdict on every claim; exit 1 if a claim that the ledger pins as reproduced no longer is."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from prophet_pipeline.command import ConfigurationError, script
from prophet_pipeline.latex import LAW_HEADS
from prophet_pipeline.tables import read_rows

MARKS = {"reproduced": "yes", "not_reproduced": "no", "not_testable": "-"}
CLAIM, CLAIMED, COMPUTED, MARK = 33, 17, 18, 3  # columns in characters: a line fits a terminal of 100
INDENT = "    "


def line(claim: str, claimed: str, computed: Iterable[tuple[str, str]]) -> str:
    """One claim, or the heads."""
    short = claimed if len(claimed) <= CLAIMED else claimed[: CLAIMED - 1] + "…"
    cells = "".join(f" {value:>{COMPUTED}} {mark:{MARK}}" for value, mark in computed)
    return f"{claim:{CLAIM}} {short:{CLAIMED}}{cells}".rstrip()


def main(*, claims: Path, reasons: bool = False) -> None:
    """Read, print, compare with what is pinned.

    Args:
        claims: claims.csv
        reasons: say below each claim that fails why it does
    """
    if not claims.exists():
        message = f'{claims}: file: "missing"; allowed: the judged claims, which `make paper` writes'
        raise ConfigurationError(message)
    judged = read_rows(claims)
    changed: list[tuple[bool, str]] = []
    print(line("claim", "claimed", ((law, "") for law in LAW_HEADS.values())))
    for claim in judged:
        print(
            line(
                claim["claim"],
                claim["claimed"],
                ((claim[f"computed_{law}"] or "", MARKS[claim[f"verdict_{law}"]]) for law in LAW_HEADS),
            )
        )
        if reasons and claim["reason"]:
            print(textwrap.fill(claim["reason"], initial_indent=INDENT, subsequent_indent=INDENT, width=100))
        for law, name in LAW_HEADS.items():
            verdict, pinned = claim[f"verdict_{law}"], claim[f"expected_{law}"]
            if verdict != pinned:
                said = f"{claim['claim']} ({name}): {verdict.replace('_', ' ')}, pinned as {pinned.replace('_', ' ')}"
                changed.append((pinned == "reproduced", said))
    for law, name in LAW_HEADS.items():
        counts = [sum(claim[f"verdict_{law}"] == verdict for claim in judged) for verdict in MARKS]
        print(f"{name}: {counts[0]} reproduced, {counts[1]} not reproduced, {counts[2]} not testable here, of {len(judged)}")
    for is_lost, said in changed:
        print(said, file=sys.stderr if is_lost else sys.stdout)
    sys.exit(1 if any(is_lost for is_lost, _ in changed) else 0)


if __name__ == "__main__":
    script(main)
