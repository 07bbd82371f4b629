"""Which function reads which type of `config.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prophet_memory.architecture import Architecture
from prophet_memory.huggingface.overrides import BY_LAYER
from prophet_memory.huggingface.values import Values

Read = Callable[[Values], Architecture]


@dataclass(frozen=True, slots=True)
class Reader:
    """The function of a type, what a config of it that leaves a key out means, and the second spellings of its keys.

    `leaves_out` names the parts of such a model that its function does not count, each with the keys of which a config states one
    where its model has the part; none where every model has it. `by_layer` says whether the function reads what a config has for
    single layers (`overrides`).
    """

    read: Read
    defaults: Mapping[str, Any]
    aliases: Mapping[str, str]
    leaves_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    by_layer: bool = False

    def left_out_of(self, values: Values) -> str | None:
        """The parts of a model that are not counted; None where all are."""
        own = [part for part, keys in self.leaves_out.items() if not keys or any(map(values.states, keys))]
        return " and ".join(own) or None


READERS: dict[str, Reader] = {}


def reads(
    *types: str,
    defaults: Mapping[str, Any],
    aliases: Mapping[str, str] | None = None,
    leaves_out: str | Mapping[str, Sequence[str]] | None = None,
    by_layer: bool = False,
) -> Callable[[Read], Read]:
    """Register a function as the reader of some types (`model_type`).

    Raises:
        ValueError: for a type that has a reader.
    """
    parts = {leaves_out: ()} if isinstance(leaves_out, str) else leaves_out or {}
    if taken := READERS.keys() & set(types):
        raise ValueError(f"{taken.pop()}: has a reader; allowed: one for each type")

    def register(read: Read) -> Read:
        READERS.update(dict.fromkeys(types, Reader(read, defaults, aliases or {}, parts, by_layer)))
        return read

    return register


def read_as(kind: str, values: Values) -> Architecture:
    """A model from the values of a config of a type that has a reader.

    Raises:
        ArchitectureError: for a wrong or missing value, and a model that cannot be described.
    """
    reader = READERS[kind]
    if values.raw(BY_LAYER) not in (None, {}) and not reader.by_layer:  # the reference then builds layers that differ
        raise values.error(BY_LAYER, "left out: layers of their own sizes cannot be described")
    return reader.read(values)
