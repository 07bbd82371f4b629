"""LaTeX table: the fewest GPUs on which each model fits, in bf16 and as published, and the KV capacity that they leave."""

from __future__ import annotations

from pathlib import Path

from prophet_pipeline.command import script
from prophet_pipeline.files import write_text
from prophet_pipeline.latex import LAW_HEADS, Column, escape, table, with_group_rules
from prophet_pipeline.tables import Row, by_key, catalogued, in_paper_order, read_rows
from prophet_pipeline.text import PRECISION_LABELS, marked_name

LAW = "uniform"
COLUMNS = (Column("all", (1, 0)), Column("Prophet", (1, 0)), Column("tokens", (5, 1)))
CAPTION = r"""Fewest GPUs (of {counts}) on which each model fits at batch {batch}: all experts resident, Prophet ({law}), and
    the KV capacity (thousand tokens over the whole batch) that Prophet has on its number. Attention is tensor parallel as far
    as the heads divide, experts are spread over all GPUs, and the fullest rank decides. --: more are needed.
    \emph{{Published}}: in the precision of the published checkpoint where that is not bf16. $\dagger$: published in fewer than
    16~bits, so that bf16 is hypothetical."""


def cells(row: Row) -> list[object]:
    """Counts and capacity of one model on one GPU type."""
    capacity = row["prophet_kv_capacity_tokens"]
    return [row["all_resident_n_gpus"], row["prophet_n_gpus"], capacity and capacity / 1e3]


def main(
    *, smallest: Path, catalogue: Path, gpu_catalogue: Path, gpus: list[str], n_gpus: list[int], batch_size: int, precision:
    str, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        smallest: smallest_gpu_counts.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        n_gpus: the swept numbers of GPUs
        output: .tex file
    """
    found = by_key(smallest, keys=("model", "gpu", "precision", "routing"), at={"batch_size": batch_size})
    law = LAW if any(key[-1] == LAW for key in found) else next(iter(found))[-1]
    names = catalogued(gpu_catalogue, "gpu")
    rows: list[tuple[object, list[object]]] = []
    for m in in_paper_order(read_rows(catalogue)):
        lines = [(marked_name(m["name"], m["published_precision"], precision), precision)]
        if m["published_precision"] != "bf16" and any(key[2] == "native" for key in found):
            lines.append((f"\u2003published: {PRECISION_LABELS[m['published_precision']]}", "native"))
        for name, stored in lines:
            own = [cell for gpu in gpus for cell in cells(found[m["model"], gpu, stored, law])]
            rows.append((m["expert_count_group"], [name, *own]))
    spans = [(escape(names[gpu]["name"]), 2 + 3 * i, 4 + 3 * i) for i, gpu in enumerate(gpus)]
    caption = CAPTION.format(counts=", ".join(map(str, n_gpus)), batch=batch_size, law=LAW_HEADS[law])
    columns = (Column("Model"), *COLUMNS * len(gpus))
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
