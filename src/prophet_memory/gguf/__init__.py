"""GGUF files, the format of the llama.cpp family: what a tensor of each type takes, and which gets which (docs/engines.md)."""

from __future__ import annotations

from prophet_memory.gguf.recipes import ERAS, FILE_TYPES, file_bytes, gpu_bytes, types_of
from prophet_memory.gguf.tensors import Tensor, TensorList, tensor_list
from prophet_memory.gguf.types import TYPES, TensorType
from prophet_memory.gguf.weights import file_weights, recipe_weights

__all__ = [
    "ERAS", "FILE_TYPES", "TYPES", "Tensor", "TensorList", "TensorType", "file_bytes", "file_weights",
    "gpu_bytes", "recipe_weights", "tensor_list", "types_of",
]  # fmt: skip
