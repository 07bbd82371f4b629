"""Every number that the prose uses, from the results: a table, and LaTeX macros."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import write_rows
from prophet_paper.latex import macro
from prophet_paper.prose import prose_numbers
from prophet_paper.queries import Results

HEAD = "% Generated from the results; edits are overwritten. The document loads xspace.\n"


def main(*, results: list[Path], profile_results: list[Path], numbers: Path, macros: Path, output: Path) -> None:
    """Ask the results, write.

    Args:
        results: the result tables that queries may name
        profile_results: those of them that were computed under an engine's profile, too
        numbers: config/numbers.yaml
        macros: .tex file
        output: .csv file
    """
    rows = prose_numbers(numbers, Results(results), Results(results, profile_results))
    write_rows(rows, output)
    write_text(macros, HEAD + "".join(macro(row["number"], row["text"], row["unit"] or "") for row in rows))


if __name__ == "__main__":
    script(main)
