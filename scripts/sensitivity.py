"""How much each assumption moves the answers: one at a time around the reference, and Sobol' indices of all together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
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
from prophet_memory.provision import provision as provision_of
from prophet_memory.residency import residency_policy
from prophet_memory.routing import routing_law
from prophet_memory.sensitivity import Case, Choice, Response, response

SKEW_STEPS = 24  # into which the range of s is cut: what a law has computed is used again
RESPONSES = tuple(field.name for field in fields(Response))
# As SALib calls them, and as the results do; intervals of 95 % by its bootstrap.
ORDERS = {"S1": "first_order", "S1_conf": "first_order_interval", "ST": "total", "ST_conf": "total_interval"}
LAW = "law"  # which of the two laws, by which the parameter of the other does not count


@dataclass(frozen=True)
class Factor:
    """What varies: its value at each place from 0 to 1, and the place of the reference."""

    name: str
    value: Callable[[float], Any]
    reference: Any

    def ends(self) -> tuple[Any, Any]:
        """The values from and to."""
        return self.value(0.0), self.value(1.0)


def between(first: float, last: float) -> Callable[[float], float]:
    """A number in proportion."""
    return lambda place: first + (last - first) * place


def one_of(values: Sequence[Any]) -> Callable[[float], Any]:
    """One of some values."""
    return lambda place: values[min(int(place * len(values)), len(values) - 1)]


def factors_of(varied: SensitivitySettings, engine: str, kv_format: str) -> list[Factor]:
    """Every factor with its reference: the source's exponent and predictor, uniform routing, the engine as config has it."""
    first, last = varied.zipf_s
    steps = [round(float(s), 4) for s in np.linspace(first, last, SKEW_STEPS + 1)]
    source, prophet = routing_law("power_law"), residency_policy("prophet").overhead_bytes
    logarithms = between(*(math.log2(tokens) for tokens in varied.context_tokens))
    middle = math.sqrt(math.prod(varied.context_tokens))
    return [
        Factor(LAW, one_of(["zipf", "power_law"]), "zipf"),
        Factor("exponent", between(*varied.exponent), source.parameters["exponent"]),
        Factor("zipf_s", one_of(steps), steps[0]),
        Factor("activation_factor", between(*varied.activation_factor), 1.0),
        Factor("predictor_bytes", lambda place: round(between(*varied.predictor_bytes)(place)), prophet),
        Factor("usable_fraction", between(*varied.usable_fraction), 1.0),
        Factor("engine", one_of(varied.engines), engine),
        Factor("kv_format", one_of(varied.kv_formats), kv_format),
        Factor("context_tokens", lambda place: round(2 ** logarithms(place)), round(middle)),
    ]


def choice_of(values: Mapping[str, Any], engines: Mapping[str, Engine]) -> Choice:
    """The values as objects."""
    parameters = {"power_law": {"exponent": values["exponent"]}, "zipf": {"s": values["zipf_s"]}}
    law = routing_law({values[LAW]: parameters[values[LAW]]})
    rest = {name: value for name, value in values.items() if name not in (LAW, "exponent", "zipf_s", "engine")}
    return Choice(routing=law, engine=engines[values["engine"]], **rest)


def one_at_a_time(factors: Sequence[Factor], answer: Callable[[Mapping[str, Any]], Response]) -> Iterator[dict[str, Any]]:
    """The answers at both ends of each factor, the others at the reference; the exponent's beside the power law's own."""
    at = {factor.name: factor.reference for factor in factors}
    for factor in factors:
        reference = at | ({LAW: "power_law"} if factor.name == "exponent" else {})
        middle = asdict(answer(reference))
        ends = [asdict(answer(reference | {factor.name: value})) for value in factor.ends()]
        for name in RESPONSES:
            first, last = map(str, factor.ends())
            row = {"factor": factor.name, "response": name, "value_from": first, "value_to": last}
            yield row | {"at_from": ends[0][name], "at_reference": middle[name], "at_to": ends[1][name]}


def indices(
    factors: Sequence[Factor], answer: Callable[[Mapping[str, Any]], Response], samples: int, seed: int
) -> Iterator[dict[str, Any]]:
    """First-order and total indices; of an answer that never moves, or that is undefined somewhere, none."""
    names = [factor.name for factor in factors]
    problem = {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}
    places = sampling.sample(problem, samples, calc_second_order=False, seed=seed)
    choices = [{f.name: f.value(float(place)) for f, place in zip(factors, row, strict=True)} for row in places]
    answers = [asdict(answer(choice)) for choice in choices]
    for name in RESPONSES:
        values = [own[name] for own in answers]
        defined = [value for value in values if value is not None]
        moves = len(defined) == len(values) and max(defined) > min(defined)
        found = dict.fromkeys(ORDERS, [None] * len(names))
        if moves:
            found = analysis.analyze(problem, np.array(values), calc_second_order=False, seed=seed)
        quantiles = np.quantile(defined, (0.05, 0.5, 0.95)).tolist() if defined else [None] * 3
        for place, factor in enumerate(names):
            row = {"factor": factor, "response": name, "samples": len(values), "undefined": len(values) - len(defined)}
            row |= dict(zip(("p05", "median", "p95"), quantiles, strict=True))
            own = {shown: found[order][place] for order, shown in ORDERS.items()}
            yield row | {shown: None if one is None else float(one) for shown, one in own.items()}


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

        def answer(values: Mapping[str, Any], case: Case = case) -> Response:
            return response(case, choice_of(values, profiles), taken)

        key = {"model": one.model, "gpu": one.gpu, "batch_size": one.batch_size}
        with described_by(files[one.model]), said_of_profile(taken.engine.name, engines):
            alone += [key | row for row in one_at_a_time(factors, answer)]
            together += [key | row for row in indices(factors, answer, varied.base_samples, varied.seed)]
    write_rows(alone, output[0])
    write_rows(together, output[1])


if __name__ == "__main__":
    script(main)
