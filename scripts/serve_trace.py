"""A trace served by replicas of models under one policy: batches, distinct experts, times, and what comes in time."""

from __future__ import annotations

import math
from bisect import bisect_left
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import ENGINES_FILE, GPUS_FILE, read_engines, read_gpus, read_model
from prophet_memory.edge.counting import caches_of, counts_of
from prophet_memory.edge.documents import checked
from prophet_memory.edge.results import taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, LatencySettings, ServedSettings, WorkloadSettings
from prophet_memory.edge.tables import write_rows
from prophet_memory.edge.traces import WORKLOADS_FILE, read_workloads, requests_of
from prophet_memory.errors import ModelError
from prophet_memory.formats import NATIVE
from prophet_memory.grid import Model
from prophet_memory.parallelism import known_layout
from prophet_memory.provision import PROVISIONS
from prophet_memory.workload.replicas import Served, serve
from prophet_memory.workload.requests import Requests
from prophet_memory.workload.service import Deployment, Service, service
from prophet_memory.workload.summary import columns, summary

STEPS_A_DOUBLING = 4  # of the search for the least number of replicas


def main(
    *, trace: str, policy: str, workloads: Path = WORKLOADS_FILE, models: list[Path], gpus: Path = GPUS_FILE,
    engines: Path = ENGINES_FILE, study: dict[str, Any], latency: dict[str, Any], assumptions: dict[str, Any] | None = None,
    output: list[Path],
) -> None:  # fmt: skip
    """Read config, serve, write.

    Args:
        trace: an entry of config/workloads.yaml
        policy: a name of the study's policies
        workloads: config/workloads.yaml
        models: catalogue files, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        study: JSON of the study
        latency: JSON of what times are computed with
        assumptions: JSON of the assumptions; default: those of config/config.yaml
        output: CSV files of the study's numbers of replicas, and of the least that are in time
    """
    asked, costs = checked(WorkloadSettings, study, SETTINGS_FILE), checked(LatencySettings, latency, SETTINGS_FILE)
    (own,) = (one for one in asked.served.policies if one.name == policy)
    requests, taken = requests_of(read_workloads(workloads).traces[trace]), taken_assumptions(assumptions, read_engines(engines))
    known, files = read_gpus(gpus), {file.stem: file for file in models}
    given, least = list[dict[str, Any]](), list[dict[str, Any]]()
    for case in asked.served.cases:
        architecture = read_model(files[case.model]).architecture
        model = Model(case.model, architecture, counts_of(case.model), caches_of(case.model))
        for precision in asked.served.precisions:
            if precision == NATIVE and architecture.published_precision in asked.served.precisions:
                continue  # another row has it
            deployment = Deployment(
                model, known[case.gpu], known_layout(architecture, case.n_gpus, None), taken, costs.timing(), precision, own,
                asked.served.routing, asked.served.design_batch, PROVISIONS[asked.served.provision],
            )  # fmt: skip
            key = {
                "trace": trace, "model": case.model, "gpu": case.gpu, "n_gpus": case.n_gpus, "routing": asked.served.routing.name,
                "precision": precision, "provision": asked.served.provision, "design_batch": asked.served.design_batch,
            }  # fmt: skip
            replicas = Replicas(deployment, requests, asked.served, asked.seed)
            for tpot_s in asked.served.tpot_s:
                named = key | {"policy": own.name, "tpot_target_s": tpot_s}
                given += [named | replicas.row(count, tpot_s) for count in asked.served.replicas]
                least.append(named | replicas.row(replicas.least_in_time(tpot_s), tpot_s))
    write_rows(given, output[0])
    write_rows(least, output[1])


class Replicas:
    """Replicas of a deployment that serve a trace; nothing where the model does not fit."""

    def __init__(self, deployment: Deployment, requests: Requests, study: ServedSettings, seed: int) -> None:
        self.requests, self.study, self.seed = requests, study, seed
        self._served: dict[float, Served] = {}
        longest = int((requests.prompt_tokens + requests.output_tokens).max())
        try:
            self.service: Service | None = service(deployment, longest)
        except ModelError as problem:
            if problem.key != "model":
                raise
            self.service = None

    def served(self, one: Service, replicas: float) -> Served:
        """By as many of the replicas as get the study's number of requests, or by all."""
        if replicas not in self._served:
            self._served[replicas] = self._simulated(one, replicas)
        return self._served[replicas]

    def _simulated(self, one: Service, replicas: float) -> Served:
        simulated = max(1, min(math.floor(replicas), math.ceil(replicas * self.study.requests / len(self.requests))))
        own = self.requests.thinned(min(1.0, simulated / replicas), self.seed)
        return serve(own.faster(max(1.0, simulated / replicas)), one, replicas=simulated, seed=self.seed)

    def in_time(self, one: Service, replicas: float, tpot_s: float) -> bool:
        """Whether the study's share of the requests meets both targets."""
        met = self.served(one, replicas).in_time(tpot_s, self.study.ttft_s)
        return float(met.mean()) >= self.study.in_time_fraction

    def least_in_time(self, tpot_s: float) -> float | None:
        """The least number of replicas that are, by bisection between the study's ends; None where the most are not.

        Less than one is a replica whose requests come so many times as fast as the trace's.
        """
        one, (first, last) = self.service, (math.log2(end) for end in (self.study.least_replicas, self.study.most_replicas))
        numbers = [2 ** (first + step / STEPS_A_DOUBLING) for step in range(math.floor((last - first) * STEPS_A_DOUBLING) + 1)]
        if one is None or not self.in_time(one, numbers[-1], tpot_s):
            return None
        return numbers[bisect_left(numbers, x=True, key=lambda count: self.in_time(one, count, tpot_s))]

    def row(self, replicas: float | None, tpot_s: float) -> dict[str, Any]:
        """What so many replicas make of the trace."""
        key = {"replicas": replicas, "fits": self.service is not None}
        if self.service is None or replicas is None:
            return key | dict.fromkeys(("requests_per_s_per_gpu", *columns()))
        per_gpu = self.requests.rate_per_s / replicas / self.service.n_gpus
        found = summary(self.served(self.service, replicas), self.service, tpot_s, self.study.ttft_s)
        return key | {"requests_per_s_per_gpu": per_gpu} | found


if __name__ == "__main__":
    script(main)
