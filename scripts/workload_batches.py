"""What requests find when they enter: at the loads that the source document's percentages take, and in traces by replicas."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from prophet_memory.edge.command import script
from prophet_memory.edge.documents import checked
from prophet_memory.edge.settings import SETTINGS_FILE, WorkloadSettings
from prophet_memory.edge.tables import write_rows
from prophet_memory.edge.traces import WORKLOADS_FILE, Workloads, read_workloads, requests_of
from prophet_memory.workload.loads import load_for, share_at_most
from prophet_memory.workload.replicas import Served, serve
from prophet_memory.workload.requests import Requests
from prophet_memory.workload.service import constant

LEFT_OUT = 1e-9  # of the requests: those in the largest batches
BATCHES = (1, 2, 4, 8, 16, 32, 64)


def main(*, workloads: Path = WORKLOADS_FILE, traces: list[Path], study: dict[str, Any], output: list[Path]) -> None:
    """Read traces, serve, write.

    Args:
        workloads: config/workloads.yaml
        traces: its files, which the jobs' order follows
        study: JSON of the study
        output: CSV files of the classes of the source document, of traces by replicas, of the batches of both one by one, and of
            the fewest replicas of a trace at which each class's percentage holds
    """
    known, asked = read_workloads(workloads), checked(WorkloadSettings, study, SETTINGS_FILE)
    del traces
    write_rows(list(classes(known)), output[0])
    rows, batches = list[dict[str, Any]](), list(batches_of_classes(known))
    for name, trace in known.traces.items():
        for key, served in by_replicas(name, requests_of(trace), asked):
            rows.append(key | found(served))
            if key["step_s"] == asked.constant.kept_step_s and key["replicas"] in asked.constant.kept_replicas:
                batches += batches_of(served, name, key)
    write_rows(rows, output[1])
    write_rows(batches, output[2])
    write_rows(list(needed(known, rows)), output[3])


def classes(known: Workloads) -> Iterator[dict[str, Any]]:
    """The largest load of a replica at which each percentage holds where nobody waits, and how busy the replica then is."""
    for name, one in known.classes.items():
        load = load_for(one.share, one.at_most)
        yield {
            "workload": name, "name": one.name, "claimed_fraction": one.share, "batch_size_at_most": one.at_most,
            "load": load, "busy_fraction": 1 - share_idle(load),
        }  # fmt: skip


def needed(known: Workloads, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each class, trace of its kind and time per token the fewest replicas of the study with which its percentage holds."""
    for name, one in known.classes.items():
        for trace, step_s in product(one.traces, sorted({row["step_s"] for row in rows})):
            here = [row for row in rows if (row["trace"], row["step_s"]) == (trace, step_s)]
            enough = [row for row in here if row[f"fraction_at_most_{one.at_most}"] >= one.share]
            least = min(enough, key=lambda row: row["replicas"], default=None)
            found = {key: None if least is None else least[key] for key in ("replicas", "decode_load", "utilisation")}
            yield {"workload": name, "trace": trace, "step_s": step_s} | found


def share_idle(load: float) -> float:
    """Of the time, that in which no request decodes: an entering one finds nobody."""
    return share_at_most(load, 1)


def batches_of_classes(known: Workloads) -> Iterator[dict[str, Any]]:
    """Of each class at its load: which batches its requests enter where nobody waits, up to all but LEFT_OUT of them."""
    for name, one in known.classes.items():
        load, below, batch = load_for(one.share, one.at_most), 0.0, 0
        while below < 1 - LEFT_OUT:
            batch, before = batch + 1, below
            below = share_at_most(load, batch)
            key = {"workload": name, "replicas": None, "decode_load": load, "batch_size": batch}
            yield key | {"fraction": (below if below < 1 - LEFT_OUT else 1.0) - before}


def batches_of(served: Served, name: str, key: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Which batches the requests of a trace enter."""
    sizes, counts = np.unique(served.batch[served.done], return_counts=True)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        named = {"workload": name, "replicas": key["replicas"], "decode_load": key["decode_load"], "batch_size": size}
        yield named | {"fraction": count / int(served.done.sum())}


def by_replicas(name: str, requests: Requests, study: WorkloadSettings) -> Iterator[tuple[dict[str, Any], Served]]:
    """A trace behind random routing at a constant time per token."""
    longest = int((requests.prompt_tokens + requests.output_tokens).max())
    for step_s in study.constant.step_s:
        service = constant(step_s, longest, prompt_tokens_per_s=study.constant.prompt_tokens_per_s)
        for replicas in study.constant.replicas:
            served = serve(requests, service, replicas=replicas, seed=study.seed)
            load = requests.rate_per_s / replicas * float(requests.output_tokens.mean()) * step_s
            key = {"trace": name, "step_s": step_s, "replicas": replicas, "requests": len(requests), "decode_load": load}
            yield key, served


def found(served: Served) -> dict[str, Any]:
    """What requests and replicas saw."""
    shares = {f"fraction_at_most_{batch}": served.share_at_most(batch) for batch in BATCHES}
    first = {"ttft_p50_s": float(np.median(served.ttft_s)), "utilisation": served.utilisation}
    return first | {"mean_batch_size": float(served.batch[served.done].mean())} | shares


if __name__ == "__main__":
    script(main)
