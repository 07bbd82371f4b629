"""LaTeX macros: every number that the prose uses, from the results."""

from __future__ import annotations

import argparse
from pathlib import Path

from prophet_pipeline.command import run
from prophet_pipeline.files import write_text
from prophet_pipeline.latex import macro
from prophet_pipeline.prose import prose_numbers
from prophet_pipeline.queries import Results

HEAD = "% Generated from the results; edits are overwritten. The document loads xspace.\n"


def main() -> None:
    """Ask the results, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", help="the result tables that queries may name")
    parser.add_argument("--numbers", type=Path, required=True, help="config/numbers.yaml")
    parser.add_argument("--power-law-exponent", required=True)
    parser.add_argument("--output", type=Path, required=True, help=".tex file")
    args = parser.parse_args()
    macros = [macro("PowerLawExponent", args.power_law_exponent, "")]
    macros += [macro(name, *number) for name, number in prose_numbers(args.numbers, Results(args.results)).items()]
    write_text(args.output, HEAD + "".join(macros))


if __name__ == "__main__":
    run(main)
