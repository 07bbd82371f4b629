"""How a checkpoint is stored, as its config or the `hf_quant_config.json` beside it says: a precision, or an error.

A precision that is guessed is worse than none: four bits taken for sixteen are wrong by a factor of four.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from prophet_memory.errors import ArchitectureError
from prophet_memory.formats import DEFAULT_FORMAT

# Where configs say it: transformers; compressed-tensors of 2024; MLX. A nested config of the language model may say it too.
PLACES = ("quantization_config", "compression_config", "quantization")
NESTED = ("text_config", "llm_config", "language_config")
BESIDE = "hf_quant_config.json"
DTYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": DEFAULT_FORMAT}
FP8_BLOCK, GROUP, GROUP_BITS = [128, 128], 128, 4
EXPERTS = re.compile(r"\bexperts\b")
UNDERSTOOD = (
    f"mxfp4, fp8 with one scale a tensor or a block of {FP8_BLOCK[0]} x {FP8_BLOCK[1]}, awq and gptq of {GROUP_BITS} bits in"
    f" groups of {GROUP}"
)


class QuantizationError(ArchitectureError):
    """A stored format that is not understood, or said in a way that is not."""


def stated(config: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every statement on the quantisation of a checkpoint, with where it stands; `beside` is the content of hf_quant_config.json.

    Raises:
        QuantizationError: for one that is not a mapping.
    """
    configs = {"": config} | {f"{key}.": config[key] for key in NESTED if isinstance(config.get(key), Mapping)}
    found = [(f"{prefix}{key}", place.get(key)) for prefix, place in configs.items() for key in PLACES]
    if beside is not None:  # a file of its own says something, understood or not
        yield f"{BESIDE}: quantization", {"quant_algo": None} | dict(_mapping(f"{BESIDE}: quantization", beside))
    for key, value in found:
        if value is not None and not isinstance(value, Mapping):
            raise QuantizationError(key, value, "a mapping")
        if value:
            yield key, value


def _mapping(key: str, beside: Mapping[str, Any]) -> Mapping[str, Any]:
    """What hf_quant_config.json says, where its keys stand at the top, too."""
    inside = beside.get("quantization", beside)
    if inside is not None and not isinstance(inside, Mapping):
        raise QuantizationError(key, inside, "a mapping")
    return inside or {}


def published_precision(config: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> str:
    """The precision of the published checkpoint, by its name.

    Args:
        config: a parsed `config.json`.
        beside: the parsed `hf_quant_config.json` of the same folder, where there is one.

    Raises:
        QuantizationError: for a format that is not understood, and for statements that contradict each other.
    """
    named = [(key, _precision(key, how)) for key, how in stated(config, beside)]
    if not named:
        return _dtype(config)
    for key, precision in named[1:]:
        if precision != named[0][1]:
            raise QuantizationError(key, precision, f"{named[0][1]}, as {named[0][0]} has it")
    return named[0][1]


def _precision(key: str, how: Mapping[str, Any]) -> str:
    method = how.get("quant_method")
    if method == "mxfp4":
        return "mxfp4_experts"
    left_out = [name for name in ("modules_to_not_convert", "ignored_layers") if EXPERTS.search(str(how.get(name)))]
    if left_out:
        raise QuantizationError(f"{key}.{left_out[0]}", how[left_out[0]], "a list without routed experts, which take the format")
    if method == "fp8" and how.get("weight_block_size") in (None, FP8_BLOCK):
        return "fp8_blocks" if how.get("weight_block_size") else "fp8"
    if method in ("awq", "gptq") and how.get("bits") == GROUP_BITS and how.get("group_size") == GROUP:
        return "int4"
    telling = ("quant_method", "quant_algo", "format", "bits", "group_size", "weight_block_size", "load_in_4bit")
    raise QuantizationError(key, {name: how[name] for name in telling if name in how} or dict(how), UNDERSTOOD)


def states_precision(config: Mapping[str, Any]) -> bool:
    """Whether a config says at all how its checkpoint is stored; where it does not, bf16 is taken."""
    return any(True for _ in _dtypes(config)) or any(True for _ in stated(config))


def _dtypes(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    places = [config, *(config[key] for key in NESTED if isinstance(config.get(key), Mapping))]
    yield from ((name, place[name]) for place in places for name in ("dtype", "torch_dtype") if place.get(name) is not None)


def _dtype(config: Mapping[str, Any]) -> str:
    key, named = next(_dtypes(config), ("dtype", "bfloat16"))
    stored = DTYPES.get(str(named).removeprefix("torch."))
    if stored is None:
        raise QuantizationError(key, named, ", ".join(DTYPES))
    return stored
