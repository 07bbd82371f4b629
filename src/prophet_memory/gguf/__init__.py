"""GGUF files, the format of the llama.cpp family: what a tensor of each type takes, and which gets which (docs/engines.md)."""

from __future__ import annotations

from prophet_memory.gguf.recipes import ERAS, FILE_TYPES, Era, types_of
from prophet_memory.gguf.tensors import LatentForm, Tensor, TensorList, tensor_list
from prophet_memory.gguf.types import TYPES, TensorType
from prophet_memory.gguf.weights import FileSizes, file_sizes, file_weights, recipe_sizes, recipe_weights

__all__ = [
    "ERAS", "FILE_TYPES", "TYPES", "Era", "FileSizes", "LatentForm", "Tensor", "TensorList", "TensorType", "file_sizes",
    "file_weights", "recipe_sizes", "recipe_weights", "tensor_list", "types_of",
]  # fmt: skip
