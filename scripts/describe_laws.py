"""The routing laws of a sweep as a table: their words, their looks in figures and their parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import write_rows
from prophet_memory.routing import routing_laws
from prophet_paper.laws import in_figure_order, looks_of


def main(*, routings: list[Any], output: Path) -> None:
    """Parse, describe, write; sorted by name.

    Args:
        routings: JSON of the laws as config names them
        output: CSV file
    """
    laws = routing_laws(routings)
    looks, order = looks_of(laws), [law.name for law in in_figure_order(laws)]
    parameters = sorted({name for law in laws for name in law.parameters})
    rows = [
        {
            "routing": law.name,
            "label": law.words.label,
            "head": law.words.head,
            "abbreviation": law.words.abbreviation,
            "position": order.index(law.name),
            **looks[law.name]._asdict(),
            "saturates": law.words.saturates,
            "saturation": law.words.saturation,
            "note": law.words.note,
            "specification": json.dumps({law.kind: law.parameters}),
            **{name: law.parameters.get(name) for name in parameters},
        }
        for law in laws
    ]
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
