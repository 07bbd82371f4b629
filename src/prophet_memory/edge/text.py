"""Numbers as figures and tables print them."""

from __future__ import annotations

from prophet_memory.errors import ModelError
from prophet_memory.formats import DEFAULT_FORMAT, EXPERTS_SUFFIX, FORMATS, NATIVE, WEIGHT_FORMATS, parsed

NEXT_TO_A_HUNDRED = 0.999  # from here one decimal of a percentage hides how little is left
ROUNDS_UP = 0.9995  # of a unit: three digits print the whole unit
PRECISION_LABELS = (
    {name: stored.label for name, stored in FORMATS.items()}
    | {f"{name}{EXPERTS_SUFFIX}": f"{stored.label} experts" for name, stored in FORMATS.items() if name != DEFAULT_FORMAT}
    | {NATIVE: "published precision"}
)

# What engines print, as figures and tables call it.
COMPONENT_LABELS = {
    "weights": "weights", "kv_bytes_per_token": "KV bytes a token", "kv_tokens": "KV tokens", "kv_cache": "KV cache",
    "kv_cache_of_windows": "KV cache of windows", "activation_peak": "activation peak", "non_torch": "memory beside torch",
    "cuda_graphs": "CUDA graphs", "cuda_graphs_estimated": "CUDA graphs, estimated", "recurrent_state": "recurrent state",
    "compute_buffer": "compute buffer", "max_concurrency": "concurrency", "kv_blocks": "KV blocks", "model_file": "model file",
    "beside_cache": "all but the cache",
    "total": "all in use",
}  # fmt: skip


def is_precision(name: str) -> bool:
    """Whether it names formats of weights, and not a file's."""
    try:
        return name == NATIVE or bool(parsed(name))
    except ModelError:
        return False


def precision_label(name: str) -> str:
    """A precision in words; what is none, a file, by its own name."""
    if name in PRECISION_LABELS or not is_precision(name):
        return PRECISION_LABELS.get(name, name)
    named = parsed(name)
    experts, rest = WEIGHT_FORMATS[named.routed_expert].label, WEIGHT_FORMATS[named.rest].label
    own = [f"{experts} experts" if rest != experts else experts, *([f"{rest} rest"] if rest != experts else [])]
    own += [f"{_excepted(key)} {WEIGHT_FORMATS[value].label}" for key, value in named.exceptions.items()]
    return ", ".join(own)


def _excepted(key: str) -> str:
    """What an exception is about; of some layers alone where it names their group."""
    what, _, group = key.partition("@")
    return f"{what} in layers of group {group}" if group else what


def is_below_16_bits(published_precision: str) -> bool:
    """Whether a model is published in fewer than 16 bits, so that nobody runs it in bf16."""
    return WEIGHT_FORMATS[parsed(published_precision).routed_expert].bits < FORMATS[DEFAULT_FORMAT].bits


def marked_name(name: str, published_precision: str, precision: str) -> str:
    """A model's name, with a dagger where the figures beside it are bf16's and hypothetical."""
    return name + ("†" if precision == DEFAULT_FORMAT and is_below_16_bits(published_precision) else "")


def percent(fraction: float) -> str:
    """A fraction in percent: one decimal, two next to a hundred; plain numbers for none and for all, to which nothing rounds."""
    if fraction in {0, 1}:
        return f"{100 * fraction:.0f}"
    if NEXT_TO_A_HUNDRED < fraction < 1:
        return f"{min(100 * fraction, 99.99):.2f}"
    return f"{100 * fraction:.{1 if fraction < 1 else 2}f}"


def multiplied(ratio: float) -> str:
    """An extension: three digits and a multiplication sign."""
    return f"{significant(ratio)}×"


def significant(value: float) -> str:
    """Three digits, no more than two of them after the point."""
    decimals = next((d for d, limit in ((2, 9.995), (1, 99.95)) if abs(value) < limit), 0)
    return f"{value:.{decimals}f}"


def thousands(tokens: int) -> str:
    """A number of tokens in thousands or millions, three digits."""
    for unit, letter in ((10**6, "M"), (10**3, "k")):
        if tokens >= ROUNDS_UP * unit:
            return f"{significant(tokens / unit)}{letter}"
    return str(tokens)


def first_line(problem: BaseException) -> str:
    """What an error says, without its help."""
    return (str(problem).splitlines() or [type(problem).__name__])[0]
