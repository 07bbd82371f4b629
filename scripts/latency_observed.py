"""Bounds on steps beside what others measured: with everything resident, and with experts fetched or computed on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import ENGINES_FILE, GPUS_FILE, read_engines, read_model
from prophet_memory.edge.documents import checked
from prophet_memory.edge.offloading import published_runs, resident_runs
from prophet_memory.edge.results import taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, LatencySettings
from prophet_memory.edge.tables import write_rows
from prophet_memory.offloading import HOST, OffloadRun, least_resident_step_s, least_step, with_fixed_costs

RESIDENT, KERNELS = "all_resident", "composed of measured kernels"


def main(
    *, runs: Path, steps: Path, models: list[Path], gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, latency: dict[str, Any],
    assumptions: dict[str, Any] | None = None, output: Path,
) -> None:  # fmt: skip
    """Read, bound, write.

    Args:
        runs: config/latency/offload.csv
        steps: config/latency/decode_steps.csv
        models: catalogue files, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        latency: JSON of what times are computed with
        assumptions: JSON of the assumptions; default: those of config/config.yaml
        output: CSV file
    """
    taken, folder = taken_assumptions(assumptions, read_engines(engines)), models[0].parent
    names = {file.stem: read_model(file).name for file in models}
    costs = checked(LatencySettings, latency, SETTINGS_FILE)
    rows: list[dict[str, Any]] = []
    for published in published_runs(runs, folder, gpus):
        run, bound = published.run, least_step(published.run, taken).step_s
        gpu = None if run.gpu is None else run.gpu.name
        key = named(run.name, run.model.name, names, gpu) | {"n_gpus": 1, "engine": run.engine}
        own = {"policy": run.policy, "weights": run.weights, "batch_size": run.batch_size, "hit_rate": run.hits}
        fixed = with_fixed_costs(run, bound, costs.layer_s, costs.offload_layer_s)
        low, high = published.bytes_per_s
        stated = None if low is None else run.step_s / least_step(slower(run, low), taken).step_s
        said = sourced(published.doubt, published.source, (low, high, stated))
        rows.append(key | own | compared(run.step_s, bound, fixed) | said)
    timing = costs.timing(fixed_costs=True)
    for step in resident_runs(steps, folder, gpus):
        bound = least_resident_step_s(step, taken)
        fixed = least_resident_step_s(step, taken, timing) + timing.layer_s * step.model.architecture.layer_count
        key = named(step.name, step.model.name, names, step.gpu.name) | {"n_gpus": step.spread.n_gpus, "engine": KERNELS}
        own = {"policy": RESIDENT, "weights": step.precision, "batch_size": step.batch_size, "hit_rate": None}
        said = sourced(step.doubt, step.source, (None, None, None))
        rows.append(key | own | compared(step.step_s, bound, fixed) | said)
    write_rows(rows, output)


def named(run: str, model: str, names: Mapping[str, str], gpu: str | None) -> dict[str, Any]:
    """What a row is of."""
    return {"run": run, "model": model, "name": names[model], "gpu": gpu}


def sourced(doubt: str, source: str, link: tuple[float | None, float | None, float | None]) -> dict[str, Any]:
    """Where a row is from, and the least and most bandwidth that its source allows, with the ratio at the least."""
    of_link = dict(zip(("least_bytes_per_s", "most_bytes_per_s", "ratio_at_least_bytes_per_s"), link, strict=True))
    return of_link | {"doubt": doubt or None, "source": source}


def slower(run: OffloadRun, bytes_per_s: float) -> OffloadRun:
    """A run whose link, or whose host's memory, is no faster than its source says."""
    return replace(run, host_bytes_per_s=bytes_per_s) if run.policy == HOST else replace(run, link_bytes_per_s=bytes_per_s)


def compared(measured_s: float, bound_s: float, fixed_s: float) -> dict[str, float]:
    """Measured over bound, without and with fixed costs."""
    times = {"measured_s": measured_s, "bound_s": bound_s, "bound_with_fixed_costs_s": fixed_s}
    return times | {"ratio": measured_s / bound_s, "ratio_with_fixed_costs": measured_s / fixed_s}


if __name__ == "__main__":
    script(main)
