"""The compute buffer of the llama.cpp family: the largest moment of the graph that is reserved for a full micro-batch.

Read in ggml-org/llama.cpp src/llama-context.cpp (`sched_reserve`), src/llama-graph.cpp and ggml/src/ggml-alloc.c, which says what
operations reuse a parent's place; every value is fp32 but masks. docs/engines.md has the moments and the logs that they were held
against.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.architecture import Architecture, Dense, FeedForward, MoE, NoFeedForward
from prophet_memory.fields import Count
from prophet_memory.integers import exact_array
from prophet_memory.mixers import Attention
from prophet_memory.peaks.peak import PLAIN, Buffer, Moment, Peak, Setting, Step

FP32, FP16 = 4, 2
STREAM = 2  # rows: the residual, and what attention or the block makes of it


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaCpp(Peak):
    """Moments: the logits of every token of the step, scores without flash attention, and the widest feed-forward block."""

    freed_rows: Count  # hidden states below the logits that are free but too small for them: 0, in ik_llama.cpp 1
    kind: Literal["llama_cpp"] = field(default="llama_cpp", kw_only=True)

    def unread(self, architecture: Architecture, setting: Setting = PLAIN) -> tuple[str, ...]:
        """Layers other than plain attention, and experts beside others."""
        del setting
        layers = architecture.decoder.layers
        mixers = {layer.mixer.kind for layer in layers if not isinstance(layer.mixer, Attention)}
        windows = any(isinstance(layer.mixer, Attention) and layer.mixer.window_tokens for layer in layers)
        blocks = [layer.feed_forward for layer in layers]
        beside = any(isinstance(b, MoE) and (b.shared_intermediate_size or b.parallel_dense_intermediate_size) for b in blocks)
        return (*sorted(mixers), *(["windows"] if windows else []), *(["shared experts"] if beside else []))

    def moments(self, architecture: Architecture, step: Step, setting: Setting = PLAIN) -> tuple[Moment, ...]:
        """Those of a decoder whose output stands on the GPU."""
        tokens, hidden = exact_array(step.tokens), architecture.hidden_size
        layers = architecture.decoder.layers
        attention = [layer.mixer for layer in layers if isinstance(layer.mixer, Attention)]
        query = max((mixer.query_heads * mixer.head_dim for mixer in attention), default=0)
        cells = tokens * (setting.context_tokens or 0)
        found = [
            Moment(
                "logits",
                (
                    Buffer("logits", tokens * architecture.vocabulary_size * FP32),
                    Buffer("last hidden states", tokens * hidden * (1 + self.freed_rows) * FP32),
                ),
            )
        ]
        if setting.flash_attention:
            stream = Buffer("residual, attention's output and queries", tokens * (STREAM * hidden + query) * FP32)
            wide = max((_block_values(layer.feed_forward, hidden) for layer in layers), default=0)
            block = Buffer("gate, up and activated", tokens * wide * FP32)
            found.append(Moment("feed-forward", (stream, block, Buffer("mask", cells * FP16))))
        else:
            heads = max((mixer.query_heads for mixer in attention), default=0)
            rows = Buffer("residual, queries and outputs", tokens * STREAM * (hidden + query) * FP32)
            scores = (Buffer("scores", cells * heads * FP32), Buffer("mask", cells * FP32))
            found.append(Moment("attention", (rows, *scores)))
        return tuple(found)


def _block_values(block: FeedForward, hidden: int) -> int:
    """Values of a token in the feed-forward block: nothing of gate and up is reused for the activated."""
    if isinstance(block, NoFeedForward):
        return 0
    projections = 3 if block.gated else 2
    if isinstance(block, Dense):
        return projections * block.intermediate_size
    width = block.top_k * block.expert_intermediate_size
    returned = block.top_k * hidden
    return projections * width + (returned if returned > (projections - 1) * width else 0)
