"""The hit rates of caches of experts as one table: of the measured routing, and what others published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.counting import measured_hits, published_hits
from prophet_memory.edge.tables import write_rows

MEASURED, PUBLISHED, STATED = "measured", "published", "no"


def main(*, measured: list[Path], published: Path, output: Path) -> None:
    """Read both, write.

    Args:
        measured: hit rates of measured routing, <model>_caches.csv
        published: config/routing/published/hit_rates.csv
        output: CSV file
    """
    rows: list[dict[str, Any]] = []
    for file in sorted(measured, key=lambda file: file.stem):
        for row in measured_hits(file):
            key = {"origin": MEASURED, "model": file.stem.removesuffix("_caches"), "policy": row["policy"], "start": row["start"]}
            own = {name: row[name] for name in ("resident_fraction", "hit_rate", "lowest_layer", "highest_layer")}
            said = {"residency_is_stated": True, "what": None, "source": None}
            rows.append(key | {"batch_size": int(row["batch"])} | own | said)
    rows += [
        {
            "origin": PUBLISHED, "model": row["model"], "policy": row["kind"], "start": None, "batch_size": 1,
            "resident_fraction": row["resident_fraction"], "hit_rate": row["hit_rate"], "lowest_layer": None,
            "highest_layer": None, "residency_is_stated": row["inferred"] == STATED, "what": row["what"], "source": row["source"],
        }
        for row in published_hits(published)
    ]  # fmt: skip
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
