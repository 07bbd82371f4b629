"""Hold every output that a SHA256SUMS lists against what the workflow wrote; name each that differs and exit 1."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from prophet_pipeline.checksums import differences
from prophet_pipeline.command import run
from prophet_pipeline.files import RECEIPTS


def main() -> None:
    """Read the records, hash, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sums", type=Path, nargs="+", help="SHA256SUMS files")
    parser.add_argument("--receipts", type=Path, default=Path(RECEIPTS), help="what the jobs of this checkout wrote")
    parser.add_argument("--whole", action="store_true", help="a missing output is a difference, too")
    parser.add_argument("--remedy", default="make paper FORCE=1", help="what writes them again")
    args = parser.parse_args()
    wrong = [line for sums in args.sums for line in differences(sums, args.receipts, whole=args.whole)]
    if wrong:
        print(
            *wrong,
            f"{len(wrong)} outputs are not what the workflow wrote; {args.remedy} writes them again",
            sep="\n",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    run(main)
