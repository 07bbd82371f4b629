"""The table that the source document calls summary statistics: savings and KV extension of a few models and batch sizes."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import points, write_rows

COLUMNS = (
    "model", "gpu", "precision", "routing", "policy", "provision",
    "batch_size",
    "distinct_experts", "expert_savings_fraction", "kv_extension", "usable_kv_extension", "kv_capacity_tokens",
    "usable_kv_capacity_tokens", "fit_verdict",
)  # fmt: skip


def main(*, data: Path, policy: str, gpu: str, precision: str, models: list[str], batch_sizes: list[int], output: Path) -> None:
    """Select the rows, write.

    Args:
        data: the long table, Parquet
        output: CSV file
    """
    at = {"policy": policy, "gpu": gpu, "precision": precision, "n_gpus": 1}
    found = points(data, keys=("model", "batch_size", "routing", "provision"), at=at).select(COLUMNS).to_dicts()
    rows = [row for row in found if row["model"] in models and row["batch_size"] in batch_sizes]
    rows.sort(key=lambda row: (row["batch_size"], models.index(row["model"]), row["routing"], row["provision"]))
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
