"""The engines that config knows as a table, and which of them the sweep takes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import ENGINES_FILE, read_engines
from prophet_memory.edge.tables import write_rows


def main(*, engines: Path = ENGINES_FILE, swept: str, output: Path) -> None:
    """Read config/engines.yaml, write; sorted by name.

    Args:
        engines: catalogue of engines
        swept: the one that the sweep takes
        output: CSV file
    """
    made = [engine for _, engine in sorted(read_engines(engines).items())]
    keys = [{"engine": one.name, "is_swept": one.name == swept, "label": one.label} for one in made]
    write_rows(
        [key | {name: v for name, v in asdict(one).items() if name != "name"} for key, one in zip(keys, made, strict=True)],
        output,
    )


if __name__ == "__main__":
    script(main)
