"""LaTeX table: KV capacity and KV extension of every model at the reference GPU and batch size."""

from __future__ import annotations

from pathlib import Path

from prophet_pipeline.command import script
from prophet_pipeline.files import write_text
from prophet_pipeline.latex import LAW_HEADS, Column, escape, table, with_group_rules
from prophet_pipeline.tables import Row, by_key, catalogued, in_paper_order, laws_present, read_rows
from prophet_pipeline.text import PRECISION_LABELS, marked_name

BASELINE = (Column("Model"), Column("capacity", (4, 1)))
OF_ONE_LAW = (Column("savings", (2, 1)), Column("capacity", (4, 1)), Column("extension", (1, 2)))
CAPTION = r"""KV capacity (thousand tokens over the whole batch) and KV extension on one {gpu} at batch {batch}, {precision},
    with all experts resident and with Prophet under each routing law; expert savings in percent. No capacity: the weights
    leave no room. \emph{{new}}: only Prophet fits, so that no ratio is defined. $\dagger$: published in fewer than 16~bits, so
    that bf16 is hypothetical."""


def cells(row: Row) -> list[object]:
    """Savings, capacity and extension of one law."""
    capacity = row["kv_capacity_tokens"]
    extension = "new" if row["fit_verdict"] == "newly_fits" else row["kv_extension"]
    return [100 * row["expert_savings_fraction"], capacity and capacity / 1e3, extension]


def main(
    *, reference: Path, catalogue: Path, gpu_catalogue: Path, gpu: str, batch_size: int, precision: str, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        reference: kv_extension_at_reference.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        output: .tex file
    """
    at = {"gpu": gpu, "batch_size": batch_size, "precision": precision}
    found = by_key(reference, keys=("model", "routing"), at=at)
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    laws = laws_present(found.values())
    rows = []
    for m in in_paper_order(read_rows(catalogue)):
        baseline = found[m["model"], laws[0]]["baseline_kv_capacity_tokens"]
        both = [cell for law in laws for cell in cells(found[m["model"], law])]
        rows.append(
            (
                m["expert_count_group"],
                [marked_name(m["name"], m["published_precision"], precision), baseline and baseline / 1e3, *both],
            )
        )
    width = len(OF_ONE_LAW)
    spans = [(f"Prophet, {LAW_HEADS[law]}", 3 + i * width, 2 + (i + 1) * width) for i, law in enumerate(laws)]
    spans.insert(0, ("All resident", 2, 2))
    columns = (*BASELINE, *OF_ONE_LAW * len(laws))
    caption = CAPTION.format(gpu=escape(shown), batch=batch_size, precision=PRECISION_LABELS[precision])
    text = table(columns, with_group_rules(rows), caption=caption, label="tab:kv-extension", spanning_heads=spans, wide=True)
    write_text(output, text)


if __name__ == "__main__":
    script(main)
