"""What `models`, `explain` and `import-config` say of a model: its counts, and its cache with the numbers put in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prophet_memory.architecture import Architecture
from prophet_memory.facts import BF16, BF16_CACHE, facts
from prophet_memory.kv_cache import cross_attention_bytes_per_source_token, vectors_bytes
from prophet_memory.mixers import Mixer

# What programs ask for; cache and state in bf16.
COUNTED = (
    "total_params", "routed_expert_params", "non_expert_params", "active_params_per_token", "moe_layers", "experts", "top_k",
    "kv_bytes_per_token", "state_bytes_per_sequence",
)  # fmt: skip

EXPERT_KEYS = ("experts", "top_k")
DENSE = "the model has no experts"


def counted(architecture: Architecture) -> dict[str, Any]:
    """Those of the model's facts, and the reasons of those that it has not."""
    known = facts(architecture)
    reasons = {"reasons": dict.fromkeys(EXPERT_KEYS, DENSE)} if architecture.is_dense else {}
    return {name: known[name] for name in COUNTED} | reasons


def cache_terms(architecture: Architecture) -> Iterator[tuple[str, str, int]]:
    """The terms of the cache of a sequence of c tokens: what, the product, and its bytes for each token or once."""
    mixers: dict[Mixer, int] = {}
    for layer in architecture.decoder.layers:
        mixers[layer.mixer] = mixers.get(layer.mixer, 0) + layer.count
    width = BF16.bits // 8
    for mixer, layers in mixers.items():
        for vectors, window in mixer.cached_parts():
            tokens = "c" if window is None else f"min(c, {window:,})"
            product = f"{layers} layers x {_values(vectors)} values x {width} B"
            yield f"{mixer.cached}, for each of {tokens} tokens", product, layers * vectors_bytes(vectors, BF16)
        for name, (rows, values) in zip(("convolution window", "recurrent state"), mixer.state_vectors(), strict=True):
            if rows:
                product = f"{layers} layers x {rows:,} x {values:,} values x {width} B"
                yield f"{name}, once", product, layers * rows * BF16.vector_bytes(values)
    if (cross := architecture.decoder.cross_attention) is not None:
        layers = architecture.decoder.layer_count
        product = f"{layers} layers x {_values(cross.cached_vectors())} values x {width} B"
        yield "cross-attention, for each source token", product, cross_attention_bytes_per_source_token(architecture, BF16_CACHE)


def _values(vectors: Sequence[tuple[int, int]]) -> str:
    """Vectors as a product: keys and values of each head, or the latent and the rotary key."""
    if len(vectors) == 1 and vectors[0][0] > 1:
        return f"2 x {vectors[0][0] // 2} heads x {vectors[0][1]}"
    parts = [f"{count} heads x {values}" if count > 1 else f"{values}" for count, values in vectors]
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"
