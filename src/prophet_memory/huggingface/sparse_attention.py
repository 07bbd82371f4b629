"""Decoders whose latent attention sees a few tokens that an indexer chooses: DeepSeek-V3.2, GLM-5, Hunyuan 4 and A.X-K2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import decoder_only, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import after, glm_mixture, listed_sparse, next_tokens, sparse_after_dense
from prophet_memory.huggingface.latent import latent_attention
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import LatentAttention

INDEXED = ("indexed_attention", "deepseek_sparse_attention")  # the name now, and that of older configs
EVERY = 4  # of so many layers of Hunyuan 4 one has an indexer, and the first of all
MAX_STREAMS = 1000
INDEXERS = {"F": "full", "S": "shared"}


@reads("deepseek_v32", defaults=DEFAULTS["deepseek_v32"], aliases=ALIASES["deepseek_v32"])
def deepseek_v32(values: Values) -> Architecture:
    """DeepSeek-V3.2: DeepSeek-V3 with an indexer in every layer."""
    return _deepseek(values, ["full"] * values.layers())


@reads("glm_moe_dsa", defaults=DEFAULTS["glm_moe_dsa"], aliases=ALIASES["glm_moe_dsa"])
def glm_moe_dsa(values: Values) -> Architecture:
    """GLM-5: some layers take the tokens that the last indexer before them chose.

    Raises:
        ArchitectureError: if there is none before one.
    """
    return _deepseek(values, indexers(values, glm_indexers(values, values.layers())))


@reads("hy_v4", defaults=DEFAULTS["hy_v4"], aliases=ALIASES["hy_v4"])
@reads("hy_v4_vl_text", defaults=DEFAULTS["hy_v4_vl_text"], aliases=ALIASES["hy_v4_vl_text"])
def hy_v4(values: Values) -> Architecture:
    """Hunyuan 4: gates and sinks in the attention, and residual streams that no sublayer mixes."""
    kinds = indexers(values, ["full" if layer == 0 or layer % EVERY == 1 else "shared" for layer in range(values.layers())])
    mixers = indexed(values, kinds, value_gate=True, sinks=True)
    streams = values.whole("hc_mult", least=2, most=MAX_STREAMS)
    return _decoder(values, mixers, after(values, 1), residual_streams=streams, independent_streams=True)


@reads("axk2", defaults=DEFAULTS["axk2"], aliases=ALIASES["axk2"])
def axk2(values: Values) -> Architecture:
    """A.X-K2: an indexer in every layer, gates of low rank on norms, and gates made with the queries."""
    mixers = indexed(values, ["full"] * values.layers(), gate_from_latent=True)
    sparse = sparse_after_dense(values, values.size("moe_layer_freq"))
    return _decoder(values, mixers, sparse, gated_norm_rank=values.size("gated_norm_rank"))


def indexers(values: Values, otherwise: Sequence[str]) -> list[str]:
    """Whether each layer has an indexer: as `indexer_types` lists them, or else so.

    Raises:
        ArchitectureError: if the first has none.
    """
    kinds = values.layer_types(values.layers(), tuple(INDEXERS.values()), "indexer_types") or list(otherwise)
    if kinds[0] != "full":
        raise values.error("indexer_types", "a list that begins with full: a shared layer takes the choice of one before it")
    return kinds


def glm_indexers(values: Values, layers: int) -> list[str]:
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


def indexed(values: Values, kinds: Sequence[str], **others: Any) -> list[LatentAttention]:  # noqa: ANN401 - its fields
    """Latent attention to chosen tokens in each layer, with an indexer of its own or the choice of the last one before it."""
    own = others if "q_lora_rank" in others else others | {"q_lora_rank": values.size("q_lora_rank")}
    shared = latent_attention(values, chosen_tokens=values.size("index_topk"), **own)
    full = replace(shared, index_heads=values.size("index_n_heads"), index_head_dim=values.size("index_head_dim"))
    return [full if kind == "full" else shared for kind in kinds]


def _deepseek(values: Values, kinds: Sequence[str]) -> Architecture:
    values.only("moe_layer_freq", 1)
    values.only("mlp_bias", expected=False)
    values.only("num_experts", values.count("n_routed_experts"))
    # Which indexer a further layer has where layers share them was not read.
    further = next_tokens(values) if set(kinds) == {INDEXERS["F"]} else 0
    return _decoder(values, indexed(values, kinds), sparse_after_dense(values), next_token_layers=further)


def _decoder(
    values: Values,
    mixers: Sequence[LatentAttention],
    sparse: Sequence[bool],
    **others: Any,  # noqa: ANN401 - fields of Architecture
) -> Architecture:
    """Such a decoder, sparse where `mlp_layer_types` says so, or else there."""
    values.layer_types(values.layers(), INDEXED)
    dense = Dense(values.size("intermediate_size"))
    return decoder_only(values, mixers, where_sparse(glm_mixture(values), dense, listed_sparse(values) or sparse), **others)
