"""The fewest GPUs of each type on which each model fits, all experts resident and with Prophet, and the KV capacity left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prophet_memory.residency import BASELINE_POLICY
from prophet_pipeline.command import script
from prophet_pipeline.tables import Row, points, write_rows

KEYS = ("model", "gpu", "batch_size", "routing", "precision")
VALUES = ("n_gpus", "kv_capacity_tokens", "max_context_tokens", "exceeds_model_context")


def smallest(rows: Sequence[Row]) -> Row | None:
    """The row with the fewest GPUs among those that fit; None where no swept number of GPUs is enough."""
    return min((row for row in rows if row["fit_verdict"] != "does_not_fit"), key=lambda row: int(row["n_gpus"]), default=None)


def described(prefix: str, row: Row | None) -> dict[str, Any]:
    """Its values under names of their own."""
    return {f"{prefix}_{name}": row and row[name] for name in VALUES}


def main(*, data: Path, batch_size: int, output: Path) -> None:
    """Select, compare, write.

    Args:
        data: the long table, Parquet
        output: CSV file
    """
    cells: dict[tuple[Any, ...], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in points(data, keys=(*KEYS, "n_gpus", "policy"), at={"batch_size": batch_size}).to_dicts():
        cells[tuple(row[key] for key in KEYS)][row["policy"]].append(row)
    found = []
    for key in sorted(cells):
        baseline, prophet = (smallest(cells[key][policy]) for policy in (BASELINE_POLICY, "prophet"))
        same = next((r for r in cells[key]["prophet"] if baseline and r["n_gpus"] == baseline["n_gpus"]), None)
        found.append(
            dict(zip(KEYS, key, strict=True))
            | described("all_resident", baseline)
            | described("prophet", prophet)
            | {"prophet_kv_capacity_tokens_at_all_resident_n_gpus": same and same["kv_capacity_tokens"]}
        )
    write_rows(found, output)


if __name__ == "__main__":
    script(main)
