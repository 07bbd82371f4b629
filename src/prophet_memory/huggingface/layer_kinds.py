"""Decoders whose heads differ between layers with a window and without: MiMo-V2-Flash and Step 3.7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.alternating import kinds_of_layers
from prophet_memory.huggingface.building import decoder_only, mixture, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import after, listed_sparse
from prophet_memory.huggingface.overrides import MOST_DIGITS, of_layers
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import SPARSE, WINDOWS, Values
from prophet_memory.mixers import Attention

EVERY = 6  # of so many layers of MiMo-V2 the last has no window, nor has the first of all


def divisor(values: Values, key: str, heads: int, kv_heads: int) -> int:
    """So many key-value heads.

    Raises:
        ArchitectureError: naming the key, if they do not divide the attention heads.
    """
    if heads % kv_heads:
        raise values.error(key, f"so many that {kv_heads} key-value heads divide {heads} attention heads")
    return kv_heads


def as_built(values: Values, key: str, flags: Sequence[bool]) -> None:
    """Refuse a list of zeros and ones by layer that asks for other layers than the reference builds."""
    listed = values.integers(key)
    if listed is not None and listed != [int(flag) for flag in flags]:
        raise values.error(key, "what the reference implementation builds from layer_types and mlp_layer_types")


@reads("mimo_v2_flash", defaults=DEFAULTS["mimo_v2_flash"], aliases=ALIASES["mimo_v2_flash"])
def mimo_v2_flash(values: Values) -> Architecture:
    """MiMo-V2-Flash: twice the key-value heads and sinks where there is a window, values narrower than keys."""
    layers = values.layers()
    kinds = kinds_of_layers(values, [layer == 0 or (layer + 1) % EVERY == 0 for layer in range(layers)])
    sparse = listed_sparse(values) or after(values, 1)
    full = _mimo_attention(values)
    window = _mimo_window(values, full) if "sliding_attention" in kinds else full
    _as_the_reference_builds_mimo(values, kinds, sparse)
    moe = mixture(values, "n_routed_experts", intermediate="moe_intermediate_size")
    blocks = where_sparse(moe, Dense(values.size("intermediate_size")), sparse)
    return decoder_only(values, [full if kind == "full_attention" else window for kind in kinds], blocks)


def _mimo_attention(values: Values) -> Attention:
    heads, head_dim, value = values.size("num_attention_heads"), values.size("head_dim"), values.size("v_head_dim")
    return Attention(
        heads,
        divisor(values, "num_key_value_heads", heads, values.size("num_key_value_heads")),
        head_dim,
        qkv_bias=values.flag("attention_bias"),
        value_head_dim=None if value == head_dim else value,
    )


def _mimo_window(values: Values, full: Attention) -> Attention:
    kv_heads = divisor(values, "num_key_value_heads", full.query_heads, 2 * full.kv_heads)
    before = values.optional_size("sliding_window_size")  # tokens before the one that attends
    window = values.size("sliding_window") if before is None else before + 1
    return replace(full, kv_heads=kv_heads, sinks=True, window_tokens=window)


def _as_the_reference_builds_mimo(values: Values, kinds: Sequence[str], sparse: Sequence[bool]) -> None:
    # Keys of the code published with the model, which the reference does not read.
    as_built(values, "hybrid_layer_pattern", [kind == "sliding_attention" for kind in kinds])
    as_built(values, "moe_layer_freq", sparse)
    heads, kv_heads = values.size("num_attention_heads"), values.size("num_key_value_heads")
    values.only("swa_num_attention_heads", heads)
    values.only("swa_num_key_value_heads", 2 * kv_heads)
    values.only("swa_head_dim", values.size("head_dim"))
    values.only("swa_v_head_dim", values.size("v_head_dim"))
    values.only("add_swa_attention_sink_bias", expected=True)
    values.only("add_full_attention_sink_bias", expected=False)
    values.only("n_shared_experts", 0)


@reads("step3p5", defaults=DEFAULTS["step3p5"], aliases=ALIASES["step3p5"], by_layer=True)
def step3p5(values: Values) -> Architecture:
    """Step 3.5 and the text model of Step 3.7: more query heads where there is a window, one gate a head."""
    layers = values.layers()
    kinds = _without_predictors(values, layers, WINDOWS, "layer_types") or ["full_attention"] * layers
    values = of_layers(values, kinds, "sliding_attention", {"num_attention_heads": "num_sliding_attention_heads"})
    listed = _without_predictors(values, layers, SPARSE, "mlp_layer_types")
    chosen = _step_sparse(values, layers) if listed is None else [kind == "sparse" for kind in listed]
    bias, wide_bias = values.flag("attention_bias"), values.flag("mlp_bias")
    values.only("use_head_wise_attn_gate", expected=True)
    heads, kv_heads = values.size("num_attention_heads"), values.size("num_key_value_heads")
    full = Attention(
        heads,
        divisor(values, "num_key_value_heads", heads, kv_heads),
        values.size("head_dim"),
        qkv_bias=bias,
        output_bias=bias,
        qk_norm="head",
        head_gate=True,
    )
    mixers = {"full_attention": full}
    if "sliding_attention" in kinds:
        key, more = _sliding_heads(values, full)
        divisor(values, key, more, kv_heads)
        mixers["sliding_attention"] = replace(full, query_heads=more, window_tokens=values.size("sliding_window"))
    moe = mixture(
        values,
        "n_routed_experts",
        intermediate="moe_intermediate_size",
        shared_intermediate_size=values.size("share_expert_dim"),
        shared_bias=wide_bias,
    )
    dense = Dense(values.size("intermediate_size"), bias=wide_bias)
    return decoder_only(values, [mixers[kind] for kind in kinds], where_sparse(moe, dense, chosen))


def _without_predictors(values: Values, layers: int, allowed: Sequence[str], key: str) -> list[str] | None:
    """The kind of each layer, where a list may go on for the layers that predict further tokens."""
    listed, more = values.raw(key), layers + values.count("num_nextn_predict_layers")
    length = more if isinstance(listed, list) and len(listed) == more else layers
    kinds = values.layer_types(length, allowed, key)
    return None if kinds is None else kinds[:layers]


def _step_sparse(values: Values, layers: int) -> list[bool]:
    """Which layers are sparse: those of a list, or of a text with commas, or all from the fourth on."""
    listed = values.raw("moe_layers_enum")
    if isinstance(listed, str):
        parts = [part.strip() for part in listed.split(",") if part.strip()]
        if not all(part.isascii() and part.isdecimal() and len(part) < MOST_DIGITS for part in parts):
            raise values.error("moe_layers_enum", "integers from 0 with commas between")
        sparse = {int(part) for part in parts}
    else:
        sparse = set(range(3, layers) if listed is None else values.integers("moe_layers_enum") or [])
    return [layer in sparse for layer in range(layers)]


def _sliding_heads(values: Values, full: Attention) -> tuple[str, int]:
    """The query heads of layers with a window, and the key that says so; older configs have a mapping for such layers."""
    if values.raw("num_sliding_attention_heads") is not None:
        return "num_sliding_attention_heads", values.size("num_sliding_attention_heads")
    other = values.nested("attention_other_setting", {})
    other.only("num_attention_groups", full.kv_heads)
    other.only("head_dim", full.head_dim)
    if other.raw("num_attention_heads") is None:
        return "num_attention_heads", full.query_heads
    return "attention_other_setting", other.size("num_attention_heads")
