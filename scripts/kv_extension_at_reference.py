"""KV extension of every model at the paper's reference GPU and batch size, with what fits and what does not."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import by_key, policies_of, write_rows

KEYS = ("model", "gpu", "batch_size", "precision", "routing", "provision")
PINNED = {"n_gpus": 1}
VALUES = (
    "expert_savings_fraction", "free_for_kv_bytes", "kv_capacity_tokens", "usable_kv_capacity_tokens", "max_context_tokens",
    "kv_extension", "usable_kv_extension", "fit_verdict", "exceeds_model_context",
)  # fmt: skip


def main(*, data: Path, policies: Path, policy: str, gpu: str, batch_size: int, output: Path) -> None:
    """Select the rows, put the baseline's beside the policy's, write.

    Args:
        data: the long table, Parquet
        policies: policy_catalogue.csv
        policy: compared with the baseline
        output: CSV file
    """
    rows, baseline = (
        by_key(data, keys=KEYS, at=PINNED | {"gpu": gpu, "batch_size": batch_size, "policy": one})
        for one in (policy, policies_of(policies)[0]["policy"])
    )
    paired = []
    for key, row in rows.items():
        both = {
            "baseline_free_for_kv_bytes": baseline[key]["free_for_kv_bytes"],
            "baseline_kv_capacity_tokens": baseline[key]["kv_capacity_tokens"],
            "baseline_usable_kv_capacity_tokens": baseline[key]["usable_kv_capacity_tokens"],
        }
        paired.append({name: row[name] for name in (*KEYS, "policy")} | both | {name: row[name] for name in VALUES})
    write_rows(paired, output)


if __name__ == "__main__":
    script(main)
