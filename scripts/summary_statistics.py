"""The table that the source document calls summary statistics: savings and KV extension of a few models and batch sizes."""

from __future__ import annotations

import argparse
from pathlib import Path

from prophet_pipeline.command import run
from prophet_pipeline.tables import points, write_rows

COLUMNS = (
    "model", "gpu", "precision", "routing", "batch_size",
    "distinct_experts", "expert_savings_fraction", "kv_extension", "kv_capacity_tokens", "fit_verdict",
)  # fmt: skip


def main() -> None:
    """Select the rows, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the long table, Parquet")
    parser.add_argument("--gpu", required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--batch-sizes", type=int, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True, help="CSV file")
    args = parser.parse_args()
    at = {"policy": "prophet", "gpu": args.gpu, "precision": args.precision, "n_gpus": 1}
    found = points(args.data, keys=("model", "batch_size", "routing"), at=at).select(COLUMNS).to_dicts()
    rows = [row for row in found if row["model"] in args.models and row["batch_size"] in args.batch_sizes]
    rows.sort(key=lambda row: (row["batch_size"], args.models.index(row["model"]), row["routing"]))
    write_rows(rows, args.output)


if __name__ == "__main__":
    run(main)
