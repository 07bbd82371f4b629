"""Doge: attention that masks by its values, and experts that are found by product keys."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense, FeedForward, MoE
from prophet_memory.huggingface.building import any_decoder, attention, chosen, everywhere, routed_experts, windowed
from prophet_memory.huggingface.defaults import DEFAULTS
from prophet_memory.huggingface.families import same_window
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values


@reads("doge", defaults=DEFAULTS["doge"])
def doge(values: Values) -> Architecture:
    """Doge, with experts of one value each beside its dense block, or without."""
    bias, wide_bias, width = values.flag("attention_bias"), values.flag("mlp_bias"), values.size("intermediate_size")
    mixer = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head", value_mask=True)
    block: FeedForward = Dense(width, bias=wide_bias)
    if values.flag("is_moe"):
        routed = routed_experts(values, "num_experts")
        top_k = chosen(values, "num_experts_per_tok", values.size("num_experts_per_tok"), routed)
        block = MoE(routed, top_k, 1, shared_intermediate_size=width, shared_bias=wide_bias, product_keys=True)
    blocks = everywhere(block, values.layers())
    return any_decoder(values, windowed(values, mixer, same_window(values)), blocks, residual_gates=True)
