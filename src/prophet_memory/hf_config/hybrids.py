"""Decoders in which attention alternates with a recurrent mixer: Jamba, Qwen3-Next and MiniMax."""

from __future__ import annotations

from typing import Any

from prophet_memory.architecture import Dense
from prophet_memory.hf_config.building import Placed, attention, decoder_only, everywhere, mixture, where_sparse
from prophet_memory.hf_config.decoders import qwen_shared, sparse_steps
from prophet_memory.hf_config.values import Values
from prophet_memory.mixers import GatedDeltaNet, LightningAttention, Mamba, Mixer

ALTERNATING = ("full_attention", "linear_attention")


def periodic(values: Values, name: str) -> list[bool]:
    """Which layers `<name>_layer_period` and `<name>_layer_offset` choose.

    Raises:
        ArchitectureError: for an offset that is not smaller than the period.
    """
    period, offset = values.size(f"{name}_layer_period"), values.count(f"{name}_layer_offset")
    if offset >= period:
        raise values.error(f"{name}_layer_offset", f"less than {name}_layer_period ({period})")
    return [layer % period == offset for layer in range(values.layers())]


def mamba(values: Values) -> Mamba:
    """Jamba's Mamba mixer."""
    hidden = values.size("hidden_size")
    automatic = values.raw("mamba_dt_rank") == "auto"
    return Mamba(
        inner_size=values.derived("mamba_expand", values.size("mamba_expand") * hidden),
        state_size=values.size("mamba_d_state"),
        conv_kernel=values.size("mamba_d_conv"),
        dt_rank=-(-hidden // 16) if automatic else values.size("mamba_dt_rank"),
        conv_bias=values.flag("mamba_conv_bias"),
        proj_bias=values.flag("mamba_proj_bias"),
        inner_norms=True,
    )


def jamba(values: Values) -> dict[str, Any]:
    """Jamba: attention in some layers, Mamba in the others, and independently of that an MoE in some layers."""
    names = ["attention" if is_attention else "mamba" for is_attention in periodic(values, "attn")]
    mixers: dict[str, Mixer] = {"attention": attention(values), "mamba": mamba(values)}
    moe, dense = mixture(values, "num_experts"), Dense(values.size("intermediate_size"))
    return decoder_only(values, Placed(mixers, names), where_sparse(moe, dense, periodic(values, "expert")))


def gated_deltanet(values: Values) -> GatedDeltaNet:
    """Qwen3-Next's linear attention."""
    return GatedDeltaNet(
        key_heads=values.size("linear_num_key_heads"),
        key_head_dim=values.size("linear_key_head_dim"),
        value_heads=values.size("linear_num_value_heads"),
        value_head_dim=values.size("linear_value_head_dim"),
        conv_kernel=values.size("linear_conv_kernel_dim"),
    )


def qwen3_next(values: Values) -> dict[str, Any]:
    """Qwen3-Next: gated attention in every fourth layer, unless the config says otherwise."""
    layers, bias = values.layers(), values.flag("attention_bias")
    kinds = values.layer_types(layers, ALTERNATING)
    if kinds is None:
        interval = values.size("full_attention_interval")
        kinds = ["linear_attention" if (layer + 1) % interval else "full_attention" for layer in range(layers)]
    full = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head", output_gate=True)
    names = ["attention" if kind == "full_attention" else kind for kind in kinds]
    mixers: dict[str, Mixer] = {"attention": full, "linear_attention": gated_deltanet(values)}
    dense = Dense(values.size("intermediate_size"))
    return decoder_only(values, Placed(mixers, names), where_sparse(qwen_shared(values), dense, sparse_steps(values)))


def minimax(values: Values) -> dict[str, Any]:
    """MiniMax: full attention in every second layer from the first, lightning attention in the others."""
    layers = values.layers()
    kinds = values.layer_types(layers, ALTERNATING)
    if kinds is None:
        kinds = ["linear_attention" if layer % 2 else "full_attention" for layer in range(layers)]
    full = attention(values)
    # The reference masks full attention by sliding_window but keeps the whole context in its cache, so there is no window here.
    lightning = LightningAttention(full.query_heads, full.head_dim)
    mixers: dict[str, Mixer] = {"attention": full, "lightning_attention": lightning}
    names = ["attention" if kind == "full_attention" else "lightning_attention" for kind in kinds]
    return decoder_only(values, Placed(mixers, names), everywhere("moe", mixture(values), layers))
