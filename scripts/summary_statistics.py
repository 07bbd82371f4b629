"""The table that the source document calls summary statistics: savings and KV extension of a few models and batch sizes."""

from __future__ import annotations

import argparse
from pathlib import Path

from prophet_pipeline.command import run
from prophet_pipeline.tables import ONE_GPU, read_rows, write_rows

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
    rows = read_rows(
        args.data, COLUMNS, policy="prophet", gpu=args.gpu, precision=args.precision, model=args.models,
        batch_size=args.batch_sizes, **ONE_GPU,
    )  # fmt: skip
    rows.sort(key=lambda row: (row["batch_size"], args.models.index(row["model"]), row["routing"]))
    write_rows(rows, args.output)


if __name__ == "__main__":
    run(main)
