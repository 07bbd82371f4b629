"""Decoders whose latent attention sees a few tokens that an indexer chooses: DeepSeek-V3.2 and GLM-5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import decoder_only, where_sparse
from prophet_memory.huggingface.decoders import glm_mixture, listed_sparse, sparse_after_dense
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.latent import latent_attention
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values

INDEXED = ("indexed_attention", "deepseek_sparse_attention")  # the name now, and that of older configs
INDEXERS = {"F": "full", "S": "shared"}


@reads("deepseek_v32", defaults=DEFAULTS["deepseek_v32"], aliases=ALIASES["deepseek_v32"])
def deepseek_v32(values: Values) -> Architecture:
    """DeepSeek-V3.2: DeepSeek-V3 with an indexer in every layer."""
    return _decoder(values, ["full"] * values.layers())


@reads("glm_moe_dsa", defaults=DEFAULTS["glm_moe_dsa"], aliases=ALIASES["glm_moe_dsa"])
def glm_moe_dsa(values: Values) -> Architecture:
    """GLM-5: some layers take the tokens that the last indexer before them chose.

    Raises:
        ArchitectureError: if there is none before one.
    """
    layers = values.layers()
    kinds = values.layer_types(layers, tuple(INDEXERS.values()), "indexer_types")
    if kinds is None:
        kinds = _indexers(values, layers)
    if kinds[0] != "full":
        raise values.error("indexer_types", "a list that begins with full: a shared layer takes the choice of one before it")
    return _decoder(values, kinds)


def _indexers(values: Values, layers: int) -> list[str]:
    """Which layers have an indexer: a letter for each, or every so many from an offset on."""
    pattern = values.raw("index_topk_pattern")
    if isinstance(pattern, str):
        if len(pattern) != layers or not set(pattern) <= set(INDEXERS):
            raise values.error("index_topk_pattern", f"{layers} letters, each one of {', '.join(INDEXERS)}")
        return [INDEXERS[letter] for letter in pattern]
    listed = values.layer_types(layers, tuple(INDEXERS.values()), "index_topk_pattern")
    if listed is not None:
        return listed
    step, offset = max(values.count("index_topk_freq"), 1), values.count("index_skip_topk_offset")
    return ["shared" if max(layer - offset + 1, 0) % step else "full" for layer in range(layers)]


def _decoder(values: Values, indexers: Sequence[str]) -> Architecture:
    values.only("moe_layer_freq", 1)
    values.only("mlp_bias", expected=False)
    values.only("num_experts", values.count("n_routed_experts"))
    values.layer_types(values.layers(), INDEXED)
    shared = latent_attention(values, q_lora_rank=values.size("q_lora_rank"), chosen_tokens=values.size("index_topk"))
    full = replace(shared, index_heads=values.size("index_n_heads"), index_head_dim=values.size("index_head_dim"))
    mixers = [full if kind == "full" else shared for kind in indexers]
    sparse, dense = listed_sparse(values) or sparse_after_dense(values), Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(glm_mixture(values), dense, sparse))
