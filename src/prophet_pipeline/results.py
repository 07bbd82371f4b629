"""Config's plain words as the objects of a sweep: what the workflow's shards and the command line's sweeps share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prophet_memory.axes import AXES
from prophet_memory.engine import engine_from_mapping
from prophet_memory.gpu import gpu_from_mapping
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import Assumptions
from prophet_memory.residency import residency_policies
from prophet_memory.routing import routing_laws
from prophet_pipeline.command import ConfigurationError

Entries = Mapping[str, Mapping[str, Any]]


def grid_of(models: Sequence[Model], sweep: Mapping[str, Any], gpus: Entries) -> Grid:
    """The grid of a config's lists, every axis in the order of its values, so that the order of the lists changes no byte.

    Raises:
        ParameterError: for a law or a policy that is not there.
    """
    return Grid(
        models,
        gpus=[gpu_from_mapping(name, gpus[name]) for name in sorted(sweep["gpus"])],
        n_gpus=sorted(sweep["n_gpus"]),
        batch_sizes=sorted(sweep["batch_sizes"]),
        routings=routing_laws(sweep["routings"]),
        precisions=sorted(sweep["precisions"]),
        policies=residency_policies(sweep["policies"]),
    )


def key_values(sweep: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of each key column, as results name and sort them."""
    named = {
        "routings": [law.name for law in routing_laws(sweep["routings"])],
        "policies": [policy.name for policy in residency_policies(sweep["policies"])],
    }
    return {axis: named[key] if key in named else sorted(sweep[key]) for axis, key in AXES.items()}


def assumptions_of(settings: Mapping[str, Any], engines: Entries) -> Assumptions:
    """The assumptions of a config, whose engine is named."""
    name = settings["engine"]
    if name not in engines:
        raise ConfigurationError(f"assumptions.engine: {name}; allowed: {', '.join(engines)}")
    return Assumptions(**dict(settings) | {"engine": engine_from_mapping(name, engines[name])})
