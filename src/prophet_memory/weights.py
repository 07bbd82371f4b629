"""Every weight of a model as a matrix or a vector, with what it belongs to and how tensor parallelism cuts it.

Parameter counts (`parameters`), bytes by precision (`precision`) and per-GPU shards (`parallelism`) are sums over this one list.
Multi-token-prediction layers and buffers are left out, as the reference implementation (`transformers`) instantiates models.
"""

from __future__ import annotations

from collections.abc import Iterator

from prophet_memory.architecture import Architecture, Dense, FeedForward, MoE, Stack
from prophet_memory.mixers import Attention
from prophet_memory.tensors import Component, Weight, tall, wide


def projections(component: Component, intermediate_size: int, hidden_size: int, *, gated: bool, bias: bool) -> Iterator[Weight]:
    """The matrices of a feed-forward block: up and down, and the gate where there is one."""
    for _ in range(2 if gated else 1):
        yield from wide(component, intermediate_size, hidden_size, bias=bias)
    yield from tall(component, hidden_size, intermediate_size, bias=bias)


def expert_weights(moe: MoE, hidden_size: int) -> Iterator[Weight]:
    """One routed expert of one layer; nothing where there are none."""
    if not moe.routed_experts:
        return iter(())
    return projections("routed_expert", moe.expert_intermediate_size, hidden_size, gated=moe.gated, bias=moe.expert_bias)


def feed_forward_weights(block: FeedForward, hidden_size: int) -> Iterator[Weight]:
    """A feed-forward block: of an MoE its routed experts, its router, and what every token passes beside them."""
    if isinstance(block, Dense):
        yield from projections("dense_feed_forward", block.intermediate_size, hidden_size, gated=block.gated, bias=block.bias)
        return
    for weight in expert_weights(block, hidden_size):
        yield weight.times(block.routed_experts)
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
        sublayers = [*layer.mixer.weights(hidden), *feed_forward_weights(layer.feed_forward, hidden)]
        count = 2
        if stack.cross_attention is not None:
            sublayers += stack.cross_attention.weights(hidden)
            count += 1
        if isinstance(layer.feed_forward, MoE) and layer.feed_forward.parallel_dense_intermediate_size:
            count += 1
        norms += layer.count * count * architecture.norms_per_sublayer
        for weight in sublayers:
            yield weight.times(layer.count)
    yield Weight("norm", hidden, copies=norms * (2 if architecture.norm_bias else 1))
    if stack.relative_attention_buckets:  # a learned bias for each bucket and head, once a stack
        heads = next(layer.mixer.query_heads for layer in stack.layers if isinstance(layer.mixer, Attention))
        yield Weight("attention", heads, stack.relative_attention_buckets, cut="rows", units=heads)


def outer_weights(architecture: Architecture) -> Iterator[Weight]:
    """Embedding and head. The vocabulary is cut by its entries."""
    vocabulary = architecture.vocabulary_size
    head = architecture.holds_head
    if architecture.holds_embedding or (head and architecture.tied_embeddings):
        yield Weight("embedding", vocabulary, architecture.hidden_size, cut="rows", units=vocabulary)
    if head and not architecture.tied_embeddings:
        yield Weight("lm_head", vocabulary, architecture.hidden_size, cut="rows", units=vocabulary)
    if head and architecture.lm_head_bias:
        yield Weight("lm_head", vocabulary, cut="rows", units=vocabulary)


def model_weights(architecture: Architecture) -> Iterator[Weight]:
    """Every weight of a model."""
    yield from outer_weights(architecture)
    for stack in architecture.stacks:
        yield from stack_weights(stack, architecture)
