"""Distinct experts and expert savings at every batch size up to the largest of the sweep, by model and routing law."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from prophet_memory.routing import power_law_demand, routing_laws
from prophet_pipeline.command import run
from prophet_pipeline.tables import read_rows, write_table


def main() -> None:
    """Read the catalogue, evaluate the laws, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalogue", type=Path, required=True, help="model_catalogue.csv")
    parser.add_argument("--power-law-exponent", type=float, required=True)
    parser.add_argument("--routings", nargs="+", required=True)
    parser.add_argument("--max-batch", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="Parquet file")
    args = parser.parse_args()
    models = read_rows(args.catalogue)
    laws, routings = routing_laws(power_law_exponent=args.power_law_exponent), sorted(args.routings)
    batch = np.arange(1, args.max_batch + 1)
    experts = np.array([m["experts"] for m in models])[:, None]
    top_k = np.array([m["top_k"] for m in models])[:, None]
    distinct = np.stack([laws[name](experts, top_k, batch) for name in routings], axis=1)
    demand = power_law_demand(top_k, batch, exponent=args.power_law_exponent)
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
    write_table(pl.DataFrame({name: values.ravel() for name, values in columns.items()}), args.output)


if __name__ == "__main__":
    run(main)
