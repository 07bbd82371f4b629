"""Decoders in which a window bounds the attention of some layers and others attend to everything."""

from __future__ import annotations

from dataclasses import replace

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import attention, decoder_only, everywhere, mixture, where_sparse, windowed
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import after, glm_mixture, listed_sparse, qwen_mixture, shared_size, sparse_steps
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import WINDOWS, Values
from prophet_memory.mixers import Attention

GATES = ((True, "head_gate"), ("per-head", "head_gate"), (False, "value_gate"), ("per-element", "value_gate"))


def kinds_of_layers(values: Values, full: list[bool]) -> list[str]:
    """The kind of each layer as `layer_types` lists them, or else attention to everything in these and a window in the others."""
    return values.layer_types(values.layers(), WINDOWS) or [WINDOWS[not is_full] for is_full in full]


def every(values: Values, key: str) -> list[bool]:
    """Which layers attend to everything: every so many-th, as this key says; none where `layer_types` lists them."""
    if values.raw("layer_types") is not None:
        return []
    period = values.size(key)
    return [(layer + 1) % period == 0 for layer in range(values.layers())]


@reads("mellum", defaults=DEFAULTS["mellum"], aliases=ALIASES["mellum"])
def mellum(values: Values) -> Architecture:
    """Mellum: Qwen3-MoE with windows and dense layers where they are listed."""
    layers, bias = values.layers(), values.flag("attention_bias")
    mixer = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head")
    mixers = windowed(values, mixer, kinds_of_layers(values, [True] * layers))
    sparse, dense = listed_sparse(values) or [True] * layers, Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(qwen_mixture(values), dense, sparse))


@reads("dots1", defaults=DEFAULTS["dots1"], aliases=ALIASES["dots1"])
def dots1(values: Values) -> Architecture:
    """dots.llm1: windows from `max_window_layers` on, where there is one, and DeepSeek-V3's mixture of experts."""
    layers, bias = values.layers(), values.flag("attention_bias")
    unasked = values.raw("layer_types") is not None or values.raw("sliding_window") is None
    first = layers if unasked else values.count("max_window_layers")
    kinds = kinds_of_layers(values, [layer < first for layer in range(layers)])
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head"), kinds)
    sparse, dense = after(values, values.count("first_k_dense_replace")), Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(glm_mixture(values), dense, sparse))


@reads("exaone_moe", defaults=DEFAULTS["exaone_moe"])
def exaone_moe(values: Values) -> Architecture:
    """K-EXAONE: full attention in every `sliding_window_pattern`-th layer, and no biases."""
    mixers = windowed(values, attention(values, qk_norm="head"), kinds_of_layers(values, every(values, "sliding_window_pattern")))
    moe = qwen_mixture(values, shared_intermediate_size=shared_size(values, "num_shared_experts"))
    sparse = listed_sparse(values) or after(values, values.count("first_k_dense_replace"))
    return decoder_only(values, mixers, where_sparse(moe, Dense(values.size("intermediate_size")), sparse))


@reads("afmoe", defaults=DEFAULTS["afmoe"])
def afmoe(values: Values) -> Architecture:
    """Arcee's Trinity: gated attention, a norm before and one after each sublayer; the router's correction is a parameter."""
    bias = values.flag("attention_bias")
    mixer = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head", value_gate=True)
    mixers = windowed(values, mixer, kinds_of_layers(values, every(values, "global_attn_every_n_layers")))
    moe = qwen_mixture(values, router_bias=True, shared_intermediate_size=shared_size(values, "num_shared_experts"))
    sparse, dense = after(values, values.count("num_dense_layers")), Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(moe, dense, sparse), norms_per_sublayer=2)


@reads("flint", defaults=DEFAULTS["flint"])
def flint(values: Values) -> Architecture:
    """Flint: sinks, and full attention in the first two layers, then in every fourth and in the last."""
    layers, bias = values.layers(), values.flag("attention_bias")
    kinds = kinds_of_layers(values, [layer % 4 == 1 or layer in (0, layers - 1) for layer in range(layers)])
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head", sinks=True), kinds)
    moe = qwen_mixture(values, shared_intermediate_size=values.count("shared_expert_intermediate_size"))
    sparse, dense = sparse_steps(values, dense=(0, 1)), Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(moe, dense, sparse))


@reads("kolibri1", defaults=DEFAULTS["kolibri1"], aliases=ALIASES["kolibri1"])
def kolibri1(values: Values) -> Architecture:
    """Kolibri-1: full attention in every fifth layer, a norm before and one after each sublayer, and no dense layers."""
    layers = values.layers()
    kinds = kinds_of_layers(values, [(layer + 1) % 5 == 0 for layer in range(layers)])
    mixers = windowed(values, attention(values, qk_norm="head"), kinds)
    moe = qwen_mixture(values, shared_intermediate_size=values.count("shared_expert_intermediate_size"))
    return decoder_only(values, mixers, everywhere(moe, layers), norms_per_sublayer=2)


@reads("granitemoe_swa", defaults=DEFAULTS["granitemoe_swa"])
def granitemoe_swa(values: Values) -> Architecture:
    """Granite MoE with sinks, a shared block, and full attention in every fourth layer from the first."""
    layers, bias = values.layers(), values.flag("attention_bias")
    kinds = kinds_of_layers(values, [layer % 4 == 0 for layer in range(layers)])
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias, sinks=True), kinds)
    moe = mixture(values, shared_intermediate_size=values.count("shared_intermediate_size"))
    return decoder_only(values, mixers, everywhere(moe, layers))


@reads("beam", defaults=DEFAULTS["beam"])
def beam(values: Values) -> Architecture:
    """Beam: gated attention to everything in every sixth layer and in the last, and a norm before and after each sublayer."""
    layers, bias = values.layers(), values.flag("attention_bias")
    mixer = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head", value_gate=True, gate_bias=True)
    kinds = kinds_of_layers(values, [(layer + 1) % 6 == 0 or layer == layers - 1 for layer in range(layers)])
    sparse, dense = listed_sparse(values) or after(values, 3), Dense(values.size("intermediate_size"))
    blocks = where_sparse(qwen_mixture(values), dense, sparse)
    return decoder_only(values, windowed(values, mixer, kinds), blocks, norms_per_sublayer=2)


@reads("cohere2_moe", defaults=DEFAULTS["cohere2_moe"])
def cohere2_moe(values: Values) -> Architecture:
    """Command A+: attention and feed-forward block side by side behind one norm, and windows with a pattern for dense layers."""
    layers, bias, dense = values.layers(), values.flag("attention_bias"), values.count("first_k_dense_replace")
    full: list[bool] = []
    if values.raw("layer_types") is None:
        first, period = values.size("prefix_dense_sliding_window_pattern"), values.size("sliding_window_pattern")
        starts = [(layer + 1) % first == 0 for layer in range(min(dense, layers))]
        full = [*starts, *((layer + 1) % period == 0 for layer in range(layers - len(starts)))]
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias), kinds_of_layers(values, full))
    width = values.size("intermediate_size")
    shared = values.derived("num_shared_experts", values.count("num_shared_experts") * width)
    moe = mixture(values, "num_experts", shared_intermediate_size=shared)
    sparse = listed_sparse(values) or after(values, dense)
    block = Dense(values.optional_size("prefix_dense_intermediate_size") or width)
    return decoder_only(values, mixers, where_sparse(moe, block, sparse), parallel_sublayers=True)


@reads("laguna", defaults=DEFAULTS["laguna"])
def laguna(values: Values) -> Architecture:
    """Laguna: gated attention, whose query heads may differ by layer; the router's correction is a parameter."""
    layers = values.layers()
    mixers = _with_heads(values, windowed(values, _laguna_attention(values), kinds_of_layers(values, [True] * layers)))
    shared = values.count("shared_expert_intermediate_size")
    moe = qwen_mixture(values, router_bias=True, shared_intermediate_size=shared)
    sparse, dense = listed_sparse(values) or after(values, 1), Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(moe, dense, sparse))


def _laguna_attention(values: Values) -> Attention:
    bias, gating = values.flag("attention_bias"), values.raw("gating")
    gate = next((gate for word, gate in GATES if type(word) is type(gating) and word == gating), None)
    if gate is None:
        raise values.error("gating", "true, false, per-head or per-element")
    return attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head", **{gate: True})


def _with_heads(values: Values, mixers: list[Attention]) -> list[Attention]:
    """The layers' attention with as many query heads as `num_attention_heads_per_layer` lists."""
    heads = values.integers("num_attention_heads_per_layer")
    if heads is None:
        return mixers
    if len(heads) != len(mixers) or any(not count or count % mixer.kv_heads for count, mixer in zip(heads, mixers, strict=True)):
        allowed = f"a list of {len(mixers)}, each a multiple of the key-value heads ({mixers[0].kv_heads})"
        raise values.error("num_attention_heads_per_layer", allowed)
    return [replace(mixer, query_heads=count) for count, mixer in zip(heads, mixers, strict=True)]
