"""LaTeX table: the fewest GPUs on which each model fits, in bf16 and as published, and the KV capacity that they leave."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name
from prophet_memory.provision import PROVISIONS
from prophet_paper.latex import Column, escape, table, with_group_rules

CAPTION = r"""Fewest GPUs (of {counts}) on which each model fits at batch {batch}: {baseline}, {policy} ({law}, pools sized
    for {sized}), and the KV capacity (thousand tokens over the whole batch) that {policy} has on its number. Attention is
    tensor parallel as far as the heads divide and then in pipeline stages, experts are spread over the GPUs of a stage, and
    the fullest rank decides. --: more are needed. \emph{{Published}}: in the precision of the published checkpoint where
    that is not bf16. $\dagger$: published in fewer than 16~bits, so that bf16 is hypothetical."""


def cells(row: Row, baseline: str, policy: str) -> list[object]:
    """Counts and capacity of one model on one GPU type."""
    capacity = row[f"{policy}_kv_capacity_tokens"]
    return [row[f"{baseline}_n_gpus"], row[f"{policy}_n_gpus"], capacity and capacity / 1e3]


def main(
    *, smallest: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, gpus: list[str], n_gpus: list[int],
    batch_size: int, precision: str, routing: str, policy: str, provision: str, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        smallest: smallest_gpu_counts.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        n_gpus: the swept numbers of GPUs
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        output: .tex file
    """
    at = {"batch_size": batch_size, "routing": routing, "provision": provision}
    found = by_key(smallest, keys=("model", "gpu", "precision"), at=at)
    baseline, compared = compared_policies(policies, policy)
    names = catalogued(gpu_catalogue, "gpu")
    rows: list[tuple[object, list[object]]] = []
    for m in in_paper_order(read_rows(catalogue)):
        lines = [(marked_name(m["name"], m["published_precision"], precision), precision)]
        if m["published_precision"] != "bf16" and any(key[2] == "native" for key in found):
            lines.append((f"\u2003published: {PRECISION_LABELS[m['published_precision']]}", "native"))
        for name, stored in lines:
            line = [cell for gpu in gpus for cell in cells(found[m["model"], gpu, stored], baseline["policy"], policy)]
            rows.append((m["expert_count_group"], [name, *line]))
    spans = [(escape(names[gpu]["name"]), 2 + 3 * i, 4 + 3 * i) for i, gpu in enumerate(gpus)]
    caption = CAPTION.format(
        counts=", ".join(map(str, n_gpus)), batch=batch_size, law=escape(catalogued(laws, "routing")[routing]["head"]),
        baseline=escape(baseline["label"]), policy=escape(compared["label"]),
        sized=PROVISIONS[provision].words,
    )  # fmt: skip
    own = (Column(baseline["abbreviation"], (1, 0)), Column(compared["abbreviation"], (1, 0)), Column("tokens", (5, 1)))
    columns = (Column("Model"), *own * len(gpus))
    write_text(
        output,
        table(
            columns,
            with_group_rules(rows),
            caption=caption,
            label="tab:multi-gpu",
            spanning_heads=spans,
            wide=True,
            column_gap_points=8,
        ),
    )


if __name__ == "__main__":
    script(main)
