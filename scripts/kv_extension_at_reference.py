"""KV extension of every model at the paper's reference GPU and batch size, with what fits and what does not."""

from __future__ import annotations

import argparse
from pathlib import Path

from prophet_memory.residency import BASELINE_POLICY
from prophet_pipeline.command import run
from prophet_pipeline.tables import by_key, write_rows

KEYS = ("model", "gpu", "batch_size", "precision", "routing")
PINNED = {"n_gpus": 1}
VALUES = (
    "expert_savings_fraction", "free_for_kv_bytes", "kv_capacity_tokens", "max_context_tokens", "kv_extension",
    "fit_verdict", "exceeds_model_context",
)  # fmt: skip


def main() -> None:
    """Select the rows, put the baseline's beside Prophet's, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the long table, Parquet")
    parser.add_argument("--gpu", required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="CSV file")
    args = parser.parse_args()
    rows, baseline = (
        by_key(args.data, keys=KEYS, at=PINNED | {"gpu": args.gpu, "batch_size": args.batch_size, "policy": policy})
        for policy in ("prophet", BASELINE_POLICY)
    )
    paired = []
    for key, row in rows.items():
        both = {
            "baseline_free_for_kv_bytes": baseline[key]["free_for_kv_bytes"],
            "baseline_kv_capacity_tokens": baseline[key]["kv_capacity_tokens"],
        }
        paired.append({name: row[name] for name in KEYS} | both | {name: row[name] for name in VALUES})
    write_rows(paired, args.output)


if __name__ == "__main__":
    run(main)
