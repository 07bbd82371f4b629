"""Peak activation memory of one engine step (docs/memory-model.md, "Activations"): no percentage of parameters.

The step is the largest that the engine runs: a prefill chunk of `step_tokens`. The residual stream and its normalised copy live
through the whole step; the buffers of the phases inside (mixer, feed-forward, logits) are reused, so the largest of them counts.
Attention is taken as fused (no score matrix) and scans as chunked in registers, as serving engines run them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture, Dense, FeedForward
from prophet_memory.integers import IntArray, exact_array, int64
from prophet_memory.mixers.mixer import share
from prophet_memory.parallelism import ALONE, Parallelism

LOGIT_BYTES = 4  # engines sample from fp32 logits


def feed_forward_values_per_token(block: FeedForward, hidden_size: int, layout: Parallelism = ALONE) -> int:
    """Values alive at once in a feed-forward block on one GPU, per token of its own group of attention.

    A routed token is copied to each of its k experts and comes back from each: k (2 hidden + up and gate), with the
    shared or parallel dense block beside them. All groups may send all their tokens to the experts of one rank.
    """
    projections = 2 if block.gated else 1
    if isinstance(block, Dense):
        return projections * share(block.intermediate_size, layout.tensor) + hidden_size
    copies = layout.data * min(block.top_k, share(block.routed_experts, layout.expert))
    routed = copies * (2 * hidden_size + projections * share(block.expert_intermediate_size, layout.expert_tensor))
    sizes = (block.shared_intermediate_size, block.parallel_dense_intermediate_size)
    beside = sum(share(size, layout.tensor) for size in sizes)
    return routed + block.routed_experts + (projections * beside + hidden_size if beside else 0)


def activation_bytes(
    architecture: Architecture, *, batch_sizes: npt.ArrayLike, max_step_tokens: int, value_bytes: int, layout: Parallelism = ALONE
) -> IntArray:
    """Peak activation bytes of the largest step at each batch size, on the fullest GPU.

    Args:
        architecture: the model.
        batch_sizes: sequences in the batch, any shape; each sequence needs one row of logits.
        max_step_tokens: tokens of the largest prefill chunk; a decode step of a larger batch is larger still.
        value_bytes: bytes of an activation.
        layout: how the model is spread over GPUs; each group of attention runs steps of its own.

    Returns:
        int64 array of that shape.

    Raises:
        ArchitectureError: for more bytes than any machine holds.
    """
    batch = exact_array(layout.sequences(batch_sizes))
    step_tokens = np.maximum(max_step_tokens, batch)
    hidden = architecture.hidden_size
    per_token = max(
        max(
            layer.mixer.values_per_token(tensor=layout.tensor),
            feed_forward_values_per_token(layer.feed_forward, hidden, layout),
        )
        for stack in architecture.stacks
        for layer in stack.layers
    )
    logits = batch * architecture.vocabulary_size * (LOGIT_BYTES + value_bytes)
    peak = step_tokens * 2 * hidden * value_bytes + np.maximum(step_tokens * per_token * value_bytes, logits)
    return int64(peak, "activation_bytes")
