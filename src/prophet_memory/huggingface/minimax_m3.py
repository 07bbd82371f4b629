"""MiniMax-M3: attention to the blocks of the cache that an indexer chooses, in some layers."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import attention, decoder_only, mixture, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import listed_sparse
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import Attention, BlockSparseAttention, Mixer

KINDS = ("full_attention", "minimax_m3_sparse")
OLDER = {
    "index_n_heads": "sparse_num_index_heads",
    "index_head_dim": "sparse_index_dim",
    "index_block_size": "sparse_block_size",
    "index_topk_blocks": "sparse_topk_blocks",
}


@reads("minimax_m3", defaults=DEFAULTS["minimax_m3_vl_text"], aliases=ALIASES["minimax_m3_vl_text"])  # published alone, too
@reads("minimax_m3_vl_text", defaults=DEFAULTS["minimax_m3_vl_text"], aliases=ALIASES["minimax_m3_vl_text"])
def minimax_m3_vl_text(values: Values) -> Architecture:
    """The language model of MiniMax-M3: dense layers have a width of their own, and so has the shared expert."""
    layers, older = values.layers(), values.nested("sparse_attention_config", {})
    kinds = values.layer_types(layers, KINDS)
    if kinds is None:
        kinds = [KINDS[flag] for flag in _flags(older, "sparse_attention_freq", layers) or [False] * layers]
    full = attention(values, qk_norm="head")
    mixers: dict[str, Mixer] = {"full_attention": full}
    if KINDS[1] in kinds:
        mixers[KINDS[1]] = _block_sparse(values, older, full)
    sparse = listed_sparse(values) or _flags(values, "moe_layer_freq", layers) or [True] * layers
    moe = mixture(values, shared_intermediate_size=values.count("shared_intermediate_size"))
    blocks = where_sparse(moe, Dense(values.size("dense_intermediate_size")), sparse)
    return decoder_only(values, [mixers[kind] for kind in kinds], blocks)


def _flags(values: Values, key: str, layers: int) -> list[bool] | None:
    listed = values.integers(key)
    if listed is not None and len(listed) != layers:
        raise values.error(key, f"a list of {layers}")
    return None if listed is None else [bool(flag) for flag in listed]


def _block_sparse(values: Values, older: Values, full: Attention) -> BlockSparseAttention:
    sizes = {key: values.size(key) if older.raw(name) is None else older.size(name) for key, name in OLDER.items()}
    return BlockSparseAttention(
        full.query_heads,
        full.kv_heads,
        full.head_dim,
        chosen_tokens=values.derived("index_topk_blocks", sizes["index_topk_blocks"] * sizes["index_block_size"]),
        index_heads=sizes["index_n_heads"],
        index_head_dim=sizes["index_head_dim"],
    )
