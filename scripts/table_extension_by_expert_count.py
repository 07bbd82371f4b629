"""LaTeX table: mean KV extension by expert count, with the configurations that each mean covers and leaves out."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, by_key, catalogued, label_of
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.provision import PROVISIONS
from prophet_paper.latex import Column, escape, head, table

OF_ONE_LAW = (
    Column("fits", (3, 0)),
    Column("new", (3, 0)),
    Column("no fit", (3, 0)),
    Column("mean", (2, 2)),
    Column("median", (2, 2)),
    Column("mean", (2, 2), is_pale=True),
    Column("savings", (2, 1)),
)
CAPTION = r"""Extension of the usable KV capacity by expert count $E$ over all GPUs and batch sizes of the sweep,
    {precision}, pools sized for {sized}; in grey the mean if sequences could be longer than the model's own maximum. Mean
    and median cover the configurations that fit with and without {policy}; those that only {policy} fits (new) and those
    that do not fit are counted, never averaged. Mean expert savings in percent cover all of them."""


def cells(row: Row) -> list[object]:
    """The columns of one law."""
    counts = [row[f"configurations_{verdict}"] for verdict in ("fits", "newly_fits", "does_not_fit")]
    usable = [row["mean_usable_kv_extension"], row["median_usable_kv_extension"]]
    return [*counts, *usable, row["mean_kv_extension"], 100 * row["mean_expert_savings_fraction"]]


def main(*, by_experts: Path, laws: Path, policies: Path, policy: str, provision: str, precision: str, output: Path) -> None:
    """Read results, write.

    Args:
        by_experts: mean_extension_by_expert_count.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        policy: the one that was averaged
        output: .tex file
    """
    at = {"precision": precision, "policy": policy, "provision": provision}
    found = by_key(by_experts, keys=("experts", "routing"), at=at)
    known, width = catalogued(laws, "routing"), len(OF_ONE_LAW)
    rows = [
        [experts, *(cell for law in known for cell in cells(found[experts, law]))] for experts in sorted({e for e, _ in found})
    ]
    spans = [(head(law["head"]), 2 + i * width, 1 + (i + 1) * width) for i, law in enumerate(known.values())]
    columns = (Column("$E$", (4, 0)), *OF_ONE_LAW * len(known))
    sized, shown = PROVISIONS[provision].words, escape(label_of(policies, policy))
    caption = CAPTION.format(precision=PRECISION_LABELS[precision], policy=shown, sized=sized)
    text = table(columns, rows, caption=caption, label="tab:extension-by-expert-count", spanning_heads=spans, wide=True)
    write_text(output, text)


if __name__ == "__main__":
    script(main)
