"""At which batch size every expert of a layer is needed, by model and routing law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prophet_memory.routing import power_law_batch_for_fraction, uniform_batch_for_fraction
from prophet_pipeline.command import script
from prophet_pipeline.tables import points, write_rows

FACTS = ("model", "name", "experts", "top_k", "expert_count_group")
NEARLY_ALL = 0.99  # the uniform law approaches E and never reaches it: where it comes within one percent


def saturation(experts: int, top_k: int, exponent: float, batch_sizes: Sequence[int]) -> dict[str, Any]:
    """Saturation batches of one (E, k)."""
    corner = power_law_batch_for_fraction(experts, top_k, 1, exponent=exponent)
    never = uniform_batch_for_fraction(experts, top_k, 1)
    return {
        "power_law_saturation_batch": corner,
        "power_law_saturation_batch_integer": math.ceil(round(corner, 9)),
        "power_law_first_swept_saturated_batch": next((b for b in sorted(batch_sizes) if b >= corner), None),
        "power_law_batch_99_percent": power_law_batch_for_fraction(experts, top_k, NEARLY_ALL, exponent=exponent),
        "uniform_saturation_batch": None if math.isinf(never) else never,
        "uniform_saturation_batch_integer": None if math.isinf(never) else math.ceil(never),
        "uniform_batch_99_percent": uniform_batch_for_fraction(experts, top_k, NEARLY_ALL),
    }


def main(*, catalogue: Path, power_law_exponent: float, batch_sizes: list[int], output: Path) -> None:
    """Read the catalogue, solve the laws for B, write.

    Args:
        catalogue: model_catalogue.csv
        batch_sizes: of the sweep
        output: CSV file
    """
    models = points(catalogue, keys=("model",)).select(FACTS).to_dicts()
    rows = [m | saturation(m["experts"], m["top_k"], power_law_exponent, batch_sizes) for m in models]
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
