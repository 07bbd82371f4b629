"""What a decode step reads and computes on the fullest GPU: what `latency` divides by bandwidths and peaks (docs/latency.md).

A step reads the weights that its tokens pass, each once, and the cache of every sequence. Of an embedding that is no head it
reads a row a token, which is nothing beside the rest. Operations are those of the weights, two a parameter and token, and of
attention with the cache; what recurrent mixers do to their state is left out, so the bound stays one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS
from prophet_memory.grid import Model
from prophet_memory.integers import IntArray
from prophet_memory.kv_cache import bytes_per_sequence
from prophet_memory.latency import Link, all_reduce_s, all_to_all_s
from prophet_memory.memory import Assumptions, expert_bytes, growth_of
from prophet_memory.parallelism import Parallelism
from prophet_memory.precision import FileWeights, Stored
from prophet_memory.tensors import Weight
from prophet_memory.weights import expert_weights, model_weights

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


def passed_weights(architecture: Architecture) -> list[Weight]:
    """What every token passes: all weights but routed experts, and without an embedding that is no head."""
    own = [weight for weight in model_weights(architecture) if weight.component != "routed_expert"]
    return own if architecture.tied_embeddings else [weight for weight in own if weight.component != "embedding"]


def attention_products(architecture: Architecture, assumptions: Assumptions, context_tokens: int, tensor: int) -> float:
    """Multiplications of a new token with the cache of its sequence, on the fullest GPU, in all layers.

    GPUs that share a sequence's tokens also share them: each takes a part of the tokens for the others' heads, too.
    """
    tokens, decoder = assumptions.tokens_per_sequence, architecture.decoder
    found = 0.0
    for layer in decoder.layers:
        seen = min(context_tokens, layer.mixer.window_tokens or context_tokens)
        found += layer.count * layer.mixer.products_per_pair(tokens=tokens, tensor=tensor) * seen
    if decoder.cross_attention is not None:
        each = decoder.cross_attention.products_per_pair(tokens=tokens, tensor=tensor)
        found += decoder.layer_count * each * assumptions.encoder_source_tokens
    return found


def decode_work(
    model: Model,
    spread: Parallelism,
    stored: Stored,
    assumptions: Assumptions,
    batch_sizes: IntArray,
    context_tokens: int,
    needed: FloatArray,
    logits_per_sequence: int | None = None,
) -> Work:
    """The work of a decode step of each batch size on the fullest GPU.

    Args:
        model: a name and an architecture.
        spread: how it is spread.
        stored: formats of its weights, or a file's.
        assumptions: formats of the cache, and how many tokens of each sequence a step decodes.
        batch_sizes: sequences decoded together.
        context_tokens: that each has.
        needed: distinct experts of an MoE layer on the fullest rank; its first axis is that of the batch sizes.
        logits_per_sequence: tokens that the head sees; default: all of a step. Of a prompt it sees the last.

    Returns:
        arrays of the shape of `needed`.
    """
    architecture, moe = model.architecture, model.architecture.moe
    along = (-1, *[1] * (needed.ndim - 1))
    tokens = np.asarray(batch_sizes, np.float64).reshape(along) * assumptions.tokens_per_sequence
    sequences = np.asarray(spread.sequences(batch_sizes), np.float64).reshape(along)
    rest = [weight.shard(spread.tensor) for weight in passed_weights(architecture)]
    seen = assumptions.tokens_per_sequence if logits_per_sequence is None else logits_per_sequence
    head = sum(weight.parameters for weight in rest if weight.component in HEADS)
    body = sum(weight.parameters for weight in rest) - head
    attended = attention_products(architecture, assumptions, context_tokens, spread.tensor)
    flops = ((body + attended) * assumptions.tokens_per_sequence + head * seen) * sequences
    each = 0
    expert_flops = np.zeros_like(flops)
    if not architecture.is_dense:
        each = expert_bytes(architecture, stored, spread, assumptions.engine) * architecture.moe_layer_count
        parameters = sum(weight.parameters for weight in expert_weights(moe, architecture.hidden_size))
        shared_by = spread.expert * spread.expert_tensor
        expert_flops = tokens * moe.top_k * architecture.moe_layer_count * parameters / shared_by
    context = np.asarray([-(-context_tokens // spread.context)], np.int64)
    cache = sequences * int(bytes_per_sequence(growth_of(model, spread, assumptions), context)[0])
    return Work(
        rest_bytes=np.broadcast_to(np.float64(_rest_bytes(stored, rest)), needed.shape),
        expert_bytes=needed * each,
        cache_bytes=np.broadcast_to(cache, needed.shape),
        flops=np.broadcast_to(FLOPS_PER_PRODUCT * flops, needed.shape),
        expert_flops=np.broadcast_to(FLOPS_PER_PRODUCT * expert_flops, needed.shape),
    )


def _rest_bytes(stored: Stored, rest: list[Weight]) -> int:
    return stored.rest_bytes if isinstance(stored, FileWeights) else stored.bytes_of(rest)


def exchange_s(architecture: Architecture, spread: Parallelism, tokens: FloatArray, link: Link) -> FloatArray:
    """What the GPUs of a stage say to each other in a step, one after the other: nothing hides it.

    GPUs that share attention add up its output in every layer, and that of every dense block. Ranks of whole experts get the
    hidden states of the tokens for their experts and send the results back.

    Args:
        architecture: the model.
        spread: how it is spread.
        tokens: of a step, in a group of GPUs that share attention.
        link: between the GPUs, one way.
    """
    own = np.asarray(tokens, np.float64) * architecture.hidden_size * HIDDEN_BYTES
    moe_layers = architecture.moe_layer_count
    found = (2 * architecture.layer_count - moe_layers) * all_reduce_s(own, spread.tensor, link)
    if spread.expert > 1:
        dispatched = own * min(architecture.moe.top_k, spread.expert) / spread.tensor
        return found + moe_layers * 2 * all_to_all_s(dispatched, spread.expert, link)
    return found + moe_layers * all_reduce_s(own, spread.expert_tensor, link)
