"""GLM-5.3: Kimi delta attention, latent attention to what an indexer chooses in every fourth layer, and residual streams."""

from __future__ import annotations

from dataclasses import replace

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import decoder_only, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.delta_attention import delta_attention
from prophet_memory.huggingface.families import after, glm_mixture, listed_sparse
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.sparse_attention import INDEXED, MAX_STREAMS, glm_indexers, indexed, indexers
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import LatentAttention

LINEAR, FULL = "linear_attention", "full_attention"
EVERY = 4  # of so many layers the last is latent attention, unless the config says otherwise


@reads("glm5_next_text", defaults=DEFAULTS["glm5_next_text"], aliases=ALIASES["glm5_next_text"])
def glm5_next_text(values: Values) -> Architecture:
    """The language model of GLM-5.3, whose positions are not rotary."""
    layers = values.layers()
    values.only("qk_rope_head_dim", 0)
    values.only("num_key_value_heads", values.size("num_attention_heads"))
    kinds = values.layer_types(layers, (LINEAR, FULL, *INDEXED))
    if kinds is None:
        kinds = [LINEAR if (layer + 1) % EVERY else FULL for layer in range(layers)]
    delta = delta_attention(values, values.nested("linear_attn_config", {}))
    mixers = [delta if kind == LINEAR else latent for kind, latent in zip(kinds, _latents(values, layers), strict=True)]
    sparse, dense = listed_sparse(values) or after(values, 3), Dense(values.size("intermediate_size"))
    streams = values.whole("hc_mult", least=2, most=MAX_STREAMS)
    blocks = where_sparse(glm_mixture(values), dense, sparse)
    return decoder_only(values, mixers, blocks, residual_streams=streams, averaged_streams=True)


def _latents(values: Values, layers: int) -> list[LatentAttention]:
    pool = values.size("index_kpool")
    if values.size("index_topk") % pool:
        raise values.error("index_topk", f"a multiple of index_kpool ({pool})")
    found = indexed(values, indexers(values, glm_indexers(values, layers)), qk_rope_head_dim=0)
    return [replace(mixer, index_pool_tokens=pool) if mixer.index_heads else mixer for mixer in found]
