"""How much each assumption moves the answers: one at a time around the reference, and Sobol' indices of all together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from SALib.analyze import sobol as analysis
from SALib.sample import sobol as sampling

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import ENGINES_FILE, GPUS_FILE, read_engines, read_gpus, read_model, said_of_profile
from prophet_memory.edge.documents import checked
from prophet_memory.edge.messages import described_by
from prophet_memory.edge.results import taken_assumptions
from prophet_memory.edge.settings import SETTINGS_FILE, SensitivitySettings
from prophet_memory.edge.tables import write_rows
from prophet_memory.engine import Engine
from prophet_memory.grid import Model
from prophet_memory.integers import IntArray
from prophet_memory.memory import Assumptions
from prophet_memory.provision import provision as provision_of
from prophet_memory.residency import residency_policy
from prophet_memory.routing import RoutingLaw, routing_law
from prophet_memory.sensitivity import Case, FloatArray, Lattice, Responses, responses

# Into how many values a range is cut: the answers are computed at every combination, and samples look theirs up.
LEVELS = {
    "exponent": 9, "zipf_s": 9, "activation_factor": 3, "predictor_bytes": 3, "usable_fraction": 7, "context_tokens": 7,
}  # fmt: skip
RESPONSES = tuple(field.name for field in fields(Responses))
# As SALib calls them, and as the results do; intervals of 95 % by its bootstrap.
ORDERS = {"S1": "first_order", "S1_conf": "first_order_interval", "ST": "total", "ST_conf": "total_interval"}
LAW, LAWS = "law", ("zipf", "power_law")  # which of the two laws: the parameter of the other does not count


@dataclass(frozen=True)
class Factor:
    """What varies: its values in turn, and that of the reference."""

    name: str
    values: Sequence[Any]
    reference: Any

    def level(self, place: float) -> int:
        """The number of the value at a place from 0 to 1."""
        return min(int(place * len(self.values)), len(self.values) - 1)


def factors_of(varied: SensitivitySettings, engine: str, kv_format: str) -> list[Factor]:
    """Every factor with its reference: the source's exponent and predictor, uniform routing, the engine as config has it."""

    def steps(name: str) -> list[float]:
        first, last = getattr(varied, name)
        return [round(float(value), 4) for value in np.linspace(first, last, LEVELS[name])]

    first, last = varied.context_tokens
    contexts = [round(float(tokens)) for tokens in np.geomspace(first, last, LEVELS["context_tokens"])]
    return [
        Factor(LAW, LAWS, LAWS[0]),
        Factor("exponent", steps("exponent"), routing_law("power_law").parameters["exponent"]),
        Factor("zipf_s", steps("zipf_s"), varied.zipf_s[0]),
        Factor("activation_factor", steps("activation_factor"), 1.0),
        Factor("predictor_bytes", list(map(round, steps("predictor_bytes"))), residency_policy("prophet").overhead_bytes),
        Factor("usable_fraction", steps("usable_fraction"), 1.0),
        Factor("engine", varied.engines, engine),
        Factor("kv_format", varied.kv_formats, kv_format),
        Factor("context_tokens", contexts, contexts[len(contexts) // 2]),
    ]


def law_of(name: str, values: Mapping[str, Any]) -> RoutingLaw:
    """One of the two laws with its parameter."""
    parameters = {"power_law": {"exponent": values["exponent"]}, "zipf": {"s": values["zipf_s"]}}
    return routing_law({name: parameters[name]})


def lattice_of(values: Mapping[str, Sequence[Any]], laws: Sequence[RoutingLaw], engines: Mapping[str, Engine]) -> Lattice:
    """Some values of each factor."""
    return Lattice(
        engines=[engines[name] for name in values["engine"]], kv_formats=values["kv_format"], routings=laws,
        activation_factors=values["activation_factor"], usable_fractions=values["usable_fraction"],
        predictor_bytes=values["predictor_bytes"], context_tokens=values["context_tokens"],
    )  # fmt: skip


Answer = Callable[[Mapping[str, Any]], dict[str, float]]  # values of the factors to the responses


def one_at_a_time(factors: Sequence[Factor], answer: Answer) -> Iterator[dict[str, Any]]:
    """The answers at both ends of each factor, the others at the reference; the exponent's beside the power law's own."""
    at = {factor.name: factor.reference for factor in factors}
    for factor in factors:
        reference = at | ({LAW: "power_law"} if factor.name == "exponent" else {})
        middle = answer(reference)
        ends = [answer(reference | {factor.name: value}) for value in (factor.values[0], factor.values[-1])]
        for name in RESPONSES:
            row = {"factor": factor.name, "response": name}
            row |= {"value_from": str(factor.values[0]), "value_to": str(factor.values[-1])}
            numbers = {"at_from": ends[0][name], "at_reference": middle[name], "at_to": ends[1][name]}
            yield row | {key: None if math.isnan(value) else value for key, value in numbers.items()}


def indices(
    factors: Sequence[Factor], answers: Callable[[IntArray], dict[str, FloatArray]], samples: int, seed: int
) -> Iterator[dict[str, Any]]:
    """First-order and total indices; of an answer that never moves, or that is undefined somewhere, none.

    Args:
        factors: what varies.
        answers: from the numbers of values, as (sample, factor), to each response.
        samples: of the base sequence, a power of two.
        seed: of the sequence and of the bootstrap.
    """
    names = [factor.name for factor in factors]
    problem = {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}
    places = sampling.sample(problem, samples, calc_second_order=False, seed=seed)
    levels = np.array([[f.level(float(place)) for f, place in zip(factors, row, strict=True)] for row in places])
    for name, values in answers(levels).items():
        defined = values[~np.isnan(values)]
        moves = defined.size == values.size and defined.max() > defined.min()
        found = dict.fromkeys(ORDERS, [None] * len(names))
        if moves:
            found = analysis.analyze(problem, values, calc_second_order=False, seed=seed)
        quantiles = np.quantile(defined, (0.05, 0.5, 0.95)).tolist() if defined.size else [None] * 3
        for place, factor in enumerate(names):
            row = {"factor": factor, "response": name, "samples": values.size, "undefined": values.size - defined.size}
            row |= dict(zip(("p05", "median", "p95"), quantiles, strict=True))
            own = {shown: found[order][place] for order, shown in ORDERS.items()}
            yield row | {shown: None if one is None else float(one) for shown, one in own.items()}


def looked_up(found: Responses, factors: Sequence[Factor], levels: IntArray) -> dict[str, FloatArray]:
    """The answers of samples on the whole lattice, whose laws are those of Zipf and then the power laws."""
    at = {factor.name: levels[:, place] for place, factor in enumerate(factors)}
    zipfs = next(len(factor.values) for factor in factors if factor.name == "zipf_s")
    law = np.where(at[LAW] == LAWS.index("zipf"), at["zipf_s"], zipfs + at["exponent"])
    place = (
        at["engine"], at["kv_format"], at["activation_factor"], at["usable_fraction"], law, at["predictor_bytes"],
        at["context_tokens"],
    )  # fmt: skip
    return {name: getattr(found, name)[place] for name in RESPONSES}


def studied(
    case: Case, factors: Sequence[Factor], engines: Mapping[str, Engine], taken: Assumptions, varied: SensitivitySettings
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of a case: one at a time, and all together."""

    def answer(values: Mapping[str, Any]) -> dict[str, float]:
        lattice = lattice_of({name: [value] for name, value in values.items()}, [law_of(values[LAW], values)], engines)
        found = responses(case, lattice, taken)
        return {name: float(getattr(found, name).item()) for name in RESPONSES}

    values = {factor.name: factor.values for factor in factors}
    laws = [law_of("zipf", {"zipf_s": s, "exponent": None}) for s in values["zipf_s"]]
    laws += [law_of("power_law", {"zipf_s": None, "exponent": exponent}) for exponent in values["exponent"]]
    whole = responses(case, lattice_of(values, laws, engines), taken)
    together = indices(factors, lambda levels: looked_up(whole, factors, levels), varied.base_samples, varied.seed)
    return list(one_at_a_time(factors, answer)), list(together)


def main(
    *, models: list[Path], gpus: Path = GPUS_FILE, engines: Path = ENGINES_FILE, sensitivity: dict[str, Any],
    assumptions: dict[str, Any], precision: str, provision: str, output: list[Path],
) -> None:  # fmt: skip
    """Read config, vary, write.

    Args:
        models: catalogue files of the cases
        gpus: catalogue of GPUs
        engines: catalogue of engines
        sensitivity: JSON of what varies
        assumptions: JSON of the assumptions
        precision: of the weights
        provision: what resident pools are sized for
        output: CSV files: one at a time, then all together
    """
    varied, profiles = checked(SensitivitySettings, sensitivity, SETTINGS_FILE), read_engines(engines)
    taken, known, files = taken_assumptions(assumptions, profiles), read_gpus(gpus), {file.stem: file for file in models}
    factors, alone, together = factors_of(varied, taken.engine.name, taken.kv_format), list[Any](), list[Any]()
    for one in varied.cases:
        model, sized = Model(one.model, read_model(files[one.model]).architecture), provision_of(provision)
        case = Case(model, known[one.gpu], one.batch_size, precision, sized)
        key = {"model": one.model, "gpu": one.gpu, "batch_size": one.batch_size}
        with described_by(files[one.model]), said_of_profile(taken.engine.name, engines):
            for rows, own in zip((alone, together), studied(case, factors, profiles, taken, varied), strict=True):
                rows += [key | row for row in own]
    write_rows(alone, output[0])
    write_rows(together, output[1])


if __name__ == "__main__":
    script(main)
