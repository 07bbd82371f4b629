"""LongCat-Flash: a layer is two of attention and dense block, and experts that stand beside the second from the first on.

Its reference class allocates the gate and up projections of experts that compute nothing, too. The checkpoints have none, nor
has an entry.
"""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense, FeedForward
from prophet_memory.huggingface.building import decoder_only, mixture
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.latent import latent_attention
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values


@reads("longcat_flash", defaults=DEFAULTS["longcat_flash"], aliases=ALIASES["longcat_flash"])
def longcat_flash(values: Values) -> Architecture:
    """LongCat-Flash, each of its layers as two: experts beside the dense block of the first, a dense block in the second."""
    pairs, width = values.layers("num_layers"), values.size("ffn_hidden_size")
    values.only("num_hidden_layers", 2 * pairs)
    latent = latent_attention(values, q_lora_rank=values.size("q_lora_rank"))
    values.only("qk_head_dim", latent.qk_nope_head_dim + latent.qk_rope_head_dim)
    moe = mixture(
        values,
        "n_routed_experts",
        "moe_topk",
        "expert_ffn_hidden_size",
        router_bias=values.flag("router_bias"),
        parallel_dense_intermediate_size=width,
        branch_norms=0,
        zero_experts=values.count("zero_expert_num"),
    )
    blocks: list[FeedForward] = [moe, Dense(width)]
    return decoder_only(values, [latent] * (2 * pairs), blocks * pairs)
