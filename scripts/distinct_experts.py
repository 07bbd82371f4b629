"""Distinct experts against the batch, where routing was measured: what each law says, what was measured, and how far they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import read_model
from prophet_memory.edge.counting import (
    MeasuredDistinct,
    domains_of,
    measured_distinct,
    median_skew,
    read_counts,
)
from prophet_memory.edge.messages import described_by
from prophet_memory.edge.tables import write_rows
from prophet_memory.routing import RoutingLaw, routing_law
from prophet_memory.routing.frequency import Frequency
from prophet_paper.laws import laws_of

MEASURED, TOKENS, COUNTS = "measured", "tokens", "counts"
BATCHES = (1, 2, 4, 8, 16, 32, 64)


def of_counts(file: Path, moe: MoE) -> dict[int, MeasuredDistinct]:
    """What counts say of a batch of all domains; the quantiles are over layers and over batches of a single domain."""
    law = Frequency()
    whole = law.bind(moe, read_counts(file))
    single = [law.bind(moe, read_counts(file, domain)) for domain in domains_of(file)]
    found = {}
    for batch in BATCHES:
        each = np.concatenate([bound.means(batch) for bound in single])
        quantiles = np.quantile(each, (0.05, 0.95, 0.99)).tolist()
        found[batch] = MeasuredDistinct(float(whole.mean(batch)), float(each.std()), *quantiles)
    return found


def rows_of(moe: MoE, counts: Path, tokens: Path | None, laws: Iterable[RoutingLaw]) -> list[dict[str, Any]]:
    """A row for each series and batch."""
    measured = of_counts(counts, moe) if tokens is None else measured_distinct(tokens)
    runs = {} if tokens is None else measured_distinct(tokens, "run")
    series: list[tuple[str, RoutingLaw]] = [(law.name, law) for law in laws]
    series += [("frequency", routing_law("frequency")), ("median_skew", median_skew(moe))]
    rows = []
    for batch, found in measured.items():
        key = {"experts": moe.routed_experts, "top_k": moe.top_k, "batch_size": batch}
        beside = {"measured_by": COUNTS if tokens is None else TOKENS, "measured_experts": found.mean}
        beside |= {"run_experts": runs[batch].mean if batch in runs else None}
        spread = None if tokens is None else found.sd
        own = {"distinct_experts": found.mean, "sd": spread, "p05": found.p05, "p95": found.p95, "p99": found.p99}
        rows.append(key | {"routing": MEASURED, "law": MEASURED} | own | beside | {"error_fraction": 0.0})
        for name, law in series:
            bound = law.bind(moe, read_counts(counts))
            mean = float(bound.mean(batch))
            low, high, most = (float(bound.quantile(batch, q)) for q in (0.05, 0.95, 0.99))
            own = {"distinct_experts": mean, "sd": float(bound.sd(batch)), "p05": low, "p95": high, "p99": most}
            rows.append(key | {"routing": name, "law": law.name} | own | beside | {"error_fraction": mean / found.mean - 1})
    return rows


def main(*, models: list[Path], counts: list[Path], measured: list[Path], laws: Path, output: Path) -> None:
    """Read models, counts and measurements, evaluate the laws, write.

    Args:
        models: catalogue files of the models whose routing was measured
        counts: measured routing, <model>.csv
        measured: distinct experts of batches of tokens, <model>_distinct.csv
        laws: law_catalogue.csv
        output: CSV file
    """
    of_tokens = {file.stem.removesuffix("_distinct"): file for file in measured}
    of_model, swept, rows = {file.stem: file for file in models}, laws_of(laws), list[dict[str, Any]]()
    for file in sorted(counts, key=lambda file: file.stem):
        with described_by(of_model[file.stem]):
            model = read_model(of_model[file.stem])
        own = rows_of(model.architecture.moe, file, of_tokens.get(file.stem), swept)
        rows += [{"model": file.stem, "name": model.name} | row for row in own]
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
