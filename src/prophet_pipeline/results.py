"""A config's grid, and one model's rows over it: what the workflow's shards and the command line's sweeps share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from prophet_memory.sweep import FIT_VERDICTS, Grid


def grid_of(sweep: Mapping[str, Any], gpus: Mapping[str, Mapping[str, Any]]) -> Grid:
    """The grid of a config's lists, every axis in the order of its values, so that the order of the lists changes no byte."""
    return Grid(
        gpu_memory_bytes={name: gpus[name]["memory"]["bytes"] for name in sorted(sweep["gpus"])},
        n_gpus=sorted(sweep["n_gpus"]),
        batch_sizes=sorted(sweep["batch_sizes"]),
        routings=sorted(sweep["routings"]),
        precisions=sorted(sweep["precisions"]),
        policies=sorted(sweep["policies"]),
    )


def model_rows(slug: str, grid: Grid, columns: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """The rows of a model in the order of the results contract: the keys, then the values; masked values are null."""
    verdicts = {"fit_verdict": np.asarray(FIT_VERDICTS)[columns["fit_verdict"]]}
    named = {**grid.keys(), **columns, **verdicts}
    table = pl.DataFrame({name: np.ma.getdata(array).ravel() for name, array in named.items()})
    for name, array in columns.items():
        if np.ma.isMaskedArray(array):
            defined = pl.Series(~np.ma.getmaskarray(array).ravel())
            table = table.with_columns(pl.when(defined).then(pl.col(name)).alias(name))
    return table.insert_column(0, pl.lit(slug).alias("model"))
