"""LaTeX table: expert savings by batch size, for each (E, k), under each routing law."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import by_key, catalogued, in_paper_order, read_rows
from prophet_memory.edge.text import percent
from prophet_memory.provision import PROVISIONS
from prophet_paper.latex import Column, head, table, with_group_rules

CAPTION = r"""Expert savings in percent by batch size $B$, under each routing law, pools sized for {sized}.
    Table~\ref{{tab:saturation}} names the models of each $(E, k)$. A plain 0 means that every expert is needed."""


def main(*, curves: Path, catalogue: Path, laws: Path, provision: str, batch_sizes: list[int], output: Path) -> None:
    """Read results, write one row per (E, k).

    Args:
        curves: expert_savings_curves.parquet
        catalogue: model_catalogue.csv
        provision: what resident pools are sized for
        batch_sizes: to show
        laws: law_catalogue.csv
        output: .tex file
    """
    savings = by_key(curves, keys=("model", "routing", "batch_size"), at={"provision": provision})
    known, batches = catalogued(laws, "routing"), sorted(batch_sizes)
    rows: dict[tuple[object, ...], object] = {}  # a law that tells models of one (E, k) apart has a line for each
    for model in in_paper_order(read_rows(catalogue)):
        cells = [percent(savings[model["model"], law, batch]["expert_savings_fraction"]) for law in known for batch in batches]
        rows.setdefault((model["experts"], model["top_k"], *cells), model["expert_count_group"])
    columns = [Column("$E$", (4, 0)), Column("$k$", (2, 0)), *(Column(str(b), (2, 2)) for _ in known for b in batches)]
    heads, width = [head(law["head"]) for law in known.values()], len(batches)
    spans = [(f"{head}, $B={{}}$", 3 + i * width, 2 + (i + 1) * width) for i, head in enumerate(heads)]
    text = table(
        columns,
        with_group_rules((group, line) for line, group in rows.items()),
        caption=CAPTION.format(sized=PROVISIONS[provision].words),
        label="tab:savings-by-batch",
        spanning_heads=spans,
        wide=True,
        column_gap_points=4.5,
    )
    write_text(output, text)


if __name__ == "__main__":
    script(main)
