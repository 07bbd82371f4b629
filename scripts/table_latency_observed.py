"""LaTeX table: bounds on steps beside what others measured, by source."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from statistics import median

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, read_rows
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.residency import BASELINE, residency_policy
from prophet_paper.latex import Column, long_table, with_group_rules

MS, GB = 1e3, 1e9
CAPTION = r"""Published decode speeds with experts outside GPU memory, beside the bound that bandwidths leave: ms of a step as
    measured and at least; their ratio at the most GB/s that source or hardware allow, at those that the source says (in
    parentheses), and with the fixed costs of engines. GB/s: of the host link, or of the host's memory where it computes the
    experts. The bound lies above no measurement. Medians: {plain} without, {fixed} with fixed costs.
    $\dagger$: doubtful, see the data."""
COLUMNS = (
    Column("Model"), Column("Weights"), Column("Engine"), Column("Policy"), Column("GB/s"), Column("measured", (3, 1)),
    Column("bound", (3, 1)), Column("ratio", (2, 2)), Column("stated", (2, 2)), Column("fixed", (2, 2)),
)  # fmt: skip


def main(*, observed: Path, output: Path) -> None:
    """Read results, write.

    Args:
        observed: latency_observed.csv
        output: .tex file
    """
    rows = [row for row in read_rows(observed) if row["policy"] != BASELINE.name]
    each = groupby(rows, key=lambda row: row["source"])
    grouped = [(source, line(row)) for source, own in each for row in own]
    middles = {
        key: median(row[column] for row in rows) for key, column in (("plain", "ratio"), ("fixed", "ratio_with_fixed_costs"))
    }
    caption = CAPTION.format(**{key: rf"\ensuremath{{{value:.2f}\times}}" for key, value in middles.items()})
    text = long_table(COLUMNS, with_group_rules(grouped), caption=caption, label="tab:latency-observed",
                 column_gap_points=3, size="scriptsize")  # fmt: skip
    write_text(output, text)


def line(row: Row) -> list[object]:
    """A run."""
    least, most = (
        None if value is None else f"{value / GB:.0f}" for value in (row["least_bytes_per_s"], row["most_bytes_per_s"])
    )
    return [
        row["name"] + ("†" if row["doubt"] else ""), PRECISION_LABELS.get(row["weights"], row["weights"]), row["engine"],
        residency_policy(row["policy"]).words.label, f"{most}{f' ({least})' if least else ''}", MS * row["measured_s"],
        MS * row["bound_s"], row["ratio"], row["ratio_at_least_bytes_per_s"] or "", row["ratio_with_fixed_costs"],
    ]  # fmt: skip


if __name__ == "__main__":
    script(main)
