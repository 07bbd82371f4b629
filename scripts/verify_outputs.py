"""Hold every output against what the workflow wrote; name each that differs and exit 1."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from prophet_pipeline.checksums import differences, recorded
from prophet_pipeline.command import run


def main() -> None:
    """Read the records, hash, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluation", type=Path, default=Path("evaluation"), help="folder with the SHA256SUMS")
    parser.add_argument("--receipts", type=Path, default=Path(".snakemake/receipts"), help="what the jobs of this checkout wrote")
    args = parser.parse_args()
    wrong = list(differences(recorded(args.evaluation, args.receipts)))
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    run(main)
