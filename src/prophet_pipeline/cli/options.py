"""What the commands take: values that are checked with one line in the project's form, and the catalogue by name or path."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from prophet_memory.architecture import Architecture, ArchitectureError, architecture_from_mapping
from prophet_memory.hf_config import catalogue_entry
from prophet_memory.precision import CACHE_FORMATS, FORMATS, NATIVE
from prophet_memory.residency import POLICIES
from prophet_memory.routing import ROUTING_LAW_NAMES
from prophet_pipeline.command import ConfigurationError
from prophet_pipeline.configuration import MODELS_FOLDER, error, hint, model_architecture, read_gpus, read_json, read_model

Command = Callable[..., Any]


class Among(click.ParamType[str]):
    """One of some words."""

    name = "name"

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, or one line."""
        if value not in self.words:
            self.fail(f"{json.dumps(value)}; allowed: {', '.join(self.words)}{hint(str(value), self.words)}", param, ctx)
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """For --help: the words where they are few."""
        del param, ctx
        return f"[{'|'.join(self.words)}]"


class Number(click.ParamType[int | float]):
    """An integer of at least `least`, at most `most`; or a fraction above zero."""

    name = "number"

    def __init__(self, least: int = 1, most: int = 2**40, *, fraction: bool = False) -> None:
        self.least, self.most, self.fraction = least, most, fraction

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """The number, or one line."""
        try:
            number = float(value) if self.fraction else int(value)
        except ValueError:
            number = None
        allowed = "a number above 0 and at most 1" if self.fraction else f"an integer from {self.least} to {self.most}"
        if number is None or not (0 < number <= 1 if self.fraction else self.least <= number <= self.most):
            self.fail(f"{json.dumps(value)}; allowed: {allowed}", param, ctx)
        return number


class Several(click.ParamType[list[Any]]):
    """A list with commas, each of another type; `all` for every known word."""

    name = "list"

    def __init__(self, one: click.ParamType[Any]) -> None:
        self.one = one

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        """The values in order, each once."""
        if isinstance(value, list):
            return value
        if value == "all" and isinstance(self.one, Among):
            return list(self.one.words)
        return list(dict.fromkeys(self.one.convert(word.strip(), param, ctx) for word in str(value).split(",")))


BATCH = Number(1, 2**20)
GPUS = Number(1, 4096)
WEIGHT_FORMATS = Among([*FORMATS, NATIVE])
EXPERT_FORMATS = Among(FORMATS)
CACHE = Among(CACHE_FORMATS)
ROUTING = Among(ROUTING_LAW_NAMES)
POLICY = Among(POLICIES)
as_json = click.option("--json", "as_json", is_flag=True, help="print JSON for programs")


def open_model(name: str) -> tuple[str, dict[str, Any], Architecture]:
    """A model by its name in the catalogue, by a catalogue file or by a Hugging Face config.json.

    Returns:
        Its slug, what is known about it, and its architecture.

    Raises:
        ConfigurationError: where there is no such model, or a file describes none.
    """
    file = Path(name)
    if file.suffix == ".json":
        config = read_json(file)
        try:
            entry = catalogue_entry(config)
            return file.parent.resolve().name or file.stem, entry, architecture_from_mapping(entry)
        except ArchitectureError as problem:
            raise error(file, problem.key, problem.value, problem.allowed) from None
    if file.suffix != ".yaml":
        file = MODELS_FOLDER / f"{name}.yaml"
        known = sorted(path.stem for path in MODELS_FOLDER.glob("*.yaml"))
        if name not in known:
            allowed = f"{', '.join(known)}{hint(name, known)}, or a path to a config.json or a catalogue file"
            raise ConfigurationError(f"model: {json.dumps(name)}; allowed: {allowed}")
    entry = read_model(file)
    return file.stem, entry, model_architecture(entry, file)


def open_gpu(name: str) -> dict[str, Any]:
    """A GPU by its name in the catalogue."""
    gpus = read_gpus()
    if name not in gpus:
        raise ConfigurationError(f"gpu: {json.dumps(name)}; allowed: {', '.join(gpus)}{hint(name, gpus)}")
    return gpus[name]
