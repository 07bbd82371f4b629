"""The engines that config knows as a table, and which of them the sweep takes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from prophet_memory.engine import engine_from_mapping
from prophet_pipeline.command import script
from prophet_pipeline.configuration import ENGINES_FILE, read_engines
from prophet_pipeline.tables import write_rows


def main(*, engines: Path = ENGINES_FILE, swept: str, output: Path) -> None:
    """Read config/engines.yaml, write; sorted by name.

    Args:
        engines: catalogue of engines
        swept: the one that the sweep takes
        output: CSV file
    """
    made = [engine_from_mapping(name, entry) for name, entry in sorted(read_engines(engines).items())]
    rows = [asdict(one) for one in made]
    write_rows(
        [{"engine": row.pop("name"), "is_swept": one.name == swept, **row} for one, row in zip(made, rows, strict=True)], output
    )


if __name__ == "__main__":
    script(main)
