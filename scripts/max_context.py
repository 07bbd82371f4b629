"""Maximum context per sequence of every configuration that fits, and whether it exceeds the model's own maximum."""

from __future__ import annotations

import argparse
from pathlib import Path

from prophet_memory.axes import KEYS
from prophet_pipeline.command import run
from prophet_pipeline.tables import points, write_table

VALUES = ("max_context_tokens", "exceeds_model_context")


def main() -> None:
    """Select, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the long table, Parquet")
    parser.add_argument("--precision", required=True)
    parser.add_argument("--output", type=Path, required=True, help="CSV file")
    args = parser.parse_args()
    kept = [key for key in KEYS if key != "precision"]
    found = points(args.data, keys=kept, at={"precision": args.precision}).select(*KEYS, *VALUES)
    write_table(found.drop_nulls("max_context_tokens"), args.output)


if __name__ == "__main__":
    run(main)
