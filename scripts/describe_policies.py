"""The residency policies of the sweep as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import write_rows
from prophet_memory.residency import BASELINE, residency_policies


def main(*, policies: list[Any], output: Path) -> None:
    """Parse, describe, write; sorted by name.

    Args:
        policies: JSON of the policies as config names them
        output: CSV file
    """
    rows = [
        {
            "policy": policy.name,
            "label": policy.words.label,
            "head": policy.words.head,
            "abbreviation": policy.words.abbreviation,
            "is_baseline": policy == BASELINE,
            "specification": json.dumps({policy.kind: policy.parameters}),
            "overhead_bytes": policy.overhead_bytes,
        }
        for policy in residency_policies(policies)
    ]
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
