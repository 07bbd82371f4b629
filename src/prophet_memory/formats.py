"""How values are stored: formats by name, with their scales and zero points (docs/memory-model.md)."""

from __future__ import annotations

from dataclasses import dataclass

BITS_OF_A_BYTE = 8


@dataclass(frozen=True, slots=True)
class Format:
    """How values are stored: `bits` each, and for every block of `block_rows` x `block_columns` a scale and a zero point.

    `label` is its name in figures and tables.

    None stands for the whole side, and a format without scales has no blocks. `other_bits` is the width of what the format
    does not apply to.
    """

    label: str
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
        block = down * self.scale_bytes + bytes_of_bits(down * self.zero_point_bits)
        return rows * bytes_of_bits(columns * self.bits) + across * block

    def vector_bytes(self, values: int) -> int:
        """Bytes of a cached vector with scales of its own; none where one static scale serves the whole tensor."""
        return bytes_of_bits(values * self.bits) if self.block_rows is None else self.matrix_bytes(1, values)


def bytes_of_bits(bits: int) -> int:
    """Whole bytes that hold so many bits."""
    return -(-bits // BITS_OF_A_BYTE)


# The formats of public checkpoints: one fp32 scale a tensor (fp8) or a 128 x 128 block (DeepSeek-V3); one fp32 scale an output
# channel, symmetric (W8A8); an fp16 scale and a 4-bit zero point for 128 inputs of a channel (GPTQ, AWQ); an E8M0 byte for 32
# values (OCP Microscaling, gpt-oss); an FP8 byte for 16 (NVFP4, its scale of the tensor left out); an fp16 scale for 32,
# symmetric (compressed-tensors, Kimi K2 Thinking).
FORMATS = {
    "fp32": Format("fp32", bits=32, other_bits=32),
    "bf16": Format("bf16", bits=16),
    "fp16": Format("fp16", bits=16),
    "fp8": Format("FP8", bits=8, scale_bytes=4, block_rows=None),
    "fp8_blocks": Format("FP8 blocks", bits=8, scale_bytes=4, block_rows=128, block_columns=128),
    "int8": Format("INT8", bits=8, scale_bytes=4),
    "int4": Format("INT4", bits=4, scale_bytes=2, zero_point_bits=4, block_columns=128),
    "mxfp4": Format("MXFP4", bits=4, scale_bytes=1, block_columns=32),
    "nvfp4": Format("NVFP4", bits=4, scale_bytes=1, block_columns=16),
    "int4_g32": Format("INT4, groups of 32", bits=4, scale_bytes=2, block_columns=32),
}
# What llama.cpp stores a cache in, beside 16 bit: an fp16 scale for 32 values.
LLAMA_CPP_CACHE = {
    "q8_0": Format("Q8_0", bits=8, scale_bytes=2, block_columns=32),
    "q4_0": Format("Q4_0", bits=4, scale_bytes=2, block_columns=32),
}
OF_CACHE = {name: stored for name, stored in FORMATS.items() if name != "fp8_blocks"} | LLAMA_CPP_CACHE
CACHE_FORMATS = tuple(OF_CACHE)  # a token is one row: blocks of rows are for weights
DEFAULT_FORMAT = "bf16"
EXPERTS_SUFFIX = "_experts"
NATIVE = "native"
PRECISIONS = (*FORMATS, *(name + EXPERTS_SUFFIX for name in FORMATS if name != DEFAULT_FORMAT), NATIVE)
PUBLISHED_PRECISIONS = tuple(name for name in PRECISIONS if name != NATIVE)
