"""LaTeX table: KV capacity and KV extension of every model at the reference GPU and batch size."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name
from prophet_memory.provision import MEAN, PROVISIONS
from prophet_paper.latex import Column, escape, table, with_group_rules
from prophet_paper.provisioned import columns_of_laws, laws_that_differ, usable_extension

BASELINE = (Column("Model"), Column("capacity", (4, 1)))
OF_ONE_LAW = (
    Column("savings", (2, 1)),
    Column("capacity", (4, 1)),
    Column("ext.", (1, 2)),
    Column("", (1, 2), is_pale=True),
)
CAPTION = r"""Usable KV capacity (thousand tokens over the whole batch, no sequence longer than the model's own maximum) and
    its extension on one {gpu} at batch {batch}, {precision}, with {baseline} and with {policy} under each routing law,
    pools sized for {sized}; expert savings in percent. \emph{{mean}}: the extension if pools are sized for the mean. In
    grey: the extension if sequences could be of any length, where that differs. No capacity: the weights leave no room.
    \emph{{new}}: only {policy} fits, so that no ratio is defined. $\dagger$: published in fewer than 16~bits, so that bf16
    is hypothetical."""


def cells(row: Row) -> list[object]:
    """Savings, usable capacity and extension of one law, and the extension without the models' own maximum."""
    capacity = row["usable_kv_capacity_tokens"]
    beyond = "" if row["usable_kv_extension"] == row["kv_extension"] else row["kv_extension"]
    return [100 * row["expert_savings_fraction"], capacity and capacity / 1e3, usable_extension(row), beyond]


def main(
    *, reference: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, policy: str, provision: str,
    gpu: str, batch_size: int, precision: str, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        reference: kv_extension_at_reference.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        policy: the one that was compared
        output: .tex file
    """
    at = {"gpu": gpu, "batch_size": batch_size, "precision": precision, "policy": policy}
    found, at_mean = (by_key(reference, keys=("model", "routing"), at=at | {"provision": one}) for one in (provision, MEAN.name))
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    by_law, (baseline, compared) = catalogued(laws, "routing"), compared_policies(policies, policy)
    spread = laws_that_differ(found, at_mean, provision)
    rows = []
    for m in in_paper_order(read_rows(catalogue)):
        everything = found[m["model"], next(iter(by_law))]["baseline_usable_kv_capacity_tokens"]
        both = [
            cell
            for law in by_law
            for cell in cells(found[m["model"], law]) + ([usable_extension(at_mean[m["model"], law])] if law in spread else [])
        ]
        rows.append(
            (
                m["expert_count_group"],
                [marked_name(m["name"], m["published_precision"], precision), everything and everything / 1e3, *both],
            )
        )
    columns, spans = columns_of_laws(
        BASELINE, by_law, OF_ONE_LAW, spread, lambda law: escape(f"{compared['label']}, {law['head']}")
    )
    spans.insert(0, (escape(baseline["head"]), 2, 2))
    caption = CAPTION.format(
        gpu=escape(shown),
        batch=batch_size,
        precision=PRECISION_LABELS[precision],
        policy=escape(compared["label"]),
        baseline=escape(baseline["label"]),
        sized=PROVISIONS[provision].words,
    )
    text = table(columns, with_group_rules(rows), caption=caption, label="tab:kv-extension", spanning_heads=spans, wide=True)
    write_text(output, text)


if __name__ == "__main__":
    script(main)
