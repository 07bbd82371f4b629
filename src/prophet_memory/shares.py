"""The share of a GPU's memory that an engine takes, where its own settings decide it (SGLang's `mem_fraction_static`)."""

from __future__ import annotations

from dataclasses import dataclass

from prophet_memory.architecture import Architecture
from prophet_memory.fields import Bytes, Described, Size
from prophet_memory.mixers import LatentAttention
from prophet_memory.parallelism import Parallelism

Sizes = tuple[Size, Size, Size]  # first, last, step


@dataclass(frozen=True, slots=True)
class DecodeGraphs(Described):
    """Sequences of the largest CUDA graph of a decode step on GPUs of at least some memory."""

    sequences: Size
    wide_sequences: Size  # where many GPUs share a layer
    memory_bytes: Bytes = 0  # of the GPU, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticShare(Described):
    """What is left of a GPU once a reserve for steps and CUDA graphs is taken off, as a rounded fraction."""

    fixed_bytes: Bytes
    step_token_bytes: Bytes  # a token of the largest step
    least_step_tokens: Size  # that are counted
    gpu_bytes: Bytes  # a GPU that serves the model
    decode_graphs: tuple[DecodeGraphs, ...]  # the first that a GPU meets counts
    decode_sequence_bytes: Bytes  # a sequence of the largest decode graph
    wide_tensor: Size  # GPUs that share a layer, from which graphs are the wide ones
    prefill_sizes: tuple[Sizes, ...]  # ranges of tokens that a prefill graph is captured for
    prefill_size_bytes: Bytes  # each of them
    prefill_latent_bytes: Bytes  # all of them, with latent attention
    large_memory_bytes: Bytes  # above it at least so much is set aside:
    large_reserve_bytes: Bytes
    decimals: Size

    def fraction(self, memory_bytes: int, step_tokens: int, layout: Parallelism, architecture: Architecture) -> float:
        """The fraction of what is free before the weights are loaded; the rest stays for steps and graphs.

        Args:
            memory_bytes: of the GPU.
            step_tokens: of the largest step.
            layout: how the model is spread.
            architecture: latent attention has graphs of its own.
        """
        reserve = self.fixed_bytes + self.step_token_bytes * max(step_tokens, self.least_step_tokens)
        reserve += self.gpu_bytes * layout.tensor * layout.pipeline
        reserve += self._graph_bytes(memory_bytes, step_tokens, layout, architecture)
        if memory_bytes > self.large_memory_bytes:
            reserve = max(reserve, self.large_reserve_bytes)
        return round(max(memory_bytes - reserve, 0) / memory_bytes, self.decimals)

    def _graph_bytes(self, memory_bytes: int, step_tokens: int, layout: Parallelism, architecture: Architecture) -> int:
        decode = next(size for size in self.decode_graphs if memory_bytes >= size.memory_bytes)
        wide = layout.tensor >= self.wide_tensor
        found = self.decode_sequence_bytes * (decode.wide_sequences if wide else decode.sequences)
        if layout.pipeline > 1:  # no graphs of prefills between stages
            return found
        if any(isinstance(layer.mixer, LatentAttention) for layer in architecture.decoder.layers):
            return found + self.prefill_latent_bytes
        sizes = [size for first, last, step in self.prefill_sizes for size in range(first, last + 1, step)]
        return found + self.prefill_size_bytes * sum(size <= step_tokens for size in sizes)
