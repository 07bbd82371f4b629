"""Distinct experts and expert savings at every batch size up to the largest of the sweep, by model, routing law and provision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import script
from prophet_memory.edge.tables import read_rows, write_table
from prophet_memory.provision import Pool, provision
from prophet_paper.laws import laws_of


def main(*, catalogue: Path, laws: Path, provisions: list[str], layer_correlation: float, max_batch: int, output: Path) -> None:
    """Read the catalogues, evaluate the laws, write.

    Args:
        catalogue: model_catalogue.csv
        laws: law_catalogue.csv
        layer_correlation: of distinct experts, between two layers
        max_batch: the largest of the sweep
        output: Parquet file
    """
    parts, batch = [], np.arange(1, max_batch + 1)
    for model in read_rows(catalogue):
        for law in laws_of(laws):
            bound = law.bind(MoE(model["experts"], model["top_k"], expert_intermediate_size=1))
            distinct = {"distinct_experts": bound.mean(batch), "distinct_experts_uncapped": bound.uncapped(batch)}
            for of in map(provision, sorted(provisions)):
                key = {"model": model["model"], "routing": law.name, "provision": of.name}
                provided = of.needed(bound, batch, Pool(model["moe_layers"], layer_correlation))
                columns = {
                    "batch_size": batch, **distinct, "provided_experts": provided,
                    "expert_savings_fraction": 1 - provided / model["experts"],
                }  # fmt: skip
                parts.append(pl.DataFrame(columns).select(*(pl.lit(value).alias(name) for name, value in key.items()), "*"))
    write_table(pl.concat(parts), output)


if __name__ == "__main__":
    script(main)
