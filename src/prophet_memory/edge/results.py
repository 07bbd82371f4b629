"""Config's words as the objects of a sweep: what the workflow's shards and the command line's sweeps share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from prophet_memory.axes import AXES
from prophet_memory.edge.configuration import check_known
from prophet_memory.edge.settings import SETTINGS_FILE, AssumptionSettings, AxesSettings, read_settings_alone
from prophet_memory.engine import Engine
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import Assumptions
from prophet_memory.named import Named, by_name
from prophet_memory.provision import provision


def grid_of(models: Sequence[Model], axes: AxesSettings, gpus: Mapping[str, Gpu]) -> Grid:
    """The grid of a config's lists, every axis in the order of its values, so that the order of the lists changes no byte."""
    return Grid(
        models,
        gpus=[gpus[name] for name in sorted(axes.gpus)],
        n_gpus=sorted(axes.n_gpus),
        batch_sizes=sorted(axes.batch_sizes),
        routings=by_name(axes.routings),
        precisions=sorted(axes.precisions),
        policies=by_name(axes.policies),
        provisions=[provision(name) for name in sorted(axes.provisions)],
    )


def key_values(axes: AxesSettings) -> dict[str, list[Any]]:
    """The values of each key column, as results name and sort them."""
    lists = {axis: getattr(axes, key) for axis, key in AXES.items()}
    return {axis: sorted(v.name if isinstance(v, Named) else v for v in values) for axis, values in lists.items()}


def assumptions_of(settings: AssumptionSettings, engines: Mapping[str, Engine]) -> Assumptions:
    """The assumptions of a config, whose engine is named. Raises a ConfigurationError for an engine that there is not."""
    check_known([settings.engine], "assumptions.engine", engines, "the engines", SETTINGS_FILE)
    return Assumptions(**asdict(settings) | {"engine": engines[settings.engine]})


def taken_assumptions(given: object | None, engines: Mapping[str, Engine]) -> Assumptions:
    """The assumptions that a script is given as plain values, else those of config/config.yaml."""
    if given is None:
        return assumptions_of(read_settings_alone().assumptions, engines)
    from prophet_memory.edge.documents import checked  # noqa: PLC0415 - what checks takes time to import

    return assumptions_of(checked(AssumptionSettings, given, SETTINGS_FILE), engines)
