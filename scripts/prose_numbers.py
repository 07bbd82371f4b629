"""LaTeX macros: every number that the prose uses, from the results."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_paper.latex import macro
from prophet_paper.prose import prose_numbers
from prophet_paper.queries import Results

HEAD = "% Generated from the results; edits are overwritten. The document loads xspace.\n"


def main(*, results: list[Path], numbers: Path, output: Path) -> None:
    """Ask the results, write.

    Args:
        results: the result tables that queries may name
        numbers: config/numbers.yaml
        output: .tex file
    """
    macros = [macro(name, *number) for name, number in prose_numbers(numbers, Results(results)).items()]
    write_text(output, HEAD + "".join(macros))


if __name__ == "__main__":
    script(main)
