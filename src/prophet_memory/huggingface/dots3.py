"""dots 3: latent attention over a window in most layers, and to tokens that an indexer chooses in the others."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import decoder_only, mixture, where_sparse
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.families import listed_sparse, sparse_after_dense
from prophet_memory.huggingface.latent import latent_attention
from prophet_memory.huggingface.overrides import BY_LAYER, of_layers
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.sparse_attention import indexed
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import LatentAttention

OF_WINDOW = {
    name: f"swa_{name}"
    for name in (
        *("num_attention_heads", "num_key_value_heads", "q_lora_rank", "kv_lora_rank"),
        *("head_dim", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"),
    )
}
FULL, CHOSEN, WINDOW = "full_attention", "indexed_attention", "sliding_attention"
EVERY = 4  # of so many layers the second has no window, nor has the first of all


@reads("dots3_note_text", defaults=DEFAULTS["dots3_note_text"], aliases=ALIASES["dots3_note_text"], by_layer=True)
def dots3_note_text(values: Values) -> Architecture:
    """The language model of dots 3: one gate a head and a norm on the rotary key; shared experts have a width of their own."""
    kinds = _kinds(values)
    values = of_layers(values, kinds, WINDOW, OF_WINDOW)
    found = {CHOSEN: _chosen, FULL: _full, WINDOW: _window}
    mixers = {kind: found[kind](values) for kind in set(kinds)}
    key = "shared_experts_intermediate_size"
    if values.raw("moe_shared_expert_intermediate_size") is not None:
        key = "moe_shared_expert_intermediate_size"
    shared = values.derived(key, values.size("n_shared_experts") * values.size(key))
    moe = mixture(values, "n_routed_experts", intermediate="moe_intermediate_size", shared_intermediate_size=shared)
    sparse = listed_sparse(values) or _sparse(values)
    return decoder_only(
        values, [mixers[kind] for kind in kinds], where_sparse(moe, Dense(values.size("intermediate_size")), sparse)
    )


def _kinds(values: Values) -> list[str]:
    """The kind of each layer: listed, or by turns; `use_dsa` says whether full attention has an indexer."""
    layers, windows = values.layers(), values.flag("use_sliding_window")
    kinds = values.layer_types(layers, (FULL, CHOSEN, WINDOW))
    if kinds is None:
        kinds = [WINDOW if windows and layer > 1 and layer % EVERY != 1 else CHOSEN for layer in range(layers)]
    if values.raw(BY_LAYER) is not None and not values.states("use_dsa"):  # as the reference saves it
        return kinds
    whole = CHOSEN if values.flag("use_dsa") else FULL
    return [kind if kind == WINDOW else whole for kind in kinds]


def _sparse(values: Values) -> list[bool]:
    """Which layers are sparse: every so many-th, or those of a list of zeros and ones, beyond the leading dense ones."""
    if not isinstance(values.raw("moe_layer_freq"), list):
        return sparse_after_dense(values, values.size("moe_layer_freq"))
    listed, dense = values.integers("moe_layer_freq") or [], values.count("first_k_dense_replace")
    if len(listed) < values.layers():
        raise values.error("moe_layer_freq", f"a list of at least {values.layers()}, or an integer from 1")
    return [layer >= dense and bool(listed[layer]) for layer in range(values.layers())]


def _chosen(values: Values) -> LatentAttention:
    return indexed(values, ["full"], head_gate=True, key_norm=True)[0]


def _full(values: Values) -> LatentAttention:
    return latent_attention(values, q_lora_rank=values.size("q_lora_rank"), head_gate=True, key_norm=True)


def _window(values: Values) -> LatentAttention:
    """Attention over a window, whose heads and ranks have keys of their own.

    Raises:
        ArchitectureError: if the parts of a head are not as wide as it.
    """
    head, unturned = values.size("swa_head_dim"), values.size("swa_qk_nope_head_dim")
    stated = values.optional_size("swa_qk_rope_head_dim")
    rotary = head - unturned if stated is None else stated
    if rotary < 1 or head != unturned + rotary:
        raise values.error("swa_head_dim", f"swa_qk_nope_head_dim ({unturned}) and a rotary part together")
    window = "sliding_window_size" if values.raw("sliding_window") is None else "sliding_window"
    values.only("swa_num_key_value_heads", values.size("swa_num_attention_heads"))
    return LatentAttention(
        query_heads=values.size("swa_num_attention_heads"),
        kv_lora_rank=values.size("swa_kv_lora_rank"),
        qk_nope_head_dim=unturned,
        qk_rope_head_dim=rotary,
        v_head_dim=values.size("swa_v_head_dim"),
        q_lora_rank=values.size("swa_q_lora_rank"),
        bias=values.flag("attention_bias"),
        head_gate=True,
        key_norm=True,
        window_tokens=values.size(window),
    )
