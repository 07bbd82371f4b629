"""What a model is made of: mixers, feed-forward blocks, layers and stacks.

The field names are the keys of a catalogue file. An architecture that cannot exist is an `ArchitectureError`, which names key,
value and what is allowed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Annotated, Literal

from annotated_types import Ge, Le

from prophet_memory.errors import ArchitectureError
from prophet_memory.fields import MAX_LAYERS, Context, Count, Described, Layers, OneOf, OneOfOr, Size
from prophet_memory.formats import DEFAULT_FORMAT, PRECISION_PATTERN, PUBLISHED_PRECISIONS, parsed
from prophet_memory.mixers import Attention, Mixer, NoMixer


@dataclass(frozen=True, slots=True)
class Dense(Described):
    """A dense feed-forward block: up (and gate) and down projections."""

    intermediate_size: Size
    gated: bool = True
    bias: bool = False
    output_norm: bool = False  # a norm on what it gives (Muse Spark)
    kind: Literal["dense"] = field(default="dense", kw_only=True)


@dataclass(frozen=True, slots=True)
class MoE(Described):
    """A mixture-of-experts block: router, routed experts, and what every token passes beside them."""

    routed_experts: Size
    top_k: Size  # with zero_experts the most: some of a token's choices compute nothing
    expert_intermediate_size: Size
    gated: bool = True
    expert_bias: bool = False
    router_bias: bool = False
    shared_intermediate_size: Count = 0  # all shared experts together, as one wide block
    shared_gate: bool = False  # a sigmoid gate (one output) on the shared block
    shared_bias: bool = False
    parallel_dense_intermediate_size: Count = 0  # a dense branch beside the experts
    branch_norms: Count = 1  # of a dense branch and the experts beside it: one in Arctic, three in Gemma 4, none in LongCat
    output_norm: bool = False  # a norm on the sum of routed and shared experts (A.X-K1, Muse Spark)
    router_scales: bool = False  # the router scales each of its inputs and each expert's weight (Gemma 4)
    zero_experts: Count = 0  # further choices of the router, which give a token back as it is (LongCat)
    product_keys: bool = False  # experts are rows of two tables, found by two keys each (Doge)
    latent_size: Count = 0  # what experts read and write, where one map leads to it and one back (Nemotron 3)
    latent_bias: bool = False  # on these two maps
    latent_norms: Count = 0  # as wide as the latent, on what experts read and write (Muse Spark)
    kind: Literal["moe"] = field(default="moe", kw_only=True)

    def __post_init__(self) -> None:
        if self.top_k > self.routed_experts:
            raise ArchitectureError("top_k", self.top_k, f"at most routed_experts ({self.routed_experts})")
        for key in ("shared_gate", "shared_bias"):
            if getattr(self, key) and not self.shared_intermediate_size:
                raise ArchitectureError(key, True, "false without shared_intermediate_size")
        if self.product_keys and self.expert_intermediate_size != 1:
            raise ArchitectureError("expert_intermediate_size", self.expert_intermediate_size, "1 with product_keys")
        for key, none in (("latent_bias", "false"), ("latent_norms", "0")):
            if getattr(self, key) and not self.latent_size:
                raise ArchitectureError(key, getattr(self, key), f"{none} without latent_size")

    @property
    def expert_gated(self) -> bool:
        """Whether a routed expert has a gate projection."""
        return self.gated and not self.product_keys

    def expert_width(self, hidden_size: int) -> int:
        """Width of what a routed expert reads and writes."""
        return self.latent_size or hidden_size


@dataclass(frozen=True, slots=True)
class NoFeedForward(Described):
    """No feed-forward block: a layer that is its mixer alone (Nemotron-H)."""

    kind: Literal["none"] = field(default="none", kw_only=True)


FeedForward = Dense | MoE | NoFeedForward
NO_EXPERTS = MoE(routed_experts=0, top_k=0, expert_intermediate_size=0)  # what a dense model has


@dataclass(frozen=True, slots=True)
class Layer:
    """`count` identical layers, wherever they stand in their stack."""

    count: Layers
    mixer: Mixer
    feed_forward: FeedForward
    format_group: Count = 0  # layers of another group may be stored otherwise, where a precision says so (formats)

    @property
    def sublayers(self) -> int:
        """What stands in each: a mixer, a feed-forward block, or both."""
        return (not isinstance(self.mixer, NoMixer)) + (not isinstance(self.feed_forward, NoFeedForward))


@dataclass(frozen=True, slots=True)
class Stack:
    """An encoder or a decoder. `cross_attention` stands in every layer of a decoder that reads an encoder.

    `pattern` says in which order the kinds of layers follow each other: places in `layers`, over and over until the last layer.
    Without it the kinds stand one after another.
    """

    layers: tuple[Layer, ...]
    cross_attention: Attention | None = None
    relative_attention_buckets: Count = 0  # a learned bias per bucket and head, once per stack (T5)
    pattern: tuple[int, ...] = ()

    @property
    def layer_count(self) -> int:
        """Number of layers."""
        return sum(layer.count for layer in self.layers)

    @property
    def order(self) -> list[int]:
        """The kind of each layer from the first to the last: its place in `layers`."""
        if self.pattern:
            return list(islice(cycle(self.pattern), self.layer_count))
        return [place for place, layer in enumerate(self.layers) for _ in range(layer.count)]


STATE_FORMATS = ("fp32", "fp16", DEFAULT_FORMAT)
Published = Annotated[str, OneOfOr(PUBLISHED_PRECISIONS, PRECISION_PATTERN, parsed)]


@dataclass(frozen=True, slots=True)
class Dimensions(Described):
    """What a model says of itself beside its stacks. `max_context_tokens` is None where nothing bounds it."""

    hidden_size: Size
    vocabulary_size: Size
    tied_embeddings: bool
    max_context_tokens: Context | None
    norms_per_sublayer: Annotated[int, Ge(1), Le(2)] = 1  # 2 where a norm also follows each sublayer (Grok-1)
    parallel_sublayers: bool = False  # attention and feed-forward block read the same norm (Command A+)
    norm_bias: bool = False  # LayerNorm with a bias instead of a weight alone
    lm_head_bias: bool = False
    published_precision: Published = DEFAULT_FORMAT  # of the published checkpoint
    state_format: Annotated[str, OneOf(STATE_FORMATS)] | None = None  # of recurrent state, where the model's config names one
    per_layer_input_size: Count = 0  # width of what each layer takes of a token from a table of its own (Gemma 4)
    per_layer_vocabulary_size: Count = 0  # entries of these tables
    residual_streams: Size = 1  # that layers mix before and after each sublayer, where there are several (DeepSeek-V4)
    independent_streams: bool = False  # each sublayer reads and writes the streams, and mixes them no further (Hunyuan 4)
    averaged_streams: bool = False  # at the end their mean is taken, not a sum with learned weights (GLM-5.3)
    residual_gates: bool = False  # a weight of each value of the residual beside a sublayer (Doge, Muse Spark)
    gated_norm_rank: Count = 0  # of a gate on the norms before mixers and mixtures of experts (A.X-K2)
    rotary_scales: Count = 0  # learned, one for each frequency of the rotary positions (Mistral Large 4)
    next_token_layers: Annotated[int, Ge(0), Le(MAX_LAYERS)] = 0  # published beside the model, to predict further tokens (MTP)
    next_tokens_stored_otherwise: bool = False  # in other formats than the model's layers, in the published checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture(Dimensions):
    """A whole model. `encoder` is None for decoder-only models."""

    decoder: Stack
    encoder: Stack | None = None
    holds_embedding: bool = True  # a pipeline stage behind the first does not
    holds_head: bool = True  # nor one before the last
    counted_next_token_layers: int = 0  # so many of the decoder's last layers predict further tokens (next_tokens)

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
        """The mixture-of-experts block that all MoE layers share; NO_EXPERTS in a dense model."""
        return next(iter(self._moe_blocks()), NO_EXPERTS)

    @property
    def is_dense(self) -> bool:
        """Whether every token passes every weight."""
        return not self.moe.routed_experts

    @property
    def is_published_alike(self) -> bool:
        """Whether the published precision holds for all layers that are counted."""
        return not (self.counted_next_token_layers and self.next_tokens_stored_otherwise)

    @property
    def moe_layer_count(self) -> int:
        """Layers whose feed-forward block is a mixture of experts."""
        return sum(layer.count for s in self.stacks for layer in s.layers if isinstance(layer.feed_forward, MoE))

    def _moe_blocks(self) -> set[MoE]:
        return {layer.feed_forward for s in self.stacks for layer in s.layers if isinstance(layer.feed_forward, MoE)}

    def __post_init__(self) -> None:
        if bool(self.per_layer_input_size) != bool(self.per_layer_vocabulary_size):
            allowed = "0 without per_layer_input_size, and more with it"
            raise ArchitectureError("per_layer_vocabulary_size", self.per_layer_vocabulary_size, allowed)
        if len(self._moe_blocks()) > 1:
            raise ArchitectureError("feed_forwards", len(self._moe_blocks()), "at most one block of kind moe in use")
        for side, stack in (("encoder", self.encoder), ("decoder", self.decoder)):
            if stack is not None:
                self._check(side, stack)
        if self.max_context_tokens is None and not any(
            window is None for layer in self.decoder.layers for _, window in layer.mixer.cached_parts()
        ):
            raise ArchitectureError("max_context_tokens", None, "a positive integer where no layer's cache grows forever")

    def _check(self, side: str, stack: Stack) -> None:
        """Raise an ArchitectureError for a stack with a part that means nothing there."""
        crossing, buckets = stack.cross_attention, stack.relative_attention_buckets
        counts = {place: layer.count for place, layer in enumerate(stack.layers)}
        for place, layer in enumerate(stack.layers):
            if not layer.sublayers:
                raise ArchitectureError(f"{side}.layers[{place}].feed_forward", "none", "a block where there is no mixer")
        if stack.pattern and Counter(stack.order) != counts:
            allowed = f"places in {side}.layers, from 0, that give each kind its count"
            raise ArchitectureError(f"{side}.pattern", list(stack.pattern), allowed)
        if crossing is not None and (self.encoder is None or side == "encoder"):
            raise ArchitectureError(f"{side}.cross_attention", crossing.kind, "none, but in a decoder beside an encoder")
        if crossing is not None and crossing.window_tokens is not None:
            raise ArchitectureError(f"{side}.cross_attention", crossing.window_tokens, "a mixer without window_tokens")
        if buckets and not any(isinstance(layer.mixer, Attention) for layer in stack.layers):
            raise ArchitectureError(f"{side}.relative_attention_buckets", buckets, "0 without a mixer of kind attention")
