"""Which function reads which type of `config.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prophet_memory.architecture import Architecture
from prophet_memory.huggingface.values import Values

Read = Callable[[Values], Architecture]


@dataclass(frozen=True, slots=True)
class Reader:
    """The function of a type, what a config of it that leaves a key out means, and the second spellings of its keys."""

    read: Read
    defaults: Mapping[str, Any]
    aliases: Mapping[str, str]


READERS: dict[str, Reader] = {}


def reads(*types: str, defaults: Mapping[str, Any], aliases: Mapping[str, str] | None = None) -> Callable[[Read], Read]:
    """Register a function as the reader of some types (`model_type`).

    Raises:
        ValueError: for a type that has a reader.
    """
    if taken := READERS.keys() & set(types):
        raise ValueError(f"{taken.pop()}: has a reader; allowed: one for each type")

    def register(read: Read) -> Read:
        READERS.update(dict.fromkeys(types, Reader(read, defaults, aliases or {})))
        return read

    return register
