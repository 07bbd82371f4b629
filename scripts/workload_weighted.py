"""What Prophet gains over the batches of each workload, for every model of the sweep: savings, extension, concurrency, time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import ENGINES_FILE, GPUS_FILE, read_engines, read_gpus, read_model
from prophet_memory.edge.counting import counts_of
from prophet_memory.edge.documents import checked
from prophet_memory.edge.results import taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, LatencySettings
from prophet_memory.edge.tables import Row, read_rows, write_rows
from prophet_memory.grid import Grid, Model
from prophet_memory.residency import residency_policy
from prophet_memory.routing import routing_law
from prophet_memory.workload.weighted import Batches, weighted

KEYS = ("workload", "replicas", "decode_load")


def main(
    *, models: list[Path], gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, batches: Path, gpu_names: list[str],
    latency: dict[str, Any], assumptions: dict[str, Any] | None = None, routing: str, policy: str, precision: str, output: Path,
) -> None:  # fmt: skip
    """Read batches, weight, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        batches: batch_distributions.csv
        gpu_names: entries of the catalogue
        latency: JSON of what times are computed with
        assumptions: JSON of the assumptions; default: those of config/config.yaml
        routing: the law of the distinct experts
        policy: what is compared with all experts resident
        precision: of the weights
        output: CSV file
    """
    known, asked = read_gpus(gpus), checked(LatencySettings, latency, SETTINGS_FILE)
    taken, workloads, rows = taken_assumptions(assumptions, read_engines(engines)), read_batches(batches), list[Row]()
    for file in sorted(models, key=lambda file: file.stem):
        model = Model(file.stem, read_model(file).architecture, counts_of(file.stem))
        grid = Grid(
            [model], gpus=[known[name] for name in sorted(gpu_names)], batch_sizes=[1], routings=[routing_law(routing)],
            policies=[residency_policy(policy)], precisions=[precision],
        )  # fmt: skip
        for place, gpu, found in weighted(grid, taken, asked.timing(), asked.context_tokens, list(workloads.values())):
            key, own = list(workloads)[place], list(workloads.values())[place]
            named = dict(zip(KEYS, key, strict=True)) | {"model": file.stem, "gpu": gpu, "routing": routing}
            rows.append(named | {"mean_batch_size": own.mean, "p99_batch_size": own.p99} | found)
    write_rows(rows, output)


def read_batches(file: Path) -> dict[tuple[Any, ...], Batches]:
    """The batches of each workload and number of replicas, in the order of the file."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in read_rows(file):
        found.setdefault(tuple(row[key] for key in KEYS), []).append(row)
    return {
        key: Batches(np.array([row["batch_size"] for row in rows]), np.array([row["fraction"] for row in rows]))
        for key, rows in found.items()
    }


if __name__ == "__main__":
    script(main)
