"""A model's Hugging Face `config.json` as an architecture.

Each type has a function under `@reads`, in a module that this folder finds. It reads the config as the reference implementation
does: the same defaults, derived values and second spellings, so that the parameters counted from the architecture are those that
it builds. Keys that it does not read are left alone, windows of types that attend to everything among them; where such a key asks
for another model than the reference builds and is known to, it is refused. Of a multimodal model the language model is read, and
what is left out is named.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prophet_memory.architecture import Architecture
from prophet_memory.discovery import modules_in
from prophet_memory.errors import ArchitectureError
from prophet_memory.huggingface.quantization import QuantizationError, as_published
from prophet_memory.huggingface.registry import READERS, read_as
from prophet_memory.huggingface.unread import UNREAD
from prophet_memory.huggingface.values import Values

__all__ = ["SUPPORTED_TYPES", "QuantizationError", "Reading", "as_published", "read", "read_config"]

NEXT_TOKEN_KEYS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "mtp_num_layers", "num_mtp_layers", "num_mtp_modules")

modules_in(sys.modules[__name__])
SUPPORTED_TYPES: tuple[str, ...] = tuple(sorted(READERS))


@dataclass(frozen=True, slots=True)
class Reading:
    """A config as read: the model, in bf16 whatever is published, and the defaults that stand for keys that it leaves out.

    `leaves_out` names the parts of the model that are not counted. `unread_next_tokens` is the key, with its value, of layers
    that predict further tokens and whose parts are not described.
    """

    architecture: Architecture
    defaulted: dict[str, Any]
    leaves_out: str | None = None
    unread_next_tokens: tuple[str, int] | None = None


def read_config(config: Mapping[str, Any]) -> Architecture:
    """A model from its parsed `config.json`, its published precision included.

    Raises:
        ArchitectureError: as `read`.
        QuantizationError: for a stored format that is not understood.
    """
    return as_published(config, read(config).architecture)


def read(config: Mapping[str, Any]) -> Reading:
    """A model from its parsed `config.json`, which keys were defaulted, and what of the model is left out.

    Raises:
        ArchitectureError: for a type that is not supported, a wrong or missing value, and a model that cannot be
            described; with the key as the config spells it.
    """
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in UNREAD:
        raise ArchitectureError("model_type", kind, f"a type that is read; of this one cannot be described: {UNREAD[kind]}")
    if not isinstance(kind, str) or kind not in READERS:
        raise ArchitectureError("model_type", kind, f"one of {', '.join(SUPPORTED_TYPES)}")
    reader = READERS[kind]
    values = Values(config, reader.defaults, reader.aliases)
    architecture = read_as(kind, values)
    further = None if architecture.next_token_layers else _next_tokens_in(config)
    return Reading(architecture, dict(sorted(values.defaulted.items())), reader.left_out_of(values), further)


def _next_tokens_in(config: Mapping[str, Any]) -> tuple[str, int] | None:
    """The first key that says how many layers predict further tokens, in the config or in that of the language model."""
    inner = config.get("text_config")
    for prefix, part in (("", config), ("text_config.", inner if isinstance(inner, Mapping) else {})):
        for key in NEXT_TOKEN_KEYS:
            if type(number := part.get(key)) is int and number > 0:
                return prefix + key, number
    return None
