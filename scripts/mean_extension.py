"""Mean KV extension of a policy over GPUs and batch sizes, by model or by expert count.

An average covers exactly the configurations that fit with and without the policy; the others are counted beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, catalogued, points, write_rows
from prophet_memory.sweeps import FIT_VERDICTS

OF_EACH = ("routing", "precision", "provision")
AVERAGED_OVER = ("gpu", "batch_size")
GROUPINGS = {"model": ("model", "name", "experts"), "experts": ("experts", "expert_count_group")}


def averages(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts by fit verdict and statistics over the configurations that fit; None where none does."""
    fitting = [row for row in rows if row["fit_verdict"] == "fits"]
    verdicts = [row["fit_verdict"] for row in rows]
    return {
        "configurations": len(rows),
        **{f"configurations_{verdict}": verdicts.count(verdict) for verdict in FIT_VERDICTS},
        **{
            f"{statistic}_{column}": of([row[column] for row in fitting]) if fitting else None
            for column in ("kv_extension", "usable_kv_extension")
            for statistic, of in (("mean", fmean), ("median", median), ("max", max))
        },
        "mean_expert_savings_fraction": fmean(row["expert_savings_fraction"] for row in rows),
    }


def main(*, data: Path, catalogue: Path, by: Literal["model", "experts"], policy: str, output: Path) -> None:
    """Read the long table, group, average, write.

    Args:
        data: the long table, Parquet
        catalogue: model_catalogue.csv
        output: CSV file
    """
    models = catalogued(catalogue, "model")
    keys = ("model", *OF_EACH, *AVERAGED_OVER)
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in points(data, keys=keys, at={"policy": policy, "n_gpus": 1}).to_dicts():
        own = tuple(models[row["model"]][name] for name in GROUPINGS[by])
        groups[*own, *(row[key] for key in OF_EACH)].append(row)
    names = (*GROUPINGS[by], *OF_EACH)
    same = {"policy": policy}
    write_rows([dict(zip(names, key, strict=True)) | same | averages(groups[key]) for key in sorted(groups)], output)


if __name__ == "__main__":
    script(main)
