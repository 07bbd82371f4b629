"""The peak of vLLM's V1 engine (read in 0.19.0): its profile run counts what torch has allocated at most (docs/engines.md).

The run goes once through the compiled model with as many tokens as a step may have, then through the sampler with as many
sequences. Compiling falls into it. Every name below is a buffer of the engine's source; `v1/worker/gpu_model_runner.py` runs it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture, FeedForward, MoE, NoFeedForward
from prophet_memory.fields import Bytes, OneOf, Size
from prophet_memory.formats import FORMATS
from prophet_memory.integers import exact_array
from prophet_memory.mixers import Attention, LatentAttention, NoMixer
from prophet_memory.mixers.mixer import share
from prophet_memory.parallelism import Parallelism
from prophet_memory.peaks.peak import PLAIN, Buffer, Moment, Peak, Setting, Step
from prophet_memory.tensors import multiple_of

FP32 = 4
READ_FORMATS = tuple(FORMATS[name] for name in ("bf16", "fp16", "fp8", "mxfp4"))
ExactArray = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmV1(Peak):
    """Moments: compiling the first kernel, the feed-forward block of a layer, the sampler."""

    depends_on_format: ClassVar[bool] = True

    value_bytes: Annotated[int, OneOf((1, 2, 4))]  # of an activation
    matmul_workspace_bytes: Bytes  # of cuBLAS, from the first product on
    autotune_flush_bytes: Bytes  # that the compiler clears the L2 cache with, while it measures a kernel
    top_k_rows: Size  # rows of logits in the buffer of the top-k kernel: at most one for each multiprocessor
    inputs_bytes: Bytes  # of the step's input buffers
    kind: Literal["vllm_v1"] = field(default="vllm_v1", kw_only=True)

    def unread(self, architecture: Architecture, setting: Setting = PLAIN) -> tuple[str, ...]:
        """Layers that are no attention, choices of an indexer, and routed experts on latents or in formats that were not read."""
        layers = [layer.mixer for stack in architecture.stacks for layer in stack.layers if not isinstance(layer.mixer, NoMixer)]
        found = sorted({mixer.kind for mixer in layers if not _attention_width(mixer, 1)})
        found += ["indexer"] if any(isinstance(mixer, LatentAttention) and mixer.chosen_tokens for mixer in layers) else []
        found += ["experts on latents"] if architecture.moe.latent_size else []
        found += ["residual streams"] if architecture.residual_streams > 1 else []
        known = architecture.is_dense or setting.expert_format in READ_FORMATS
        return (*found, *(() if known else (f"experts in {setting.expert_format.label}",)))

    def moments(self, architecture: Architecture, step: Step, setting: Setting = PLAIN) -> tuple[Moment, ...]:
        """Those that the stage runs: the first compiles the embedding, the last samples."""
        kept = self._kept(architecture, step, setting.layout)
        held = (*kept, *self._workspaces(architecture, step, setting))
        found = [Moment("a layer", (*held, *self._layer(architecture, step, setting.layout)))]
        if architecture.holds_embedding:
            found.append(Moment("compiling", (*kept, *self._compiling(architecture, step, setting))))
        if architecture.holds_head:
            found.append(Moment("sampler", (*held, *self._sampler(architecture, step, setting))))
        return tuple(found)

    def _kept(self, architecture: Architecture, step: Step, layout: Parallelism) -> tuple[Buffer, ...]:
        """What stays through the whole run: between pipeline stages, hidden states and residual of the stage before."""
        if architecture.holds_embedding or layout.pipeline == 1:
            return ()
        return (Buffer("hidden states and residual of the stage before", 2 * self._stream(architecture, step)),)

    def _stream(self, architecture: Architecture, step: Step) -> ExactArray:
        stream: ExactArray = exact_array(step.tokens) * architecture.hidden_size * self.value_bytes
        return stream

    def _workspaces(self, architecture: Architecture, step: Step, setting: Setting) -> tuple[Buffer, ...]:
        """Of the fused MoE kernel: allocated once, shared by the layers; the kernels for MXFP4 have none."""
        moe = architecture.moe
        if architecture.is_dense or setting.expert_format == FORMATS["mxfp4"]:
            return ()
        width = share(moe.expert_intermediate_size, setting.layout.expert_tensor)
        copies = exact_array(step.tokens) * moe.top_k * self.value_bytes
        hidden = moe.expert_width(architecture.hidden_size)
        return (
            Buffer("fused MoE: activated or returned copies of each token", copies * max(width, hidden)),
            Buffer("fused MoE: gate and up, or sums, of each copy", copies * max((2 if moe.gated else 1) * width, hidden)),
        )

    def _layer(self, architecture: Architecture, step: Step, layout: Parallelism) -> tuple[Buffer, ...]:
        """The graph behind attention, at the activation function of the feed-forward block that holds most."""
        tokens, stream = exact_array(step.tokens) * self.value_bytes, self._stream(architecture, step)
        layers = [layer for stack in architecture.stacks for layer in stack.layers]
        heads = max((_attention_width(layer.mixer, layout.tensor) for layer in layers), default=0)
        blocks = [self._block(layer.feed_forward, tokens, stream, layout) for layer in layers]
        block = max(blocks, key=lambda buffers: sum(np.max(buffer.size_bytes) for buffer in buffers))
        return (
            Buffer("matrix products' workspace", self.matmul_workspace_bytes),
            Buffer("attention's output", tokens * heads),
            Buffer("residual", stream),
            Buffer("output projection", stream),
            *block,
            Buffer("inputs", self.inputs_bytes),
        )

    def _block(self, block: FeedForward, tokens: ExactArray, stream: ExactArray, layout: Parallelism) -> tuple[Buffer, ...]:
        """Buffers of a feed-forward block; of an MoE beside the kernel's workspaces."""
        if isinstance(block, NoFeedForward):
            return ()
        both = 2 if block.gated else 1
        if isinstance(block, MoE):
            width = share(block.shared_intermediate_size, layout.tensor)
            shared = (Buffer("shared experts: gate, up and activated", tokens * (both + 1) * width),) if width else ()
            return (Buffer("normalised input", stream), Buffer("output of the experts", stream), *shared)
        width = share(block.intermediate_size, layout.tensor)
        return (
            Buffer("gate and up" if block.gated else "up", tokens * both * width),
            Buffer("activated", tokens * width),
            Buffer("compiler's flush of the L2 cache", self.autotune_flush_bytes),
        )

    def _compiling(self, architecture: Architecture, step: Step, setting: Setting) -> tuple[Buffer, ...]:
        """The compiler measures the kernel of embedding and first norm on copies of its arguments."""
        rows = multiple_of(architecture.vocabulary_size, setting.vocabulary_multiple) // setting.layout.tensor
        return (
            Buffer("copy of the embedding", rows * architecture.hidden_size * self.value_bytes),
            Buffer("residual and normalised output", 2 * self._stream(architecture, step)),
        )

    def _sampler(self, architecture: Architecture, step: Step, setting: Setting) -> tuple[Buffer, ...]:
        """Logits are gathered, so nothing of it shrinks with tensor parallelism."""
        sequences, words = exact_array(step.sequences), architecture.vocabulary_size
        padded = multiple_of(words, setting.vocabulary_multiple)
        rows = np.frompyfunc(lambda n: min(1 << (min(n, self.top_k_rows) - 1).bit_length(), self.top_k_rows), 1, 1)(sequences)
        last = sequences * architecture.hidden_size * self.value_bytes
        copied = self.value_bytes != FP32 or padded != words
        return (
            Buffer("matrix products' workspace", self.matmul_workspace_bytes),
            Buffer("hidden states", self._stream(architecture, step)),
            Buffer("hidden states of the last tokens, and random ones", 2 * last),
            Buffer("logits", sequences * padded * self.value_bytes),
            Buffer("logits in fp32", sequences * words * FP32 * copied),
            Buffer("probabilities in fp32", sequences * words * FP32),
            Buffer("exponential noise in fp32", sequences * words * FP32),
            Buffer("rows of the top-k kernel", rows * words * FP32),
            Buffer("inputs", self.inputs_bytes),
        )


def _attention_width(mixer: object, tensor: int) -> int:
    """Values of a mixer's output, per token on each GPU, before the output projection."""
    if isinstance(mixer, Attention):
        return share(mixer.query_heads, tensor) * mixer.value_width
    if isinstance(mixer, LatentAttention):
        return share(mixer.query_heads, tensor) * mixer.v_head_dim
    return 0
