"""A model's Hugging Face `config.json` as an entry of the catalogue.

`catalogue_entry` reads the config of the types in `SUPPORTED_TYPES` as the reference implementation does: the same defaults,
derived values and second spellings, so that the parameters counted from the entry are those that it builds. Keys that it does
not read are left alone, windows of types that attend to everything among them; where such a key asks for another model than the
reference builds and is known to, it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prophet_memory.architecture import Architecture, architecture_from_mapping
from prophet_memory.errors import ArchitectureError
from prophet_memory.hf_config import decoders, encoder_decoders, hybrids, latent
from prophet_memory.hf_config.defaults import ALIASES, DEFAULTS
from prophet_memory.hf_config.quantization import QuantizationError, published_precision
from prophet_memory.hf_config.values import Values

__all__ = ["SUPPORTED_TYPES", "QuantizationError", "Reading", "catalogue_entry", "published_precision", "read", "read_config"]

_CONVERTERS: dict[str, Callable[[Values], dict[str, Any]]] = {
    "arctic": decoders.arctic,
    "dbrx": decoders.dbrx,
    "deepseek": decoders.deepseek,
    "deepseek_v2": latent.deepseek_v2,
    "deepseek_v3": latent.deepseek_v3,
    "ernie4_5_moe": decoders.ernie4_5_moe,
    "glm4_moe": decoders.glm4_moe,
    "gpt_oss": decoders.gpt_oss,
    "granitemoe": decoders.granitemoe,
    "grok-1": decoders.grok_1,
    "hunyuan_v1_moe": decoders.hunyuan_v1_moe,
    "jamba": hybrids.jamba,
    "kimi_k2": latent.deepseek_v3,
    "llama4": decoders.llama4,
    "llama4_text": decoders.llama4_text,
    "minimax": hybrids.minimax,
    "mixtral": decoders.mixtral,
    "nllb-moe": encoder_decoders.nllb_moe,
    "olmoe": decoders.olmoe,
    "phimoe": decoders.phimoe,
    "qwen2_moe": decoders.qwen2_moe,
    "qwen3_moe": decoders.qwen3_moe,
    "qwen3_next": hybrids.qwen3_next,
    "switch_transformers": encoder_decoders.switch_transformers,
}
SUPPORTED_TYPES: tuple[str, ...] = tuple(sorted(_CONVERTERS))


@dataclass(frozen=True, slots=True)
class Reading:
    """A config as read: the entry's architecture keys, and the keys that it leaves out, with the defaults that stand for them."""

    entry: dict[str, Any]
    defaulted: dict[str, Any]


def read_config(config: Mapping[str, Any]) -> Architecture:
    """A model from its parsed `config.json`, its published precision included.

    Raises:
        ArchitectureError: as `read`.
        QuantizationError: for a stored format that is not understood.
    """
    return architecture_from_mapping({"published_precision": published_precision(config)} | catalogue_entry(config))


def catalogue_entry(config: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture keys of a model's catalogue entry: `read` without the rest."""
    return read(config).entry


def read(config: Mapping[str, Any]) -> Reading:
    """The architecture keys of a model's catalogue entry; its name, family and sources are for the caller to add.

    Args:
        config: a parsed `config.json`.

    Returns:
        What `architecture_from_mapping` and workflow/schemas/model.schema.yaml accept, without keys that say their default, and
        which keys of the config were defaulted.

    Raises:
        ArchitectureError: for a type that is not supported, a dense model, a wrong or missing value, and a model that the
            catalogue cannot describe; with the key as the config spells it.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in _CONVERTERS:
        raise ArchitectureError("model_type", kind, f"a mixture of experts, one of {', '.join(SUPPORTED_TYPES)}")
    values = Values(config, DEFAULTS[kind], ALIASES.get(kind))
    if values.raw("per_layer_config") is not None:  # the reference then builds layers that differ
        raise values.error("per_layer_config", "left out: layers of their own sizes cannot be described")
    entry = _CONVERTERS[kind](values)
    return Reading(entry, dict(sorted(values.defaulted.items())))
