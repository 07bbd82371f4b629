"""Mean KV extension of Prophet over GPUs and batch sizes, by model or by expert count.

An average covers exactly the configurations that fit with and without Prophet; the others are counted beside it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from prophet_memory.sweep import FIT_VERDICTS
from prophet_pipeline.command import run
from prophet_pipeline.tables import Row, catalogued, points, write_rows

AVERAGED_OVER = ("gpu", "batch_size")
GROUPINGS = {"model": ("model", "name", "experts"), "experts": ("experts", "expert_count_group")}


def averages(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts by fit verdict and statistics over the configurations that fit; None where none does."""
    extensions = [row["kv_extension"] for row in rows if row["fit_verdict"] == "fits"]
    verdicts = [row["fit_verdict"] for row in rows]
    return {
        "configurations": len(rows),
        **{f"configurations_{verdict}": verdicts.count(verdict) for verdict in FIT_VERDICTS},
        "mean_kv_extension": fmean(extensions) if extensions else None,
        "median_kv_extension": median(extensions) if extensions else None,
        "max_kv_extension": max(extensions, default=None),
        "mean_expert_savings_fraction": fmean(row["expert_savings_fraction"] for row in rows),
    }


def main() -> None:
    """Read the long table, group, average, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the long table, Parquet")
    parser.add_argument("--catalogue", type=Path, required=True, help="model_catalogue.csv")
    parser.add_argument("--by", choices=GROUPINGS, required=True)
    parser.add_argument("--output", type=Path, required=True, help="CSV file")
    args = parser.parse_args()
    models = catalogued(args.catalogue, "model")
    keys = ("model", "routing", "precision", *AVERAGED_OVER)
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in points(args.data, keys=keys, at={"policy": "prophet", "n_gpus": 1}).to_dicts():
        own = tuple(models[row["model"]][name] for name in GROUPINGS[args.by])
        groups[*own, row["routing"], row["precision"]].append(row)
    names = (*GROUPINGS[args.by], "routing", "precision")
    write_rows([dict(zip(names, key, strict=True)) | averages(groups[key]) for key in sorted(groups)], args.output)


if __name__ == "__main__":
    run(main)
