"""What a real cache of `transformers` holds: the model runs on weights that take no memory, and its cache's tensors are summed.

Every layer, head and window stands as in the config. All weights are one zero, expanded to their shapes, and products with them
are zeros of the right shape, so that models of any size run in seconds; the cache that the model fills has the shapes it always
has.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from prophet_memory.cli.reference_experts import config_value

BF16_BYTES = 2
SHORT = (2, 3)  # tokens, inside every window that is not degenerate
LONG = 128  # the largest number of tokens that a cache known so far compresses into one entry
SOURCE_TOKENS = 5  # of an encoder; what is cached of them is no part of the decoder's growth
CACHE_FIELDS = ("cache", "past_key_values", "cache_params", "state")
PRODUCTS = frozenset(
    ("linear", "matmul", "__matmul__", "mm", "bmm", "addmm", "baddbmm", "einsum", "scaled_dot_product_attention")
)
ELEMENTWISE = frozenset(
    ("mul", "__mul__", "__rmul__", "add", "__add__", "sub", "__sub__", "exp", "masked_fill", "silu", "repeat")
)
LARGE = 1 << 17  # values; smaller tensors are computed sooner than their shapes

Sizes = dict[str, tuple[int, ...]]  # the shape of each tensor, by its path in the cache


class NotMeasuredError(Exception):
    """Why the cache of a model could not be measured."""


@dataclass(frozen=True, slots=True)
class CacheSize:
    """Bytes in bf16 that a token adds inside every window, and those that a sequence takes once."""

    kv_bytes_per_token: int
    state_bytes_per_sequence: int


def measured_cache(model: Any, described: Any) -> CacheSize:  # noqa: ANN401 - a model and a config of transformers
    """Run the model on the CPU at three lengths and add up its cache.

    Args:
        model: on the meta device, and filled with zeros on the CPU afterwards.
        described: its config.

    Raises:
        NotMeasuredError: if it does not run, or its cache does not grow by the token.
    """
    try:
        _fill_with_zeros(model)
        most = config_value(described, "max_position_embeddings")
        lengths = (*SHORT, min(LONG, most) if isinstance(most, int) and most > SHORT[-1] else LONG)
        runs = [_run(model, described, tokens) for tokens in lengths]
    except NotMeasuredError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever the reference raises is one line here
        raise NotMeasuredError(f"the model does not run on the CPU here ({one_line(problem)})") from None
    _refuse_expanded_latents(model, runs[-1])
    return _size(runs, lengths, frozenset(_integers(described.to_dict())))


def one_line(problem: BaseException) -> str:
    """The first line of an exception's text, or its name."""
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)


def _fill_with_zeros(model: Any) -> None:  # noqa: ANN401 - a module of torch
    """Parameters become one zero, expanded; buffers and other tensors of the modules become zeros of their own."""
    torch: Any = import_module("torch")
    for module in model.modules():
        for name, weight in module._parameters.items():  # noqa: SLF001 - what torch.nn offers only by copying
            if weight is not None:
                zero = torch.zeros((), dtype=weight.dtype).expand(weight.shape)
                module._parameters[name] = torch.nn.Parameter(zero, requires_grad=False)  # noqa: SLF001
        for place in (module._buffers, vars(module)):  # noqa: SLF001
            for name, value in place.items():
                if isinstance(value, torch.Tensor) and value.is_meta:
                    place[name] = torch.zeros(value.shape, dtype=value.dtype)
    model.eval()


def _run(model: Any, described: Any, tokens: int) -> Sizes:  # noqa: ANN401
    """The shapes of the tensors in the cache after so many tokens."""
    torch: Any = import_module("torch")
    special = config_value(described, "pad_token_id")
    token = next(i for i in range(3) if i != special)
    ids = torch.full((1, tokens), token, dtype=torch.long)
    inputs = {"input_ids": ids}
    if described.is_encoder_decoder:
        inputs = {"input_ids": torch.full((1, SOURCE_TOKENS), token, dtype=torch.long), "decoder_input_ids": ids}
    model.config.use_cache = True  # as an argument it reaches the encoders of some models, which refuse it
    with torch.no_grad(), _all_is_zero():
        output = model(**inputs)
    cache = next((value for field in CACHE_FIELDS if (value := output.get(field)) is not None), None)
    if cache is None:
        raise NotMeasuredError("the model returns no cache")
    if described.is_encoder_decoder:
        cache = getattr(cache, "self_attention_cache", None)
        if cache is None:
            raise NotMeasuredError("the model's cache does not tell self-attention from cross-attention")
    return _shapes(cache)


def _all_is_zero() -> Any:  # noqa: ANN401 - a context of torch
    """A context in which products, and what else is large, are zeros of the shape they have: every weight is zero."""
    torch: Any = import_module("torch")

    def call(_: Any, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        del types
        name, kwargs = getattr(function, "__name__", ""), kwargs or {}
        if name == "index_add_":  # of zeros to zeros
            return args[0]
        if name not in PRODUCTS and not (name in ELEMENTWISE and _is_large(torch, args)):
            return function(*args, **kwargs)
        shaped = function(*_on_meta(torch, args), **_on_meta(torch, kwargs))
        return _zeros(torch, shaped) if shaped.is_floating_point() else function(*args, **kwargs)

    mode: Any = type("AllIsZero", (torch.overrides.TorchFunctionMode,), {"__torch_function__": call})
    return mode()


def _is_large(torch: Any, args: tuple[Any, ...]) -> bool:  # noqa: ANN401
    return any(isinstance(part, torch.Tensor) and part.numel() >= LARGE for part in args)


def _zeros(torch: Any, shaped: Any) -> Any:  # noqa: ANN401
    """Zeros that take memory only where they are written to, which torch.zeros does everywhere."""
    raw = np.zeros(max(1, shaped.numel()) * shaped.element_size(), dtype=np.uint8)
    return torch.from_numpy(raw).view(shaped.dtype)[: shaped.numel()].view(shaped.shape)


def _on_meta(torch: Any, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, torch.Tensor):
        return torch.empty(value.shape, dtype=value.dtype, device="meta")
    if isinstance(value, dict):
        return {key: _on_meta(torch, part) for key, part in value.items()}
    return type(value)(_on_meta(torch, part) for part in value) if type(value) in (list, tuple) else value


def _shapes(cache: Any) -> Sizes:  # noqa: ANN401
    """The shapes of the floating-point tensors that are reachable from a cache, each tensor once."""
    found: Sizes = {}
    seen: set[tuple[Any, ...]] = set()
    for path, tensor in _tensors(cache, "cache", set()):
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride())
        if tensor.is_floating_point() and tensor.numel() and key not in seen:
            seen.add(key)
            found[path] = tuple(tensor.shape)
    return found


def _tensors(value: Any, path: str, above: set[int]) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    torch: Any = import_module("torch")
    if id(value) in above or isinstance(value, (torch.nn.Module, type, str, bytes)):
        return
    above.add(id(value))
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _tensors(part, f"{path}[{key!r}]", above)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _tensors(part, f"{path}[{index}]", above)
    elif hasattr(value, "__dict__") and not hasattr(value, "model_type"):  # a config holds no cache
        for key, part in vars(value).items():
            yield from _tensors(part, f"{path}.{key}", above)


def _size(runs: Sequence[Sizes], lengths: Sequence[int], stated: frozenset[int]) -> CacheSize:
    """Growth and constant part of each tensor, added up."""
    growth = constant = 0
    for path in dict.fromkeys(path for run in runs for path in run):
        held = [math.prod(run[path]) if path in run else 0 for run in runs]
        rate = held[1] - held[0]
        at_start = held[0] - rate * lengths[0]
        linear = held[2] == at_start + rate * lengths[2] or _fills_a_window(held[2], rate, at_start, lengths, stated)
        if not linear or rate < 0 or at_start < 0:
            grown = ", ".join(f"{values:,} at {tokens}" for values, tokens in zip(held, lengths, strict=True))
            raise NotMeasuredError(f"the cache does not grow linearly with the tokens ({path} holds {grown})")
        growth, constant = growth + rate, constant + at_start
    return CacheSize(growth * BF16_BYTES, constant * BF16_BYTES)


def _fills_a_window(long: int, rate: int, at_start: int, lengths: Sequence[int], stated: frozenset[int]) -> bool:
    """Whether a tensor stopped growing at a window that the config states; the last token of one need not be kept."""
    if not rate or (long - at_start) % rate:
        return False
    tokens = (long - at_start) // rate
    return lengths[-2] <= tokens < lengths[-1] and bool({tokens, tokens + 1} & stated)


def _integers(value: Any) -> Iterator[int]:  # noqa: ANN401 - whatever a config holds
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _integers(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _integers(part)
    elif isinstance(value, int):
        yield value


def _refuse_expanded_latents(model: Any, run: Sizes) -> None:  # noqa: ANN401
    """Engines keep the latents of MLA; a reference that keeps the keys and values made of them says nothing of engines.

    Raises:
        NotMeasuredError: if fewer latents are cached than there are modules that make one.
    """
    made = Counter((module.kv_lora_rank, module.qk_rope_head_dim) for module in model.modules() if _makes_a_latent(module))
    for (rank, rotary), layers in made.items():
        # The latent in a tensor of its own or together with the rotary key, as one head.
        cached = sum(shape[-1] in (rank, rank + rotary) and shape[:-2] in ((1, 1), (1,)) for shape in run.values())
        if cached < layers:
            raise NotMeasuredError("transformers caches the keys and values of MLA, engines cache its latent")


def _makes_a_latent(module: Any) -> bool:  # noqa: ANN401
    return all(isinstance(vars(module).get(name), int) for name in ("kv_lora_rank", "qk_rope_head_dim"))
