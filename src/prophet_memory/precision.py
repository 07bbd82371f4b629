"""Bytes of weights and caches by format, scales and zero points included (docs/memory-model.md).

A precision is named by the grammar that config and command line share: a format for all weights (`bf16`), a format for the
routed experts alone over a bf16 rest (`int8_experts`), or `native`, what the model's published checkpoint has. Two formats
(`int4/fp8`: routed experts, rest) are for the command line alone. Under a
quantised format norms, biases, convolutions, routers, embeddings and the LM head stay at 16 bit, as published checkpoints
leave them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from prophet_memory.architecture import Architecture
from prophet_memory.errors import ModelError
from prophet_memory.formats import DEFAULT_FORMAT, EXPERTS_SUFFIX, FORMATS, NATIVE, PRECISIONS, Format, bytes_of_bits
from prophet_memory.tensors import Weight
from prophet_memory.weights import expert_weights, model_weights


@dataclass(frozen=True, slots=True)
class Precision:
    """Formats of the routed experts' weights and of everything else."""

    routed_expert: Format
    rest: Format

    def bytes_of(self, weights: Iterable[Weight]) -> int:
        """Bytes of some weights."""
        return sum(weight_bytes(w, self.routed_expert if w.component == "routed_expert" else self.rest) for w in weights)


@dataclass(frozen=True, slots=True)
class FileWeights:
    """The weights of a file whose tensors have formats of their own, as one GPU holds them; `name` is what results call it."""

    name: str
    rest_bytes: int
    all_experts_bytes: int  # the routed experts of all layers

    def check_whole(self, gpus: int) -> None:
        """Raise a ModelError unless one GPU holds it: how an engine cuts such tensors is not known here."""
        if gpus != 1:
            raise ModelError("n_gpus", gpus, "1: how an engine cuts the tensors of a GGUF file is not known here")


Stored = Precision | FileWeights


def weight_bytes(weight: Weight, stored: Format) -> int:
    """Bytes of a weight, all copies."""
    if weight.linear:
        return weight.copies * stored.matrix_bytes(weight.rows, weight.columns)
    return weight.copies * weight.rows * bytes_of_bits(weight.columns * stored.other_bits)


@cache
def precision(name: str, published: str = DEFAULT_FORMAT) -> Precision:
    """A precision by its name.

    Args:
        name: one of PRECISIONS, or `routed experts/rest` as two formats, for example `int4/fp8`.
        published: the name of the precision of the model's published checkpoint, which `native` stands for.

    Raises:
        ModelError: for a name that the grammar does not have.
    """
    if name == NATIVE:
        return precision(published)
    routed_expert, cut, rest = name.partition("/")
    if not cut and name.endswith(EXPERTS_SUFFIX):
        routed_expert, rest = name.removesuffix(EXPERTS_SUFFIX), DEFAULT_FORMAT
    elif not cut:
        rest = name
    if routed_expert not in FORMATS or rest not in FORMATS:
        raise ModelError("precision", name, f"{', '.join(PRECISIONS)}, or two formats as in int4/fp8")
    return Precision(FORMATS[routed_expert], FORMATS[rest])


def routed_expert_bytes(architecture: Architecture, stored: Stored, *, expert_tensor: int = 1) -> int:
    """Bytes of one routed expert of one layer on each of `expert_tensor` GPUs that share it; of a file the layers' mean."""
    if isinstance(stored, FileWeights):
        stored.check_whole(expert_tensor)
        experts = architecture.moe_layer_count * architecture.moe.routed_experts
        return stored.all_experts_bytes // experts if experts else 0
    weights = expert_weights(architecture.moe, architecture.hidden_size)
    return stored.bytes_of(weight.shard(expert_tensor) for weight in weights)


def non_expert_bytes(
    architecture: Architecture, stored: Stored, *, tensor: int = 1, apart: Mapping[str, int] | None = None
) -> int:
    """Bytes of everything but the routed experts on each of `tensor` GPUs; some components may be shared by others."""
    own = apart or {}
    if isinstance(stored, FileWeights):
        stored.check_whole(tensor)
        return stored.rest_bytes
    rest = [weight for weight in model_weights(architecture) if weight.component != "routed_expert"]
    return stored.bytes_of(weight.shard(own.get(weight.component, tensor)) for weight in rest)
