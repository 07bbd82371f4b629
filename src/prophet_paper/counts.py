"""Counts of the design space's points: their columns, and how parts of them become one table."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

COUNTED_BY = ("routing", "precision", "all_resident_fraction_from", "experts", "top_k", "batch_size")
COUNTS = ("configurations", "fits", "newly_fits", "at_least_doubled")


def added_up(parts: Sequence[pl.DataFrame], by: Sequence[str] = COUNTED_BY) -> pl.DataFrame:
    """Counts of several parts as one table, sorted by its keys."""
    return pl.concat(parts).group_by(by).agg(pl.col(COUNTS).sum()).select(*by, *COUNTS).sort(by)
