"""What a decode step reads and computes on the fullest GPU: what `latency` divides by bandwidths and peaks (docs/latency.md).

A step reads the weights that its tokens pass, each once, and the cache of every sequence. Of an embedding that is no head it
reads a row a token, which is nothing beside the rest. Operations are those of the weights, two a parameter and token; attention's
own products with the cache are left out, so the bound stays one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture
from prophet_memory.grid import Model
from prophet_memory.integers import IntArray
from prophet_memory.kv_cache import bytes_per_sequence
from prophet_memory.memory import Assumptions, expert_bytes, growth_of
from prophet_memory.parallelism import Parallelism
from prophet_memory.precision import Precision
from prophet_memory.routing import RoutingLaw
from prophet_memory.tensors import Weight
from prophet_memory.weights import expert_weights, model_weights

FloatArray = npt.NDArray[np.float64]
FLOPS_PER_PARAMETER = 2  # a product and a sum


@dataclass(frozen=True, slots=True)
class Work:
    """Bytes and operations of a step, each an array of the shape of the batch sizes."""

    rest_bytes: FloatArray  # of every weight that is no routed expert
    expert_bytes: FloatArray  # of the routed experts that the step activates, all layers
    cache_bytes: FloatArray
    flops: FloatArray

    @property
    def read_bytes(self) -> FloatArray:
        """All of them."""
        return self.rest_bytes + self.expert_bytes + self.cache_bytes


def passed_weights(architecture: Architecture) -> list[Weight]:
    """What every token passes: all weights but routed experts, and without an embedding that is no head."""
    own = [weight for weight in model_weights(architecture) if weight.component != "routed_expert"]
    return own if architecture.tied_embeddings else [weight for weight in own if weight.component != "embedding"]


def decode_work(
    model: Model,
    spread: Parallelism,
    stored: Precision,
    assumptions: Assumptions,
    law: RoutingLaw,
    batch_sizes: IntArray,
    context_tokens: int,
) -> Work:
    """The work of a decode step of each batch size on the fullest GPU.

    Args:
        model: a name and an architecture.
        spread: how it is spread.
        stored: formats of its weights.
        assumptions: formats of the cache, and how many tokens of each sequence a step decodes.
        law: of the distinct experts.
        batch_sizes: sequences decoded together.
        context_tokens: that each has.

    Raises:
        ModelError: for a law that needs counts that the model does not have.
    """
    architecture, moe = model.architecture, model.architecture.moe
    tokens = np.asarray(batch_sizes, np.int64) * assumptions.tokens_per_sequence
    sequences = spread.sequences(batch_sizes)
    rest = [weight.shard(spread.tensor) for weight in passed_weights(architecture)]
    passed = sum(weight.parameters for weight in rest) * sequences * assumptions.tokens_per_sequence
    experts, routed = np.zeros(tokens.shape), np.zeros(tokens.shape)
    if not architecture.is_dense:
        each = expert_bytes(architecture, stored, spread, assumptions.engine)
        bound, layers = law.bind(moe, model.counts), architecture.moe_layer_count
        experts = bound.on_fullest_rank(tokens, spread.expert) * layers * each
        parameters = sum(weight.parameters for weight in expert_weights(moe, architecture.hidden_size))
        routed = tokens * moe.top_k * layers * parameters / (spread.expert * spread.expert_tensor)
    cache = sequences * bytes_per_sequence(growth_of(model, spread, assumptions), -(-context_tokens // spread.context))
    return Work(
        rest_bytes=np.full(tokens.shape, stored.bytes_of(rest), np.float64),
        expert_bytes=np.asarray(experts, np.float64),
        cache_bytes=np.asarray(cache, np.float64),
        flops=FLOPS_PER_PARAMETER * (np.asarray(passed, np.float64) + routed),
    )
