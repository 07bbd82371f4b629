"""Decoders in which attention alternates with a recurrent mixer: Jamba, Qwen3-Next, Qwen3.5, Lara and MiniMax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import attention, decoder_only, everywhere, mixture, where_sparse, windowed
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import next_tokens, qwen_mixture, qwen_shared, sparse_steps
from prophet_memory.huggingface.quantization import DTYPES
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import Attention, GatedDeltaNet, LightningAttention, Mamba, Mixer


def with_state_format(architecture: Architecture, values: Values, key: str) -> Architecture:
    """A model whose config names the format of its recurrent state, where it does.

    Raises:
        ArchitectureError: for a format that no state has.
    """
    named = values.text(key)
    if named is None:
        return architecture
    if (stored := DTYPES.get(named.removeprefix("torch."))) is None:
        raise values.error(key, ", ".join(DTYPES))
    return replace(architecture, state_format=stored)


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


@reads("jamba", defaults=DEFAULTS["jamba"], aliases=ALIASES["jamba"])
def jamba(values: Values) -> Architecture:
    """Jamba: attention in some layers, Mamba in the others, and independently of that an MoE in some layers."""
    full, recurrent = attention(values), mamba(values)
    mixers = [full if is_attention else recurrent for is_attention in periodic(values, "attn")]
    moe, dense = mixture(values, "num_experts"), Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(moe, dense, periodic(values, "expert")))


def gated_deltanet(values: Values) -> GatedDeltaNet:
    """Qwen3-Next's linear attention, in which each head of keys serves as many of values.

    Raises:
        ArchitectureError: if it does not.
    """
    if values.size("linear_num_value_heads") % values.size("linear_num_key_heads"):
        allowed = f"a multiple of linear_num_key_heads ({values.size('linear_num_key_heads')})"
        raise values.error("linear_num_value_heads", allowed)
    return GatedDeltaNet(
        key_heads=values.size("linear_num_key_heads"),
        key_head_dim=values.size("linear_key_head_dim"),
        value_heads=values.size("linear_num_value_heads"),
        value_head_dim=values.size("linear_value_head_dim"),
        conv_kernel=values.size("linear_conv_kernel_dim"),
    )


def qwen_mixers(values: Values) -> list[Mixer]:
    """Gated attention in every fourth layer, unless the config says otherwise, and linear attention in the others."""
    layers, bias = values.layers(), values.flag("attention_bias")
    kinds = values.layer_types(layers, ALTERNATING)
    if kinds is None:
        interval = values.size("full_attention_interval")
        kinds = ["linear_attention" if (layer + 1) % interval else "full_attention" for layer in range(layers)]
    full = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head", output_gate=True)
    linear = gated_deltanet(values)
    return [full if kind == "full_attention" else linear for kind in kinds]


@reads("qwen3_next", defaults=DEFAULTS["qwen3_next"])
def qwen3_next(values: Values) -> Architecture:
    """Qwen3-Next."""
    mixers, sparse = qwen_mixers(values), sparse_steps(values)
    blocks = where_sparse(qwen_shared(values), Dense(values.size("intermediate_size")), sparse)
    further = next_tokens(values, left_out=1)  # as vLLM takes it, and as published
    return decoder_only(values, mixers, blocks, next_token_layers=further if all(sparse) and _ends_known(mixers, further) else 0)


def _ends_known(mixers: Sequence[Mixer], further: int) -> bool:
    """Whether a layer that predicts a further token is like the last one: one of full attention. Several share a map."""
    return further == 1 and isinstance(mixers[-1], Attention)


@reads("qwen3_5_moe_text", defaults=DEFAULTS["qwen3_5_moe_text"])
def qwen3_5_moe_text(values: Values) -> Architecture:
    """The language model of Qwen3.5-MoE: Qwen3-Next without dense layers."""
    mixers, further = qwen_mixers(values), next_tokens(values, "mtp_num_hidden_layers")
    known = {"next_token_layers": further if _ends_known(mixers, further) else 0}
    found = decoder_only(values, mixers, everywhere(qwen_shared(values), values.layers()), **known)
    return with_state_format(found, values, "mamba_ssm_dtype")


LARA = ("linear_attention", "sliding_attention", "linear_attention", "full_attention", "sliding_attention")


@reads("lara_mini", defaults=DEFAULTS["lara_mini"])
def lara_mini(values: Values) -> Architecture:
    """Lara 4 Mini: linear attention, windows and full attention in turns of five, and a shared expert without a gate."""
    layers, bias = values.layers(), values.flag("attention_bias")
    kinds = values.layer_types(layers, tuple(sorted(set(LARA)))) or [LARA[layer % len(LARA)] for layer in range(layers)]
    full, linear = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head"), gated_deltanet(values)
    attentions = zip(kinds, windowed(values, full, kinds), strict=True)
    mixers = [linear if kind == "linear_attention" else own for kind, own in attentions]
    moe = qwen_mixture(values, shared_intermediate_size=values.count("shared_expert_intermediate_size"))
    return decoder_only(values, mixers, everywhere(moe, layers))


@reads("minimax", defaults=DEFAULTS["minimax"], aliases=ALIASES["minimax"])
def minimax(values: Values) -> Architecture:
    """MiniMax: full attention in every second layer from the first, lightning attention in the others."""
    layers = values.layers()
    kinds = values.layer_types(layers, ALTERNATING)
    if kinds is None:
        kinds = ["linear_attention" if layer % 2 else "full_attention" for layer in range(layers)]
    full = attention(values)
    # The reference masks full attention by sliding_window but keeps the whole context in its cache, so there is no window here.
    lightning = LightningAttention(full.query_heads, full.head_dim)
    mixers = [full if kind == "full_attention" else lightning for kind in kinds]
    return decoder_only(values, mixers, everywhere(mixture(values), layers))
