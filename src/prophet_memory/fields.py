"""What the fields of described objects may hold: limits that validation and the JSON Schemas for editors share.

Nothing is checked when an object is made in Python. `prophet_memory.edge.documents` checks what a file describes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from annotated_types import Ge, Gt, Le, Len

from prophet_memory.errors import ModelError

MAX_SIZE = 100_000_000
MAX_LAYERS = 10_000
MAX_CONTEXT = 1_000_000_000
MAX_BYTES = 10**15


class Described:
    """What a file can describe: no further keys, and no value that has to be converted."""

    __slots__ = ()
    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}


class Pattern:
    """Text that matches a regular expression."""

    def __init__(self, expression: str) -> None:
        self.expression = expression

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's hook
        """The schema of text, with the expression."""
        return handler(source) | {"pattern": self.expression}


class OneOf:
    """One of some words or numbers."""

    def __init__(self, values: Iterable[str | int]) -> None:
        self.values = list(values)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's hook
        """The schema of the check; a literal would take true and 1.0 for 1."""
        del source, handler
        return {"type": "function-plain", "function": {"type": "no-info", "function": self._check}}

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's hook
        """As editors know it."""
        del core, handler
        return {"enum": self.values}

    def _check(self, value: object) -> object:
        if not any(type(value) is type(one) and value == one for one in self.values):
            raise ModelError("", value, f"one of {', '.join(map(str, self.values))}")
        return value


class OneOfOr(OneOf):
    """One of some words, or another text that a function takes; `pattern` is what editors know of it."""

    def __init__(self, values: Iterable[str], pattern: str, parse: Callable[[str], object]) -> None:
        super().__init__(values)
        self.pattern, self.parse = pattern, parse

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's hook
        """As editors know it."""
        del core, handler
        return {"anyOf": [{"enum": self.values}, {"type": "string", "pattern": self.pattern}]}

    def _check(self, value: object) -> object:
        if not isinstance(value, str):
            return super()._check(value)
        try:
            self.parse(value)
        except ModelError as problem:
            raise ModelError("", value, problem.allowed) from None
        return value


class EachOnce:
    """A list in which nothing stands twice."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's hook
        """The schema of the list, and the check."""
        return {"type": "function-after", "function": {"type": "no-info", "function": _check_once}, "schema": handler(source)}

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's hook
        """As editors know it."""
        return handler(core) | {"uniqueItems": True}


def _check_once(values: Sequence[object]) -> Sequence[object]:
    if any(value in values[:i] for i, value in enumerate(values)):
        raise ModelError("", values, "each entry once")
    return values


class Parsed:
    """What a function makes of plain values; `written` is what a file may hold, as editors know it."""

    def __init__(self, parse: Callable[[Any], object], written: Any) -> None:  # noqa: ANN401 - a type
        self.parse, self.written = parse, written

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's hook
        """The schema of the function."""
        del source
        known = handler.generate_schema(self.written)
        return {
            "type": "function-plain",
            "function": {"type": "no-info", "function": self.parse},
            "json_schema_input_schema": known,
        }


def kinds_in(union: Any) -> dict[str, Any]:  # noqa: ANN401 - a union of classes, or another type
    """The described classes of a union by what their field `kind` is; none for other types."""
    classes = filter(is_dataclass, get_args(union))
    return {str(field.default): kind for kind in classes for field in fields(kind) if field.name == "kind"}


class ByKind:
    """A union of described classes, of which a file names one by its field `kind`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's hook
        """The schema of the union."""
        choices = {name: handler.generate_schema(kind) for name, kind in kinds_in(source).items()}
        return {"type": "tagged-union", "discriminator": "kind", "choices": choices}


Text = Annotated[str, Pattern(r"^\S(.*\S)?$")]  # one line
Slug = Annotated[str, Pattern("^[a-z0-9][a-z0-9._-]*$")]
Size = Annotated[int, Ge(1), Le(MAX_SIZE)]
Count = Annotated[int, Ge(0), Le(MAX_SIZE)]
Layers = Annotated[int, Ge(1), Le(MAX_LAYERS)]
Context = Annotated[int, Ge(1), Le(MAX_CONTEXT)]
Bytes = Annotated[int, Ge(0), Le(MAX_BYTES)]
Parameters = Annotated[int, Ge(1), Le(MAX_BYTES)]
PositiveBytes = Annotated[int, Ge(1), Le(MAX_BYTES)]
PlainSize = Annotated[int, Ge(1), Le(10**6)]  # of what is made up
Item = TypeVar("Item")
Several = Annotated[tuple[Item, ...], Len(1), EachOnce()]
Fraction = Annotated[float, Gt(0), Le(1)]
