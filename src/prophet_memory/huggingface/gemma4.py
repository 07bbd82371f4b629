"""Gemma 4: layers with a window and without differ in their heads, and keys and values may be made together or borrowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prophet_memory.architecture import Architecture, Dense, FeedForward
from prophet_memory.huggingface.alternating import kinds_of_layers
from prophet_memory.huggingface.building import any_decoder, grouped, mixture
from prophet_memory.huggingface.defaults import DEFAULTS
from prophet_memory.huggingface.overrides import BY_LAYER, of_layers
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import Attention

OF_FULL = {"head_dim": "global_head_dim", "num_key_value_heads": "num_global_key_value_heads"}
EVERY = 6  # of so many layers the last has no window, unless the config says otherwise


@reads("gemma4_text", defaults=DEFAULTS["gemma4_text"], by_layer=True)
def gemma4_text(values: Values) -> Architecture:
    """The text model of Gemma 4, with experts beside its dense blocks or without."""
    layers = values.layers()
    if values.raw("use_bidirectional_attention") == "all":
        raise values.error("use_bidirectional_attention", "null or vision: a model whose tokens see later ones has no cache")
    kinds = kinds_of_layers(values, [(layer + 1) % EVERY == 0 for layer in range(layers)])
    kinds = [*kinds[:-1], "full_attention"]  # as the reference has it, whatever the config says
    values = of_layers(values, kinds, "full_attention", OF_FULL)
    first = _first_that_borrows(values, kinds)
    own = {kind: _attention(values, kind) for kind in set(kinds)}
    borrowing = {kind: replace(mixer, borrows_cache=True) for kind, mixer in own.items()}
    mixers = [(own if layer < first else borrowing)[kind] for layer, kind in enumerate(kinds)]
    inputs = values.count("hidden_size_per_layer_input")
    return any_decoder(
        values,
        mixers,
        _blocks(values, layers, first),
        norms_per_sublayer=2,
        per_layer_input_size=inputs,
        per_layer_vocabulary_size=values.size("vocab_size_per_layer_input") if inputs else 0,
    )


def _first_that_borrows(values: Values, kinds: list[str]) -> int:
    """The first of the last layers, which take keys and values from the last layer of their kind before them."""
    first = len(kinds) - values.count("num_kv_shared_layers")
    if first < 1 or set(kinds[:first]) != set(kinds):
        raise values.error("num_kv_shared_layers", "so few that a layer of each kind stands before them")
    return first


def _attention(values: Values, kind: str) -> Attention:
    bias, same = values.flag("attention_bias"), values.flag("attention_k_eq_v")
    others: dict[str, Any] = {"qkv_bias": bias, "output_bias": bias, "qk_norm": "head"}
    if kind == "sliding_attention":
        kv_heads = values.size("num_key_value_heads")
        return grouped(values, "num_key_value_heads", kv_heads, window_tokens=values.size("sliding_window"), **others)
    # Only where keys are values, too, do these layers have key-value heads of their own number, unless each layer says so.
    has_own = (same or values.raw(BY_LAYER) is not None) and values.raw("num_global_key_value_heads") is not None
    key = "num_global_key_value_heads" if has_own else "num_key_value_heads"
    return grouped(values, key, values.size(key), head_dim=values.size("global_head_dim"), values_from_keys=same, **others)


def _blocks(values: Values, layers: int, first: int) -> list[FeedForward]:
    """A dense block in each layer, twice as wide where a layer borrows its cache and the config says so, or experts beside it."""
    width, wide = values.size("intermediate_size"), values.flag("use_double_wide_mlp") and first < layers
    if not values.flag("enable_moe_block"):
        last = Dense(values.derived("intermediate_size", 2 * width)) if wide else Dense(width)
        return [Dense(width) if layer < first else last for layer in range(layers)]
    if wide:
        raise values.error("use_double_wide_mlp", "false with experts: layers whose dense branches differ cannot be described")
    moe = mixture(
        values,
        "num_experts",
        "top_k_experts",
        "moe_intermediate_size",
        parallel_dense_intermediate_size=width,
        branch_norms=3,
        router_scales=True,
    )
    return [moe for _ in range(layers)]
