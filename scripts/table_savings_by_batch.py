"""LaTeX table: expert savings by batch size, for each (E, k), under both routing laws."""

from __future__ import annotations

from pathlib import Path

from prophet_pipeline.command import script
from prophet_pipeline.files import write_text
from prophet_pipeline.latex import LAW_HEADS, Column, table, with_group_rules
from prophet_pipeline.tables import Row, by_key, in_paper_order, read_rows
from prophet_pipeline.text import percent

CAPTION = r"""Expert savings $1-U/E$ in percent by batch size $B$, under the source's power law and under the exact uniform law.
    Savings depend on $E/k$ alone; Table~\ref{tab:saturation} names the models of each $(E, k)$. A plain 0 means that every
    expert is needed."""


def main(*, curves: Path, catalogue: Path, batch_sizes: list[int], output: Path) -> None:
    """Read results, write one row per (E, k).

    Args:
        curves: expert_savings_curves.parquet
        catalogue: model_catalogue.csv
        batch_sizes: to show
        output: .tex file
    """
    savings = by_key(curves, keys=("model", "routing", "batch_size"))
    laws, batches = sorted({law for _, law, _ in savings}), sorted(batch_sizes)
    first: dict[tuple[int, int], Row] = {}
    for model in in_paper_order(read_rows(catalogue)):
        first.setdefault((model["experts"], model["top_k"]), model)
    rows: list[tuple[object, list[object]]] = []
    for (experts, top_k), model in first.items():
        cells = [percent(savings[model["model"], law, batch]["expert_savings_fraction"]) for law in laws for batch in batches]
        rows.append((model["expert_count_group"], [experts, top_k, *cells]))
    columns = [Column("$E$", (4, 0)), Column("$k$", (2, 0)), *(Column(str(b), (2, 2)) for _ in laws for b in batches)]
    width = len(batches)
    spans = [(f"{LAW_HEADS[law].capitalize()}, $B={{}}$", 3 + i * width, 2 + (i + 1) * width) for i, law in enumerate(laws)]
    text = table(
        columns,
        with_group_rules(rows),
        caption=CAPTION,
        label="tab:savings-by-batch",
        spanning_heads=spans,
        wide=True,
        column_gap_points=4.5,
    )
    write_text(output, text)


if __name__ == "__main__":
    script(main)
