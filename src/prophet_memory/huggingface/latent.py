"""Decoders with multi-head latent attention: DeepSeek-V2, DeepSeek-V3 and those built like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prophet_memory.architecture import Architecture, Dense, MoE
from prophet_memory.huggingface.building import decoder_only, evenly_split, everywhere, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import after, glm_mixture, listed_sparse, next_tokens, sparse_after_dense
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import LatentAttention


def latent_attention(values: Values, **others: Any) -> LatentAttention:  # noqa: ANN401 - fields of LatentAttention
    """Latent attention; queries are full rank where their rank is null. `others` stand for what the config says of them."""
    sizes = ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
    own: dict[str, Any] = {key: values.size(key) for key in sizes if key not in others}
    if "q_lora_rank" not in others:
        own["q_lora_rank"] = values.optional_size("q_lora_rank")
    return LatentAttention(values.size("num_attention_heads"), bias=values.flag("attention_bias"), **own, **others)


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


@reads("sarvam_mla", defaults=DEFAULTS["sarvam_mla"], aliases=ALIASES["sarvam_mla"])
@reads("mistral4", defaults=DEFAULTS["mistral4"], aliases=ALIASES["mistral4"])
def mistral4(values: Values) -> Architecture:
    """Mistral 4 and Sarvam-105B: DeepSeek-V3's blocks."""
    return _decoder(values, bias=False)


@reads("kimi_k2", defaults=DEFAULTS["kimi_k2"], aliases=ALIASES["kimi_k2"])
@reads("deepseek_v3", defaults=DEFAULTS["deepseek_v3"], aliases=ALIASES["deepseek_v3"])
def deepseek_v3(values: Values) -> Architecture:
    """DeepSeek-V3 and Kimi K2."""
    return _decoder(values, bias=False, next_token_layers=next_tokens(values))


@reads("glm4_moe_lite", defaults=DEFAULTS["glm4_moe_lite"], aliases=ALIASES["glm4_moe_lite"])
def glm4_moe_lite(values: Values) -> Architecture:
    """GLM-4.7-Flash: DeepSeek-V3's blocks, the first layer dense unless they are listed."""
    sparse = listed_sparse(values)
    if sparse is None:
        values.only("first_k_dense_replace", 1)
    return _layers(values, glm_mixture(values), sparse or after(values, 1), next_token_layers=next_tokens(values))


@reads("axk1", defaults=DEFAULTS["axk1"], aliases=ALIASES["axk1"])
def axk1(values: Values) -> Architecture:
    """A.X-K1: DeepSeek-V3's blocks with a norm behind each mixture of experts; queries always have a latent."""
    values.size("q_lora_rank")
    sparse = listed_sparse(values) or sparse_after_dense(values, values.size("moe_layer_freq"))
    return _layers(values, replace(glm_mixture(values), output_norm=True), sparse)


def _decoder(values: Values, *, bias: bool, **others: Any) -> Architecture:  # noqa: ANN401 - fields of Architecture
    values.only("moe_layer_freq", 1)
    return _layers(values, replace(glm_mixture(values), shared_bias=bias), sparse_after_dense(values), bias=bias, **others)


def _layers(
    values: Values,
    moe: MoE,
    sparse: list[bool],
    *,
    bias: bool = False,
    **others: Any,  # noqa: ANN401 - fields of Architecture
) -> Architecture:
    blocks = where_sparse(moe, Dense(values.size("intermediate_size"), bias=bias), sparse)
    return decoder_only(values, everywhere(latent_attention(values), values.layers()), blocks, **others)
