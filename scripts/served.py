"""What replicas made of traces: one table of given numbers of replicas, and one of the least that are in time."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import read_table, write_table

KEYS = ("trace", "model", "gpu", "n_gpus", "precision", "policy", "tpot_target_s", "replicas")


def main(*, given: list[Path], least: list[Path], output: list[Path]) -> None:
    """Read, join, write.

    Args:
        given: CSV files of given numbers of replicas, one for each trace and policy
        least: likewise, of the least that are in time
        output: CSV files of both
    """
    for parts, file in zip((given, least), output, strict=True):
        write_table(pl.concat([read_table(part) for part in parts], how="vertical_relaxed").sort(KEYS), file)


if __name__ == "__main__":
    script(main)
