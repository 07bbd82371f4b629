"""What a model is made of: mixers, feed-forward blocks, layers and stacks.

The field names are the keys of a catalogue file. `architecture_from_mapping` builds an `Architecture` from such a mapping and
raises `ArchitectureError`, which names the key, the value and what is allowed, for one that cannot exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from prophet_memory.errors import ArchitectureError
from prophet_memory.mixers import (
    MIXER_KINDS,
    Attention,
    Mixer,
)

Block = TypeVar("Block")


@dataclass(frozen=True, slots=True)
class Dense:
    """A dense feed-forward block: up (and gate) and down projections."""

    intermediate_size: int
    gated: bool = True
    bias: bool = False


@dataclass(frozen=True, slots=True)
class MoE:
    """A mixture-of-experts block: router, routed experts, and what every token passes beside them."""

    routed_experts: int
    top_k: int
    expert_intermediate_size: int
    gated: bool = True
    expert_bias: bool = False
    router_bias: bool = False
    shared_intermediate_size: int = 0  # all shared experts together, as one wide block
    shared_gate: bool = False  # a sigmoid gate (one output) on the shared block
    shared_bias: bool = False
    parallel_dense_intermediate_size: int = 0  # a dense residual branch with a norm of its own (Arctic)

    def __post_init__(self) -> None:
        if self.top_k > self.routed_experts:
            raise ArchitectureError("top_k", self.top_k, f"at most routed_experts ({self.routed_experts})")
        for key in ("shared_gate", "shared_bias"):
            if getattr(self, key) and not self.shared_intermediate_size:
                raise ArchitectureError(key, True, "false without shared_intermediate_size")


FeedForward = Dense | MoE


@dataclass(frozen=True, slots=True)
class Layer:
    """`count` identical layers; only how many there are matters to memory, not their order."""

    count: int
    mixer: Mixer
    feed_forward: FeedForward


@dataclass(frozen=True, slots=True)
class Stack:
    """An encoder or a decoder. `cross_attention` stands in every layer of a decoder that reads an encoder."""

    layers: tuple[Layer, ...]
    cross_attention: Attention | None = None
    relative_attention_buckets: int = 0  # a learned bias per bucket and head, once per stack (T5)

    @property
    def layer_count(self) -> int:
        """Number of layers."""
        return sum(layer.count for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A whole model. `encoder` is None for decoder-only models; `max_context_tokens` is None where nothing bounds it."""

    hidden_size: int
    vocabulary_size: int
    tied_embeddings: bool
    max_context_tokens: int | None
    decoder: Stack
    encoder: Stack | None = None
    norms_per_sublayer: int = 1  # 2 where a norm also follows each sublayer (Grok-1)
    norm_bias: bool = False  # LayerNorm with a bias instead of a weight alone
    lm_head_bias: bool = False
    published_precision: str = "bf16"  # of the published checkpoint, a name of `precision`

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The stacks in the order in which a token meets them."""
        return (self.decoder,) if self.encoder is None else (self.encoder, self.decoder)

    @property
    def layer_count(self) -> int:
        """Layers of all stacks."""
        return sum(stack.layer_count for stack in self.stacks)

    @property
    def moe(self) -> MoE:
        """The mixture-of-experts block that all MoE layers share."""
        return next(iter(self._moe_blocks()))

    @property
    def moe_layer_count(self) -> int:
        """Layers whose feed-forward block is a mixture of experts."""
        return sum(layer.count for s in self.stacks for layer in s.layers if isinstance(layer.feed_forward, MoE))

    def _moe_blocks(self) -> set[MoE]:
        return {layer.feed_forward for s in self.stacks for layer in s.layers if isinstance(layer.feed_forward, MoE)}

    def __post_init__(self) -> None:
        if len(self._moe_blocks()) != 1:
            raise ArchitectureError("feed_forwards", len(self._moe_blocks()), "exactly one block of kind moe in use")
        if self.max_context_tokens is None and not any(
            layer.mixer.cached_vectors() and layer.mixer.window_tokens is None for layer in self.decoder.layers
        ):
            raise ArchitectureError("max_context_tokens", None, "a positive integer where no layer's cache grows forever")


FEED_FORWARD_KINDS: dict[str, type[FeedForward]] = {"dense": Dense, "moe": MoE}


def architecture_from_mapping(entry: Mapping[str, Any]) -> Architecture:
    """Build an architecture from a catalogue entry that its schema accepts (keys beside the architecture's are left alone).

    Raises:
        ArchitectureError: for values that contradict each other, with the dotted key.
    """
    mixers = {name: _block(f"mixers.{name}", spec, MIXER_KINDS) for name, spec in entry["mixers"].items()}
    blocks = {name: _block(f"feed_forwards.{name}", s, FEED_FORWARD_KINDS) for name, s in entry["feed_forwards"].items()}
    stacks = {side: _stack(side, entry[side], mixers, blocks) for side in ("encoder", "decoder") if side in entry}
    used = {id(block) for stack in stacks.values() for layer in stack.layers for block in (layer.mixer, layer.feed_forward)}
    used |= {id(stack.cross_attention) for stack in stacks.values()}
    for section, named in (("mixers", mixers), ("feed_forwards", blocks)):
        for name, block in named.items():
            if id(block) not in used:
                raise ArchitectureError(f"{section}.{name}", name, "a block that some layer uses")
    own = {f.name for f in fields(Architecture)} - {"encoder", "decoder"}
    values: dict[str, Any] = {key: entry[key] for key in own if key in entry}
    return Architecture(**(values | stacks))


def _block(where: str, spec: Mapping[str, Any], kinds: Mapping[str, type[Block]]) -> Block:
    values = {key: value for key, value in spec.items() if key != "kind"}
    try:
        return kinds[spec["kind"]](**values)
    except ArchitectureError as error:
        raise ArchitectureError(f"{where}.{error.key}", error.value, error.allowed) from None


def _stack(side: str, spec: Mapping[str, Any], mixers: Mapping[str, Mixer], blocks: Mapping[str, FeedForward]) -> Stack:
    def named(where: str, name: str, known: Mapping[str, Block]) -> Block:
        if name not in known:
            raise ArchitectureError(f"{side}.{where}", name, ", ".join(known))
        return known[name]

    layers = tuple(
        Layer(
            count=layer["count"],
            mixer=named(f"layers[{i}].mixer", layer["mixer"], mixers),
            feed_forward=named(f"layers[{i}].feed_forward", layer["feed_forward"], blocks),
        )
        for i, layer in enumerate(spec["layers"])
    )
    cross: Attention | None = None
    if "cross_attention" in spec:
        mixer = named("cross_attention", spec["cross_attention"], mixers)
        if not isinstance(mixer, Attention):
            raise ArchitectureError(f"{side}.cross_attention", spec["cross_attention"], "a mixer of kind attention")
        cross = mixer
    return Stack(layers, cross, spec.get("relative_attention_buckets", 0))
