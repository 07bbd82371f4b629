"""What `recommend` says of every model, GPU, context, load and target of the study, with weights as published or fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import ENGINES_FILE, GPUS_FILE, read_engines, read_gpus, read_model
from prophet_memory.edge.counting import caches_of, counts_of
from prophet_memory.edge.documents import checked
from prophet_memory.edge.results import taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, DecisionSettings, LatencySettings
from prophet_memory.edge.tables import write_rows
from prophet_memory.edge.traces import WORKLOADS_FILE, Leaf, read_workloads
from prophet_memory.formats import NATIVE
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import Assumptions, held_weight_bytes, stored_as
from prophet_memory.parallelism import ALONE
from prophet_memory.provision import PROVISIONS
from prophet_memory.recommend import Choice, Load, Option, Recommendation, Target, options, ranked
from prophet_memory.routing import routing_law

NOTHING, NOT_IN_TIME = "nothing", "not_in_time"
VALUES: dict[str, Callable[[Choice], Any]] = {
    "policy": lambda one: one.option.policy,
    "precision": lambda one: one.option.precision,
    "total_gpus": lambda one: one.total_gpus,
    "gpus_of_replica": lambda one: one.option.layout.n_gpus,
    "batch_size": lambda one: one.batch_size,
    "tpot_s": lambda one: one.tpot_s,
    "goodput_per_s_per_gpu": lambda one: one.goodput_per_s_per_gpu,
}


@dataclass(frozen=True, slots=True)
class Study:
    """What every question shares."""

    asked: DecisionSettings
    tree: tuple[Leaf, ...]
    policy: str  # of the source document


def main(
    *, models: list[Path], gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, workloads: Path = WORKLOADS_FILE,
    study: dict[str, Any], latency: dict[str, Any], assumptions: dict[str, Any] | None = None, routing: str, provision: str,
    policy: str, output: Path,
) -> None:  # fmt: skip
    """Read config, ask, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        gpus: catalogue of GPUs
        engines: catalogue of engines
        workloads: config/workloads.yaml
        study: JSON of what is asked
        latency: JSON of what times are computed with
        assumptions: JSON of the assumptions; default: those of config/config.yaml
        routing: the law of the distinct experts
        provision: what resident pools are sized for
        policy: of the source document's tree
        output: CSV file
    """
    asked, known = checked(DecisionSettings, study, SETTINGS_FILE), read_gpus(gpus)
    timing = checked(LatencySettings, latency, SETTINGS_FILE).timing()
    taken, own = taken_assumptions(assumptions, read_engines(engines)), Study(asked, read_workloads(workloads).tree, policy)
    rows = list[dict[str, Any]]()
    for file in sorted(models, key=lambda file: file.stem):
        model = Model(file.stem, read_model(file).architecture, counts_of(file.stem), caches_of(file.stem))
        grid = Grid(
            [model], gpus=[known[name] for name in sorted(asked.gpus)], n_gpus=asked.n_gpus, batch_sizes=[1],
            routings=[routing_law(routing)], policies=asked.policies, precisions=[NATIVE, *asked.fewer_bits],
            provisions=[PROVISIONS[provision]],
        )  # fmt: skip
        every = {context: options(grid, taken, timing, context, asked.output_tokens) for context in asked.context_tokens}
        for name, context in product(sorted(asked.gpus), sorted(asked.context_tokens)):
            found = [one for one in every[context] if one.gpu == name]
            key = {"model": model.name, "gpu": name, "routing": routing, "provision": provision, "context_tokens": context}
            key |= features(model, known[name], taken)
            rows += [key | row for row in answers(found, own, model.architecture.moe.routed_experts)]
    write_rows(rows, output)


def features(model: Model, gpu: Gpu, assumptions: Assumptions) -> dict[str, float]:
    """What a tree may ask of a model and a GPU."""
    moe, link = model.architecture.moe, gpu.host_link_effective_bandwidth_bytes_per_s or 0
    weights = held_weight_bytes(model.architecture, stored_as(NATIVE, model.architecture), ALONE, assumptions.engine)
    return {
        "routed_experts": moe.routed_experts,
        "experts_over_top_k": moe.routed_experts / moe.top_k,
        "weights_over_gpu_memory": weights / gpu.memory_bytes,
        "memory_over_link_bandwidth": (gpu.hbm_bandwidth_bytes_per_s or 0) / link,
    }


def answers(found: list[Option], study: Study, experts: int) -> Iterator[dict[str, Any]]:
    """A row for each load, target and choice of weights."""
    asked = study.asked
    for fewer_bits in (False, True):
        those = [one for one in found if fewer_bits or one.precision == NATIVE]
        for rate, tpot_s in product(sorted(asked.requests_per_s), sorted(asked.tpot_s)):
            answer = ranked(those, Load(rate, asked.output_tokens), Target(tpot_s))
            key = {"may_have_fewer_bits": int(fewer_bits), "requests_per_s": rate, "tpot_target_s": tpot_s}
            yield key | said_of(answer, study.policy) | compared(answer, study.tree, experts)


def said_of(answer: Recommendation, policy: str) -> dict[str, Any]:
    """The best choice, the best of another policy and the number that decided between them, a policy's best, and the bound."""
    best = answer.choices[0] if answer.choices else None
    other = next((one for one in answer.choices if best and one.option.policy != best.option.policy), None)
    own = next((one for one in answer.choices if one.option.policy == policy), None)
    decided = None if best is None or other is None else best.decided_over(other)
    row: dict[str, Any] = {}
    for name, choice in (("best", best), ("other", other), (policy, own)):
        row |= {f"{name}_{key}": None if choice is None else of(choice) for key, of in VALUES.items()}
    bound = None if answer.bound is None else answer.bound.least
    return row | {"decided_by": None if decided is None else decided[0], "behind_by": behind(best, own), "bound_step_s": bound}


def behind(best: Choice | None, own: Choice | None) -> str | None:
    """By which number a policy's best stands behind the best choice; nothing where it is that."""
    if best is None:
        return None
    if own is None:
        return NOT_IN_TIME
    decided = best.decided_over(own)
    return NOTHING if decided is None or own.option.policy == best.option.policy else decided[0]


def compared(answer: Recommendation, tree: tuple[Leaf, ...], experts: int) -> dict[str, Any]:
    """The leaf of the source document's tree for the best choice's batch and the experts, and whether it says the same."""
    best = answer.choices[0] if answer.choices else None
    leaf = None if best is None else next((one for one in tree if one.holds(best.batch_size, experts)), None)
    if best is None or leaf is None:
        return {"source_leaf": None, "source_agrees": None}
    agrees = leaf.agrees(best.option.policy, fewer_bits=best.option.precision != NATIVE)
    return {"source_leaf": leaf.name, "source_agrees": int(agrees)}


if __name__ == "__main__":
    script(main)
