"""How a checkpoint is stored, as its config or the `hf_quant_config.json` beside it says: a precision, or an error.

What a statement means is its method's (`schemes`); here the formats of all modules become a format for each component, or for
each part of one. Layers of which a component has another format than in most form groups, which the precision names. Routed
experts in several formats have no precision and are refused: each has to take as much memory as any other.
A precision that is guessed is worse than none: four bits taken for sixteen are wrong by a factor of four.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prophet_memory.architecture import Architecture, Stack
from prophet_memory.errors import ArchitectureError
from prophet_memory.formats import APART, DEFAULT_FORMAT, name_of, shortest
from prophet_memory.huggingface.building import in_kinds
from prophet_memory.huggingface.modules import Module, language_type, modules_of
from prophet_memory.huggingface.schemes import EXPERT_DTYPE, EXPERTS_ALGO, SCHEMES, Chosen, Rule
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


def as_published(config: Mapping[str, Any], architecture: Architecture, beside: Mapping[str, Any] | None = None) -> Architecture:
    """The model with the precision of its published checkpoint, and its layers in groups where some are stored otherwise.

    Args:
        config: a parsed `config.json`.
        architecture: the model that it describes.
        beside: the parsed `hf_quant_config.json` of the same folder, where there is one.

    Raises:
        QuantizationError: for a format that is not understood, for routed experts in several formats, and for statements that
            contradict each other.
    """
    plain, kind = _dtype(config), language_type([place.get("model_type") for _, place in _places(config)])
    packed = next((value for _, place in _places(config) if (value := place.get(EXPERT_DTYPE)) is not None), None)
    converted = next((how for _, how in stated(config) if how.get(EXPERTS_ALGO) is not None), {})
    stated_so = [
        (key, how, _precision(key, {EXPERT_DTYPE: packed, **how}, modules_of(architecture, how, kind), plain))
        # The file beside it repeats what ModelOpt converted, and says nothing of the rest.
        for key, how in ((key, {**converted, **how}) for key, how in stated(config, beside))
        if not _is_of_cache_alone(how)
    ]
    if packed is not None and not stated_so:
        raise QuantizationError(EXPERT_DTYPE, packed, "none without a statement on the other weights")
    if not stated_so:
        return replace(architecture, published_precision=plain)
    first, _, found = stated_so[0]
    for key, how, other in stated_so[1:]:
        if other != found:
            own = other.name if other.name != found.name else "that of other layers"
            raise QuantizationError(key, _telling(how), f"{found.name}, as {first} has it; this one says {own}")
    decoder, encoder = _grouped(architecture.decoder, found.groups["decoder"]), architecture.encoder
    encoder = encoder and _grouped(encoder, found.groups["encoder"])
    return replace(
        architecture,
        decoder=decoder,
        encoder=encoder,
        published_precision=found.name,
        next_tokens_stored_otherwise=found.further_otherwise,
    )


def _grouped(stack: Stack, groups: Sequence[int]) -> Stack:
    """A stack whose layers are of these groups; as it is where they are of one."""
    if not any(groups):
        return stack
    layers = [replace(stack.layers[kind], count=1, format_group=group) for kind, group in zip(stack.order, groups, strict=True)]
    return replace(stack, **in_kinds(layers))


@dataclass(frozen=True, slots=True)
class StatedFormats:
    """The name of a precision, and the format group of each layer of a stack, 0 where there is but one.

    `further_otherwise` says that layers which predict further tokens have other formats than the last of the model.
    """

    name: str
    groups: Mapping[str, Sequence[int]]
    further_otherwise: bool


def _precision(key: str, how: Mapping[str, Any], modules: list[Module], plain: str) -> StatedFormats:
    method = how.get("quant_method") or ("modelopt" if how.get("quant_algo") is not None else None)
    scheme = SCHEMES.get(method) if isinstance(method, str) else None
    if scheme is None:
        raise QuantizationError(key, _telling(how), f"quant_method {', '.join(SCHEMES)}")
    if how.get(EXPERT_DTYPE) is not None and scheme is not SCHEMES["fp8"]:
        raise QuantizationError(EXPERT_DTYPE, how[EXPERT_DTYPE], f"none beside {key}, whose quant_method is not fp8")
    try:
        rule = scheme(Values(how, {}, prefix=f"{key}."), modules)
        return _by_component(modules, rule, PLAIN[plain != PLAIN[0]])
    except QuantizationError:
        raise
    except ArchitectureError as problem:
        raise QuantizationError(problem.key, problem.value, problem.allowed) from None


def _telling(how: Mapping[str, Any]) -> dict[str, Any]:
    """What a message shows of a statement, which may name thousands of modules."""
    return {name: how[name] for name in TELLING if name in how} or dict(how)


def _by_component(modules: list[Module], rule: Rule, plain: str) -> StatedFormats:
    """The precision in which every module has the format that a rule says.

    Raises:
        QuantizationError: for routed experts that have several, and for a part of a layer that has.
    """
    found: dict[str, dict[tuple[str, int] | None, str]] = {}
    said: dict[tuple[str, tuple[str, int] | None], Chosen] = {}
    for module in (module for module in modules if not module.predicts_further):
        is_expert = module.component == "routed_expert"  # each takes as much memory as any other
        key, layer = (module.component, None) if is_expert else (module.key, module.layer)
        chosen = rule(module)
        first = said.setdefault((key, layer), chosen)
        if first.format != chosen.format:
            told = chosen if chosen.format is None or first.format is not None else first
            what = "the routed experts in all layers" if is_expert else f"{key} in a layer"
            other = (first if told is chosen else chosen).format or plain
            raise QuantizationError(told.key, told.entry, f"one format for {what}, of which others have {other}")
        found.setdefault(key, {})[layer] = chosen.format or plain
    usual = {key: Counter(formats.values()).most_common(1)[0][0] for key, formats in found.items()}
    groups = _groups(found, usual)
    formats = usual | {
        f"{key}@{groups[layer]}": value
        for key, own in found.items()
        for layer, value in own.items()
        if layer is not None and groups[layer]
    }
    others = dict.fromkeys(APART, plain) | formats
    experts = others.pop("routed_expert", usual.get("dense_feed_forward.down", plain))  # of a dense model its feed-forward block
    sides = {side: [group for (own, _), group in sorted(groups.items()) if own == side] for side, _ in groups}
    further = [module for module in modules if module.predicts_further]
    otherwise = any((rule(module).format or plain) != _last(found, module) for module in further)
    return StatedFormats(name_of(shortest(experts, others)), sides, otherwise)


def _last(found: Mapping[str, Mapping[tuple[str, int] | None, str]], module: Module) -> str:
    """The format of what a module is, in the last layer of the model that has it."""
    own = found[module.component if module.component == "routed_expert" else module.key]
    return own[max(own, key=lambda layer: layer or ("", 0))]


def _groups(found: Mapping[str, Mapping[tuple[str, int] | None, str]], usual: Mapping[str, str]) -> dict[tuple[str, int], int]:
    """The group of each layer: 0 where all has its usual format, else a number that layers share which differ from it alike."""
    others: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for key, formats in found.items():
        for layer, value in formats.items():
            if layer is not None:
                others.setdefault(layer, []).extend([(key, value)] if value != usual[key] else [])
    numbers: dict[tuple[tuple[str, str], ...], int] = {(): 0}
    return {layer: numbers.setdefault(tuple(sorted(own)), len(numbers)) for layer, own in sorted(others.items())}


def _is_of_cache_alone(how: Mapping[str, Any]) -> bool:
    """Whether a statement of ModelOpt leaves the weights as they are and is about the cache."""
    others = (how.get("quant_algo"), how.get("quant_method"))
    return how.get("kv_cache_quant_algo") is not None and others == (None, None)


def stated_cache(config: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> tuple[str, object] | None:
    """What a checkpoint states of the format of its cache: where, and what; None where it states nothing.

    Raises:
        QuantizationError: as `stated`.
    """
    for key, how in stated(config, beside):
        for name in ("kv_cache_quant_algo", "kv_cache_scheme"):  # ModelOpt; compressed-tensors
            if how.get(name) is not None:
                return f"{key}.{name}", how[name]
    return None


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
