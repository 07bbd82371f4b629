"""Every weight of a model as a matrix or a vector, with what it belongs to and how tensor parallelism cuts it.

Parameter counts (`parameters`), bytes by precision (`precision`) and per-GPU shards (`parallelism`) are sums over this one list.
Multi-token-prediction layers and buffers are left out, as the reference implementation (`transformers`) instantiates models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from prophet_memory.architecture import (
    Architecture,
    Attention,
    Dense,
    FeedForward,
    GatedDeltaNet,
    LatentAttention,
    LightningAttention,
    Mamba,
    Mixer,
    MoE,
    Stack,
)

Component = Literal[
    "routed_expert", "shared_expert", "router", "attention", "recurrent", "dense_feed_forward", "norm", "embedding", "lm_head"
]  # fmt: skip
COMPONENTS: tuple[Component, ...] = Component.__args__  # type: ignore[attr-defined]
Cut = Literal["rows", "columns", "none"]


@dataclass(frozen=True, slots=True)
class Weight:
    """`copies` equal tensors of rows (output channels) x columns (inputs).

    Tensor parallelism gives each GPU an equal number of the `units` (heads, channels) of which the cut side consists, rounded
    up, so that what has fewer units than there are GPUs is replicated. Only a `linear` map takes a quantised format.
    """

    component: Component
    rows: int
    columns: int = 1
    copies: int = 1
    cut: Cut = "none"
    units: int = 1
    linear: bool = False

    @property
    def parameters(self) -> int:
        """Number of parameters, all copies."""
        return self.copies * self.rows * self.columns

    def shard(self, gpus: int) -> Weight:
        """The part that each of some GPUs holds, the largest where they do not divide the units."""
        if gpus == 1 or self.cut == "none":
            return self
        share = -(-self.units // gpus)
        if self.cut == "rows":
            return replace(self, rows=self.rows // self.units * share, units=share)
        return replace(self, columns=self.columns // self.units * share, units=share)


def _wide(component: Component, rows: int, columns: int, units: int | None = None, *, bias: bool = False) -> Iterator[Weight]:
    """A linear map cut by its outputs, and its bias."""
    yield Weight(component, rows, columns, cut="rows", units=units or rows, linear=True)
    if bias:
        yield Weight(component, rows, cut="rows", units=units or rows)


def _tall(component: Component, rows: int, columns: int, units: int | None = None, *, bias: bool = False) -> Iterator[Weight]:
    """A linear map cut by its inputs; every GPU adds to all outputs, and the bias stands on each."""
    yield Weight(component, rows, columns, cut="columns", units=units or columns, linear=True)
    if bias:
        yield Weight(component, rows)


def attention_weights(mixer: Attention, hidden_size: int) -> Iterator[Weight]:
    """Query, key, value and output projections, their biases, the norms of queries and keys, and sinks."""
    query_size, kv_size = mixer.query_heads * mixer.head_dim, mixer.kv_heads * mixer.head_dim
    query_outputs = query_size * (2 if mixer.output_gate else 1)
    yield from _wide("attention", query_outputs, hidden_size, mixer.query_heads, bias=mixer.qkv_bias)
    for _ in ("key", "value"):
        yield from _wide("attention", kv_size, hidden_size, mixer.kv_heads, bias=mixer.qkv_bias)
    yield from _tall("attention", hidden_size, query_size, mixer.query_heads, bias=mixer.output_bias)
    if mixer.sinks:
        yield Weight("attention", mixer.query_heads, cut="rows", units=mixer.query_heads)
    if mixer.qk_norm == "head":
        yield Weight("attention", mixer.head_dim, copies=2)
    elif mixer.qk_norm == "full":
        yield Weight("attention", query_size, cut="rows", units=mixer.query_heads)
        yield Weight("attention", kv_size, cut="rows", units=mixer.kv_heads)


def latent_attention_weights(mixer: LatentAttention, hidden_size: int) -> Iterator[Weight]:
    """MLA: low-rank query (or a full one), the joint key-value latent with its norm, and the projections up from it.

    The projections down to the latents stand on every GPU, because each head needs the whole latent.
    """
    heads, qk_head_dim = mixer.query_heads, mixer.qk_nope_head_dim + mixer.qk_rope_head_dim
    latent = mixer.kv_lora_rank + mixer.qk_rope_head_dim
    if mixer.q_lora_rank is None:
        yield from _wide("attention", heads * qk_head_dim, hidden_size, heads)
    else:
        yield Weight("attention", mixer.q_lora_rank, hidden_size, linear=True)
        yield Weight("attention", mixer.q_lora_rank, copies=2 if mixer.bias else 1)  # the norm, the bias
        yield from _wide("attention", heads * qk_head_dim, mixer.q_lora_rank, heads)
    yield Weight("attention", latent, hidden_size, linear=True)
    yield Weight("attention", mixer.kv_lora_rank)  # the norm
    if mixer.bias:
        yield Weight("attention", latent)
    yield from _wide("attention", heads * (mixer.qk_nope_head_dim + mixer.v_head_dim), mixer.kv_lora_rank, heads)
    yield from _tall("attention", hidden_size, heads * mixer.v_head_dim, heads, bias=mixer.bias)


def mamba_weights(mixer: Mamba, hidden_size: int) -> Iterator[Weight]:
    """Mamba-1: in, convolution, x, dt and out projections, A, D and Jamba's inner norms."""
    inner, state, rank = mixer.inner_size, mixer.state_size, mixer.dt_rank
    yield from _wide("recurrent", 2 * inner, hidden_size, inner, bias=mixer.proj_bias)
    yield Weight("recurrent", inner, mixer.conv_kernel + (1 if mixer.conv_bias else 0), cut="rows", units=inner)
    yield from _tall("recurrent", rank + 2 * state, inner)
    yield from _wide("recurrent", inner, rank, bias=True)
    yield Weight("recurrent", inner, state + 1, cut="rows", units=inner)  # A and D
    yield from _tall("recurrent", hidden_size, inner, bias=mixer.proj_bias)
    if mixer.inner_norms:
        yield Weight("recurrent", rank + 2 * state)


def gated_deltanet_weights(mixer: GatedDeltaNet, hidden_size: int) -> Iterator[Weight]:
    """Gated DeltaNet: query-key-value-gate and beta-alpha projections, convolution, dt bias, A, norm, output."""
    keys, values = mixer.key_heads, mixer.value_heads
    for heads, size in ((keys, mixer.key_size), (keys, mixer.key_size), (values, mixer.value_size)):
        yield from _wide("recurrent", size, hidden_size, heads)
        yield Weight("recurrent", size, mixer.conv_kernel, cut="rows", units=heads)
    yield from _wide("recurrent", mixer.value_size, hidden_size, values)  # the gate
    yield from _wide("recurrent", 2 * values, hidden_size, values)  # beta and alpha
    yield Weight("recurrent", values, copies=2, cut="rows", units=values)  # dt bias and A
    yield Weight("recurrent", mixer.value_head_dim)
    yield from _tall("recurrent", hidden_size, mixer.value_size, values)


def lightning_attention_weights(mixer: LightningAttention, hidden_size: int) -> Iterator[Weight]:
    """Lightning attention: queries, keys and values, output gate, a norm over all heads, output."""
    size = mixer.heads * mixer.head_dim
    for _ in ("query", "key", "value", "gate"):
        yield from _wide("recurrent", size, hidden_size, mixer.heads)
    yield Weight("recurrent", size, cut="rows", units=mixer.heads)
    yield from _tall("recurrent", hidden_size, size, mixer.heads)


def mixer_weights(mixer: Mixer, hidden_size: int) -> Iterator[Weight]:
    """The weights of one mixer, whatever its kind."""
    match mixer:
        case Attention():
            return attention_weights(mixer, hidden_size)
        case LatentAttention():
            return latent_attention_weights(mixer, hidden_size)
        case Mamba():
            return mamba_weights(mixer, hidden_size)
        case GatedDeltaNet():
            return gated_deltanet_weights(mixer, hidden_size)
        case LightningAttention():
            return lightning_attention_weights(mixer, hidden_size)


def projections(component: Component, intermediate_size: int, hidden_size: int, *, gated: bool, bias: bool) -> Iterator[Weight]:
    """The matrices of a feed-forward block: up and down, and the gate where there is one."""
    for _ in range(2 if gated else 1):
        yield from _wide(component, intermediate_size, hidden_size, bias=bias)
    yield from _tall(component, hidden_size, intermediate_size, bias=bias)


def expert_weights(moe: MoE, hidden_size: int) -> Iterator[Weight]:
    """One routed expert of one layer."""
    return projections("routed_expert", moe.expert_intermediate_size, hidden_size, gated=moe.gated, bias=moe.expert_bias)


def feed_forward_weights(block: FeedForward, hidden_size: int) -> Iterator[Weight]:
    """A feed-forward block: of an MoE its routed experts, its router, and what every token passes beside them."""
    if isinstance(block, Dense):
        yield from projections("dense_feed_forward", block.intermediate_size, hidden_size, gated=block.gated, bias=block.bias)
        return
    for weight in expert_weights(block, hidden_size):
        yield replace(weight, copies=weight.copies * block.routed_experts)
    # Published quantised checkpoints leave the router alone.
    yield Weight("router", block.routed_experts, hidden_size + (1 if block.router_bias else 0))
    if size := block.shared_intermediate_size:
        yield from projections("shared_expert", size, hidden_size, gated=block.gated, bias=block.shared_bias)
    if block.shared_gate:
        yield Weight("shared_expert", 1, hidden_size)
    if size := block.parallel_dense_intermediate_size:
        yield from projections("dense_feed_forward", size, hidden_size, gated=block.gated, bias=False)


def stack_weights(stack: Stack, architecture: Architecture) -> Iterator[Weight]:
    """One stack with the norms around its sublayers and the one at its end."""
    hidden, norms = architecture.hidden_size, 1
    for layer in stack.layers:
        sublayers = [*mixer_weights(layer.mixer, hidden), *feed_forward_weights(layer.feed_forward, hidden)]
        count = 2
        if stack.cross_attention is not None:
            sublayers += attention_weights(stack.cross_attention, hidden)
            count += 1
        if isinstance(layer.feed_forward, MoE) and layer.feed_forward.parallel_dense_intermediate_size:
            count += 1
        norms += layer.count * count * architecture.norms_per_sublayer
        for weight in sublayers:
            yield replace(weight, copies=weight.copies * layer.count)
    yield Weight("norm", hidden, copies=norms * (2 if architecture.norm_bias else 1))
    if stack.relative_attention_buckets:  # a learned bias for each bucket and head, once a stack
        heads = next(layer.mixer.query_heads for layer in stack.layers if isinstance(layer.mixer, Attention))
        yield Weight("attention", heads, stack.relative_attention_buckets, cut="rows", units=heads)


def model_weights(architecture: Architecture) -> Iterator[Weight]:
    """Every weight of a model. The vocabulary is cut by its entries."""
    vocabulary = architecture.vocabulary_size
    yield Weight("embedding", vocabulary, architecture.hidden_size, cut="rows", units=vocabulary)
    if not architecture.tied_embeddings:
        yield Weight("lm_head", vocabulary, architecture.hidden_size, cut="rows", units=vocabulary)
    if architecture.lm_head_bias:
        yield Weight("lm_head", vocabulary, cut="rows", units=vocabulary)
    for stack in architecture.stacks:
        yield from stack_weights(stack, architecture)
