"""Decoders of attention layers alone: grouped-query attention with a mixture of experts in all or some of the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import (
    attention,
    decoder_only,
    evenly_split,
    everywhere,
    grouped,
    mixture,
    where_sparse,
    windowed,
)
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import (
    glm_mixture,
    listed_sparse,
    next_tokens,
    same_window,
    shared_block,
    shared_size,
    sparse_after_dense,
)
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import WINDOWS, Values
from prophet_memory.mixers import Attention


@reads("mixtral", defaults=DEFAULTS["mixtral"], aliases=ALIASES["mixtral"])
def mixtral(values: Values) -> Architecture:
    """Mixtral."""
    mixers = windowed(values, attention(values), same_window(values))
    return decoder_only(values, mixers, everywhere(mixture(values), values.layers()))


@reads("phimoe", defaults=DEFAULTS["phimoe"])
def phimoe(values: Values) -> Architecture:
    """Phi-3.5-MoE: biases wherever the config asks for them, and LayerNorm with a bias."""
    bias = values.flag("attention_bias")
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias), same_window(values))
    others = {"lm_head_bias": True} if values.flag("lm_head_bias") else {}
    return decoder_only(values, mixers, everywhere(mixture(values), values.layers()), norm_bias=True, **others)


@reads("granitemoe", defaults=DEFAULTS["granitemoe"])
def granitemoe(values: Values) -> Architecture:
    """Granite MoE."""
    bias = values.flag("attention_bias")
    mixers = everywhere(attention(values, qkv_bias=bias, output_bias=bias), values.layers())
    return decoder_only(values, mixers, everywhere(mixture(values), values.layers()))


@reads("granitemoeshared", defaults=DEFAULTS["granitemoeshared"])
def granitemoeshared(values: Values) -> Architecture:
    """Granite MoE with a shared block of its own width, none where that is 0."""
    bias = values.flag("attention_bias")
    mixers = everywhere(attention(values, qkv_bias=bias, output_bias=bias), values.layers())
    moe = mixture(values, shared_intermediate_size=values.count("shared_intermediate_size"))
    return decoder_only(values, mixers, everywhere(moe, values.layers()))


@reads("olmoe", defaults=DEFAULTS["olmoe"], aliases=ALIASES["olmoe"])
def olmoe(values: Values) -> Architecture:
    """OLMoE: queries and keys are normalised over all heads at once, which fixes the width of a head.

    Raises:
        ArchitectureError: for another width than the hidden size over the heads.
    """
    bias = values.flag("attention_bias")
    mixer = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="full")
    if mixer.head_dim != evenly_split(values):
        raise values.error("head_dim", f"the hidden size over the heads ({evenly_split(values)})")
    moe = mixture(values, "num_experts")
    return decoder_only(values, everywhere(mixer, values.layers()), everywhere(moe, values.layers()))


@reads("flex_olmo", defaults=DEFAULTS["flex_olmo"], aliases=ALIASES["flex_olmo"])
def flex_olmo(values: Values) -> Architecture:
    """FlexOlmo: OLMoE's blocks, and heads of any width."""
    bias = values.flag("attention_bias")
    mixers = everywhere(attention(values, qkv_bias=bias, output_bias=bias, qk_norm="full"), values.layers())
    return decoder_only(values, mixers, everywhere(mixture(values, "num_experts"), values.layers()))


@reads("minimax_m2", defaults=DEFAULTS["minimax_m2"], aliases=ALIASES["minimax_m2"])
def minimax_m2(values: Values) -> Architecture:
    """MiniMax-M2: queries and keys are normalised over all heads at once; without the layers that predict further tokens."""
    values.only("use_qk_norm", expected=True)
    values.only("shared_intermediate_size", 0)
    mixers = everywhere(attention(values, qk_norm="full"), values.layers())
    return decoder_only(values, mixers, everywhere(mixture(values), values.layers()))


@reads("dbrx", defaults=DEFAULTS["dbrx"], aliases=ALIASES["dbrx"])
def dbrx(values: Values) -> Architecture:
    """DBRX, whose attention and feed-forward blocks have configs of their own.

    Raises:
        ArchitectureError: for tied embeddings, which the reference implementation refuses.
    """
    heads = values.nested("attn_config", DEFAULTS["dbrx.attn_config"])
    block = values.nested("ffn_config", DEFAULTS["dbrx.ffn_config"])
    values.only("tie_word_embeddings", expected=False)
    mixer = grouped(values, "kv_n_heads", heads.size("kv_n_heads"), within=heads, head_dim=evenly_split(values, "n_heads"))
    moe = mixture(block, "moe_num_experts", "moe_top_k", "ffn_hidden_size")
    return decoder_only(values, everywhere(mixer, values.layers()), everywhere(moe, values.layers()))


@reads("grok-1", defaults=DEFAULTS["grok-1"])
def grok_1(values: Values) -> Architecture:
    """Grok-1: a norm before and one after each sublayer."""
    values.only("norms_per_layer", 4)
    values.only("attention_bias", expected=False)
    mixers = everywhere(attention(values), values.layers())
    return decoder_only(values, mixers, everywhere(mixture(values, "num_experts"), values.layers()), norms_per_sublayer=2)


@reads("arctic", defaults=DEFAULTS["arctic"])
def arctic(values: Values) -> Architecture:
    """Snowflake Arctic: beside each mixture of experts a dense branch as wide as the model.

    Raises:
        ArchitectureError: where the two keys for that branch disagree.
    """
    branch = values.flag("parallel_attn_mlp_res")
    values.only("use_residual", branch)  # the key that vLLM reads
    values.only("attention_bias", expected=False)
    frequency = values.size("moe_layer_frequency")
    sparse = [(layer + 1) % frequency == 0 for layer in range(values.layers())]
    moe = mixture(values, parallel_dense_intermediate_size=values.size("hidden_size") if branch else 0)
    mixers = windowed(values, attention(values), same_window(values))
    return decoder_only(values, mixers, where_sparse(moe, Dense(values.size("intermediate_size")), sparse))


@reads("deepseek", defaults=DEFAULTS["deepseek"])
def deepseek(values: Values) -> Architecture:
    """DeepSeek-MoE, the model before latent attention."""
    bias = values.flag("attention_bias")
    mixer = attention(values, qkv_bias=bias, output_bias=bias, head_dim=evenly_split(values))
    shared = 0 if values.raw("n_shared_experts") is None else shared_size(values, "n_shared_experts")
    moe = mixture(values, "n_routed_experts", intermediate="moe_intermediate_size", shared_intermediate_size=shared)
    sparse = sparse_after_dense(values, values.size("moe_layer_freq"))
    blocks = where_sparse(moe, Dense(values.size("intermediate_size")), sparse)
    return decoder_only(values, everywhere(mixer, values.layers()), blocks)


@reads("deepseek_ocr2_text", defaults=DEFAULTS["deepseek_ocr2_text"], aliases=ALIASES["deepseek_ocr2_text"])
def deepseek_ocr2_text(values: Values) -> Architecture:
    """The text model of DeepSeek-OCR-2: DeepSeek-V2's mixture of experts beside multi-head attention.

    Raises:
        ArchitectureError: where `mlp_layer_types` is left out, and for biases without a shared expert.
    """
    sparse = listed_sparse(values)
    if sparse is None:
        raise values.error("mlp_layer_types", "a list with dense or sparse for each layer")
    return _ocr(values, sparse)


@reads("unlimited_ocr_text", defaults=DEFAULTS["unlimited_ocr_text"], aliases=ALIASES["unlimited_ocr_text"])
def unlimited_ocr_text(values: Values) -> Architecture:
    """The text model of Unlimited-OCR: that of DeepSeek-OCR-2, the first layer dense unless they are listed.

    A window bounds generated tokens alone, and a prompt stays whole: here every token is one of the prompt.
    """
    values.size("sliding_window")
    return _ocr(values, listed_sparse(values) or sparse_after_dense(values))


def _ocr(values: Values, sparse: Sequence[bool]) -> Architecture:
    bias, mlp_bias = values.flag("attention_bias"), values.flag("mlp_bias")
    mixer = attention(values, qkv_bias=bias, output_bias=bias, head_dim=evenly_split(values))
    shared = shared_size(values, "n_shared_experts")
    moe = mixture(values, "n_routed_experts", intermediate="moe_intermediate_size", **shared_block(values, shared, bias=mlp_bias))
    blocks = where_sparse(moe, Dense(values.size("intermediate_size"), bias=mlp_bias), sparse)
    return decoder_only(values, everywhere(mixer, values.layers()), blocks)


@reads("aria_text", defaults=DEFAULTS["aria_text"])
def aria_text(values: Values) -> Architecture:
    """The text model of Aria: in every layer a mixture of experts with shared ones, which may have biases.

    Raises:
        ArchitectureError: if the heads do not divide the hidden size, or biases are asked for without a shared expert.
    """
    evenly_split(values)  # the reference refuses the rest, though heads may be of another width
    bias = values.flag("attention_bias")
    mixers = everywhere(attention(values, qkv_bias=bias, output_bias=bias), values.layers())
    width, count = values.size("intermediate_size"), values.count("moe_num_shared_experts")
    others = shared_block(values, values.derived("moe_num_shared_experts", count * width), bias=values.flag("mlp_bias"))
    return decoder_only(values, mixers, everywhere(mixture(values, "moe_num_experts", "moe_topk", **others), values.layers()))


@reads("sarvam_moe", defaults=DEFAULTS["sarvam_moe"], aliases=ALIASES["sarvam_moe"])
def sarvam_moe(values: Values) -> Architecture:
    """Sarvam-30B: GLM-4.5's blocks, with no bias on the attention's output."""
    norm = "head" if values.flag("use_qk_norm") else "none"
    return _glm4(values, attention(values, qkv_bias=values.flag("attention_bias"), qk_norm=norm))


@reads("glm4_moe", defaults=DEFAULTS["glm4_moe"], aliases=ALIASES["glm4_moe"])
def glm4_moe(values: Values) -> Architecture:
    """GLM-4.5 and GLM-4.6, with the layers that predict further tokens."""
    return replace(sarvam_moe(values), next_token_layers=next_tokens(values))


@reads("glm4v_moe_text", defaults=DEFAULTS["glm4v_moe_text"], aliases=ALIASES["glm4v_moe_text"])
def glm4v_moe_text(values: Values) -> Architecture:
    """The text model of GLM-4.5V: GLM-4.5 without norms of queries and keys."""
    values.only("use_qk_norm", expected=False)
    return _glm4(values, attention(values, qkv_bias=values.flag("attention_bias")))


def _glm4(values: Values, mixer: Attention) -> Architecture:
    blocks = where_sparse(glm_mixture(values), Dense(values.size("intermediate_size")), sparse_after_dense(values))
    return decoder_only(values, everywhere(mixer, values.layers()), blocks)


@reads("solar_open", defaults=DEFAULTS["solar_open"], aliases=ALIASES["solar_open"])
def solar(values: Values) -> Architecture:
    """Solar Open: GLM-4.5 without norms of queries and keys and without dense layers."""
    mixer, layers = attention(values, qkv_bias=values.flag("attention_bias")), values.layers()
    return decoder_only(values, everywhere(mixer, layers), everywhere(glm_mixture(values), layers))


@reads("gpt_oss", defaults=DEFAULTS["gpt_oss"], aliases=ALIASES["gpt_oss"])
def gpt_oss(values: Values) -> Architecture:
    """gpt-oss: sinks, biases on router and experts, and a window in every second layer from the first."""
    layers, bias = values.layers(), values.flag("attention_bias")
    kinds = values.layer_types(layers, WINDOWS)
    if kinds is None:
        kinds = ["full_attention" if layer % 2 else "sliding_attention" for layer in range(layers)]
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias, sinks=True), kinds)
    return decoder_only(values, mixers, everywhere(mixture(values, expert_bias=True, router_bias=True), layers))


@reads("llama4_text", defaults=DEFAULTS["llama4_text"])
def llama4_text(values: Values) -> Architecture:
    """The text model of Llama 4: chunked attention where positions are rotary, a shared expert beside the routed ones."""
    layers, bias, width = values.layers(), values.flag("attention_bias"), values.size("intermediate_size")
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias), _llama4_kinds(values, layers))
    sparse = values.integers("moe_layers")
    if sparse is None:
        step = values.size("interleave_moe_layer_step")
        sparse = list(range(step - 1, layers, step))
    moe, dense = mixture(values, shared_intermediate_size=width), Dense(values.size("intermediate_size_mlp"))
    return decoder_only(values, mixers, where_sparse(moe, dense, (layer in set(sparse) for layer in range(layers))))


def _llama4_kinds(values: Values, layers: int) -> list[str]:
    interval, rotary = values.size("no_rope_layer_interval"), values.integers("no_rope_layers")
    rotary = rotary or [int((layer + 1) % interval != 0) for layer in range(layers)]
    kinds = values.layer_types(layers, ("full_attention", "chunked_attention"))
    if kinds is not None:
        return kinds
    if len(rotary) != layers:
        raise values.error("no_rope_layers", f"a list of {layers}, one for each layer")
    chunked = values.optional_size("attention_chunk_size") is not None
    return ["chunked_attention" if chunked and is_rotary else "full_attention" for is_rotary in rotary]
