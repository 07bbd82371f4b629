"""Bytes of weights and caches by format, scales and zero points included (docs/memory-model.md).

Under a quantised format norms, biases, convolutions, routers, embeddings and the LM head stay at 16 bit, as published checkpoints
leave them, unless an exception of the precision's name says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from prophet_memory.architecture import Architecture
from prophet_memory.errors import ModelError
from prophet_memory.formats import (
    APART,
    DEFAULT_FORMAT,
    NATIVE,
    WEIGHT_FORMATS,
    Format,
    bytes_of_bits,
    keys_of,
    parsed,
    split_key,
)
from prophet_memory.tensors import Weight
from prophet_memory.weights import expert_weights, model_weights


@dataclass(frozen=True, slots=True)
class Precision:
    """Formats of the routed experts' weights and of everything else, with exceptions by component, part and group of layers."""

    routed_expert: Format
    rest: Format
    exceptions: tuple[tuple[str, Format], ...] = ()

    @property
    def formats(self) -> tuple[Format, ...]:
        """All of them."""
        return (self.routed_expert, self.rest, *(form for _, form in self.exceptions))

    def exception_of(self, component: str, part: str = "", format_group: int = 0) -> Format | None:
        """The exception for a part, else the one for its component, if there is either; what is said of a group first."""
        exceptions = dict(self.exceptions)
        return next((exceptions[key] for key in keys_of(component, part, format_group) if key in exceptions), None)

    def format_of(self, component: str, part: str = "", format_group: int = 0) -> Format:
        """The format of the linear maps that are a part of a component, in layers of a group."""
        if component == "routed_expert":
            return self.routed_expert
        return self.exception_of(component, part, format_group) or self.rest

    def weight_bytes(self, weight: Weight) -> int:
        """Bytes of a weight, all copies; an exception for a table (router, embedding, head) quantises its rows."""
        stored = self.format_of(weight.component, weight.part, weight.format_group)
        is_table = weight.component in APART and weight.columns > 1
        if weight.linear or (is_table and self.exception_of(weight.component, format_group=weight.format_group) is not None):
            return weight.copies * stored.matrix_bytes(weight.rows, weight.columns)
        return weight.copies * weight.rows * bytes_of_bits(weight.columns * stored.other_bits)

    def bytes_of(self, weights: Iterable[Weight]) -> int:
        """Bytes of some weights."""
        return sum(map(self.weight_bytes, weights))


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


@cache
def precision(name: str, published: str = DEFAULT_FORMAT) -> Precision:
    """A precision by its name.

    Args:
        name: as the grammar of `formats` has it.
        published: the name of the precision of the model's published checkpoint, which `native` stands for.

    Raises:
        ModelError: for a name that the grammar does not have.
    """
    if name == NATIVE:
        return precision(published)
    named = parsed(name)
    exceptions = tuple((key, WEIGHT_FORMATS[value]) for key, value in named.exceptions.items())
    return Precision(WEIGHT_FORMATS[named.routed_expert], WEIGHT_FORMATS[named.rest], exceptions)


def check_groups(name: str, architecture: Architecture) -> None:
    """Refuse a precision that has formats for groups of layers that a model does not have.

    Raises:
        ModelError: naming the groups that it has.
    """
    named = parsed(architecture.published_precision if name == NATIVE else name)
    own = {layer.format_group for stack in architecture.stacks for layer in stack.layers} - {0}
    if {split_key(key).format_group for key in named.exceptions} - own - {0}:
        groups = ", ".join(f"@{group}" for group in sorted(own))
        raise ModelError(
            "precision", name, f"of the model's groups of layers {groups}" if own else "none with @: one group of layers"
        )


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
