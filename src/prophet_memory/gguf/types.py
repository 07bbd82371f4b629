"""Types of GGUF tensors: rows of blocks, each with its scales.

Sizes are those of gguf 0.19 (`constants.GGML_QUANT_SIZES`), and for the types of ik_llama.cpp those of its
ggml/src/ggml.c (`row_meta_size`) and ggml-common.h at 8337e4c.
"""

from __future__ import annotations

from dataclasses import dataclass

from prophet_memory.errors import ModelError


@dataclass(frozen=True, slots=True)
class TensorType:
    """`block_values` values take `block_bytes`, and each row `row_bytes` more."""

    block_values: int
    block_bytes: int
    row_bytes: int = 0

    def divides(self, columns: int) -> bool:
        """Whether rows of so many values are whole blocks."""
        return columns % self.block_values == 0

    def tensor_bytes(self, columns: int, rows: int) -> int:
        """Bytes of a tensor.

        Raises:
            ModelError: for rows that are no whole blocks.
        """
        if not self.divides(columns):
            raise ModelError("columns", columns, f"a multiple of {self.block_values}, the values of a block")
        return rows * (columns // self.block_values * self.block_bytes + self.row_bytes)


def _of(block_values: int, row_bytes: int = 0, **block_bytes: int) -> dict[str, TensorType]:
    return {name: TensorType(block_values, size, row_bytes) for name, size in block_bytes.items()}


TYPES: dict[str, TensorType] = {
    **_of(1, F32=4, F16=2, BF16=2),
    **_of(32, Q4_0=18, Q4_1=20, Q5_0=22, Q5_1=24, Q8_0=34, IQ4_NL=18, MXFP4=17),
    **_of(64, NVFP4=36),
    **_of(256, Q2_K=84, Q3_K=110, Q4_K=144, Q5_K=176, Q6_K=210, Q8_K=292),
    **_of(256, IQ1_S=50, IQ1_M=56, IQ2_XXS=66, IQ2_XS=74, IQ2_S=82, IQ3_XXS=98, IQ3_S=110, IQ4_XS=136, TQ1_0=54, TQ2_0=66),
}
# ik_llama.cpp's own.
TYPES |= {
    **_of(32, Q6_0=26),
    **_of(256, IQ2_K=76, IQ3_K=110, IQ4_K=144, IQ5_K=176, IQ6_K=212, Q8_K_R8=258),
    **_of(256, 2, IQ2_KS=70, IQ3_KS=102, IQ2_KL=86),
    **_of(256, 4, IQ4_KS=136, IQ4_KSS=128, IQ5_KS=168, IQ1_KT=56, IQ2_KT=68, IQ3_KT=100, IQ4_KT=128),
    **_of(32, 2, IQ1_S_R4=6, IQ1_M_R4=7),
}
# Rows that are interleaved by four take what their base type takes.
INTERLEAVED = (
    "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ2_K", "IQ3_K", "IQ4_K",
    "IQ5_K", "IQ4_KS", "IQ5_KS", "Q5_0", "Q6_0",
)  # fmt: skip
TYPES |= {f"{name}_R4": TYPES[name] for name in INTERLEAVED}
