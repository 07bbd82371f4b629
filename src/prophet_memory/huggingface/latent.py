"""Decoders with multi-head latent attention: DeepSeek-V2, DeepSeek-V3 and Kimi K2."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import decoder_only, evenly_split, everywhere, mixture, where_sparse
from prophet_memory.huggingface.decoders import shared_size, sparse_after_dense
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import LatentAttention


def latent_attention(values: Values) -> LatentAttention:
    """Latent attention; queries are full rank where their rank is null."""
    return LatentAttention(
        query_heads=values.size("num_attention_heads"),
        kv_lora_rank=values.size("kv_lora_rank"),
        qk_nope_head_dim=values.size("qk_nope_head_dim"),
        qk_rope_head_dim=values.size("qk_rope_head_dim"),
        v_head_dim=values.size("v_head_dim"),
        q_lora_rank=values.optional_size("q_lora_rank"),
        bias=values.flag("attention_bias"),
    )


@reads("deepseek_v2", defaults=DEFAULTS["deepseek_v2"], aliases=ALIASES["deepseek_v2"])
def deepseek_v2(values: Values) -> Architecture:
    """DeepSeek-V2, whose dense layers and shared experts may have biases.

    Raises:
        ArchitectureError: if the heads do not divide the hidden size, or biases are asked for without a shared expert.
    """
    evenly_split(values)  # the reference refuses the rest, though no weight is of that width
    bias = values.flag("mlp_bias")
    if bias and not values.count("n_shared_experts"):
        raise values.error("mlp_bias", "false without shared experts")  # the reference keeps the bias of an empty block
    return _decoder(values, bias=bias)


@reads("kimi_k2", defaults=DEFAULTS["kimi_k2"], aliases=ALIASES["kimi_k2"])
@reads("deepseek_v3", defaults=DEFAULTS["deepseek_v3"], aliases=ALIASES["deepseek_v3"])
def deepseek_v3(values: Values) -> Architecture:
    """DeepSeek-V3 and Kimi K2, without the layers that predict further tokens."""
    return _decoder(values, bias=False)


def _decoder(values: Values, *, bias: bool) -> Architecture:
    values.only("moe_layer_freq", 1)
    moe = mixture(
        values,
        "n_routed_experts",
        intermediate="moe_intermediate_size",
        shared_intermediate_size=shared_size(values, "n_shared_experts"),
        shared_bias=bias,
    )
    blocks = where_sparse(moe, Dense(values.size("intermediate_size"), bias=bias), sparse_after_dense(values))
    return decoder_only(values, everywhere(latent_attention(values), values.layers()), blocks)
