"""Peak activation memory of one engine step (DESIGN "GPU memory": an explicit peak, no percentage of parameters).

The step is the largest that the engine runs: a prefill chunk of `step_tokens`. The residual stream and its normalised copy live
through the whole step; the buffers of the phases inside (mixer, feed-forward, logits) are reused, so the largest of them counts.
Attention is taken as fused (no score matrix) and scans as chunked in registers, as serving engines run them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
)

IntArray = npt.NDArray[np.int64]

LOGIT_BYTES = 4  # engines sample from fp32 logits


def mixer_values_per_token(mixer: Mixer) -> int:
    """Values alive at once in a mixer, per token: what its projections yield and what it hands to the output projection."""
    match mixer:
        case Attention():
            query = mixer.query_heads * mixer.head_dim
            return query * (3 if mixer.output_gate else 2) + 2 * mixer.kv_heads * mixer.head_dim
        case LatentAttention():
            heads = mixer.query_heads
            latents = (mixer.q_lora_rank or 0) + mixer.kv_lora_rank + mixer.qk_rope_head_dim
            queries_and_keys = 2 * heads * (mixer.qk_nope_head_dim + mixer.qk_rope_head_dim)
            return latents + queries_and_keys + 2 * heads * mixer.v_head_dim  # values, and the output
        case Mamba():  # x and its gate, x after the convolution, dt, B and C, the output
            return 5 * mixer.inner_size + mixer.dt_rank + 2 * mixer.state_size
        case GatedDeltaNet():  # queries, keys and values before and after the convolution, the gate, the output
            return 2 * mixer.conv_size + 2 * mixer.value_size + 2 * mixer.value_heads
        case LightningAttention():  # queries, keys and values, the gate, the output
            return 5 * mixer.heads * mixer.head_dim


def feed_forward_values_per_token(block: FeedForward, hidden_size: int) -> int:
    """Values alive at once in a feed-forward block, per token.

    A routed token is copied to each of its k experts and comes back from each: k (2 hidden + up and gate), with the
    shared or parallel dense block beside them.
    """
    projections = 2 if block.gated else 1
    if isinstance(block, Dense):
        return projections * block.intermediate_size + hidden_size
    routed = block.top_k * (2 * hidden_size + projections * block.expert_intermediate_size)
    beside = block.shared_intermediate_size + block.parallel_dense_intermediate_size
    return routed + block.routed_experts + (projections * beside + hidden_size if beside else 0)


def activation_bytes(
    architecture: Architecture, *, batch_sizes: npt.ArrayLike, max_step_tokens: int, value_bytes: int
) -> IntArray:
    """Peak activation bytes of the largest step at each batch size.

    Args:
        architecture: the model.
        batch_sizes: sequences in the batch, any shape; each sequence needs one row of logits.
        max_step_tokens: tokens of the largest prefill chunk; a decode step of a larger batch is larger still.
        value_bytes: bytes of an activation.

    Returns:
        int64 array of that shape.
    """
    batch = np.asarray(batch_sizes, np.int64)
    step_tokens = np.maximum(max_step_tokens, batch)
    hidden = architecture.hidden_size
    per_token = max(
        max(mixer_values_per_token(layer.mixer), feed_forward_values_per_token(layer.feed_forward, hidden))
        for stack in architecture.stacks
        for layer in stack.layers
    )
    logits = batch * architecture.vocabulary_size * (LOGIT_BYTES + value_bytes)
    peak: IntArray = step_tokens * 2 * hidden * value_bytes + np.maximum(step_tokens * per_token * value_bytes, logits)
    return peak
