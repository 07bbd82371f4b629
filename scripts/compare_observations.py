"""Every published measurement of an engine beside what the memory model says of it, or why it says nothing."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.observing import comparison_rows, read_observations
from prophet_memory.edge.tables import write_rows


def main(*, observations: list[Path], output: Path) -> None:
    """Compare, write; a row for each figure, by run.

    Args:
        observations: files of config/observations
        output: CSV file
    """
    write_rows(comparison_rows(read_observations(sorted(observations))), output)


if __name__ == "__main__":
    script(main)
