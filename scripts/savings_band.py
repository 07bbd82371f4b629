"""Expert savings of every model as a band, from uniform routing to the skew of the median measured layer, by provision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import script
from prophet_memory.edge.counting import median_skew, median_variation
from prophet_memory.edge.tables import in_paper_order, read_rows, write_rows
from prophet_memory.provision import PROVISIONS, Pool
from prophet_memory.routing import routing_law


def main(*, catalogue: Path, batch_sizes: list[int], layer_correlation: float, output: Path) -> None:
    """Read the catalogue, evaluate both ends, write a row for each model, batch and provision.

    Args:
        catalogue: model_catalogue.csv
        batch_sizes: of the sweep
        layer_correlation: of distinct experts, between two layers
        output: CSV file
    """
    rows, variation, laws = list[dict[str, Any]](), median_variation(), dict[tuple[int, int], dict[str, Any]]()
    for model in in_paper_order(read_rows(catalogue)):
        experts, top_k = pair = model["experts"], model["top_k"]
        moe, pool = MoE(experts, top_k, expert_intermediate_size=1), Pool(model["moe_layers"], layer_correlation)
        laws[pair] = laws.get(pair) or {"uniform": routing_law("uniform").bind(moe), "skewed": median_skew(moe).bind(moe)}
        for name, of in PROVISIONS.items():
            saved = {end: 1 - of.needed(law, batch_sizes, pool) / experts for end, law in laws[pair].items()}
            for place, batch in enumerate(batch_sizes):
                key = {"model": model["model"], "experts": experts, "top_k": top_k, "batch_size": batch, "provision": name}
                ends = {f"{end}_savings_fraction": float(values[place]) for end, values in saved.items()}
                rows.append(key | {"coefficient_of_variation": variation} | ends)
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
