"""How a checkpoint is stored, as its config or the `hf_quant_config.json` beside it says: a precision, or an error.

What a statement means is its method's (`schemes`); here the formats of all modules become a format for each component, or for
each part of one. A component of which some layers or experts have another format than others has no precision and is refused.
A precision that is guessed is worse than none: four bits taken for sixteen are wrong by a factor of four.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prophet_memory.architecture import Architecture
from prophet_memory.errors import ArchitectureError
from prophet_memory.formats import APART, DEFAULT_FORMAT, name_of, shortest
from prophet_memory.huggingface.modules import Module, modules_of
from prophet_memory.huggingface.schemes import EXPERT_DTYPE, SCHEMES, Chosen, Rule
from prophet_memory.huggingface.values import Values

# Where configs say it: transformers; compressed-tensors of 2024; MLX. A nested config of the language model may say it too.
PLACES = ("quantization_config", "compression_config", "quantization")
NESTED = ("text_config", "llm_config", "language_config", "thinker_config")
BESIDE = "hf_quant_config.json"
DTYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": DEFAULT_FORMAT}
PLAIN = ("fp32", DEFAULT_FORMAT)  # what modules are left in: fp16 takes as much as bf16
TELLING = ("quant_method", "quant_algo", "format", "bits", "group_size", "weight_block_size", "load_in_4bit")


class QuantizationError(ArchitectureError):
    """A stored format that is not understood, or said in a way that is not."""


def stated(config: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every statement on the quantisation of a checkpoint, with where it stands; `beside` is the content of hf_quant_config.json.

    Raises:
        QuantizationError: for one that is not a mapping.
    """
    found = [(f"{prefix}{key}", place.get(key)) for prefix, place in _places(config) for key in PLACES]
    if beside is not None:  # a file of its own says something, understood or not
        yield f"{BESIDE}: quantization", {"quant_algo": None} | dict(_mapping(f"{BESIDE}: quantization", beside))
    for key, value in found:
        if value is not None and not isinstance(value, Mapping):
            raise QuantizationError(key, value, "a mapping")
        if value:
            yield key, value


def _places(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A config and the configs in it that describe its language model, with the paths to them."""
    yield prefix, config
    for key in NESTED:
        if isinstance(config.get(key), Mapping):
            yield from _places(config[key], f"{prefix}{key}.")


def _mapping(key: str, beside: Mapping[str, Any]) -> Mapping[str, Any]:
    """What hf_quant_config.json says, where its keys stand at the top, too."""
    inside = beside.get("quantization", beside)
    if inside is not None and not isinstance(inside, Mapping):
        raise QuantizationError(key, inside, "a mapping")
    return inside or {}


def published_precision(config: Mapping[str, Any], architecture: Architecture, beside: Mapping[str, Any] | None = None) -> str:
    """The precision of the published checkpoint, by its name.

    Args:
        config: a parsed `config.json`.
        architecture: the model that it describes.
        beside: the parsed `hf_quant_config.json` of the same folder, where there is one.

    Raises:
        QuantizationError: for a format that is not understood, for a component in several formats, and for statements that
            contradict each other.
    """
    plain, kind = _dtype(config), config.get("model_type")
    packed = next((value for _, place in _places(config) if (value := place.get(EXPERT_DTYPE)) is not None), None)
    stated_so = [
        (key, _precision(key, {EXPERT_DTYPE: packed, **how}, modules_of(architecture, how, kind), plain))
        for key, how in stated(config, beside)
    ]
    if packed is not None and not stated_so:
        raise QuantizationError(EXPERT_DTYPE, packed, "none without a statement on the other weights")
    if not stated_so:
        return plain
    for key, precision in stated_so[1:]:
        if precision != stated_so[0][1]:
            raise QuantizationError(key, precision, f"{stated_so[0][1]}, as {stated_so[0][0]} has it")
    return stated_so[0][1]


def _precision(key: str, how: Mapping[str, Any], modules: list[Module], plain: str) -> str:
    method = how.get("quant_method") or ("modelopt" if how.get("quant_algo") is not None else None)
    scheme = SCHEMES.get(method) if isinstance(method, str) else None
    if scheme is None:
        shown = {name: how[name] for name in TELLING if name in how} or dict(how)
        raise QuantizationError(key, shown, f"quant_method {', '.join(SCHEMES)}")
    if how.get(EXPERT_DTYPE) is not None and scheme is not SCHEMES["fp8"]:
        raise QuantizationError(EXPERT_DTYPE, how[EXPERT_DTYPE], "none but beside quant_method fp8")
    try:
        return _by_component(modules, scheme(Values(how, {}, prefix=f"{key}."), modules), PLAIN[plain != PLAIN[0]])
    except QuantizationError:
        raise
    except ArchitectureError as problem:
        raise QuantizationError(problem.key, problem.value, problem.allowed) from None


def _by_component(modules: list[Module], rule: Rule, plain: str) -> str:
    """The name of the precision in which every module has the format that a rule says.

    Raises:
        QuantizationError: for a part of a component that has several.
    """
    found: dict[str, Chosen] = {}
    for module in modules:
        key = module.component if module.component == "routed_expert" else module.key
        chosen = rule(module)
        first = found.setdefault(key, chosen)
        if first.format != chosen.format:
            told = chosen if chosen.format is None or first.format is not None else first
            what = "the routed experts" if key == "routed_expert" else key
            other = (first if told is chosen else chosen).format or plain
            raise QuantizationError(told.key, told.entry, f"one format for {what} in all layers, of which others have {other}")
    formats = {key: chosen.format or plain for key, chosen in found.items()}
    others = dict.fromkeys(APART, plain) | formats
    experts = others.pop(
        "routed_expert", formats.get("dense_feed_forward.down", plain)
    )  # of a dense model its feed-forward block
    return name_of(shortest(experts, others))


def states_precision(config: Mapping[str, Any]) -> bool:
    """Whether a config says at all how its checkpoint is stored; where it does not, bf16 is taken."""
    return any(True for _ in _dtypes(config)) or any(True for _ in stated(config))


def _dtypes(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from (
        (name, place[name]) for _, place in _places(config) for name in ("dtype", "torch_dtype") if place.get(name) is not None
    )


def _dtype(config: Mapping[str, Any]) -> str:
    key, named = next(_dtypes(config), ("dtype", "bfloat16"))
    stored = DTYPES.get(str(named).removeprefix("torch."))
    if stored is None:
        raise QuantizationError(key, named, ", ".join(DTYPES))
    return stored
