"""How a model is spread over GPUs: tensor and data parallel attention, expert parallel routed experts (docs/memory-model.md).

`tensor` GPUs share each attention and dense layer, and `data` such groups serve different sequences. All of them together hold
the routed experts once: `expert` ranks hold whole experts, and the `expert_tensor` GPUs of a rank cut each expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture
from prophet_memory.errors import ModelError
from prophet_memory.mixers import Attention, LatentAttention, Mixer


class ParallelismError(ModelError):
    """A layout that the model cannot have: the key is n_gpus, tp, ep, pp or dcp."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """GPUs by the work that they share."""

    tensor: int = 1
    data: int = 1
    expert: int = 1
    pipeline: int = 1  # stages of layers, each on GPUs of its own
    context: int = 1  # of the GPUs that share attention, those that each cache a part of every sequence's tokens

    @property
    def n_gpus(self) -> int:
        """All GPUs."""
        return self.tensor * self.data * self.pipeline

    @property
    def expert_tensor(self) -> int:
        """GPUs that share each routed expert."""
        return self.tensor * self.data // self.expert

    def sequences(self, batch_sizes: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Sequences on the fullest group of attention, for each batch size."""
        return -(-np.asarray(batch_sizes, np.int64) // self.data)


ALONE = Parallelism()


def _mixers(architecture: Architecture) -> Iterator[Mixer]:
    for stack in architecture.stacks:
        yield from (layer.mixer for layer in stack.layers)
        if stack.cross_attention is not None:
            yield stack.cross_attention


def tensor_parallel_sizes(architecture: Architecture, most: int | None = None) -> tuple[int, ...]:
    """Every number of GPUs, up to `most`, that can share each mixer of the model, ascending."""
    mixers = set(_mixers(architecture))
    last = most_heads(architecture) if most is None else min(most, most_heads(architecture))
    return tuple(gpus for gpus in range(1, last + 1) if all(mixer.divides_among(gpus) for mixer in mixers))


def most_heads(architecture: Architecture) -> int:
    """Heads of the widest attention: more GPUs cannot share it. Without attention, the hidden size."""
    return max(
        (mixer.head_count for mixer in _mixers(architecture) if mixer.head_count is not None), default=architecture.hidden_size
    )


def max_gpus(architecture: Architecture) -> int:
    """GPUs that the model can use: one for each head or for each routed expert, whichever are more."""
    return max(most_heads(architecture), architecture.moe.routed_experts)


def known_layout(
    architecture: Architecture, n_gpus: int, layout: Parallelism | None, *, cut_experts: bool = False
) -> Parallelism:
    """A layout that is given, once it is known to be one of the model's; without one, the default. Raises as `parallelism`."""
    if layout is None:
        return parallelism(architecture, n_gpus, cut_experts=cut_experts)
    if layout.n_gpus != n_gpus:
        raise ParallelismError("n_gpus", n_gpus, f"{layout.n_gpus}, as the layout has them")
    found = parallelism(architecture, n_gpus, layout.tensor, layout.expert, pipeline=layout.pipeline)
    return with_context(architecture, found, layout.context)


def layouts(
    architecture: Architecture,
    n_gpus: int,
    *,
    tensor: int | None = None,
    expert: int | None = None,
    pipeline: int | None = None,
    context: int | None = None,
    cut_experts: bool = False,
) -> list[Parallelism]:
    """The layouts of so many GPUs that differ in what they hold, the default first.

    Every number of stages and of GPUs that share attention; the GPUs of a stage cut each expert, or as few as can be do; and the
    tokens of a cache are shared by as many GPUs as would copy them, or by none.

    Args:
        architecture: the model.
        n_gpus: how many there are.
        tensor: as in `parallelism`; a number that is given is the only one.
        expert: likewise.
        pipeline: likewise.
        context: as in `with_context`, likewise.
        cut_experts: as in `parallelism`.

    Raises:
        ParallelismError: where there is none.
    """
    default = parallelism(architecture, n_gpus, tensor, expert, pipeline=pipeline, cut_experts=cut_experts)
    found = [with_context(architecture, default, context or 1)]
    most_stages = 1 if architecture.encoder is not None else min(n_gpus, architecture.layer_count)
    for stages in [pipeline] if pipeline else [size for size in range(1, most_stages + 1) if n_gpus % size == 0]:
        each = n_gpus // stages
        tensors = [tensor] if tensor else [size for size in tensor_parallel_sizes(architecture, each) if each % size == 0]
        for size in reversed(tensors):
            for cut in (True, False) if expert is None else (cut_experts,):
                with suppress(ParallelismError):  # numbers that are given do not suit each other
                    own = parallelism(architecture, n_gpus, size, expert, pipeline=stages, cut_experts=cut)
                    shares = [context] if context else {1, max(context_sizes(architecture, own))}
                    found += [with_context(architecture, own, share) for share in sorted(shares)]
    return list(dict.fromkeys(found))


def context_sizes(architecture: Architecture, layout: Parallelism) -> list[int]:
    """How many GPUs can share the tokens of each sequence instead of caching the same (decode context parallelism), ascending.

    vLLM's rule: heads that are copied because there are fewer than GPUs, whose queries divide, too, or MLA's latents; no windows,
    no recurrent state. Of latents that an indexer chooses among, its rule was not read.
    """
    mixers = list(_mixers(architecture))
    whole = all(isinstance(mixer, Attention | LatentAttention) and mixer.window_tokens is None for mixer in mixers)
    whole = whole and not any(isinstance(mixer, LatentAttention) and mixer.chosen_tokens for mixer in mixers)
    heads = max((mixer.kv_heads for mixer in mixers if isinstance(mixer, Attention)), default=1)
    copies = layout.tensor // heads if whole and architecture.decoder.cross_attention is None else 1
    queries = [mixer.query_heads // mixer.kv_heads for mixer in mixers if isinstance(mixer, Attention)]  # of each head of keys
    sizes = [size for size in range(1, copies + 1) if layout.tensor % size == 0 and all(number % size == 0 for number in queries)]
    return sizes or [1]


def with_context(architecture: Architecture, layout: Parallelism, context: int) -> Parallelism:
    """A layout in which so many GPUs share the tokens of each sequence.

    Raises:
        ParallelismError: for a number that is none of `context_sizes`.
    """
    sizes = context_sizes(architecture, layout)
    if context not in sizes:
        allowed = ", ".join(map(str, sizes))
        why = f"copies of the cache that can be shared among {layout.tensor} GPUs"
        if any(isinstance(mixer, LatentAttention) and mixer.chosen_tokens for mixer in _mixers(architecture)):
            why = "how engines share the tokens of a cache with an indexer was not read"
        raise ParallelismError("dcp", context, f"{allowed} ({why})")
    return replace(layout, context=context)


def parallelism(
    architecture: Architecture,
    n_gpus: int,
    tensor: int | None = None,
    expert: int | None = None,
    *,
    pipeline: int | None = None,
    cut_experts: bool = False,
) -> Parallelism:
    """A layout for a number of GPUs.

    Args:
        architecture: the model.
        n_gpus: how many there are.
        tensor: GPUs that share attention; by default as many as the heads allow. The others are data parallel.
        expert: ranks of whole experts; by default one for each GPU as far as there are experts, 1 in a dense model.
        pipeline: stages of layers; the others share each stage. By default one; as many as it takes where no layout is given
            and the heads are too few for all GPUs to share attention: stages hold no weight twice, and each a part of the cache.
        cut_experts: whether by default no rank holds whole experts, but all cut each.

    Raises:
        ParallelismError: for a number that the model's heads or experts, or the GPUs, do not allow.
    """
    if pipeline is None:
        return _default(architecture, n_gpus, tensor, expert, cut_experts=cut_experts)
    most = max_gpus(architecture)
    if not 1 <= n_gpus <= most * pipeline:
        few = f"1 to {most * pipeline}, one GPU for each head or routed expert of the model"
        more = ", or more in stages that each have as many" if pipeline == 1 and architecture.encoder is None else ""
        raise ParallelismError("n_gpus", n_gpus, few + more)
    if pipeline < 1 or n_gpus % pipeline:
        raise ParallelismError("pp", pipeline, f"a divisor of {n_gpus} GPUs")
    n_gpus //= pipeline
    divisors = [size for size in range(1, n_gpus + 1) if n_gpus % size == 0]
    tensors = [size for size in tensor_parallel_sizes(architecture, n_gpus) if size in divisors]
    experts = [size for size in divisors if size <= max(1, architecture.moe.routed_experts)]
    for key, value, allowed in (("tp", tensor, tensors), ("ep", expert, experts)):
        if value is not None and value not in allowed:
            reason = {"tp": "the model's heads", "ep": f"{architecture.moe.routed_experts} routed experts"}[key]
            gpus = f"{n_gpus} GPU{'s' if n_gpus > 1 else ''}{f' of each of {pipeline} stages' if pipeline > 1 else ''}"
            raise ParallelismError(key, value, f"{', '.join(map(str, allowed))} (for {gpus} and {reason})")
    tensor = tensor or tensors[-1]
    expert = expert or experts[0 if cut_experts else -1]
    return Parallelism(tensor=tensor, data=n_gpus // tensor, expert=expert, pipeline=pipeline)


def _default(
    architecture: Architecture, n_gpus: int, tensor: int | None, expert: int | None, *, cut_experts: bool
) -> Parallelism:
    """Without stages, or with them where the heads run out."""
    if n_gpus >= 1 and tensor is None and expert is None and architecture.encoder is None:
        widest = max(size for size in tensor_parallel_sizes(architecture, n_gpus) if n_gpus % size == 0)
        if 1 < (stages := n_gpus // widest) <= architecture.layer_count:
            return parallelism(architecture, n_gpus, widest, pipeline=stages, cut_experts=cut_experts)
    return parallelism(architecture, n_gpus, tensor, expert, pipeline=1, cut_experts=cut_experts)
