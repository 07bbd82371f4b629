"""No engine's buffers in particular: what any must hold at once (docs/memory-model.md, "Activations").

The residual stream and its normalised copy live through the whole step; the buffers of the phases inside (mixer, feed-forward,
logits) are reused, so the largest of them counts. Attention is taken as fused (no score matrix) and scans as chunked in
registers, as serving engines run them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from prophet_memory.architecture import Architecture, Dense, FeedForward, NoFeedForward
from prophet_memory.fields import OneOf
from prophet_memory.integers import exact_array
from prophet_memory.mixers.mixer import share
from prophet_memory.parallelism import ALONE, Parallelism
from prophet_memory.peaks.peak import PLAIN, Buffer, Moment, Peak, Setting, Step

LOGIT_BYTES = 4  # engines sample from fp32 logits


@dataclass(frozen=True, slots=True)
class LargestPhase(Peak):
    """The residual stream beside the largest phase; each sequence needs one row of logits."""

    value_bytes: Annotated[int, OneOf((1, 2, 4))]  # of an activation
    kind: Literal["largest_phase"] = field(default="largest_phase", kw_only=True)

    def moments(self, architecture: Architecture, step: Step, setting: Setting = PLAIN) -> tuple[Moment, ...]:
        """One for the widest mixer, one for the widest feed-forward block, one for the logits."""
        layout = setting.layout
        tokens, sequences = exact_array(step.tokens), exact_array(step.sequences)
        hidden, streams = architecture.hidden_size, architecture.residual_streams
        layers = [layer for stack in architecture.stacks for layer in stack.layers]
        stream = Buffer("residual stream and its normalised copy", tokens * (1 + streams) * hidden * self.value_bytes)
        mixer = max(layer.mixer.values_per_token(tensor=layout.tensor) for layer in layers)
        block = max(feed_forward_values_per_token(layer.feed_forward, hidden, layout) for layer in layers)
        logits = sequences * architecture.vocabulary_size * (LOGIT_BYTES + self.value_bytes)
        return (
            Moment("mixer", (stream, Buffer("projections of the widest mixer", tokens * mixer * self.value_bytes))),
            Moment("feed-forward", (stream, Buffer("the widest feed-forward block", tokens * block * self.value_bytes))),
            Moment("logits", (stream, Buffer("logits, 16 bit and fp32", logits))),
        )


def feed_forward_values_per_token(block: FeedForward, hidden_size: int, layout: Parallelism = ALONE) -> int:
    """Values alive at once in a feed-forward block on one GPU, per token of its own group of attention.

    A routed token is copied to each of its k experts and comes back from each: k (2 hidden + up and gate), with the
    shared or parallel dense block beside them; of latents where experts work on those.
    All groups may send all their tokens to the experts of one rank.
    """
    if isinstance(block, NoFeedForward):
        return 0
    projections = 2 if block.gated else 1
    if isinstance(block, Dense):
        return projections * share(block.intermediate_size, layout.tensor) + hidden_size
    copies = layout.data * min(block.top_k, share(block.routed_experts, layout.expert))
    width = block.expert_width(hidden_size)
    routed = copies * (2 * width + projections * share(block.expert_intermediate_size, layout.expert_tensor))
    sizes = (block.shared_intermediate_size, block.parallel_dense_intermediate_size)
    beside = sum(share(size, layout.tensor) for size in sizes)
    choices = block.routed_experts + block.zero_experts
    return routed + choices + block.latent_size + (projections * beside + hidden_size if beside else 0)
