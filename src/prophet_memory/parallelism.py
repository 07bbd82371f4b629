"""How a model is spread over GPUs: tensor and data parallel attention, expert parallel routed experts (DESIGN "Several GPUs").

`tensor` GPUs share each attention and dense layer, and `data` such groups serve different sequences. All of them together hold
the routed experts once: `expert` ranks hold whole experts, and the `expert_tensor` GPUs of a rank cut each expert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import (
    Architecture,
    Attention,
    GatedDeltaNet,
    LatentAttention,
    LightningAttention,
    Mamba,
    Mixer,
    ModelError,
)


class ParallelismError(ModelError):
    """A layout that the model cannot have: the key is n_gpus, tp or ep."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """GPUs by the work that they share."""

    tensor: int = 1
    data: int = 1
    expert: int = 1

    @property
    def n_gpus(self) -> int:
        """All GPUs."""
        return self.tensor * self.data

    @property
    def expert_tensor(self) -> int:
        """GPUs that share each routed expert."""
        return self.n_gpus // self.expert

    def sequences(self, batch_sizes: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Sequences on the fullest group of attention, for each batch size."""
        return -(-np.asarray(batch_sizes, np.int64) // self.data)


ALONE = Parallelism()


def _divides(mixer: Mixer) -> Callable[[int], bool]:
    """Whether a number of GPUs can share a mixer: whole heads on each, key-value heads divided or replicated evenly."""
    match mixer:
        case Attention():
            heads, kv = mixer.query_heads, mixer.kv_heads
            return lambda gpus: heads % gpus == 0 and (kv % gpus == 0 or gpus % kv == 0)
        case LatentAttention():
            return lambda gpus: mixer.query_heads % gpus == 0
        case Mamba():
            return lambda gpus: mixer.inner_size % gpus == 0
        case GatedDeltaNet():
            return lambda gpus: mixer.key_heads % gpus == 0 and mixer.value_heads % gpus == 0
        case LightningAttention():
            return lambda gpus: mixer.heads % gpus == 0


def _mixers(architecture: Architecture) -> Iterator[Mixer]:
    for stack in architecture.stacks:
        yield from (layer.mixer for layer in stack.layers)
        if stack.cross_attention is not None:
            yield stack.cross_attention


def tensor_parallel_sizes(architecture: Architecture, most: int | None = None) -> tuple[int, ...]:
    """Every number of GPUs, up to `most`, that can share each mixer of the model, ascending."""
    tests = [_divides(mixer) for mixer in set(_mixers(architecture))]
    last = most_heads(architecture) if most is None else min(most, most_heads(architecture))
    return tuple(gpus for gpus in range(1, last + 1) if all(test(gpus) for test in tests))


def most_heads(architecture: Architecture) -> int:
    """Heads of the widest attention: more GPUs cannot share it. Without attention, the hidden size."""
    heads = [mixer.query_heads for mixer in _mixers(architecture) if isinstance(mixer, Attention | LatentAttention)]
    heads += [mixer.heads for mixer in _mixers(architecture) if isinstance(mixer, LightningAttention)]
    return max(heads, default=architecture.hidden_size)


def max_gpus(architecture: Architecture) -> int:
    """GPUs that the model can use: one for each head or for each routed expert, whichever are more."""
    return max(most_heads(architecture), architecture.moe.routed_experts)


def parallelism(architecture: Architecture, n_gpus: int, tensor: int | None = None, expert: int | None = None) -> Parallelism:
    """A layout for a number of GPUs.

    Args:
        architecture: the model.
        n_gpus: how many there are.
        tensor: GPUs that share attention; by default as many as the heads allow. The others are data parallel.
        expert: ranks of whole experts; by default one for each GPU as far as there are experts.

    Raises:
        ParallelismError: for a number that the model's heads or experts, or the GPUs, do not allow.
    """
    most = max_gpus(architecture)
    if not 1 <= n_gpus <= most:
        raise ParallelismError("n_gpus", n_gpus, f"1 to {most}, one GPU for each head or routed expert of the model")
    divisors = [size for size in range(1, n_gpus + 1) if n_gpus % size == 0]
    tensors = [size for size in tensor_parallel_sizes(architecture, n_gpus) if size in divisors]
    experts = [size for size in divisors if size <= architecture.moe.routed_experts]
    for key, value, allowed in (("tp", tensor, tensors), ("ep", expert, experts)):
        if value is not None and value not in allowed:
            reason = {"tp": "the model's heads", "ep": f"{architecture.moe.routed_experts} routed experts"}[key]
            raise ParallelismError(key, value, f"{', '.join(map(str, allowed))} (for {n_gpus} GPUs and {reason})")
    tensor = tensor or tensors[-1]
    return Parallelism(tensor=tensor, data=n_gpus // tensor, expert=expert or experts[-1])
