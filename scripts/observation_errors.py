"""How far the memory model is from what engines printed, by engine and component, and which run is worst."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import read_rows, write_rows
from prophet_memory.observations import error_rows


def main(*, observations: Path, output: Path) -> None:
    """Summarise, write.

    Args:
        observations: observations.csv
        output: CSV file
    """
    write_rows(error_rows(read_rows(observations)), output)


if __name__ == "__main__":
    script(main)
