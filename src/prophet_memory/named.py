"""Objects that config names: a kind alone, or a kind with parameters, as in `uniform` or `{power_law: {exponent: 0.9}}`.

Each kind is a frozen dataclass in a module of its own in its package, with its parameters as fields: adding a kind adds a file.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from types import ModuleType
from typing import Any, ClassVar, TypeVar

from prophet_memory.discovery import classes_in
from prophet_memory.errors import ModelError


class ParameterError(ModelError):
    """A kind that is not there, or a parameter that it cannot have; the key is the place in the specification."""


@dataclass(frozen=True)
class Words:
    """How people read a name: `label` in figures, `head` over the columns of a table, `abbreviation` where a word must do."""

    label: str
    head: str
    abbreviation: str


@dataclass(frozen=True)
class Named(ABC):
    """What config names; a kind that lacks a method cannot be made.

    `order` is the place of a kind in figures, ascending; kinds that share one follow their names.
    """

    kind: ClassVar[str]
    order: ClassVar[int] = 100

    @property
    def parameters(self) -> dict[str, int | float | None]:
        """Values by parameter; None for one that may be left out and is."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def name(self) -> str:
        """As results call it: the kind, and the parameters whose values are not the kind's own defaults."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        several = len(fields(self)) > 1
        return "_".join([self.kind, *(f"{name if several else ''}{value}".removesuffix(".0") for name, value in own.items())])

    @property
    def specification(self) -> str | dict[str, dict[str, int | float | None]]:
        """As config writes it."""
        return {self.kind: self.parameters} if self.name != self.kind else self.kind

    def require(self, parameter: str, allowed: str, *, holds: bool) -> None:
        """Raise a ParameterError unless a parameter's limit holds."""
        if not holds:
            raise ParameterError(parameter, getattr(self, parameter), allowed)


Kind = TypeVar("Kind", bound=Named)


def kinds_of(package: ModuleType, base: type[Kind]) -> dict[str, type[Kind]]:
    """Every kind that a module of a package defines, by name, in the order of figures."""
    found = classes_in(package, base)
    names = [one.kind for one in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"{package.__name__}: the kind {min(twice)} stands in several modules")
    return {kind.kind: kind for kind in sorted(found, key=lambda kind: (kind.order, kind.kind))}


def parsed(specification: object, kinds: Mapping[str, type[Kind]]) -> Kind:
    """The object that a specification describes.

    Args:
        specification: a kind, or a mapping of one kind to its parameters.
        kinds: those that there are.

    Raises:
        ParameterError: for another kind, and for a parameter that is missing, unknown, no number or beyond its limit.
    """
    kind: object = specification
    given: object = {}
    if isinstance(specification, Mapping):
        if len(specification) != 1:
            raise ParameterError("", dict(specification), f"one of {', '.join(sorted(kinds))}, with its parameters")
        ((kind, given),) = specification.items()
    if not isinstance(kind, str) or kind not in kinds:
        raise ParameterError("", kind, f"one of {', '.join(sorted(kinds))}")
    known = {field.name: field for field in fields(kinds[kind])}
    if not isinstance(given, Mapping):
        raise ParameterError(kind, given, f"a mapping of parameters: {', '.join(known) or 'none'}")
    for name in given:
        if name not in known:
            raise ParameterError(f"{kind}.{name}", given[name], f"the parameters {', '.join(known) or '(none)'}")
    values = {name: _number(f"{kind}.{name}", field, given) for name, field in known.items()}
    try:
        return kinds[kind](**values)
    except ParameterError as problem:
        raise ParameterError(f"{kind}.{problem.key}", problem.value, problem.allowed) from None


def _number(key: str, field: Field[Any], given: Mapping[str, object]) -> int | float | None:
    whole = field.type in {int, "int"}
    value = given.get(field.name, field.default)
    if value is None is field.default:
        return None
    if value is MISSING:
        raise ParameterError(key, None, "this parameter is required")
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ParameterError(key, value, "an integer" if whole else "a number")
    try:
        return value if whole else float(value)
    except OverflowError:
        raise ParameterError(key, value, "a number that a float holds") from None


def by_name(objects: Iterable[Kind]) -> list[Kind]:
    """Objects sorted by name, so that the order of a list in config changes no byte."""
    return sorted(objects, key=lambda one: one.name)
