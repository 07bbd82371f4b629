"""How far each law, fitted on half of the measured sequences, is from the distinct experts of the other half."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.counting import measured_errors
from prophet_memory.edge.tables import write_rows
from prophet_memory.routing import LAWS


def main(*, measured: list[Path], output: Path) -> None:
    """Read, take the kind of each law from its name, write.

    Args:
        measured: predictions and measurements, <model>_errors.csv
        output: CSV file
    """
    rows: list[dict[str, Any]] = []
    for file in sorted(measured, key=lambda file: file.stem):
        for row in measured_errors(file):
            (kind,) = (kind for kind in LAWS if str(row["law"]) == kind or str(row["law"]).startswith(f"{kind}_"))
            key = {"model": file.stem.removesuffix("_errors"), "kind": kind, "law": row["law"], "batch_size": int(row["tokens"])}
            error = float(row["predicted"]) / float(row["measured"]) - 1
            rows.append(key | {"predicted": row["predicted"], "measured": row["measured"], "error_fraction": error})
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
