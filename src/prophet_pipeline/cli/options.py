"""What the commands take: values that are checked with one line in the project's form, and GPUs by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import click

from prophet_memory.precision import CACHE_FORMATS, FORMATS, NATIVE
from prophet_memory.residency import POLICIES
from prophet_memory.routing import ROUTING_LAW_NAMES
from prophet_pipeline.command import ConfigurationError
from prophet_pipeline.configuration import hint, read_gpus

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
        words = [word.strip() for word in str(value).split(",")]
        if "" in words:
            self.fail(f"{json.dumps(value)}; allowed: words with commas between them, none of them empty", param, ctx)
        if words == ["all"] and isinstance(self.one, Among):
            return list(self.one.words)
        return list(dict.fromkeys(self.one.convert(word, param, ctx) for word in words))


BATCH = Number(1, 2**20)
GPUS = Number(1, 4096)
WEIGHT_FORMATS = Among([*FORMATS, NATIVE])
EXPERT_FORMATS = Among(FORMATS)
CACHE = Among(CACHE_FORMATS)
ROUTING = Among(ROUTING_LAW_NAMES)
POLICY = Among(POLICIES)
as_json = click.option("--json", "as_json", is_flag=True, help="print JSON for programs")


def say_notes(notes: Iterable[str]) -> None:
    """What a user should know of how a model was read, beside the answer."""
    for note in notes:
        click.echo(f"note: {note}", err=True)


def open_gpu(name: str) -> dict[str, Any]:
    """A GPU by its name in the catalogue."""
    gpus = read_gpus()
    if name not in gpus:
        raise ConfigurationError(f"gpu: {json.dumps(name)}; allowed: {', '.join(gpus)}{hint(name, gpus)}")
    return gpus[name]
