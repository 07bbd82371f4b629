"""At which batch size every expert of a layer is needed, by model and routing law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, points, write_rows
from prophet_memory.routing import RoutingLaw
from prophet_paper.laws import laws_of

FACTS = ("model", "name", "experts", "top_k", "expert_count_group")
NEARLY_ALL = 0.99  # the uniform law approaches E and never reaches it: where it comes within one percent


def saturation(model: Row, law: RoutingLaw, batch_sizes: Sequence[int]) -> dict[str, Any]:
    """Saturation batches of one model under one law; None where the law never gets there."""
    bound = law.bind(MoE(model["experts"], model["top_k"], expert_intermediate_size=1))
    corner = bound.batch_for(1)
    return {
        "routing": law.name,
        "saturation_batch": corner,
        "saturation_batch_integer": None if corner is None else math.ceil(round(corner, 9)),
        "saturation_batch_power_of_two": None if corner is None else 2 ** max(0, math.ceil(round(math.log2(corner), 9))),
        "first_swept_saturated_batch": next((b for b in sorted(batch_sizes) if corner is not None and b >= corner), None),
        "batch_99_percent": bound.batch_for(NEARLY_ALL),
    }


def main(*, catalogue: Path, laws: Path, batch_sizes: list[int], output: Path) -> None:
    """Read the catalogues, solve each law for B, write.

    Args:
        catalogue: model_catalogue.csv
        laws: law_catalogue.csv
        batch_sizes: of the sweep
        output: CSV file
    """
    models, known = points(catalogue, keys=("model",)).select(FACTS).to_dicts(), laws_of(laws)
    write_rows([model | saturation(model, law, batch_sizes) for model in models for law in known], output)


if __name__ == "__main__":
    script(main)
