"""The GPUs of the sweep as a result table: every attribute that they have."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import GPUS_FILE, read_gpus
from prophet_memory.edge.tables import write_rows


def main(*, gpus: Path = GPUS_FILE, names: list[str], output: Path) -> None:
    """Read config/gpus.yaml, write the swept entries; sorted by name.

    Args:
        gpus: catalogue of GPUs
        names: entries to keep
        output: CSV file
    """
    entries = read_gpus(gpus)
    rows = [asdict(entries[name]) for name in sorted(names)]
    write_rows([{"gpu": row.pop("name"), "name": row.pop("label"), **row} for row in rows], output)


if __name__ == "__main__":
    script(main)
