"""SHA-256 of every committed output, in the format of `sha256sum --check`; refuses what no job wrote."""

from __future__ import annotations

import sys
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import REMEDY, write_text
from prophet_paper.checksums import lines_of, not_written_here, read_sums


def main(*, outputs: list[Path], receipts: Path | None = None, output: Path) -> None:
    """Compare with the receipts, hash, write.

    Args:
        outputs: files, named from the folder of the checkout
        receipts: folder in which jobs left the digest of what they wrote; default: unchecked
        output: SHA256SUMS; what it says stands in for missing receipts
    """
    known = read_sums(output) if output.is_file() else {}
    if receipts is not None and (wrong := list(not_written_here(outputs, receipts, known))):
        print(*wrong, f"{len(wrong)} outputs are not what jobs wrote: {REMEDY}", sep="\n", file=sys.stderr)
        sys.exit(1)
    write_text(output, lines_of(output, outputs))


if __name__ == "__main__":
    script(main)
