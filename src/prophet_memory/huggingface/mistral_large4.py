"""Mistral Large 4: latent attention to chosen tokens with full-rank queries, whose latents some layers take from one before."""

from __future__ import annotations

from dataclasses import replace

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import decoder_only, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import glm_mixture, listed_sparse, sparse_after_dense
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.sparse_attention import glm_indexers, indexed, indexers
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import LatentAttention


@reads("mistral_large4_text", defaults=DEFAULTS["mistral_large4_text"], aliases=ALIASES["mistral_large4_text"])
def mistral_large4_text(values: Values) -> Architecture:
    """The language model of Mistral Large 4.

    Raises:
        ArchitectureError: for a rotary part that is no whole number of pairs, which the reference refuses, too.
    """
    layers, rotary = values.layers(), values.size("qk_rope_head_dim")
    if rotary % 2:
        raise values.error("qk_rope_head_dim", "an even number")
    kinds = indexers(values, glm_indexers(values, layers))
    mixers = _as_positioned(values, indexed(values, kinds, q_lora_rank=None, query_scales=True))
    sources = _sources(values, layers)
    mixers = [
        replace(mixer, borrows_cache=source != layer) for layer, (mixer, source) in enumerate(zip(mixers, sources, strict=True))
    ]
    sparse, dense = listed_sparse(values) or sparse_after_dense(values), Dense(values.size("intermediate_size"))
    blocks = where_sparse(glm_mixture(values), dense, sparse)
    return decoder_only(values, mixers, blocks, rotary_scales=rotary // 2)


def _as_positioned(values: Values, mixers: list[LatentAttention]) -> list[LatentAttention]:
    """The layers' attention; in every so many-th layer positions are not rotary, and keys are as wide without.

    Raises:
        ArchitectureError: for a list that is too short.
    """
    rotary, interval = values.integers("no_rope_layers"), values.size("no_rope_layer_interval")
    rotary = [(layer + 1) % interval for layer in range(len(mixers))] if rotary is None else rotary
    if len(rotary) < len(mixers):
        raise values.error("no_rope_layers", f"a list of at least {len(mixers)}")
    pairs = zip(mixers, rotary[: len(mixers)], strict=True)
    return [mixer if is_rotary else _without_positions(mixer) for mixer, is_rotary in pairs]


def _without_positions(mixer: LatentAttention) -> LatentAttention:
    return replace(mixer, qk_nope_head_dim=mixer.qk_nope_head_dim + mixer.qk_rope_head_dim, qk_rope_head_dim=0)


def _sources(values: Values, layers: int) -> list[int]:
    """The layer whose latents each layer reads: its own, unless the config says otherwise.

    Raises:
        ArchitectureError: for a layer that reads those of a later one, or of one that makes none.
    """
    sources = values.integers("kv_source_layers")
    if sources is None:
        return list(range(layers))
    own = len(sources) == layers and all(source <= layer and sources[source] == source for layer, source in enumerate(sources))
    if not own:
        raise values.error("kv_source_layers", f"a list of {layers}, each a layer from 0 up to this one that stands for itself")
    return sources
