"""LaTeX table: the error of each law on routing that it was not fitted to."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, read_rows
from prophet_memory.routing import LAWS, RoutingLaw, routing_law
from prophet_memory.routing.frequency import Frequency
from prophet_paper.latex import Column, table

CAPTION = r"""What each law says of the distinct experts of a layer of gpt-oss-20b, in percent above what was measured, by
    the tokens of a step from distinct sequences. Parameters and frequencies are those of half of the sequences, the
    measured mean is that of the other half. Below, for measured frequencies: the layer that they are farthest from, and
    batches of the single data set that they are farthest from, frequencies being those of all."""


def law_of(row: Row) -> RoutingLaw:
    """The law of a row, by its kind and the parameter in its name."""
    parameter = str(row["law"]).removeprefix(row["kind"]).removeprefix("_")
    if not parameter:
        return routing_law(row["kind"])
    (field,) = fields(LAWS[row["kind"]])
    return routing_law({row["kind"]: {field.name: float(parameter)}})


def main(*, errors: Path, topics: Path, output: Path) -> None:
    """Read results, write a row for each law.

    Args:
        errors: law_errors.csv
        topics: topic_errors.csv
        output: .tex file
    """
    by_law: dict[str, list[Row]] = {}
    for row in read_rows(errors):
        by_law.setdefault(row["law"], []).append(row)
    batches = [row["batch_size"] for row in next(iter(by_law.values()))]
    worst = max(read_rows(topics), key=lambda row: abs(row["error_fraction"]))
    topic = {row["batch_size"]: row["error_fraction"] for row in read_rows(topics) if row["domain"] == worst["domain"]}
    columns = (Column("Law"), *(Column(str(batch), (2, 1), signed=False) for batch in batches))
    rows: list[list[object] | None] = [
        [law_of(own[0]).words.label, *(100 * row["error_fraction"] for row in own)] for own in by_law.values()
    ]
    measured = by_law[Frequency.kind]
    rows += [
        None,
        ["the same, worst layer", *(100 * row["worst_layer_fraction"] for row in measured)],
        ["the same, worst topic", *(None if batch not in topic else 100 * topic[batch] for batch in batches)],
    ]
    write_text(output, table(columns, rows, caption=CAPTION, label="tab:law-errors", column_gap_points=3.4))


if __name__ == "__main__":
    script(main)
