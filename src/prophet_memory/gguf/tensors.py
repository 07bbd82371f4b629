"""The tensors of a GGUF file of a model, by the names that llama.cpp gives them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prophet_memory.architecture import Architecture, Dense, FeedForward, Layer, MoE, NoFeedForward
from prophet_memory.errors import ModelError
from prophet_memory.gguf.types import TYPES
from prophet_memory.mixers import Attention, LatentAttention, Mixer

EMBEDDING, OUTPUT = "token_embd.weight", "output.weight"
LatentForm = Literal["joint", "split", "both"]  # the projection up from MLA's latent: one, for keys and values apart, or both
# Parts whose tensors' names in a file are not known here, where they are in use.
UNNAMED: Mapping[type, tuple[str, ...]] = {
    Attention: ("value_head_dim", "head_gate", "value_gate", "value_mask", "values_from_keys", "borrows_cache"),
    LatentAttention: (
        *("head_gate", "value_gate", "gate_from_latent", "sinks", "key_norm", "query_scales", "borrows_cache", "chosen_tokens"),
    ),
    Dense: ("output_norm",),
    MoE: ("output_norm", "product_keys", "router_scales", "zero_experts", "latent_size"),
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor with its sides, columns (inputs) first. `layer` is None outside of the layers; `kept` names a type that stays."""

    name: str
    shape: tuple[int, ...]
    layer: int | None = None
    kept: str | None = None

    @property
    def values(self) -> int:
        """How many it has."""
        return math.prod(self.shape)

    def bytes_as(self, name: str) -> int:
        """Bytes in a type. Raises ModelError for rows that are no whole blocks."""
        return TYPES[name].tensor_bytes(self.shape[0], self.values // self.shape[0])


@dataclass(frozen=True, slots=True)
class TensorList:
    """The tensors of a model in the order of a file, and what recipes ask of it."""

    tensors: tuple[Tensor, ...]
    layers: int
    experts: int  # 0 in a dense model
    heads_per_kv_head: int

    @property
    def is_tied(self) -> bool:
        """Whether the output takes the embedding."""
        return not any(tensor.name == OUTPUT for tensor in self.tensors)


def tensor_list(
    architecture: Architecture, *, tied: bool | None = None, latent: LatentForm = "split", separate_experts: bool = False
) -> TensorList:
    """The tensors of a file of a model.

    Args:
        architecture: the model.
        tied: whether the output takes the embedding, where a file differs from the model.
        latent: how the projection up from MLA's latent is stored: joint until April 2025, split since, both by ik_llama.cpp.
        separate_experts: whether each expert has tensors of its own, as in files of before April 2024.

    Raises:
        ModelError: for an encoder-decoder, and for mixers whose names in a file are not known here.
    """
    if architecture.encoder is not None:
        raise ModelError("gguf", "encoder", "a decoder alone")
    if architecture.counted_next_token_layers:
        raise ModelError("gguf", "next_token_layers", "a model without the layers of --mtp")
    _check_named(architecture)
    layers = [architecture.decoder.layers[kind] for kind in architecture.decoder.order]
    found = list(_tables(architecture, architecture.tied_embeddings if tied is None else tied))
    for place, layer in enumerate(layers):
        found += _layer(place, layer, architecture, latent, separate_experts=separate_experts)
    found.sort(key=lambda tensor: (-1 if tensor.layer is None else tensor.layer, tensor.name))
    grouped = {layer.mixer.query_heads // layer.mixer.kv_heads for layer in layers if isinstance(layer.mixer, Attention)}
    latents = {layer.mixer.query_heads for layer in layers if isinstance(layer.mixer, LatentAttention) and latent == "split"}
    share = max(grouped | latents, default=1)
    return TensorList(tuple(found), len(layers), architecture.moe.routed_experts, share)


def _check_named(architecture: Architecture) -> None:
    parts = [part for layer in architecture.decoder.layers for part in (layer.mixer, layer.feed_forward)]
    found = [key for part in parts for key in UNNAMED.get(type(part), ()) if getattr(part, key)]
    found += ["branch_norms" for part in parts if isinstance(part, MoE) and part.branch_norms != 1]
    found += ["per_layer_input_size"] if architecture.per_layer_input_size else []
    if found:
        raise ModelError("gguf", found[0], "a model without it: the names of its tensors are not known here")


def _tables(architecture: Architecture, tied: bool) -> Iterator[Tensor]:
    sides = (architecture.hidden_size, architecture.vocabulary_size)
    yield Tensor(EMBEDDING, sides)
    if not tied:
        yield Tensor(OUTPUT, sides)
    yield Tensor("output_norm.weight", sides[:1], kept="F32")


def _layer(
    place: int, layer: Layer, architecture: Architecture, latent: LatentForm, *, separate_experts: bool
) -> Iterator[Tensor]:
    hidden, norms = architecture.hidden_size, ["attn_norm"] if architecture.parallel_sublayers else ["attn_norm", "ffn_norm"]
    if architecture.norms_per_sublayer > 1:
        norms += ["attn_post_norm", "ffn_post_norm"]
    if isinstance(layer.feed_forward, MoE) and layer.feed_forward.parallel_dense_intermediate_size:
        norms.append("ffn_norm_exps")
    named: list[tuple[str, tuple[int, ...]]] = [(f"{name}.weight", (hidden,)) for name in norms]
    named += _mixer(layer.mixer, hidden, latent)
    named += _feed_forward(layer.feed_forward, hidden, separate_experts=separate_experts)
    for name, shape in named:
        kept = "F32" if len(shape) == 1 or "bias" in name or "ffn_gate_inp" in name else None
        yield Tensor(f"blk.{place}.{name}", shape, place, kept)


def _mixer(mixer: Mixer, hidden: int, latent: LatentForm) -> Iterator[tuple[str, tuple[int, ...]]]:
    if isinstance(mixer, Attention):
        query, keys = mixer.query_heads * mixer.head_dim, mixer.kv_heads * mixer.head_dim
        yield "attn_q.weight", (hidden, query * (2 if mixer.output_gate else 1))
        yield "attn_k.weight", (hidden, keys)
        yield "attn_v.weight", (hidden, keys)
        yield "attn_output.weight", (query, hidden)
        if mixer.qkv_bias:
            yield from (("attn_q.bias", (query,)), ("attn_k.bias", (keys,)), ("attn_v.bias", (keys,)))
        if mixer.output_bias:
            yield "attn_output.bias", (hidden,)
        if mixer.sinks:
            yield "attn_sinks.weight", (mixer.query_heads,)
        if mixer.qk_norm != "none":
            whole = mixer.qk_norm == "full"
            yield "attn_q_norm.weight", (query if whole else mixer.head_dim,)
            yield "attn_k_norm.weight", (keys if whole else mixer.head_dim,)
    elif isinstance(mixer, LatentAttention):
        yield from _latent(mixer, hidden, latent)
    else:
        raise ModelError("gguf", mixer.kind, "attention and latent_attention: the names of others are not known here")


def _latent(mixer: LatentAttention, hidden: int, form: LatentForm) -> Iterator[tuple[str, tuple[int, ...]]]:
    heads, rank, nope, value = mixer.query_heads, mixer.kv_lora_rank, mixer.qk_nope_head_dim, mixer.v_head_dim
    width = heads * (nope + mixer.qk_rope_head_dim)
    if mixer.q_lora_rank is None:
        yield "attn_q.weight", (hidden, width)
    else:
        yield "attn_q_a.weight", (hidden, mixer.q_lora_rank)
        yield "attn_q_a_norm.weight", (mixer.q_lora_rank,)
        yield "attn_q_b.weight", (mixer.q_lora_rank, width)
    yield "attn_kv_a_mqa.weight", (hidden, rank + mixer.qk_rope_head_dim)
    yield "attn_kv_a_norm.weight", (rank,)
    if form != "split":
        yield "attn_kv_b.weight", (rank, heads * (nope + value))
    if form != "joint":
        yield "attn_k_b.weight", (nope, rank, heads)
        yield "attn_v_b.weight", (rank, value, heads)
    yield "attn_output.weight", (heads * value, hidden)


def _feed_forward(block: FeedForward, hidden: int, *, separate_experts: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    if isinstance(block, Dense):
        yield from _projections(block, hidden, block.intermediate_size)
        return
    if isinstance(block, NoFeedForward):
        raise ModelError("gguf", block.kind, "a feed-forward block in each layer: the names of others are not known here")
    width, experts = block.expert_intermediate_size, block.routed_experts
    yield "ffn_gate_inp.weight", (hidden, experts)
    if separate_experts:
        for expert in range(experts):
            yield from _projections(block, hidden, width, f".{expert}")
    else:
        yield from _projections(block, hidden, width, "_exps", experts)
    beside = ((block.shared_intermediate_size, "_shexp"), (block.parallel_dense_intermediate_size, ""))
    for size, suffix in beside:
        if size:
            yield from _projections(block, hidden, size, suffix)
    sides = {"gate": width, "up": width, "down": hidden} if block.gated else {"up": width, "down": hidden}
    if block.expert_bias:
        yield from ((f"ffn_{name}_exps.bias", (side, experts)) for name, side in sides.items())
    if block.router_bias:
        yield "ffn_gate_inp.bias", (experts,)
    if block.shared_gate:
        yield "ffn_gate_inp_shexp.weight", (hidden,)


def _projections(
    block: Dense | MoE, hidden: int, width: int, suffix: str = "", *experts: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name in ("gate", "up") if block.gated else ("up",):
        yield f"ffn_{name}{suffix}.weight", (hidden, width, *experts)
    yield f"ffn_down{suffix}.weight", (width, hidden, *experts)
