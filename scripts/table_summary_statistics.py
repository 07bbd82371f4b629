"""LaTeX table: the source document's summary statistics as computed, under each routing law."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, by_key, catalogued, label_of
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.provision import MEAN, PROVISIONS
from prophet_paper.latex import Column, escape, head, table, with_group_rules
from prophet_paper.provisioned import columns_of_laws, laws_that_differ, usable_extension

OF_ONE_LAW = (Column("savings", (2, 1)), Column("ext.", (1, 2)), Column("", (1, 2), is_pale=True))
CAPTION = r"""Summary statistics on one {gpu}, {precision}: expert savings in percent and the extension of the usable KV
    capacity under each routing law, pools sized for {sized} (\emph{{mean}}: for the mean); in grey the extension if
    sequences could be longer than the model's own maximum, where that differs. \emph{{new}}: the model fits with {policy}
    only, so that no extension is defined; a dash: it does not fit."""


def cells(row: Row) -> list[object]:
    """Savings and usable extension of one law, and the extension without the models' own maximum."""
    usable, beyond = row["usable_kv_extension"], row["kv_extension"]
    return [100 * row["expert_savings_fraction"], usable_extension(row), "" if usable == beyond else beyond]


def main(
    *, summary: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, policy: str, provision: str,
    gpu: str, precision: str, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        summary: summary_statistics.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        policy: the one that is shown
        output: .tex file
    """
    names = {slug: row["name"] for slug, row in catalogued(catalogue, "model").items()}
    at = {"gpu": gpu, "precision": precision, "policy": policy}
    found, at_mean = (
        by_key(summary, keys=("batch_size", "model", "routing"), at=at | {"provision": one}) for one in (provision, MEAN.name)
    )
    known = catalogued(laws, "routing")
    spread = laws_that_differ(found, at_mean, provision)

    def of_law(*key: Any) -> list[object]:  # noqa: ANN401 - values of any column
        return cells(found[key]) + ([usable_extension(at_mean[key])] if key[2] in spread else [])

    rows = [
        (batch, [batch, names[model], *(cell for law in known for cell in of_law(batch, model, law))])
        for batch, model in dict.fromkeys(key[:2] for key in found)
    ]
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    caption = CAPTION.format(
        gpu=escape(shown), precision=PRECISION_LABELS[precision], policy=escape(label_of(policies, policy)),
        sized=PROVISIONS[provision].words,
    )  # fmt: skip
    first = (Column("Batch", (3, 0)), Column("Model"))
    columns, spans = columns_of_laws(first, known, OF_ONE_LAW, spread, lambda law: head(law["head"]))
    text = table(
        columns,
        with_group_rules(rows),
        caption=caption,
        label="tab:summary-statistics",
        spanning_heads=spans,
        wide=True,
    )
    write_text(output, text)


if __name__ == "__main__":
    script(main)
