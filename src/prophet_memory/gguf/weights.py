"""The weights of a GGUF file: how much of it the GPU holds, and as a plan takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from prophet_memory.architecture import Architecture
from prophet_memory.fields import Bytes, Described
from prophet_memory.gguf.recipes import types_of
from prophet_memory.gguf.tensors import EMBEDDING, OUTPUT, TensorList, tensor_list
from prophet_memory.precision import FileWeights

EXPERTS = re.compile(r"\.ffn_(?:gate|up|down|gate_up)(?:_exps|\.\d+)\.")

LAYER = re.compile(r"blk\.(\d+)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSizes(Described):
    """Bytes of a file by where they stand: what is left when tensors are added up by layer."""

    embedding_bytes: Bytes
    output_bytes: Bytes  # 0 where the embedding is the output
    beside_bytes: Bytes  # the norm before the output, tables of frequencies
    layer_bytes: tuple[Bytes, ...]

    @property
    def total_bytes(self) -> int:
        """Of all tensors."""
        return self.embedding_bytes + self.output_bytes + self.beside_bytes + sum(self.layer_bytes)

    def on_gpu(self, gpu_layers: int | None = None) -> int:
        """Bytes on the GPUs: the last layers, and above their number the output; the embedding stays with the host.

        A tied embedding is loaded a second time as the output. None stands for all layers. (llama.cpp until the end of 2025.)
        """
        layers = len(self.layer_bytes)
        count = layers + 1 if gpu_layers is None else gpu_layers
        behind = (self.output_bytes or self.embedding_bytes) + self.beside_bytes if count > layers else 0
        return sum(self.layer_bytes[max(layers - count, 0) :]) + behind


def file_sizes(sizes: Mapping[str, int]) -> FileSizes:
    """Bytes by place, from those of each tensor by the name that llama.cpp gives it."""
    layers: dict[int, int] = {}
    beside = 0
    for tensor, size in sizes.items():
        if found := LAYER.match(tensor):
            layers[int(found[1])] = layers.get(int(found[1]), 0) + size
        elif tensor not in {EMBEDDING, OUTPUT}:
            beside += size
    return FileSizes(
        embedding_bytes=sizes.get(EMBEDDING, 0), output_bytes=sizes.get(OUTPUT, 0), beside_bytes=beside,
        layer_bytes=tuple(layers[place] for place in sorted(layers)),
    )  # fmt: skip


def recipe_sizes(model: TensorList, chosen: Mapping[str, str]) -> dict[str, int]:
    """Bytes of each tensor in the type that was chosen for it."""
    return {tensor.name: tensor.bytes_as(chosen[tensor.name]) for tensor in model.tensors}


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
    return file_weights(file_type, recipe_sizes(tensors, types_of(tensors, file_type)))
