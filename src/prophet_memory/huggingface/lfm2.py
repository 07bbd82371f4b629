"""LFM2 with experts: short convolutions, and attention in some layers."""

from __future__ import annotations

from dataclasses import replace

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import attention, decoder_only, mixture, where_sparse
from prophet_memory.huggingface.defaults import DEFAULTS
from prophet_memory.huggingface.families import after
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import ShortConvolution

KINDS = ("full_attention", "conv")


@reads("lfm2_moe", defaults=DEFAULTS["lfm2_moe"])
def lfm2_moe(values: Values) -> Architecture:
    """LFM2-MoE: the first layers are dense.

    Raises:
        ArchitectureError: without the kinds of the layers, which have no default.
    """
    layers, dense = values.layers(), values.count("num_dense_layers")
    kinds = values.layer_types(layers, KINDS)
    if kinds is None:
        raise values.error("layer_types", f"a list of {layers}, each one of {', '.join(KINDS)}")
    full = attention(values, qk_norm="head")
    conv = ShortConvolution(values.size("hidden_size"), values.size("conv_L_cache"), values.flag("conv_bias"))
    moe = mixture(values, "num_experts", intermediate="moe_intermediate_size")
    blocks = where_sparse(moe, Dense(values.size("intermediate_size")), after(values, dense))
    found = decoder_only(values, [full if kind == "full_attention" else conv for kind in kinds], blocks)
    # A second spelling that is not one of the class's own list, and counts before the first.
    return found if values.raw("tie_embedding") is None else replace(found, tied_embeddings=values.flag("tie_embedding"))
