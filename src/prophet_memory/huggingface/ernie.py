"""ERNIE 4.5: one switch for every bias, and experts for text apart from those for images."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense, MoE
from prophet_memory.fields import MAX_LAYERS, MAX_SIZE
from prophet_memory.huggingface.building import attention, chosen, decoder_only, everywhere, mixture, routed_experts, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import after, listed_sparse, shared_size
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values


@reads("ernie4_5_moe", defaults=DEFAULTS["ernie4_5_moe"], aliases=ALIASES["ernie4_5_moe"])
def ernie4_5_moe(values: Values) -> Architecture:
    """ERNIE 4.5: one switch for every bias but the routed experts'; the router's correction is a parameter here."""
    bias, layers = values.flag("use_bias"), values.layers()
    mixer = attention(values, qkv_bias=bias, output_bias=bias)
    shared = shared_size(values, "moe_num_shared_experts")
    moe = mixture(
        values,
        "moe_num_experts",
        "moe_k",
        "moe_intermediate_size",
        router_bias=True,
        shared_intermediate_size=shared,
        shared_bias=bias and shared > 0,
    )
    start, end = values.count("moe_layer_start_index"), values.whole("moe_layer_end_index", least=-1, most=MAX_LAYERS)
    interval, last = values.size("moe_layer_interval"), layers - 1 if end == -1 else end
    sparse = [(layer + 1) % interval == 0 and start <= layer <= last for layer in range(layers)]
    blocks = where_sparse(moe, Dense(values.size("intermediate_size"), bias=bias), sparse)
    others = {"lm_head_bias": True} if bias else {}
    return decoder_only(values, everywhere(mixer, layers), blocks, **others)


@reads(
    "ernie4_5_vl_moe_text",
    defaults=DEFAULTS["ernie4_5_vl_moe_text"],
    aliases=ALIASES["ernie4_5_vl_moe_text"],
    leaves_out="its vision experts",
)
def ernie4_5_vl_moe_text(values: Values) -> Architecture:
    """The text model of ERNIE 4.5 VL, without the experts that only tokens of images pass.

    Raises:
        ArchitectureError: where the widths of text and vision experts are no two sizes.
    """
    bias, layers = values.flag("use_bias"), values.layers()
    widths = values.integers("moe_intermediate_size")
    widths = [1536, 512] if widths is None else widths
    if len(widths) != 2 or not all(1 <= width <= MAX_SIZE for width in widths):  # noqa: PLR2004
        raise values.error("moe_intermediate_size", f"the width of text and that of vision experts, from 1 to {MAX_SIZE}")
    routed = routed_experts(values, "moe_num_experts")
    top_k = chosen(values, "moe_k", values.size("moe_k"), routed)
    shared = values.derived("moe_num_shared_experts", values.count("moe_num_shared_experts") * widths[0])
    moe = MoE(routed, top_k, widths[0], router_bias=True, shared_intermediate_size=shared, shared_bias=bias and shared > 0)
    sparse = listed_sparse(values) or after(values, 1)
    blocks = where_sparse(moe, Dense(values.size("intermediate_size"), bias=bias), sparse)
    return decoder_only(values, everywhere(attention(values, qkv_bias=bias, output_bias=bias), layers), blocks)
