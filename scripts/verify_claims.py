"""Print the verdict on every claim; exit 1 if a claim that the ledger pins as reproduced no longer is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from prophet_pipeline.command import ConfigurationError, run
from prophet_pipeline.latex import LAW_HEADS
from prophet_pipeline.tables import read_rows

MARKS = {"reproduced": "yes", "not_reproduced": "no", "not_testable": "-"}


def main() -> None:
    """Read, print, compare with what is pinned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=Path, required=True, help="claims.csv")
    args = parser.parse_args()
    if not args.claims.exists():
        message = f'{args.claims}: file: "missing"; allowed: the judged claims, which `make paper` writes'
        raise ConfigurationError(message)
    claims = read_rows(args.claims)
    lost: list[str] = []
    changed: list[str] = []
    print(f"{'claim':32} {'claimed':20} {'power law':>18} {'':3} {'uniform law':>18} {'':3}  why not")
    for claim in claims:
        cells = " ".join(f"{claim[f'computed_{law}'] or '':>18} {MARKS[claim[f'verdict_{law}']]:3}" for law in LAW_HEADS)
        print(f"{claim['claim']:32} {claim['claimed'][:20]:20} {cells}  {claim['reason'] or ''}".rstrip())
        for law, name in LAW_HEADS.items():
            verdict, expected = claim[f"verdict_{law}"], claim[f"expected_{law}"]
            if verdict != expected:
                (lost if expected == "reproduced" else changed).append(f"{claim['claim']} ({name}): {expected} -> {verdict}")
    for law, name in LAW_HEADS.items():
        counts = [sum(claim[f"verdict_{law}"] == verdict for claim in claims) for verdict in MARKS]
        print(f"{name}: {counts[0]} reproduced, {counts[1]} not reproduced, {counts[2]} not testable here, of {len(claims)}")
    for line in changed:
        print(f"now reproduced, pinned otherwise: {line}")
    for line in lost:
        print(f"no longer reproduced: {line}", file=sys.stderr)
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    run(main)
