"""The latency of a step against what of its experts is resident, by predictor, and the residency that a factor takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from prophet_memory.alternatives import Asked, demanded
from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import ENGINES_FILE, GPUS_FILE, read_engines, read_gpus, read_model
from prophet_memory.edge.documents import checked
from prophet_memory.edge.results import grid_of, taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, AlternativesSettings, LatencySettings
from prophet_memory.edge.tables import write_rows, write_table
from prophet_memory.formats import DEFAULT_FORMAT, NATIVE
from prophet_memory.grid import Model
from prophet_memory.latency import Prefetch
from prophet_memory.routing import routing_law

STEPS, LEAST_MISSING = 200, 1e-3  # of what is missing, from everything on


def main(
    *, models: list[Path], gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, study: dict[str, Any], latency: dict[str, Any],
    assumptions: dict[str, Any] | None = None, routing: str, output: list[Path],
) -> None:  # fmt: skip
    """Read config, compute, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        study: JSON of the study
        latency: JSON of what times are computed with
        assumptions: JSON of the assumptions; default: those of config/config.yaml
        routing: the law of the distinct experts
        output: Parquet file of the curves, CSV file of the residency that the bearable factor takes
    """
    axes, timing = checked(AlternativesSettings, study, SETTINGS_FILE), checked(LatencySettings, latency, SETTINGS_FILE)
    taken, asked = taken_assumptions(assumptions, read_engines(engines)), Asked(timing.context_tokens, timing.timing())
    known, files = read_gpus(gpus), {file.stem: file for file in models}
    curves, needed = [], []
    for case in axes.cases:
        architecture = read_model(files[case.model]).architecture
        precision = DEFAULT_FORMAT if architecture.published_precision == DEFAULT_FORMAT else NATIVE
        for batch in sorted(axes.batch_sizes):
            one = replace(axes, gpus=(case.gpu,), n_gpus=(case.n_gpus,), batch_sizes=(batch,), precisions=(precision,),
                          routings=(routing_law(routing),), provisions=axes.provisions[:1])  # fmt: skip
            step = demanded(grid_of([Model(case.model, architecture)], one, known), taken, asked)
            key = {"model": case.model, "gpu": case.gpu, "n_gpus": case.n_gpus, "batch_size": batch, "routing": routing}
            key |= {"precision": precision}
            for recall in sorted(axes.recalls):
                prefetch = Prefetch(recall)
                shares = 1 - np.geomspace(1, LEAST_MISSING, STEPS)
                factors = step.factor(shares, prefetch)
                curves += [key | {"recall": recall, "residency": float(c), "latency_factor": float(f)}
                           for c, f in zip(shares, factors, strict=True)]  # fmt: skip
                found = {"latency_factor": axes.bearable_factor, "residency": step.residency_for(axes.bearable_factor, prefetch)}
                needed.append(key | {"recall": recall} | found)
    write_table(pl.DataFrame(curves), output[0])
    write_rows(needed, output[1])


if __name__ == "__main__":
    script(main)
