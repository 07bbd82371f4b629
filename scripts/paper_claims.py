"""The paper's own claims: what each number that decides one has to print, and what the results print."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import read_rows, write_rows
from prophet_paper.artifact import judged, read_artifact


def main(*, claims: Path, numbers: Path, output: Path) -> None:
    """Read claims and numbers, compare, write.

    Args:
        claims: config/artifact.yaml
        numbers: prose_numbers.csv
        output: CSV file
    """
    write_rows(judged(read_artifact(claims), read_rows(numbers), claims), output)


if __name__ == "__main__":
    script(main)
