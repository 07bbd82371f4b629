"""Qwen: decoders of attention layers alone, from Qwen1.5-MoE to Qwen3-MoE."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import attention, decoder_only, where_sparse, windowed
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import qwen_mixture, qwen_shared, same_window, sparse_steps
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import WINDOWS, Values


@reads("qwen2_moe", defaults=DEFAULTS["qwen2_moe"])
def qwen2_moe(values: Values) -> Architecture:
    """Qwen1.5-MoE and Qwen2-MoE: sliding windows in the first layers, every second one, where the config asks for them.

    Raises:
        ArchitectureError: if layers are listed as sliding and windows are switched off.
    """
    layers, sliding, last = values.layers(), values.flag("use_sliding_window"), values.count("max_window_layers")
    kinds = values.layer_types(layers, WINDOWS)
    if kinds is None:
        windows = [sliding and layer % 2 == 0 and layer < last for layer in range(layers)]
        kinds = ["sliding_attention" if window else "full_attention" for window in windows]
    if "sliding_attention" in kinds and not sliding:
        raise values.error("use_sliding_window", "true where layer_types has sliding_attention")
    mixers = windowed(values, attention(values, qkv_bias=values.flag("qkv_bias")), kinds)
    dense = Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(qwen_shared(values), dense, sparse_steps(values)))


@reads("qwen3_moe", defaults=DEFAULTS["qwen3_moe"], aliases=ALIASES["qwen3_moe"])
def qwen3_moe(values: Values) -> Architecture:
    """Qwen3-MoE."""
    return _qwen3(values, same_window(values) if values.flag("use_sliding_window") else ["full_attention"] * values.layers())


@reads("qwen3_omni_moe_text", defaults=DEFAULTS["qwen3_omni_moe_text"])
@reads("qwen3_vl_moe_text", defaults=DEFAULTS["qwen3_vl_moe_text"], aliases=ALIASES["qwen3_vl_moe_text"])
def qwen3_vl_moe_text(values: Values) -> Architecture:
    """The text models of Qwen3-VL-MoE and Qwen3-Omni-MoE: Qwen3-MoE, where a window needs no switch."""
    return _qwen3(values, same_window(values))


def _qwen3(values: Values, kinds: list[str]) -> Architecture:
    bias = values.flag("attention_bias")
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head"), kinds)
    dense = Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(qwen_mixture(values), dense, sparse_steps(values)))
