"""LaTeX table: the source document's summary statistics as computed, under each routing law."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, by_key, catalogued, label_of
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_paper.latex import Column, escape, head, table, with_group_rules

OF_ONE_LAW = (Column("savings", (2, 1)), Column("ext.", (1, 2)), Column("", (1, 2), is_pale=True))
CAPTION = r"""Summary statistics on one {gpu}, {precision}: expert savings in percent and the extension of the usable KV
    capacity under each routing law; in grey the extension if sequences could be longer than the model's own maximum, where
    that differs. \emph{{new}}: the model fits with {policy} only, so that no extension is defined; a dash: it does not fit."""


def cells(row: Row) -> list[object]:
    """Savings and usable extension of one law, and the extension without the models' own maximum."""
    usable, beyond = row["usable_kv_extension"], row["kv_extension"]
    extension = "new" if row["fit_verdict"] == "newly_fits" else usable
    return [100 * row["expert_savings_fraction"], extension, "" if usable == beyond else beyond]


def main(
    *, summary: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, policy: str, gpu: str, precision:
    str, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        summary: summary_statistics.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        policy: the one that is shown
        output: .tex file
    """
    names = {slug: row["name"] for slug, row in catalogued(catalogue, "model").items()}
    found: dict[tuple[int, str], dict[str, Row]] = {}
    at = {"gpu": gpu, "precision": precision, "policy": policy}
    for (batch, model, law), row in by_key(summary, keys=("batch_size", "model", "routing"), at=at).items():
        found.setdefault((batch, model), {})[law] = row
    known, width = catalogued(laws, "routing"), len(OF_ONE_LAW)
    rows = [
        (batch, [batch, names[model], *(cell for law in known for cell in cells(by_law[law]))])
        for (batch, model), by_law in found.items()
    ]
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    caption = CAPTION.format(gpu=escape(shown), precision=PRECISION_LABELS[precision], policy=escape(label_of(policies, policy)))
    spans = [(head(law["head"]), 3 + i * width, 2 + (i + 1) * width) for i, law in enumerate(known.values())]
    columns = (Column("Batch", (3, 0)), Column("Model"), *OF_ONE_LAW * len(known))
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
