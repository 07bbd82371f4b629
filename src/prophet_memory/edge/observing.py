"""config/observations, checked against what they refer to, and their comparison with the memory model as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from annotated_types import Len

from prophet_memory.edge.configuration import (
    CONFIG,
    ENGINES_FILE,
    GPUS_FILE,
    MODELS_FOLDER,
    check_known,
    read_engines,
    read_gpus,
    read_models,
)
from prophet_memory.edge.documents import error, read, relative
from prophet_memory.fields import Slug
from prophet_memory.formats import OF_CACHE
from prophet_memory.observations import COMPONENTS, Catalogue, Comparison, Observation, compared

OBSERVATIONS_FOLDER = CONFIG / "observations"
NO_PROFILE = "none"  # of an engine or version that no profile describes
Observations = Annotated[dict[Slug, Observation], Len(1)]


def read_catalogue() -> Catalogue:
    """The models, engines and GPUs of config, as observations refer to them."""
    models = {name: entry.architecture for name, entry in read_models().items()}
    return Catalogue(models, read_engines(), read_gpus())


def read_observations(catalogue: Catalogue, files: Iterable[Path] | None = None) -> dict[str, Observation]:
    """Observations by run, sorted by file, each reference known.

    Args:
        catalogue: what they refer to.
        files: default: those of config/observations.

    Raises:
        ConfigurationError: for a run that stands twice, and a reference to what there is not.
    """
    found: dict[str, Observation] = {}
    for file in sorted(OBSERVATIONS_FOLDER.glob("*.yaml")) if files is None else files:
        own: dict[str, Observation] = read(Observations, file)
        for run, observation in own.items():
            if run in found:
                raise error(file, run, observation.named, "a run that no other file holds")
            _check(run, observation, catalogue, file)
            found[run] = observation
    return found


def _check(run: str, observation: Observation, catalogue: Catalogue, file: Path) -> None:
    known: dict[str, tuple[Iterable[str], str]] = {
        "model": (catalogue.models, f"the files in {relative(MODELS_FOLDER)}"),
        "profile": (catalogue.engines, f"the entries of {relative(ENGINES_FILE)}"),
        "gpu": (catalogue.gpus, f"the entries of {relative(GPUS_FILE)}"),
        "kv": (OF_CACHE, "the formats of a cache"),
    }
    for key, (names, what) in known.items():
        value = getattr(observation, key)
        check_known([] if value is None else [value], f"{run}.{key}", names, what, file)


def comparison_rows(observations: Mapping[str, Observation], catalogue: Catalogue) -> list[dict[str, Any]]:
    """A row for each measured figure."""
    return [_row(observations[one.run], one) for one in compared(observations, catalogue)]


def _row(own: Observation, one: Comparison) -> dict[str, Any]:
    left_out = None if one.predicted_left_out is None else one.predicted_left_out / one.measured - 1
    return {
        "run": one.run, "engine": own.engine, "profile": own.profile, "model": own.model, "named": own.named,
        "component": one.component, "measured": one.measured, "predicted": one.predicted,
        "difference": None if one.predicted is None else one.predicted - one.measured, "error_fraction": one.error,
        "error_fraction_left_out": left_out, "reason": one.reason, "repository": own.source.repository,
        "thread": own.source.thread,
    }  # fmt: skip


def error_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Errors by engine profile and component, from `comparison_rows`: how many figures, the median and the worst of them.

    A figure whose difference has a reason beside it counts by itself, so that what is known to be left out hides no other error.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["profile"] or NO_PROFILE, row["component"]), []).append(row)
    order = sorted(groups, key=lambda key: (key[0] == NO_PROFILE, key[0], COMPONENTS.index(key[1])))
    return [_errors(profile, component, groups[profile, component]) for profile, component in order]


def _errors(profile: str, component: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [row for row in rows if row["error_fraction"] is not None]
    plain = [row for row in known if not row["reason"]]
    worst = max(plain, key=lambda row: abs(row["error_fraction"]), default=None)
    left_out = [abs(row["error_fraction_left_out"]) for row in plain if row["error_fraction_left_out"] is not None]
    return {
        "profile": profile, "component": component, "figures": len(rows), "compared": len(plain),
        "explained": len(known) - len(plain), "not_predicted": len(rows) - len(known),
        "median_error_fraction": median(abs(row["error_fraction"]) for row in plain) if plain else None,
        "highest_error_fraction": max((row["error_fraction"] for row in plain), default=None),
        "lowest_error_fraction": min((row["error_fraction"] for row in plain), default=None),
        "worst_error_fraction_left_out": max(left_out, default=None),
        "worst_difference": None if worst is None else worst["difference"], "worst_run": None if worst is None else worst["run"],
    }  # fmt: skip
