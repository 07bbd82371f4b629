"""Hunyuan before its fourth version."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense, MoE
from prophet_memory.huggingface.building import at_least_two, attention, chosen, decoder_only, everywhere, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import after, listed_sparse, qwen_mixture, shared_size
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values


@reads("hunyuan_v1_moe", defaults=DEFAULTS["hunyuan_v1_moe"], aliases=ALIASES["hunyuan_v1_moe"])
def hunyuan_v1_moe(values: Values) -> Architecture:
    """Hunyuan: one shared expert as wide as a routed one; sizes may stand once for each layer."""
    layers, bias, width = values.layers(), values.flag("attention_bias"), values.size("intermediate_size")
    _as_the_reference_builds_hunyuan(values, layers, width)
    routed = at_least_two(values, "num_experts", values.uniform_size("num_experts", layers))
    top_k = chosen(values, "moe_topk", values.uniform_size("moe_topk", layers), routed)
    mixer = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head")
    moe = MoE(routed, top_k, width, shared_intermediate_size=width)
    return decoder_only(values, everywhere(mixer, layers), everywhere(moe, layers))


def _as_the_reference_builds_hunyuan(values: Values, layers: int, width: int) -> None:
    # Keys of the code published with the models, which the reference does not read.
    for key, expected in (("moe_intermediate_size", width), ("num_shared_expert", 1)):
        if values.raw(key) is not None and values.uniform_size(key, layers) != expected:
            raise values.error(key, f"{expected} in every layer, which is what the reference implementation builds")
    values.only("use_qk_norm", expected=True)
    values.only("use_cla", expected=False)
    values.only("mlp_bias", expected=False)
    values.only("moe_layer_num_skipped", 0)


@reads("hy_v3", defaults=DEFAULTS["hy_v3"], aliases=ALIASES["hy_v3"])
def hy_v3(values: Values) -> Architecture:
    """Hunyuan 3: one dense layer before the sparse ones, unless they are listed."""
    layers, bias, mlp_bias = values.layers(), values.flag("attention_bias"), values.flag("mlp_bias")
    dense = Dense(values.size("intermediate_size"), bias=mlp_bias)
    # The reference takes a width of 0 for none given, and builds the shared block as wide as a dense one.
    shared = shared_size(values, "num_shared_experts") or dense.intermediate_size
    moe = qwen_mixture(values, shared_intermediate_size=shared, shared_bias=mlp_bias)
    mixer = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head")
    blocks = where_sparse(moe, dense, listed_sparse(values) or after(values, 1))
    return decoder_only(values, everywhere(mixer, layers), blocks)
