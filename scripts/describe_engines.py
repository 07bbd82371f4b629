"""The engines that config knows: a row for each value of a profile, with its source, and which engine the sweep takes."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import ENGINES_FILE, read_engine_entries
from prophet_memory.edge.tables import write_rows
from prophet_memory.engine import Profile


def main(*, engines: Path = ENGINES_FILE, swept: str, output: Path) -> None:
    """Read config/engines.yaml, write; sorted by name, the values in the order of the profile.

    Args:
        engines: catalogue of engines
        swept: the one that the sweep takes
        output: CSV file
    """
    rows = []
    for name, entry in sorted(read_engine_entries(engines).items()):
        key = {"engine": name, "label": entry.name, "is_swept": name == swept}
        values = asdict(entry)
        for field in fields(Profile):
            if field.name in entry.sources:
                value = {"value": field.name, "setting": json.dumps(values[field.name])}
                rows.append(key | value | {"source": entry.sources[field.name]})
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
