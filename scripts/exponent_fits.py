"""Where the power law holds: the exponent that fits each model's own law, and where the source's leaves the uniform mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import read_model
from prophet_memory.edge.counting import read_counts
from prophet_memory.edge.messages import described_by
from prophet_memory.edge.tables import write_rows
from prophet_memory.exponents import departure, fitted_exponent
from prophet_memory.measured import RoutingCounts
from prophet_memory.routing import routing_law

FITTED = (16, 64)  # last batches


def rows_of(name: str, moe: MoE, counts: RoutingCounts | None) -> Iterator[dict[str, Any]]:
    """A model's own laws: the uniform one, and the measured one where there is one."""
    source, uniform = (routing_law(kind).bind(moe) for kind in ("power_law", "uniform"))
    own = {"uniform": uniform} | ({} if counts is None else {"frequency": routing_law("frequency").bind(moe, counts)})
    for law, bound in own.items():
        fits = {last: fitted_exponent(bound, moe.top_k, last) for last in FITTED}
        left = asdict(departure(source, bound, FITTED[-1]))
        row = {"model": name, "experts": moe.routed_experts, "top_k": moe.top_k, "routing": law}
        row |= {f"exponent_{last}": fit.exponent for last, fit in fits.items()}
        row |= {f"r_squared_{last}": fit.r_squared for last, fit in fits.items()}
        yield row | {f"power_law_{key}": value for key, value in left.items()}


def main(*, models: list[Path], counts: list[Path], output: Path) -> None:
    """Read models and counts, fit, write.

    Args:
        models: catalogue files
        counts: measured routing, <model>.csv
        output: CSV file
    """
    measured, rows = {file.stem: file for file in counts}, list[dict[str, Any]]()
    for file in sorted(models, key=lambda file: file.stem):
        with described_by(file):
            moe = read_model(file).architecture.moe
        own = measured.get(file.stem)
        rows += rows_of(file.stem, moe, None if own is None else read_counts(own))
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
