"""Decoders with Mamba-2: Nemotron-H, whose layers are one block each, and Granite 4."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense, FeedForward, MoE, NoFeedForward
from prophet_memory.fields import MAX_LAYERS
from prophet_memory.huggingface.building import any_decoder, attention, everywhere, mixture
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.hybrids import ALTERNATING, with_state_format
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import Mamba2, Mixer, NoMixer

# What stands in a layer of Nemotron-H, by the letters of older configs.
BLOCKS = {"M": "linear_attention", "E": "moe", "*": "full_attention", "-": "mlp"}


def older_spelling(values: Values, older: str, newer: str) -> str:
    """The one of two keys that counts: the older, where a config has it."""
    return newer if values.raw(older) is None else older


def block_kinds(values: Values) -> list[str]:
    """What stands in each layer: a list, or a letter for each.

    Raises:
        ArchitectureError: for another kind, and for no layer.
    """
    listed, pattern = values.raw("layers_block_type"), values.text("hybrid_override_pattern")
    if listed is None and pattern is not None:
        if not 0 < len(pattern) <= MAX_LAYERS or not set(pattern) <= set(BLOCKS):
            raise values.error("hybrid_override_pattern", f"1 to {MAX_LAYERS} letters, each one of {' '.join(BLOCKS)}")
        return [BLOCKS[letter] for letter in pattern]
    if listed is None:
        return list(BLOCKS.values())
    layers = len(listed) if isinstance(listed, list) and 0 < len(listed) <= MAX_LAYERS else 1
    return values.layer_types(layers, tuple(BLOCKS.values()), "layers_block_type") or []


@reads("nemotron_h", defaults=DEFAULTS["nemotron_h"], aliases=ALIASES["nemotron_h"])
def nemotron_h(values: Values) -> Architecture:
    """Nemotron-H and Nemotron 3: Mamba-2, attention, a dense block or a mixture of experts, each with one norm before it."""
    kinds = block_kinds(values)
    values.only("num_hidden_layers", len(kinds))
    values.only("attention_bias", expected=False)
    values.only("tie_word_embeddings", expected=False)
    values.only("attention_head_dim", values.size("head_dim"))
    alone: dict[str, tuple[Mixer, FeedForward]] = {}
    if "linear_attention" in kinds:
        alone["linear_attention"] = _nemotron_mamba2(values), NoFeedForward()
    if "full_attention" in kinds:
        alone["full_attention"] = attention(values), NoFeedForward()
    if "mlp" in kinds:
        alone["mlp"] = NoMixer(), Dense(values.size("intermediate_size"), gated=False, bias=values.flag("mlp_bias"))
    if "moe" in kinds:
        alone["moe"] = NoMixer(), _nemotron_moe(values)
    found = any_decoder(values, [alone[kind][0] for kind in kinds], [alone[kind][1] for kind in kinds])
    return with_state_format(found, values, "mamba_ssm_cache_dtype") if "linear_attention" in kinds else found


def _nemotron_mamba2(values: Values) -> Mamba2:
    heads, groups = values.size("mamba_num_heads"), older_spelling(values, "mamba_n_groups", "n_groups")
    if heads % values.size(groups):
        raise values.error(groups, f"a divisor of the heads ({heads})")
    return Mamba2(
        heads=heads,
        head_dim=values.size("mamba_head_dim"),
        state_size=values.size("ssm_state_size"),
        groups=values.size(groups),
        conv_kernel=values.size(older_spelling(values, "mamba_d_conv", "conv_kernel")),
        conv_bias=values.flag(older_spelling(values, "mamba_conv_bias", "use_conv_bias")),
        proj_bias=values.flag("use_bias"),
    )


def _nemotron_moe(values: Values) -> MoE:
    bias, latent = values.flag("mlp_bias"), values.optional_size("moe_latent_size")
    return mixture(
        values,
        "n_routed_experts",
        intermediate="moe_intermediate_size",
        gated=False,
        shared_intermediate_size=values.size("moe_shared_expert_intermediate_size"),
        shared_bias=bias,
        latent_size=latent or 0,
        latent_bias=bias and latent is not None,
    )


@reads("granitemoehybrid", defaults=DEFAULTS["granitemoehybrid"], aliases=ALIASES["granitemoehybrid"])
def granitemoehybrid(values: Values) -> Architecture:
    """Granite 4: attention or Mamba-2, and a shared block beside the routed experts, or alone where there are none."""
    layers, bias = values.layers(), values.flag("attention_bias")
    kinds = values.layer_types(layers, ALTERNATING) or ["linear_attention"] * layers
    mixers: dict[str, Mixer] = {}
    if "full_attention" in kinds:
        mixers["full_attention"] = attention(values, qkv_bias=bias, output_bias=bias)
    if "linear_attention" in kinds:
        mixers["linear_attention"] = _granite_mamba2(values)
    shared = values.count("shared_intermediate_size")
    block: FeedForward
    if values.count("num_local_experts"):
        block = mixture(values, shared_intermediate_size=shared)
    else:
        block = Dense(values.size("shared_intermediate_size"))
    return any_decoder(values, [mixers[kind] for kind in kinds], everywhere(block, layers))


def _granite_mamba2(values: Values) -> Mamba2:
    heads, groups = values.size("mamba_n_heads"), values.size("mamba_n_groups")
    inner = values.derived("mamba_expand", values.size("mamba_expand") * values.size("hidden_size"))
    if inner % heads:
        raise values.error("mamba_n_heads", f"a divisor of mamba_expand times the hidden size ({inner})")
    if heads % groups:
        raise values.error("mamba_n_groups", f"a divisor of the heads ({heads})")
    if values.raw("mamba_d_head") != "auto" and values.size("mamba_d_head") * heads != inner:
        raise values.error("mamba_d_head", f"auto, or mamba_expand times the hidden size over the heads ({inner // heads})")
    return Mamba2(
        heads=heads,
        head_dim=inner // heads,
        state_size=values.size("mamba_d_state"),
        groups=groups,
        conv_kernel=values.size("mamba_d_conv"),
        conv_bias=values.flag("mamba_conv_bias"),
        proj_bias=values.flag("mamba_proj_bias"),
    )
