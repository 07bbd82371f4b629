"""The fewest GPUs of each type on which each model fits under each policy, and the KV capacity left there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, points, policies_of, write_rows

KEYS = ("model", "gpu", "batch_size", "routing", "precision", "provision")
VALUES = ("n_gpus", "kv_capacity_tokens", "max_context_tokens", "exceeds_model_context")


def smallest(rows: Sequence[Row]) -> Row | None:
    """The row with the fewest GPUs among those that fit; None where no swept number of GPUs is enough."""
    return min((row for row in rows if row["fit_verdict"] != "does_not_fit"), key=lambda row: int(row["n_gpus"]), default=None)


def described(prefix: str, row: Row | None) -> dict[str, Any]:
    """Its values under names of their own."""
    return {f"{prefix}_{name}": row and row[name] for name in VALUES}


def main(*, data: Path, policies: Path, batch_size: int, output: Path) -> None:
    """Select, compare, write.

    Args:
        data: the long table, Parquet
        policies: policy_catalogue.csv
        output: CSV file
    """
    cells: dict[tuple[Any, ...], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in points(data, keys=(*KEYS, "n_gpus", "policy"), at={"batch_size": batch_size}).to_dicts():
        cells[tuple(row[key] for key in KEYS)][row["policy"]].append(row)
    (baseline, others), found = policies_of(policies), []
    for key in sorted(cells):
        least = smallest(cells[key][baseline["policy"]])
        line = dict(zip(KEYS, key, strict=True)) | described(baseline["policy"], least)
        for policy in (row["policy"] for row in others):
            own = cells[key][policy]
            same = next((row for row in own if least and row["n_gpus"] == least["n_gpus"]), None)
            line |= described(policy, smallest(own))
            line[f"{policy}_kv_capacity_tokens_at_{baseline['policy']}_n_gpus"] = same and same["kv_capacity_tokens"]
        found.append(line)
    write_rows(found, output)


if __name__ == "__main__":
    script(main)
