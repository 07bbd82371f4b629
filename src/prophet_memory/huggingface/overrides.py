"""What a config that the reference saved says layer by layer (`per_layer_config`), as the keys that published configs have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prophet_memory.huggingface.values import Values

BY_LAYER = "per_layer_config"
MOST_DIGITS = 9  # of the number of a layer


def of_layers(values: Values, kinds: Sequence[str], kind: str, names: Mapping[str, str]) -> Values:
    """The config with what is said of the layers of one kind under the keys for that kind.

    Args:
        values: the config; as it is where nothing is said layer by layer.
        kinds: the kind of each layer.
        kind: the one whose layers may differ from the others.
        names: the key for that kind, by the key that a layer has instead.

    Raises:
        ArchitectureError: for other layers or keys, and for layers of the kind that differ: they cannot be described.
    """
    if values.raw(BY_LAYER) is None:
        return values
    own = [layer for layer, other in enumerate(kinds) if other == kind]
    stated = _by_number(values, names)
    changes = stated.get(own[0], {}) if own else {}
    if any(stated.get(layer, {}) != (changes if layer in own else {}) for layer in {*own, *stated}):
        raise values.error(BY_LAYER, f"the same of each layer of {kind}, and nothing of the others")
    return values.with_values({name: changes.get(key, values.raw(key)) for key, name in names.items()})


def _by_number(values: Values, names: Mapping[str, str]) -> dict[int, Mapping[str, Any]]:
    stated = values.optional_mapping(BY_LAYER) or {}
    numbers = [key for key in stated if key.isascii() and key.isdecimal() and len(key) <= MOST_DIGITS]
    if len(numbers) != len(stated) or not all(isinstance(own, Mapping) and own.keys() <= names.keys() for own in stated.values()):
        raise values.error(BY_LAYER, f"a mapping from layers to {', '.join(names)}")
    return {int(key): own for key, own in stated.items()}
