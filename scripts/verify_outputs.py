"""Hold every output that a SHA256SUMS lists against what the workflow wrote; name each that differs and exit 1."""

from __future__ import annotations

import sys
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import RECEIPTS
from prophet_paper.checksums import differences


def main(*, sums: list[Path], receipts: Path = Path(RECEIPTS), whole: bool = False, remedy: str = "make paper FORCE=1") -> None:
    """Read the records, hash, compare.

    Args:
        sums: SHA256SUMS files
        receipts: what the jobs of this checkout wrote
        whole: a missing output is a difference, too
        remedy: what writes them again
    """
    wrong = [line for file in sums for line in differences(file, receipts, whole=whole)]
    which = "outputs are" if len(wrong) > 1 else "output is"
    if wrong:
        print(
            *wrong,
            f"{len(wrong)} {which} not what the workflow wrote; {remedy} writes all of them again",
            sep="\n",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    script(main)
