"""Every weight of a model as a matrix or a vector, with what it belongs to and how tensor parallelism cuts it.

Parameter counts (`parameters`), bytes by precision (`precision`) and per-GPU shards (`parallelism`) are sums over this one list.
Buffers are left out, and multi-token-prediction layers unless they are asked for (`next_tokens`), as the reference implementation
(`transformers`) instantiates models.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt

from prophet_memory.architecture import Architecture, Dense, FeedForward, Layer, MoE, NoFeedForward, Stack
from prophet_memory.mixers import Attention
from prophet_memory.tensors import Component, Weight, tall, wide


def projections(component: Component, intermediate_size: int, hidden_size: int, *, gated: bool, bias: bool) -> Iterator[Weight]:
    """The matrices of a feed-forward block: up and down, and the gate where there is one."""
    for part in ("gate", "up") if gated else ("up",):
        yield from wide(component, intermediate_size, hidden_size, bias=bias, part=part)
    yield from tall(component, hidden_size, intermediate_size, bias=bias, part="down")


def expert_weights(moe: MoE, hidden_size: int) -> Iterator[Weight]:
    """One routed expert of one layer; nothing where there are none."""
    if not moe.routed_experts:
        return iter(())
    width = moe.expert_width(hidden_size)
    return projections("routed_expert", moe.expert_intermediate_size, width, gated=moe.expert_gated, bias=moe.expert_bias)


def router_weights(moe: MoE, hidden_size: int) -> Iterator[Weight]:
    """The router, which published quantised checkpoints leave alone."""
    rows = 2 * isqrt(moe.routed_experts) if moe.product_keys else moe.routed_experts + moe.zero_experts
    yield Weight("router", rows, hidden_size + (1 if moe.router_bias else 0))
    if moe.router_scales:
        yield Weight("router", hidden_size)
        yield Weight("router", moe.routed_experts)


def beside_experts(moe: MoE, hidden_size: int) -> Iterator[Weight]:
    """What every token passes beside the routed experts, or on its way to them: those two maps are whole on each GPU."""
    if size := moe.shared_intermediate_size:
        yield from projections("shared_expert", size, hidden_size, gated=moe.gated, bias=moe.shared_bias)
    if moe.shared_gate:
        yield Weight("shared_expert", 1, hidden_size)
    if size := moe.parallel_dense_intermediate_size:
        yield from projections("dense_feed_forward", size, hidden_size, gated=moe.gated, bias=False)
    if size := moe.latent_size:
        for part, rows, columns in (("latent_down", size, hidden_size), ("latent_up", hidden_size, size)):
            yield Weight("dense_feed_forward", rows, columns, linear=True, part=part)
            if moe.latent_bias:
                yield Weight("dense_feed_forward", rows)
        if moe.latent_norms:
            yield Weight("norm", size, copies=moe.latent_norms)


def feed_forward_weights(block: FeedForward, hidden_size: int) -> Iterator[Weight]:
    """A feed-forward block: of an MoE its routed experts, its router, and what every token passes beside them."""
    if isinstance(block, NoFeedForward):
        return
    if isinstance(block, Dense):
        yield from projections("dense_feed_forward", block.intermediate_size, hidden_size, gated=block.gated, bias=block.bias)
        return
    for weight in expert_weights(block, hidden_size):
        yield weight.times(block.routed_experts)
    yield from router_weights(block, hidden_size)
    yield from beside_experts(block, hidden_size)


def norms_of(layer: Layer, architecture: Architecture, stack: Stack) -> int:
    """Norms as wide as the model in one of such layers."""
    sublayers = (1 if architecture.parallel_sublayers else layer.sublayers) + (stack.cross_attention is not None)
    block, beside = layer.feed_forward, int(bool(architecture.per_layer_input_size))
    if isinstance(block, MoE) and block.parallel_dense_intermediate_size:
        beside += block.branch_norms
    if not isinstance(block, NoFeedForward):
        beside += block.output_norm
    return sublayers * (architecture.norms_per_sublayer + architecture.residual_gates) + beside


def stack_weights(stack: Stack, architecture: Architecture) -> Iterator[Weight]:
    """One stack with the norms around its sublayers and the one at its end."""
    hidden, norms = architecture.hidden_size, 1
    for layer in stack.layers:
        sublayers = [*layer.mixer.weights(hidden), *feed_forward_weights(layer.feed_forward, hidden)]
        if stack.cross_attention is not None:
            sublayers += stack.cross_attention.weights(hidden)
        sublayers += [*per_layer_input_weights(architecture), *norm_gate_weights(layer, architecture)]
        norms += layer.count * norms_of(layer, architecture, stack)
        for weight in sublayers:
            yield weight.times(layer.count, layer.format_group)
    yield Weight("norm", hidden, copies=norms * (2 if architecture.norm_bias else 1))
    yield from stream_weights(stack, architecture)
    if size := architecture.per_layer_input_size:  # of what all layers take of a token's hidden state
        yield Weight("norm", size)
        yield Weight("dense_feed_forward", stack.layer_count * size, hidden, linear=True, part="layer_inputs")
    if stack.relative_attention_buckets:  # a learned bias for each bucket and head, once a stack
        heads = next(layer.mixer.query_heads for layer in stack.layers if isinstance(layer.mixer, Attention))
        yield Weight("attention", heads, stack.relative_attention_buckets, cut="rows", units=heads)


def stream_weights(stack: Stack, architecture: Architecture) -> Iterator[Weight]:
    """What mixes several residual streams: around each sublayer by weights made of all of them, and at the end into one."""
    streams, width = architecture.residual_streams, architecture.residual_streams * architecture.hidden_size
    if streams == 1:
        return
    # A weight to read each stream, one to write it, and one for each pair.
    scales, mixed = (2, 2 * streams) if architecture.independent_streams else (3, streams * (streams + 2))
    sublayers = sum(layer.count * layer.sublayers for layer in stack.layers)
    yield Weight("norm", mixed, width + 1, copies=sublayers)  # the map and its bias
    yield Weight("norm", scales, copies=sublayers)
    if not architecture.averaged_streams:
        yield Weight("norm", streams, width + 1)
        yield Weight("norm", 1)


def per_layer_input_weights(architecture: Architecture) -> Iterator[Weight]:
    """The gate on what a layer takes of a token from its own table, and the map back to the model's width (Gemma 4)."""
    if size := architecture.per_layer_input_size:
        yield Weight("dense_feed_forward", size, architecture.hidden_size, linear=True, part="layer_input_gate")
        yield Weight("dense_feed_forward", architecture.hidden_size, size, linear=True, part="layer_input")


def norm_gate_weights(layer: Layer, architecture: Architecture) -> Iterator[Weight]:
    """The gates of low rank on the norms before a mixer and a mixture of experts (A.X-K2), whole on each GPU."""
    if rank := architecture.gated_norm_rank:
        for _ in range(1 + isinstance(layer.feed_forward, MoE)):
            yield Weight("norm", rank, architecture.hidden_size, linear=True, part="gate_a")
            yield Weight("norm", architecture.hidden_size, rank, linear=True, part="gate_b")


def outer_weights(architecture: Architecture) -> Iterator[Weight]:
    """Embedding and head. The vocabulary is cut by its entries."""
    vocabulary = architecture.vocabulary_size
    head = architecture.holds_head
    read_again = head and (architecture.tied_embeddings or architecture.counted_next_token_layers)  # where the last stage is
    if architecture.holds_embedding or read_again:
        yield Weight("embedding", vocabulary, architecture.hidden_size, cut="rows", units=vocabulary)
    if head and not architecture.tied_embeddings:
        yield Weight("lm_head", vocabulary, architecture.hidden_size, cut="rows", units=vocabulary)
    if head and architecture.lm_head_bias:
        yield Weight("lm_head", vocabulary, cut="rows", units=vocabulary)


def next_token_weights(architecture: Architecture) -> Iterator[Weight]:
    """What stands around each layer that predicts a further token: two norms, the map of what they give, and one at the end.

    The map is whole on each GPU and as published checkpoints have it, unquantised (vLLM 0.19, deepseek_mtp.py).
    """
    if layers := architecture.counted_next_token_layers:
        hidden = architecture.hidden_size
        yield Weight("norm", hidden, copies=3 * layers)
        yield Weight("dense_feed_forward", hidden, 2 * hidden, copies=layers)


def tables_of_layers(architecture: Architecture) -> Iterator[Weight]:
    """The tables of which each layer takes a row for each token, side by side (Gemma 4)."""
    if entries := architecture.per_layer_vocabulary_size:
        columns = architecture.layer_count * architecture.per_layer_input_size
        yield Weight("embedding", entries, columns, cut="rows", units=entries)


def model_weights(architecture: Architecture) -> Iterator[Weight]:
    """Every weight of a model."""
    yield from outer_weights(architecture)
    yield from tables_of_layers(architecture)
    yield from next_token_weights(architecture)
    if architecture.rotary_scales:
        yield Weight("attention", architecture.rotary_scales)
    for stack in architecture.stacks:
        yield from stack_weights(stack, architecture)
