"""LaTeX table: mean KV extension by expert count, with the configurations that each mean covers and leaves out."""

from __future__ import annotations

from pathlib import Path

from prophet_pipeline.command import script
from prophet_pipeline.files import write_text
from prophet_pipeline.latex import LAW_HEADS, Column, table
from prophet_pipeline.tables import Row, by_key, laws_present
from prophet_pipeline.text import PRECISION_LABELS

OF_ONE_LAW = (
    Column("fits", (3, 0)),
    Column("new", (3, 0)),
    Column("no fit", (3, 0)),
    Column("mean", (2, 2)),
    Column("median", (2, 2)),
    Column("savings", (2, 1)),
)
CAPTION = r"""KV extension by expert count $E$ over all GPUs and batch sizes of the sweep, {precision}. Mean and median cover the
    configurations that fit with and without Prophet; those that only Prophet fits (new) and those that do not fit are counted,
    never averaged. Mean expert savings in percent cover all of them."""


def cells(row: Row) -> list[object]:
    """The columns of one law."""
    counts = [row[f"configurations_{verdict}"] for verdict in ("fits", "newly_fits", "does_not_fit")]
    return [*counts, row["mean_kv_extension"], row["median_kv_extension"], 100 * row["mean_expert_savings_fraction"]]


def main(*, by_experts: Path, precision: str, output: Path) -> None:
    """Read results, write.

    Args:
        by_experts: mean_extension_by_expert_count.csv
        output: .tex file
    """
    found = by_key(by_experts, keys=("experts", "routing"), at={"precision": precision})
    laws, width = laws_present(found.values()), len(OF_ONE_LAW)
    rows = [
        [experts, *(cell for law in laws for cell in cells(found[experts, law]))] for experts in sorted({e for e, _ in found})
    ]
    spans = [(LAW_HEADS[law].capitalize(), 2 + i * width, 1 + (i + 1) * width) for i, law in enumerate(laws)]
    columns = (Column("$E$", (4, 0)), *OF_ONE_LAW * len(laws))
    caption = CAPTION.format(precision=PRECISION_LABELS[precision])
    text = table(columns, rows, caption=caption, label="tab:extension-by-expert-count", spanning_heads=spans, wide=True)
    write_text(output, text)


if __name__ == "__main__":
    script(main)
