"""What a step reads and computes on the fullest GPU: what `latency` divides by bandwidths and peaks (docs/latency.md).

A step reads the weights that its tokens pass, each once, and the cache of every sequence. Of an embedding that is no head it
reads a row a token, which is nothing beside the rest. Of an encoder-decoder a decode step passes the decoder alone, and reads the
keys and values that were made of the encoder's output. Operations are those of the weights, two a parameter and token, and of
attention with the cache; what recurrent mixers do to their state is left out, so the bound stays one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture, MoE, Stack
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS
from prophet_memory.grid import Model
from prophet_memory.integers import IntArray
from prophet_memory.kv_cache import bytes_per_sequence
from prophet_memory.latency import Link, all_reduce_s, all_to_all_s
from prophet_memory.memory import Assumptions, expert_bytes, growth_of
from prophet_memory.parallelism import Parallelism
from prophet_memory.precision import FileWeights, Stored
from prophet_memory.tensors import Weight
from prophet_memory.weights import expert_weights, outer_weights, stack_weights

FloatArray = npt.NDArray[np.float64]
FLOPS_PER_PRODUCT = 2  # a product and a sum: of a parameter with a token, of a value of the cache with a query
HEADS = ("embedding", "lm_head")  # of what a token passes: the head, be it tied or not
HIDDEN_BYTES = FORMATS[DEFAULT_FORMAT].bits // 8  # of a value between layers


@dataclass(frozen=True, slots=True)
class Work:
    """Bytes and operations of a step, arrays of one shape."""

    rest_bytes: FloatArray  # of every weight that is no routed expert
    expert_bytes: FloatArray  # of the routed experts that the step activates, all layers
    cache_bytes: FloatArray
    flops: FloatArray  # of everything but routed experts
    expert_flops: FloatArray

    @property
    def read_bytes(self) -> FloatArray:
        """All of them."""
        return self.rest_bytes + self.expert_bytes + self.cache_bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """That a step reads a chunk of a prompt of so many tokens, and decodes nothing; `encodes` where the encoder reads it."""

    prompt_tokens: int
    encodes: bool = False

    def seen(self, window_tokens: int | None) -> float:
        """Tokens before each of the prompt's, on average; an encoder's token sees all."""
        whole = self.prompt_tokens
        window = min(window_tokens or whole, whole)
        return window if self.encodes else window - window**2 / (2 * whole)


def passed_stack(architecture: Architecture, reading: Reading | None = None) -> Stack:
    """The stack that the tokens of a step pass."""
    if reading is not None and reading.encodes and architecture.encoder is not None:
        return architecture.encoder
    return architecture.decoder


def moe_layers(stack: Stack) -> int:
    """Layers with routed experts."""
    return sum(layer.count for layer in stack.layers if isinstance(layer.feed_forward, MoE))


def passed_weights(architecture: Architecture, reading: Reading | None = None) -> list[Weight]:
    """What every token of a step passes: of a stack all weights but routed experts, and the head.

    What makes keys and values of the encoder's output belongs to the encoder's step.
    """
    stack, hidden, decoder = passed_stack(architecture, reading), architecture.hidden_size, architecture.decoder
    own = [weight for weight in stack_weights(stack, architecture) if weight.component != "routed_expert"]
    crossing = [
        weight.times(layer.count, layer.format_group)
        for layer in decoder.layers
        if decoder.cross_attention is not None
        for weight in decoder.cross_attention.key_and_value_weights(hidden)
    ]
    if stack is architecture.encoder:
        return own + crossing
    for weight in crossing:
        own.remove(weight)
    head = "embedding" if architecture.tied_embeddings else "lm_head"
    return own + [weight for weight in outer_weights(architecture) if weight.component == head]


def attention_products(
    architecture: Architecture, assumptions: Assumptions, context_tokens: int, tensor: int, reading: Reading | None = None
) -> float:
    """Multiplications of a new token with the cache of its sequence, on the fullest GPU, in all layers of a stack.

    GPUs that share a sequence's tokens also share them: each takes a part of the tokens for the others' heads, too.
    """
    tokens, stack = assumptions.tokens_per_sequence, passed_stack(architecture, reading)
    found = 0.0
    for layer in stack.layers:
        for each, window in layer.mixer.attended_parts(tokens=tokens, tensor=tensor):
            seen = min(context_tokens, window or context_tokens) if reading is None else reading.seen(window)
            found += layer.count * each * seen
    if stack.cross_attention is not None:
        each = stack.cross_attention.products_per_pair(tokens=tokens, tensor=tensor)
        found += stack.layer_count * each * assumptions.encoder_source_tokens
    return found


def decode_work(
    model: Model,
    spread: Parallelism,
    stored: Stored,
    assumptions: Assumptions,
    batch_sizes: IntArray,
    context_tokens: int,
    needed: FloatArray,
    reading: Reading | None = None,
) -> Work:
    """The work of a step of each batch size on the fullest GPU.

    Args:
        model: a name and an architecture.
        spread: how it is spread.
        stored: formats of its weights, or a file's.
        assumptions: formats of the cache, and how many new tokens of each sequence a step has.
        batch_sizes: sequences of the step.
        context_tokens: that each has.
        needed: distinct experts of an MoE layer on the fullest rank; its first axis is that of the batch sizes.
        reading: where the step reads a prompt; then the head sees the last token alone.

    Returns:
        arrays of the shape of `needed`.
    """
    architecture, moe = model.architecture, model.architecture.moe
    along = (-1, *[1] * (needed.ndim - 1))
    tokens = np.asarray(batch_sizes, np.float64).reshape(along) * assumptions.tokens_per_sequence
    sequences = np.asarray(spread.sequences(batch_sizes), np.float64).reshape(along)
    passed, apart = list(passed_weights(architecture, reading)), assumptions.engine.apart(spread)
    rest = [weight.shard(spread.tensor) for weight in passed]  # the work, also where a GPU holds more or less of a part
    held = [weight.shard(apart.get(weight.component, spread.tensor)) for weight in passed]
    seen = assumptions.tokens_per_sequence if reading is None else 1
    head = sum(weight.parameters for weight in rest if weight.component in HEADS)
    body = sum(weight.parameters for weight in rest) - head
    attended = attention_products(architecture, assumptions, context_tokens, spread.tensor, reading)
    flops = ((body + attended) * assumptions.tokens_per_sequence + head * seen) * sequences
    each, layers = 0, moe_layers(passed_stack(architecture, reading))
    expert_flops = np.zeros_like(flops)
    if layers:
        each = expert_bytes(architecture, stored, spread, assumptions.engine) * layers
        parameters = sum(weight.parameters for weight in expert_weights(moe, architecture.hidden_size))
        shared_by = spread.expert * spread.expert_tensor
        expert_flops = tokens * moe.top_k * layers * parameters / shared_by
    context = np.asarray([-(-context_tokens // spread.context)], np.int64)
    caches = reading is None or not reading.encodes
    growth = growth_of(model, spread, assumptions, read=reading is None)  # of a prompt the tokens choose all between them
    cached = int(bytes_per_sequence(growth, context)[0]) if caches else 0
    return Work(
        rest_bytes=np.broadcast_to(np.float64(_rest_bytes(stored, held)), needed.shape),
        expert_bytes=needed * each,
        cache_bytes=np.broadcast_to(sequences * cached, needed.shape),
        flops=np.broadcast_to(FLOPS_PER_PRODUCT * flops, needed.shape),
        expert_flops=np.broadcast_to(FLOPS_PER_PRODUCT * expert_flops, needed.shape),
    )


def _rest_bytes(stored: Stored, rest: list[Weight]) -> int:
    return stored.rest_bytes if isinstance(stored, FileWeights) else stored.bytes_of(rest)


def exchange_s(
    architecture: Architecture, spread: Parallelism, tokens: FloatArray, link: Link, reading: Reading | None = None
) -> FloatArray:
    """What the GPUs of a stage say to each other in a step, one after the other: nothing hides it.

    GPUs that share attention add up its output in every layer, that with the encoder's output, and that of every dense block.
    Ranks of whole experts get the hidden states of the tokens for their experts and send the results back.

    Args:
        architecture: the model.
        spread: how it is spread.
        tokens: of a step, in a group of GPUs that share attention.
        link: between the GPUs, one way.
        reading: where the step reads a prompt.
    """
    own = np.asarray(tokens, np.float64) * architecture.hidden_size * HIDDEN_BYTES
    stack = passed_stack(architecture, reading)
    sparse, layers = moe_layers(stack), stack.layer_count
    sublayers = sum(layer.count * layer.sublayers for layer in stack.layers)
    shared = sublayers - sparse + (0 if stack.cross_attention is None else layers)
    found = shared * all_reduce_s(own, spread.tensor, link)
    if spread.expert > 1:
        moe, hidden = architecture.moe, architecture.hidden_size
        dispatched = own * min(moe.top_k, spread.expert) / spread.tensor * (moe.expert_width(hidden) / hidden)
        return found + sparse * 2 * all_to_all_s(dispatched, spread.expert, link)
    return found + sparse * all_reduce_s(own, spread.expert_tensor, link)
