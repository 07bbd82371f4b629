"""What a chunk of a prompt does to each model: experts that it activates, and what of them crosses the host link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import script
from prophet_memory.edge.tables import by_key, catalogued, in_paper_order, read_rows, write_rows
from prophet_paper.laws import laws_of


def main(
    *, data: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policy: str, provision: str, gpu: str, batch_size: int,
    precision: str, routing: str, chunk_tokens: list[int], output: Path,
) -> None:  # fmt: skip
    """Read results, evaluate the law at each chunk, write.

    Of a chunk's experts as many can be resident as the pool has slots; the others must be fetched, whatever is predicted.

    Args:
        data: the long table, Parquet
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policy: that keeps the pool
        provision: what the pool is sized for, at that batch
        chunk_tokens: of a step while a prompt is read
        output: CSV file
    """
    at = {
        "policy": policy, "provision": provision, "gpu": gpu, "n_gpus": 1, "batch_size": batch_size, "precision": precision,
        "routing": routing,
    }  # fmt: skip
    found, law = by_key(data, keys=("model",), at=at), next(one for one in laws_of(laws) if one.name == routing)
    link = catalogued(gpu_catalogue, "gpu")[gpu]["host_link_effective_bandwidth_bytes_per_s"]
    rows: list[dict[str, Any]] = []
    for model in in_paper_order(read_rows(catalogue)):
        if model["cross_bytes_per_source_token"]:  # an encoder reads the whole prompt at once
            continue
        own = found[(model["model"],)]
        slots, bound = (
            own["resident_experts_per_layer"],
            law.bind(MoE(model["experts"], model["top_k"], expert_intermediate_size=1)),
        )
        for tokens in sorted(chunk_tokens):
            activated = float(bound.mean(tokens))
            each = own["resident_expert_bytes"] / slots  # one expert of every layer
            missing = max(0.0, activated - slots) * each
            rows.append({
                "model": model["model"], **at, "chunk_tokens": tokens, "resident_experts_per_layer": slots,
                "activated_experts": activated, "activated_fraction": activated / model["experts"],
                "activated_bytes": activated * each, "fetched_bytes": missing,
                "host_link_bytes_per_s": link, "fetch_s": missing / link,
            })  # fmt: skip
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
