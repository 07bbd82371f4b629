"""Maximum context per sequence of every configuration that fits, and whether it exceeds the model's own maximum."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.axes import KEYS
from prophet_memory.edge.command import script
from prophet_memory.edge.tables import points, write_table

VALUES = ("max_context_tokens", "exceeds_model_context")


def main(*, data: Path, precision: str, provision: str, output: Path) -> None:
    """Select, write.

    Args:
        data: the long table, Parquet
        output: CSV file
    """
    at = {"precision": precision, "provision": provision}
    found = points(data, keys=[key for key in KEYS if key not in at], at=at).select(*KEYS, *VALUES)
    write_table(found.drop_nulls("max_context_tokens"), output)


if __name__ == "__main__":
    script(main)
