"""What is swept and shown: config/config.yaml and config/design_space.yaml, checked against what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import Any

from prophet_memory.named import Kind, ParameterError
from prophet_memory.residency import BASELINE, residency_policies, residency_policy
from prophet_memory.routing import LAWS, routing_laws
from prophet_pipeline.configuration import (
    CONFIG,
    ENGINES_FILE,
    GPUS_FILE,
    MODELS_FOLDER,
    check_known,
    error,
    hint,
    read_engines,
    read_gpus,
    read_models,
    read_yaml,
    relative,
    validate,
)

SETTINGS_FILE = CONFIG / "config.yaml"
DESIGN_SPACE_FILE = CONFIG / "design_space.yaml"


def read_settings(file: Path = SETTINGS_FILE) -> dict[str, Any]:
    """config/config.yaml, checked against its schema and the catalogue."""
    settings = read_settings_alone(file)
    check_settings(settings, read_models(), read_gpus(), file)
    return settings


def read_settings_alone(file: Path = SETTINGS_FILE) -> dict[str, Any]:
    """config/config.yaml, checked without the catalogue: for who needs its assumptions, whatever it sweeps."""
    settings = read_yaml(file)
    validate(settings, "config", file)
    assert isinstance(settings, dict)  # noqa: S101 - the schema says so
    check_names(settings, file)
    return settings


def check_names(settings: Any, file: Path) -> dict[str, list[str]]:
    """Check that the engine, the laws and the policies are there; the names of the latter by their list."""
    engine = settings["assumptions"]["engine"]
    check_known([engine], "assumptions.engine", read_engines(), f"the entries of {relative(ENGINES_FILE)}", file)
    laws = named_objects(routing_laws, settings["sweep"]["routings"], "sweep.routings", file)
    policies = named_objects(residency_policies, settings["sweep"]["policies"], "sweep.policies", file)
    return {"routings": [law.name for law in laws], "policies": [policy.name for policy in policies]}


def check_settings(settings: Any, models: Iterable[str], gpus: Iterable[str], file: Path = SETTINGS_FILE) -> None:
    """Check settings: the schema, then that every model, GPU, law and policy exists and the paper's points are swept."""
    validate(settings, "config", file)
    sweep, paper = settings["sweep"], settings["paper"]
    check_known(sweep["models"], "sweep.models", models, f"the files in {relative(MODELS_FOLDER)}", file)
    check_known(sweep["gpus"], "sweep.gpus", gpus, f"the entries of {relative(GPUS_FILE)}", file)
    names = sweep | check_names(settings, file)
    swept = {
        "reference.gpu": ([paper["reference"]["gpu"]], "gpus"),
        "reference.batch_size": ([paper["reference"]["batch_size"]], "batch_sizes"),
        "reference.precision": ([paper["reference"]["precision"]], "precisions"),
        "reference.routing": ([paper["reference"]["routing"]], "routings"),
        "reference.policy": ([paper["reference"]["policy"]], "policies"),
        "breakdown_models": (paper["breakdown_models"], "models"),
        "summary.models": (paper["summary"]["models"], "models"),
        "summary.batch_sizes": (paper["summary"]["batch_sizes"], "batch_sizes"),
        "multi_gpu.gpus": (paper["multi_gpu"]["gpus"], "gpus"),
    }
    for key, (values, axis) in swept.items():
        check_known(values, f"paper.{key}", names[axis], f"the values of sweep.{axis}", file)
    if BASELINE.name not in names["policies"]:
        raise error(file, "sweep.policies", sweep["policies"], f"a list with {BASELINE.name}, which the others are compared with")
    if paper["reference"]["policy"] == BASELINE.name:
        raise error(file, "paper.reference.policy", BASELINE.name, "a policy that is compared with it")
    if 1 not in sweep["n_gpus"]:
        raise error(file, "sweep.n_gpus", sweep["n_gpus"], "a list with 1, which figures and tables of a single GPU show")


def named_objects(parse: Callable[[Iterable[object]], list[Kind]], entries: Iterable[object], key: str, file: Path) -> list[Kind]:
    """Laws or policies of a list, sorted by name.

    Raises:
        ConfigurationError: for a kind that is not there, and for a parameter that it cannot have.
    """
    try:
        return parse(entries)
    except ParameterError as problem:
        words = [word.strip() for word in problem.allowed.removeprefix("one of ").split(",")]
        near = hint(problem.value, words) if isinstance(problem.value, str) else ""
        raise error(file, f"{key}{problem.key}", problem.value, f"{problem.allowed}{near}") from None


def read_design_space(models: Iterable[str], gpus: Iterable[str], file: Path = DESIGN_SPACE_FILE) -> dict[str, Any]:
    """config/design_space.yaml, checked against its schema and against the models and GPUs that there are."""
    design = read_yaml(file)
    validate(design, "design_space", file)
    assert isinstance(design, dict)  # noqa: S101 - the schema says so
    check_known(design["models"], "models", models, f"the files in {relative(MODELS_FOLDER)}", file)
    check_known(design["gpus"], "gpus", gpus, f"the entries of {relative(GPUS_FILE)}", file)
    named_objects(routing_laws, design["routings"], "routings", file)
    try:
        policy = residency_policy(design["policy"])
    except ParameterError as problem:
        raise error(file, f"policy.{problem.key}".rstrip("."), problem.value, problem.allowed) from None
    if policy == BASELINE:
        raise error(file, "policy", design["policy"], "a policy that is compared with all experts resident")
    check_known([design["figure_precision"]], "figure_precision", design["precisions"], "the values of precisions", file)
    family = design["family"]
    for hidden, heads in product(family["hidden_size"], family["kv_heads"]):
        if hidden % family["head_dim"] or hidden // family["head_dim"] % heads:
            allowed = f"divisors of every hidden_size over head_dim, such as {hidden} / {family['head_dim']}"
            raise error(file, "family.kv_heads", heads, allowed)
    if min(family["top_k"]) >= max(family["experts"]):
        raise error(file, "family.top_k", family["top_k"], "at least one below the largest number of experts")
    return design


def check_law_name(name: str, key: str, file: Path) -> None:
    """Raise a ConfigurationError unless a name begins with the kind of a law: `power_law`, or `power_law_0.9`."""
    if not any(name == kind or name.startswith(f"{kind}_") for kind in LAWS):
        raise error(file, key, name, f"{', '.join(sorted(LAWS))}, with _ and a parameter behind it{hint(name, LAWS)}")
