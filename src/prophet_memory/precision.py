"""Bytes of weights and caches by format, scales and zero points included (docs/memory-model.md).

A precision is named by the grammar that config and command line share: a format for all weights (`bf16`), a format for the
routed experts alone over a bf16 rest (`int8_experts`), or `native`, what the model's published checkpoint has. Under a
quantised format norms, biases, convolutions, routers, embeddings and the LM head stay at 16 bit, as published checkpoints
leave them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from prophet_memory.architecture import Architecture
from prophet_memory.tensors import Weight
from prophet_memory.weights import expert_weights, model_weights

BITS_OF_A_BYTE = 8


@dataclass(frozen=True, slots=True)
class Format:
    """How values are stored: `bits` each, and for every block of `block_rows` x `block_columns` a scale and a zero point.

    None stands for the whole side, and a format without scales has no blocks. `other_bits` is the width of what the format
    does not apply to.
    """

    bits: int
    scale_bytes: int = 0
    zero_point_bits: int = 0
    block_rows: int | None = 1
    block_columns: int | None = None
    other_bits: int = 16

    def matrix_bytes(self, rows: int, columns: int) -> int:
        """Bytes of a matrix; each row (output channel) begins on a byte."""
        across = 1 if self.block_columns is None else -(-columns // self.block_columns)
        down = 1 if self.block_rows is None else -(-rows // self.block_rows)
        return rows * _bytes(columns * self.bits) + across * (down * self.scale_bytes + _bytes(down * self.zero_point_bits))

    def vector_bytes(self, values: int) -> int:
        """Bytes of a cached vector with scales of its own; none where one static scale serves the whole tensor."""
        return _bytes(values * self.bits) if self.block_rows is None else self.matrix_bytes(1, values)


def _bytes(bits: int) -> int:
    return -(-bits // BITS_OF_A_BYTE)


# The layouts of public checkpoints: one fp32 scale a tensor (fp8) or a 128 x 128 block (DeepSeek-V3); one fp32 scale an output
# channel, symmetric (W8A8); an fp16 scale and a 4-bit zero point for 128 inputs of a channel (GPTQ, AWQ); an E8M0 byte for 32
# values (OCP Microscaling, gpt-oss).
FORMATS = {
    "fp32": Format(bits=32, other_bits=32),
    "bf16": Format(bits=16),
    "fp16": Format(bits=16),
    "fp8": Format(bits=8, scale_bytes=4, block_rows=None),
    "fp8_blocks": Format(bits=8, scale_bytes=4, block_rows=128, block_columns=128),
    "int8": Format(bits=8, scale_bytes=4),
    "int4": Format(bits=4, scale_bytes=2, zero_point_bits=4, block_columns=128),
    "mxfp4": Format(bits=4, scale_bytes=1, block_columns=32),
}
CACHE_FORMATS = tuple(name for name in FORMATS if name != "fp8_blocks")  # a token is one row: blocks of rows are for weights
DEFAULT_FORMAT = "bf16"
EXPERTS_SUFFIX = "_experts"
NATIVE = "native"
PRECISIONS = (*FORMATS, *(name + EXPERTS_SUFFIX for name in FORMATS if name != DEFAULT_FORMAT), NATIVE)


@dataclass(frozen=True, slots=True)
class Precision:
    """Formats of the routed experts' weights and of everything else."""

    routed_expert: Format
    rest: Format

    def bytes_of(self, weights: Iterable[Weight]) -> int:
        """Bytes of some weights."""
        return sum(weight_bytes(w, self.routed_expert if w.component == "routed_expert" else self.rest) for w in weights)


def weight_bytes(weight: Weight, stored: Format) -> int:
    """Bytes of a weight, all copies."""
    if weight.linear:
        return weight.copies * stored.matrix_bytes(weight.rows, weight.columns)
    return weight.copies * weight.rows * _bytes(weight.columns * stored.other_bits)


@cache
def precision(name: str, published: str = DEFAULT_FORMAT) -> Precision:
    """A precision by its name.

    Args:
        name: one of PRECISIONS, or `routed experts/rest` as two formats, for example `int4/fp8`.
        published: the name of the precision of the model's published checkpoint, which `native` stands for.

    Raises:
        KeyError: for a name that the grammar does not have.
    """
    if name == NATIVE:
        return precision(published)
    if "/" in name:
        routed_expert, rest = name.split("/")
        return Precision(FORMATS[routed_expert], FORMATS[rest])
    if name.endswith(EXPERTS_SUFFIX):
        return Precision(FORMATS[name.removesuffix(EXPERTS_SUFFIX)], FORMATS[DEFAULT_FORMAT])
    return Precision(FORMATS[name], FORMATS[name])


def routed_expert_bytes(architecture: Architecture, stored: Precision, *, expert_tensor: int = 1) -> int:
    """Bytes of one routed expert of one layer on each of the `expert_tensor` GPUs that share it."""
    weights = expert_weights(architecture.moe, architecture.hidden_size)
    return stored.bytes_of(weight.shard(expert_tensor) for weight in weights)


def non_expert_bytes(architecture: Architecture, stored: Precision, *, tensor: int = 1) -> int:
    """Bytes of everything but the routed experts on each of `tensor` GPUs."""
    return stored.bytes_of(w.shard(tensor) for w in model_weights(architecture) if w.component != "routed_expert")
