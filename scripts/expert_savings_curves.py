"""Distinct experts and expert savings at every batch size up to the largest of the sweep, by model and routing law."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from prophet_memory.routing import power_law_demand, routing_laws
from prophet_pipeline.command import script
from prophet_pipeline.tables import read_rows, write_table


def main(*, catalogue: Path, power_law_exponent: float, routings: list[str], max_batch: int, output: Path) -> None:
    """Read the catalogue, evaluate the laws, write.

    Args:
        catalogue: model_catalogue.csv
        output: Parquet file
    """
    models = read_rows(catalogue)
    laws, routings = routing_laws(power_law_exponent=power_law_exponent), sorted(routings)
    batch = np.arange(1, max_batch + 1)
    experts = np.array([m["experts"] for m in models])[:, None]
    top_k = np.array([m["top_k"] for m in models])[:, None]
    distinct = np.stack([laws[name](experts, top_k, batch) for name in routings], axis=1)
    demand = power_law_demand(top_k, batch, exponent=power_law_exponent)
    uncapped = np.stack([demand if name == "power_law" else distinct[:, i] for i, name in enumerate(routings)], axis=1)
    model, routing, batches = np.meshgrid([m["model"] for m in models], routings, batch, indexing="ij")
    columns = {
        "model": model,
        "routing": routing,
        "batch_size": batches,
        "distinct_experts": distinct,
        "distinct_experts_uncapped": uncapped,
        "expert_savings_fraction": 1 - distinct / experts[:, None],
    }
    write_table(pl.DataFrame({name: values.ravel() for name, values in columns.items()}), output)


if __name__ == "__main__":
    script(main)
