"""Encoder-decoders: Switch Transformers and NLLB-MoE.

Their reference classes keep a copy of the embeddings in each stack where `tie_word_embeddings` is false. The checkpoints hold
one, beside the output head, and so does an entry.
"""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense, MoE, Stack
from prophet_memory.huggingface.building import architecture, evenly_split, everywhere, routed_experts, stacked, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import Attention


def switch_sparse(layers: int, sparse_layers: int) -> list[bool]:
    """Which of a stack's layers are sparse, as the reference computes it from how many are meant to be."""
    # Without sparse layers the reference's step is the number of layers, which makes the second one sparse all the same.
    step = layers // sparse_layers if sparse_layers > 0 else layers
    return [step == 1 or (step > 0 and layer % step == 1) for layer in range(layers)]


def switch_gated(values: Values) -> bool:
    """Whether feed-forward blocks are gated. The reference does not read these keys and never gates; Switch-XXL is gated.

    Raises:
        ArchitectureError: if the two keys disagree.
    """
    projection = values.text("feed_forward_proj")
    if values.raw("is_gated_act") is None:
        return projection is not None and projection.startswith("gated-")
    gated = values.flag("is_gated_act")
    if projection is not None and projection.startswith("gated-") != gated:
        raise values.error("is_gated_act", f"what feed_forward_proj says ({projection})")
    return gated


@reads("switch_transformers", defaults=DEFAULTS["switch_transformers"], aliases=ALIASES["switch_transformers"])
def switch_transformers(values: Values) -> Architecture:
    """Switch Transformers: one expert a token, relative positions without an end."""
    values.only("num_selected_experts", 1)
    gated, width, heads = switch_gated(values), values.size("d_ff"), values.size("num_heads")
    mixer = Attention(heads, heads, values.size("d_kv"))
    moe = MoE(routed_experts(values, "num_experts"), 1, width, gated=gated, router_bias=values.flag("router_bias"))
    encoder_layers = values.layers("num_layers")
    decoder_layers = encoder_layers if values.raw("num_decoder_layers") is None else values.layers("num_decoder_layers")

    def stack(layers: int, sparse_layers: int, cross_attention: Attention | None) -> Stack:
        blocks = where_sparse(moe, Dense(width, gated=gated), switch_sparse(layers, sparse_layers))
        buckets = values.size("relative_attention_num_buckets")
        return stacked(everywhere(mixer, layers), blocks, cross_attention=cross_attention, relative_attention_buckets=buckets)

    stacks = {
        "encoder": stack(encoder_layers, values.count("num_sparse_encoder_layers"), None),
        "decoder": stack(decoder_layers, values.count("num_sparse_decoder_layers"), mixer),
    }
    return architecture(values, **stacks, max_context_tokens=None)


@reads("nllb-moe", defaults=DEFAULTS["nllb-moe"], aliases=ALIASES["nllb-moe"])
def nllb_moe(values: Values) -> Architecture:
    """NLLB-MoE: two experts a token, biases everywhere, and stacks that may differ in heads and in dense width.

    Raises:
        ArchitectureError: if both stacks have experts and those differ in width.
    """
    mixers = {side: _nllb_attention(values, side) for side in ("encoder", "decoder")}
    widths = {side: values.size(f"{side}_ffn_dim") for side in mixers}
    sparse = {side: _nllb_sparse(values, side) for side in mixers}
    if all(any(layers) for layers in sparse.values()) and widths["encoder"] != widths["decoder"]:
        raise values.error("decoder_ffn_dim", f"encoder_ffn_dim ({widths['encoder']}), for the experts of both stacks are alike")
    routed, router_bias = routed_experts(values, "num_experts"), values.flag("router_bias")

    def stack(side: str, cross_attention: Attention | None) -> Stack:
        moe = MoE(routed, 2, widths[side], gated=False, expert_bias=True, router_bias=router_bias)
        blocks = where_sparse(moe, Dense(widths[side], gated=False, bias=True), sparse[side])
        return stacked(everywhere(mixers[side], len(sparse[side])), blocks, cross_attention=cross_attention)

    stacks = {"encoder": stack("encoder", None), "decoder": stack("decoder", mixers["decoder"])}
    return architecture(values, **stacks, norm_bias=True)


def _nllb_attention(values: Values, side: str) -> Attention:
    heads = values.size(f"{side}_attention_heads")
    return Attention(heads, heads, evenly_split(values, f"{side}_attention_heads"), qkv_bias=True, output_bias=True)


def _nllb_sparse(values: Values, side: str) -> list[bool]:
    step = values.count(f"{side}_sparse_step")
    return [step > 0 and (layer + 1) % step == 0 for layer in range(values.layers(f"{side}_layers"))]
