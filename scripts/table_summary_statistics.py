"""LaTeX table: the source document's summary statistics as computed, under both routing laws."""

from __future__ import annotations

from pathlib import Path

from prophet_pipeline.command import script
from prophet_pipeline.files import write_text
from prophet_pipeline.latex import LAW_HEADS, Column, escape, table, with_group_rules
from prophet_pipeline.tables import Row, by_key, catalogued, laws_present
from prophet_pipeline.text import PRECISION_LABELS

OF_ONE_LAW = (Column("savings", (2, 1)), Column("extension", (1, 2)))
CAPTION = r"""Summary statistics on one {gpu}, {precision}: expert savings in percent and KV extension under each routing law.
    \emph{{new}}: the model fits with Prophet only, so that no extension is defined; a dash: it does not fit."""


def cells(row: Row) -> list[object]:
    """Savings and extension of one law."""
    return [100 * row["expert_savings_fraction"], "new" if row["fit_verdict"] == "newly_fits" else row["kv_extension"]]


def main(*, summary: Path, catalogue: Path, gpu_catalogue: Path, gpu: str, precision: str, output: Path) -> None:
    """Read results, write.

    Args:
        summary: summary_statistics.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        output: .tex file
    """
    names = {slug: row["name"] for slug, row in catalogued(catalogue, "model").items()}
    found: dict[tuple[int, str], dict[str, Row]] = {}
    at = {"gpu": gpu, "precision": precision}
    for (batch, model, law), row in by_key(summary, keys=("batch_size", "model", "routing"), at=at).items():
        found.setdefault((batch, model), {})[law] = row
    laws, width = laws_present(next(iter(found.values())).values()), len(OF_ONE_LAW)
    rows = [
        (batch, [batch, names[model], *(cell for law in laws for cell in cells(by_law[law]))])
        for (batch, model), by_law in found.items()
    ]
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    caption = CAPTION.format(gpu=escape(shown), precision=PRECISION_LABELS[precision])
    spans = [(LAW_HEADS[law].capitalize(), 3 + i * width, 2 + (i + 1) * width) for i, law in enumerate(laws)]
    columns = (Column("Batch", (3, 0)), Column("Model"), *OF_ONE_LAW * len(laws))
    text = table(
        columns,
        with_group_rules(rows),
        caption=caption,
        label="tab:summary-statistics",
        spanning_heads=spans,
        column_gap_points=4.5,
    )
    write_text(output, text)


if __name__ == "__main__":
    script(main)
