"""SHA-256 of every committed result, in the format of `sha256sum --check`."""

from __future__ import annotations

import argparse
from pathlib import Path

from prophet_pipeline.command import run
from prophet_pipeline.files import sha256, write_text


def main() -> None:
    """Hash, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", help="files beside the output")
    parser.add_argument("--output", type=Path, required=True, help="SHA256SUMS")
    args = parser.parse_args()
    lines = [f"{sha256(file)}  {file.relative_to(args.output.parent)}\n" for file in sorted(args.results)]
    write_text(args.output, "".join(lines))


if __name__ == "__main__":
    run(main)
