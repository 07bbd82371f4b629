"""Decoders in which latent attention alternates with Kimi delta attention: Kimi Linear and Ling 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import decoder_only, mixture, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import listed_sparse, shared_size, sparse_after_dense
from prophet_memory.huggingface.hybrids import ALTERNATING
from prophet_memory.huggingface.latent import latent_attention
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import KimiDeltaAttention

EVERY = 4  # of so many layers of Kimi Linear the first is latent attention, unless the config says otherwise


@reads("kimi_linear", defaults=DEFAULTS["kimi_linear"], aliases=ALIASES["kimi_linear"])
def kimi_linear(values: Values) -> Architecture:
    """Kimi Linear; Kimi K3 has the same name for a text model with further parts, and is refused."""
    linear = values.nested("linear_attn_config", {})
    for key in ("routed_expert_hidden_size", "attn_res_block_size", "mla_use_output_gate"):
        values.left_out(key, "the parts that Kimi K3 adds to this type are not described")
    linear.left_out("use_full_rank_gate", "the parts that Kimi K3 adds to this type are not described")
    return _decoder(values, _kimi_kinds(values, linear), delta_attention(values, linear))


def delta_attention(values: Values, linear: Values) -> KimiDeltaAttention:
    """Kimi delta attention, whose sizes stand in a nested config, or in the config itself."""
    return KimiDeltaAttention(
        heads=_size(linear, "num_heads", values, "linear_num_heads"),
        head_dim=_size(linear, "head_dim", values, "linear_head_dim"),
        conv_kernel=_size(linear, "short_conv_kernel_size", values, "linear_conv_kernel_dim"),
    )


def _size(nested: Values, key: str, values: Values, plain: str) -> int:
    """A size that stands in a nested config, or in the config itself."""
    return values.size(plain) if nested.raw(key) is None else nested.size(key)


def _kimi_kinds(values: Values, linear: Values) -> list[str]:
    """The kind of each layer: as listed, or as lists of layers from 1 say."""
    layers = values.layers()
    kinds = values.layer_types(layers, ALTERNATING)
    full, delta = linear.integers("full_attn_layers"), linear.integers("kda_layers")
    if kinds is not None:
        return kinds
    if full is None or delta is None:
        return [ALTERNATING[not layer or layer % EVERY > 0] for layer in range(layers)]
    if sorted([*full, *delta]) != list(range(1, layers + 1)):
        raise linear.error("full_attn_layers", f"with kda_layers each of the layers 1 to {layers} once")
    return [ALTERNATING[layer + 1 not in set(full)] for layer in range(layers)]


@reads("bailing_hybrid", defaults=DEFAULTS["bailing_hybrid"], aliases=ALIASES["bailing_hybrid"])
def bailing_hybrid(values: Values) -> Architecture:
    """Ling 3: full-rank gates in the delta attention, one gate a head in the latent one.

    Raises:
        ArchitectureError: for Ling 2.5, whose linear attention is another under the same type.
    """
    if "BailingMoeV2_5ForCausalLM" in _listed(values, "architectures"):
        raise values.error("architectures", "BailingMoeV3ForCausalLM: the linear attention of Ling 2.5 is not described")
    values.only("group_norm_size", 1)
    values.only("no_kda_lora", expected=True)
    values.only("gated_attention_proj_granularity_type", "head_wise")
    values.only("moe_shared_expert_intermediate_size", values.size("moe_intermediate_size"))
    layers, group = values.layers(), values.size("layer_group_size")
    kinds = values.layer_types(layers, ALTERNATING) or [ALTERNATING[(layer + 1) % group > 0] for layer in range(layers)]
    delta = KimiDeltaAttention(
        heads=_either(values, "linear_num_heads", "num_attention_heads"),
        head_dim=_either(values, "linear_head_dim", "head_dim"),
        conv_kernel=_either(values, "linear_conv_kernel_dim", "short_conv_kernel_size"),
        low_rank_gates=False,
    )
    return _decoder(values, kinds, delta, head_gate=True)


def _either(values: Values, saved: str, key: str) -> int:
    """A size under the key by which the reference saves it, whose other key then has another meaning, or as published."""
    return values.size(saved if values.raw(saved) is not None else key)


def _listed(values: Values, key: str) -> list[Any]:
    found = values.raw(key)
    return found if isinstance(found, list) else []


def _decoder(values: Values, kinds: Sequence[str], delta: KimiDeltaAttention, **others: Any) -> Architecture:  # noqa: ANN401
    values.only("moe_layer_freq", 1)
    values.only("tie_word_embeddings", expected=False)
    latent = latent_attention(values, **others)
    moe = mixture(
        values,
        "num_local_experts",
        intermediate="moe_intermediate_size",
        shared_intermediate_size=shared_size(values, "n_shared_experts"),
    )
    mixers = [latent if kind == "full_attention" else delta for kind in kinds]
    sparse, dense = listed_sparse(values) or sparse_after_dense(values), Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(moe, dense, sparse))
