"""SHA-256 of every committed output, in the format of `sha256sum --check`; refuses what no job wrote."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from prophet_pipeline.checksums import lines_of, not_written_here, read_sums
from prophet_pipeline.command import run
from prophet_pipeline.files import REMEDY, write_text


def main() -> None:
    """Compare with the receipts, hash, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outputs", type=Path, nargs="+", help="files, named from the folder of the checkout")
    parser.add_argument(
        "--receipts", type=Path, help="folder in which jobs left the digest of what they wrote; default: unchecked"
    )
    parser.add_argument("--output", type=Path, required=True, help="SHA256SUMS; what it says stands in for missing receipts")
    args = parser.parse_args()
    known = read_sums(args.output) if args.output.is_file() else {}
    if args.receipts is not None and (wrong := list(not_written_here(args.outputs, args.receipts, known))):
        print(*wrong, f"{len(wrong)} outputs are not what jobs wrote: {REMEDY}", sep="\n", file=sys.stderr)
        sys.exit(1)
    write_text(args.output, lines_of(args.output, args.outputs))


if __name__ == "__main__":
    run(main)
