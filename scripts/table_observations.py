"""LaTeX table: errors of the memory model against what engines printed, by engine and quantity."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import read_rows
from prophet_memory.edge.text import COMPONENT_LABELS
from prophet_memory.observations import DERIVED
from prophet_paper.latex import Column, table, with_group_rules

PERCENT_DECIMALS = 3
COLUMNS = (
    Column("Engine"), Column("quantity"), Column("compared", (3, 0)), Column("unexplained", (1, 0)),
    Column("explained", (2, 0)),
    Column("median", (1, PERCENT_DECIMALS)),
    Column("lowest", (2, PERCENT_DECIMALS), signed=True), Column("highest", (1, PERCENT_DECIMALS), signed=True),
    Column("left out", (2, PERCENT_DECIMALS), signed=True), Column("worst run"),
)  # fmt: skip
ERRORS = ("median_error_fraction", "lowest_error_fraction", "highest_error_fraction", "worst_error_fraction_left_out")
CAPTION = r"""Predicted against what engines printed, in percent of the measured figure: the median size of the error, its
    lowest and highest (above zero the model promises more), and the largest with each run left out of what its profile was
    fitted to. \emph{{Explained}} figures differ for a known cause and are not in the errors; \emph{{unexplained}} ones differ
    for no known cause and are. {left} further figures have no prediction, each with its reason in observations.csv. KV bytes
    a token and all but the cache follow of other figures and count as none of their own. Fitted to these rows are memory
    beside torch, by layout, and of the activation peak 2~MiB of inputs and that a flush of 50~MiB stands in dense layers
    alone. The peak has no error left out, nor have {in_sample} figures whose reserve is their own run's alone: theirs are
    errors of the fit. Engine \emph{{none}}: as counted, without a profile."""


def main(*, errors: Path, output: Path) -> None:
    """Read results, write.

    Args:
        errors: observation_errors.csv
        output: .tex file
    """
    found = read_rows(errors)
    lines = []
    for row in found:
        percents = [None if row[name] is None else round(100 * row[name], PERCENT_DECIMALS) + 0.0 for name in ERRORS]  # no -0
        counts = [row["compared"], row["unexplained"] or None, row["explained"] or None]
        if row["compared"] + row["explained"]:
            what = [row["profile"], COMPONENT_LABELS[row["component"]]]
            lines.append((row["profile"], [*what, *counts, *percents, row["worst_run"] or ""]))
    own = [row for row in found if row["component"] not in DERIVED]
    sums = {"left": sum(row["not_predicted"] for row in own), "in_sample": sum(row["in_sample"] for row in own)}
    caption = CAPTION.format(**sums)
    text = table(COLUMNS, with_group_rules(lines), caption=caption, label="tab:observations", wide=True, column_gap_points=5)
    write_text(output, text)


if __name__ == "__main__":
    script(main)
