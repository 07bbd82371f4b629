"""DeepSeek-V4: attention to a window and to entries of several tokens each, and several residual streams."""

from __future__ import annotations

from dataclasses import replace

from prophet_memory.architecture import Architecture
from prophet_memory.huggingface.building import decoder_only, everywhere, mixture
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.sparse_attention import MAX_STREAMS
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import CompressedAttention

WINDOW, CHOSEN, HEAVY = "sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"
RATIOS = {0: WINDOW, 4: CHOSEN, 128: HEAVY}  # as the code published with the models names them
RATES = {CHOSEN: 4, HEAVY: 128}


@reads("deepseek_v4", defaults=DEFAULTS["deepseek_v4"], aliases=ALIASES["deepseek_v4"])
def deepseek_v4(values: Values) -> Architecture:
    """DeepSeek-V4: experts in every layer, in the first ones by the token's number, which changes no size."""
    layers = values.layers()
    values.only("num_key_value_heads", 1)
    values.only("n_shared_experts", 1)
    values.only("attention_bias", expected=False)
    window, kinds = _window(values), _kinds(values, layers)
    mixers = {kind: window if kind == WINDOW else _with_entries(values, window, kind) for kind in set(kinds)}
    moe = mixture(
        values,
        "n_routed_experts",
        intermediate="moe_intermediate_size",
        shared_intermediate_size=values.size("moe_intermediate_size"),
        shared_bias=values.flag("mlp_bias"),
    )
    streams = values.whole("hc_mult", least=2, most=MAX_STREAMS)
    return decoder_only(values, [mixers[kind] for kind in kinds], everywhere(moe, layers), residual_streams=streams)


def _window(values: Values) -> CompressedAttention:
    heads, groups = values.size("num_attention_heads"), values.size("o_groups")
    if heads % groups:
        raise values.error("o_groups", f"a divisor of the attention heads ({heads})")
    return CompressedAttention(
        query_heads=heads,
        head_dim=values.size("head_dim"),
        q_lora_rank=values.size("q_lora_rank"),
        output_groups=groups,
        output_rank=values.size("o_lora_rank"),
        window_tokens=values.size("sliding_window"),
    )


def _with_entries(values: Values, window: CompressedAttention, kind: str) -> CompressedAttention:
    older = {CHOSEN: "compress_rate_csa", HEAVY: "compress_rate_hca"}[kind]
    rates = values.nested("compress_rates", RATES)
    tokens = rates.size(kind) if values.raw(older) is None else values.size(older)
    for key in ("head_dim", *(["index_head_dim"] if kind == CHOSEN else [])):
        if values.size(key) % tokens:
            raise values.error(key, f"a multiple of the tokens of an entry ({tokens}): others are not described")
    if kind == HEAVY:
        return replace(window, entry_tokens=tokens)
    return replace(
        window,
        entry_tokens=tokens,
        chosen_entries=values.size("index_topk"),
        index_heads=values.size("index_n_heads"),
        index_head_dim=values.size("index_head_dim"),
    )


def _kinds(values: Values, layers: int) -> list[str]:
    """The kind of each layer; lists may go on for the layers that predict further tokens."""
    listed = values.raw("layer_types")
    kinds = values.layer_types(max(layers, len(listed)) if isinstance(listed, list) else layers, tuple(RATIOS.values()))
    ratios = values.integers("compress_ratios")
    if kinds is None and ratios is not None:
        if len(ratios) < layers or not set(ratios) <= set(RATIOS):
            raise values.error("compress_ratios", f"at least {layers}, each one of {', '.join(map(str, RATIOS))}")
        kinds = [RATIOS[ratio] for ratio in ratios]
    if kinds is None:
        kinds = [CHOSEN if layer > 1 and layer % 2 else HEAVY for layer in range(layers)]
    return kinds[:layers]
