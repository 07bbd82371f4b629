"""config/observations, checked against what they refer to, and their comparison with the memory model as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Len

from prophet_memory.edge.configuration import (
    CONFIG,
    ENGINES_FILE,
    GPUS_FILE,
    MODELS_FOLDER,
    check_known,
    known_models,
    read_engines,
    read_gpus,
    read_model,
)
from prophet_memory.edge.documents import error, read, relative
from prophet_memory.fields import Slug
from prophet_memory.formats import OF_CACHE
from prophet_memory.observations import Catalogue, Comparison, Observation, compared

OBSERVATIONS_FOLDER = CONFIG / "observations"
Observations = Annotated[dict[Slug, Observation], Len(1)]


def catalogue_of(observations: Mapping[str, Observation]) -> Catalogue:
    """The engines and GPUs of config, and the models that observations refer to."""
    names = sorted({own.model for own in observations.values() if own.model})
    models = {name: read_model(MODELS_FOLDER / f"{name}.yaml").architecture for name in names}
    return Catalogue(models, read_engines(), read_gpus())


def read_observations(files: Iterable[Path] | None = None) -> dict[str, Observation]:
    """Observations by run, sorted by file, each reference known.

    Args:
        files: default: those of config/observations.

    Raises:
        ConfigurationError: for a run that stands twice, and a reference to what there is not.
    """
    found: dict[str, Observation] = {}
    known: dict[str, tuple[Iterable[str], str]] = {
        "model": (known_models(), f"the files in {relative(MODELS_FOLDER)}"),
        "profile": (read_engines(), f"the entries of {relative(ENGINES_FILE)}"),
        "gpu": (read_gpus(), f"the entries of {relative(GPUS_FILE)}"),
        "kv": (OF_CACHE, "the formats of a cache"),
    }
    for file in sorted(OBSERVATIONS_FOLDER.glob("*.yaml")) if files is None else files:
        own: dict[str, Observation] = read(Observations, file)
        for run, observation in own.items():
            if run in found:
                raise error(file, run, observation.named, "a run that no other file holds")
            for key, (names, what) in known.items():
                value = getattr(observation, key)
                check_known([] if value is None else [value], f"{run}.{key}", names, what, file)
            found[run] = observation
    return found


def comparison_rows(observations: Mapping[str, Observation]) -> list[dict[str, Any]]:
    """A row for each measured figure."""
    return [_row(observations[one.run], one) for one in compared(observations, catalogue_of(observations))]


def _row(own: Observation, one: Comparison) -> dict[str, Any]:
    left_out = None if one.predicted_left_out is None else one.predicted_left_out / one.measured - 1
    return {
        "run": one.run, "engine": own.engine, "profile": own.profile, "model": own.model, "named": own.named,
        "component": one.component, "measured": one.measured, "predicted": one.predicted,
        "difference": None if one.predicted is None else one.predicted - one.measured, "error_fraction": one.error,
        "error_fraction_left_out": left_out, "reason": one.reason, "repository": own.source.repository,
        "thread": own.source.thread,
    }  # fmt: skip
