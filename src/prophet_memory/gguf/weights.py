"""The weights of a GGUF file as a plan takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from prophet_memory.architecture import Architecture
from prophet_memory.gguf.recipes import types_of
from prophet_memory.gguf.tensors import EMBEDDING, OUTPUT, tensor_list
from prophet_memory.precision import FileWeights

EXPERTS = re.compile(r"\.ffn_(?:gate|up|down|gate_up)(?:_exps|\.\d+)\.")


def file_weights(name: str, sizes: Mapping[str, int]) -> FileWeights:
    """On the GPU stands all but the embedding, which stays with the host; a tied one is loaded a second time as the output.

    Args:
        name: what results call the file.
        sizes: bytes of each tensor, by the name that llama.cpp gives it.
    """
    experts = sum(size for tensor, size in sizes.items() if EXPERTS.search(tensor))
    host = sizes.get(EMBEDDING, 0) if OUTPUT in sizes else 0
    return FileWeights(name, sum(sizes.values()) - experts - host, experts)


def recipe_weights(architecture: Architecture, file_type: str) -> FileWeights:
    """The weights of the file that the current recipe makes of a model without an importance matrix.

    Raises:
        ModelError: as `tensor_list` and `types_of`.
    """
    tensors = tensor_list(architecture)
    chosen = types_of(tensors, file_type)
    return file_weights(file_type, {tensor.name: tensor.bytes_as(chosen[tensor.name]) for tensor in tensors.tensors})
