"""Maximum context per sequence of every configuration that fits, and whether it exceeds the model's own maximum."""

from __future__ import annotations

import argparse
from pathlib import Path

from prophet_pipeline.command import run
from prophet_pipeline.tables import read_rows, write_rows

COLUMNS = (
    "model", "gpu", "n_gpus", "batch_size", "routing", "precision", "policy", "max_context_tokens", "exceeds_model_context",
)  # fmt: skip


def main() -> None:
    """Select, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the long table, Parquet")
    parser.add_argument("--precision", required=True)
    parser.add_argument("--output", type=Path, required=True, help="CSV file")
    args = parser.parse_args()
    rows = read_rows(args.data, COLUMNS, precision=args.precision)
    write_rows([row for row in rows if row["max_context_tokens"] is not None], args.output)


if __name__ == "__main__":
    run(main)
