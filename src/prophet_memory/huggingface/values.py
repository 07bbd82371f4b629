"""Reading one key of a `config.json` as what it has to be: a size, a count, a flag, a list of layers.

Every wrong value is an `ArchitectureError` that names the key as the config spells it, dotted inside nested configs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prophet_memory.errors import ArchitectureError
from prophet_memory.fields import MAX_LAYERS, MAX_SIZE

WINDOWS = ("full_attention", "sliding_attention")  # kinds of layers where some have a window
SPARSE = ("dense", "sparse")  # kinds of layers where some have experts
# Names that configs of older releases have for the same kinds of layer; the reference reads both.
OLDER_LAYER_TYPES = {"attention": "full_attention", "mamba": "linear_attention"}


class Values:
    """The values of a config, with the defaults of its type and the second spellings of its keys.

    A key is asked for in any of its spellings. What the config leaves out has the default; what has neither a value nor a
    default, or null in both, is a required key.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        defaults: Mapping[str, Any],
        aliases: Mapping[str, str] | None = None,
        prefix: str = "",
        defaulted: dict[str, Any] | None = None,
    ) -> None:
        self._config = config
        self._defaults = defaults
        self._aliases = aliases or {}
        self._prefix = prefix
        # What was asked for, left out and has a default; nested configs add to the same record.
        self.defaulted: dict[str, Any] = {} if defaulted is None else defaulted

    def nested(
        self,
        key: str,
        defaults: Mapping[str, Any],
        aliases: Mapping[str, str] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> Values:
        """The config inside this one; empty where it is left out or null. `given` stands for its own values of those keys.

        Raises:
            ArchitectureError: if it is not a mapping.
        """
        inner = {**(self.optional_mapping(key) or {}), **(given or {})}
        return Values(inner, defaults, aliases, f"{self._prefix}{key}.", self.defaulted)

    def as_of(self, defaults: Mapping[str, Any], aliases: Mapping[str, str]) -> Values:
        """The same config, read as one of another type."""
        return Values(self._config, defaults, aliases, self._prefix, self.defaulted)

    def with_values(self, given: Mapping[str, Any]) -> Values:
        """The same config with other values of some keys."""
        return Values({**self._config, **given}, self._defaults, self._aliases, self._prefix, self.defaulted)

    def states(self, key: str) -> bool:
        """Whether the config itself has a value for a key, in any spelling."""
        return self._config.get(self._spelling(key)) is not None

    def optional_mapping(self, key: str) -> Mapping[str, Any] | None:
        """A mapping, or None where the key is left out or null.

        Raises:
            ArchitectureError: for anything else.
        """
        value = self.raw(key)
        if value is not None and not isinstance(value, Mapping):
            raise self.error(key, "a mapping")
        return value

    def path(self, key: str) -> str:
        """Where a key stands, as the config spells it."""
        return self._prefix + self._spelling(key)

    def error(self, key: str, allowed: str) -> ArchitectureError:
        """The error for the value of a key."""
        spelling = self._spelling(key)
        if self.raw(key) is None and spelling not in self._config:
            allowed = f"this key is required: {allowed}"
        return ArchitectureError(self._prefix + spelling, self.raw(key), allowed)

    def raw(self, key: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """The value as it stands in the config, or the default, or None.

        Raises:
            ArchitectureError: if two spellings of the key stand in the config and disagree.
        """
        spelling = self._spelling(key)
        if spelling in self._config:
            return self._config[spelling]
        field = self._aliases.get(key, key)
        default = self._defaults.get(field)
        if default is not None:
            self.defaulted[self._prefix + field] = default
        return default

    def _spelling(self, key: str) -> str:
        field = self._aliases.get(key, key)
        spellings = [field, *(alias for alias, target in self._aliases.items() if target == field)]
        given = [spelling for spelling in spellings if spelling in self._config]
        for other in given[1:]:
            first, second = self._config[given[0]], self._config[other]
            if type(first) is not type(second) or first != second:
                raise ArchitectureError(self._prefix + other, second, f"{first!r}, as {given[0]} has it")
        return given[0] if given else field

    def whole(self, key: str, *, least: int, most: int) -> int:
        """An integer within limits; neither true nor 16.0 is one.

        Raises:
            ArchitectureError: for anything else.
        """
        value = self.raw(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(key, f"an integer from {least} to {most}")
        return value

    def size(self, key: str) -> int:
        """A positive integer."""
        return self.whole(key, least=1, most=MAX_SIZE)

    def optional_size(self, key: str) -> int | None:
        """A positive integer, or None where the key is left out or null."""
        return None if self.raw(key) is None else self.size(key)

    def count(self, key: str) -> int:
        """An integer from zero."""
        return self.whole(key, least=0, most=MAX_SIZE)

    def layers(self, key: str = "num_hidden_layers") -> int:
        """A number of layers."""
        return self.whole(key, least=1, most=MAX_LAYERS)

    def flag(self, key: str) -> bool:
        """True or false.

        Raises:
            ArchitectureError: for anything else, 0 and 1 among it.
        """
        value = self.raw(key)
        if not isinstance(value, bool):
            raise self.error(key, "true or false")
        return value

    def text(self, key: str) -> str | None:
        """A string, or None where the key is left out or null.

        Raises:
            ArchitectureError: for anything else.
        """
        value = self.raw(key)
        if value is not None and not isinstance(value, str):
            raise self.error(key, "a string")
        return value

    def integers(self, key: str) -> list[int] | None:
        """A list of integers from zero, or None where the key is left out or null.

        Raises:
            ArchitectureError: for anything else.
        """
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, list) or any(not isinstance(i, int) or isinstance(i, bool) or i < 0 for i in value):
            raise self.error(key, "a list of integers from 0")
        return value

    def uniform_size(self, key: str, layers: int) -> int:
        """A positive integer, given once or as a list with the same one for each layer.

        Raises:
            ArchitectureError: for anything else; layers that differ cannot be described.
        """
        value = self.raw(key)
        if not isinstance(value, list):
            return self.size(key)
        per_layer = self.integers(key) or [0]
        if len(per_layer) != layers or len(set(per_layer)) != 1 or not 1 <= per_layer[0] <= MAX_SIZE:
            raise self.error(key, f"one integer from 1 to {MAX_SIZE}, or the same one for each of {layers} layers")
        return per_layer[0]

    def layer_types(self, layers: int, allowed: Sequence[str], key: str = "layer_types") -> list[str] | None:
        """The kind of each layer, or None where the key is left out or null.

        Raises:
            ArchitectureError: for another number of layers or a kind that is not allowed.
        """
        value = self.raw(key)
        if value is None:
            return None
        kinds = [OLDER_LAYER_TYPES.get(kind, kind) for kind in value if isinstance(kind, str)] if isinstance(value, list) else []
        if not isinstance(value, list) or len(kinds) != len(value) or len(kinds) != layers or not set(kinds) <= set(allowed):
            raise self.error(key, f"a list of {layers}, each one of {', '.join(allowed)}")
        return kinds

    def only(self, key: str, expected: int | str) -> None:
        """Refuse a key that the reference implementation does not read where it asks for something else than that builds.

        Raises:
            ArchitectureError: if it is neither left out, null, nor the expected value.
        """
        value = self.raw(key)
        if value is not None and (type(value) is not type(expected) or value != expected):
            raise self.error(key, f"{expected!r}, which is what the reference implementation builds")

    def left_out(self, key: str, reason: str) -> None:
        """Refuse a key that asks for a part that the reference implementation does not build.

        Raises:
            ArchitectureError: if it is neither left out, null, nor false.
        """
        if self.raw(key) not in (None, False):
            raise self.error(key, f"left out: {reason}")

    def derived(self, key: str, value: int) -> int:
        """A size that was computed with a key, within the limit of a size.

        Raises:
            ArchitectureError: naming the key, if it is beyond.
        """
        if value > MAX_SIZE:
            raise self.error(key, f"less: it makes a size of {value}, beyond {MAX_SIZE}")
        return value
