"""LaTeX table: the batch size at which every expert is needed, by (E, k) and routing law."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from prophet_pipeline.command import script
from prophet_pipeline.files import write_text
from prophet_pipeline.latex import Column, table, with_group_rules
from prophet_pipeline.tables import Row, read_rows

COLUMNS = (
    Column("$E$", (4, 0)),
    Column("$k$", (2, 0)),
    Column("$(E/k)^{1/\\beta}$", (4, 1)),
    Column("first swept", (3, 0)),
    Column("99\\,\\%", (4, 1)),
    Column("99\\,\\%", (4, 1)),
    Column("Models"),
)
SHOWN = (
    "power_law_saturation_batch",
    "power_law_first_swept_saturated_batch",
    "power_law_batch_99_percent",
    "uniform_batch_99_percent",
)
CAPTION = r"""Saturation batches. The power law reaches all $E$ experts at $(E/k)^{{1/\beta}}$, $\beta={exponent}$; the first
    swept batch size past that; and where each law reaches 99\,\% of $E$. The exact uniform law approaches $E$ and never reaches
    it."""


def main(*, saturation: Path, power_law_exponent: float, output: Path) -> None:
    """Read results, write one row per (E, k).

    Args:
        saturation: saturation_batches.csv
        output: .tex file
    """
    together: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in read_rows(saturation):
        together[row["experts"], row["top_k"]].append(row)
    rows: list[tuple[object, list[object]]] = []
    for (experts, top_k), members in sorted(together.items(), key=lambda item: (item[0][0], -item[0][1])):
        first = members[0]
        names = ", ".join(m["name"] for m in members)
        line = [experts, top_k, *(first[column] for column in SHOWN), names]
        rows.append((first["expert_count_group"], line))
    spans = (("Power law", 3, 5), ("Uniform", 6, 6))
    caption = CAPTION.format(exponent=power_law_exponent)
    text = table(COLUMNS, with_group_rules(rows), caption=caption, label="tab:saturation", spanning_heads=spans, wide=True)
    write_text(output, text)


if __name__ == "__main__":
    script(main)
