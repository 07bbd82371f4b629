"""The header of a GGUF file: what each tensor takes, read with the gguf package (the extra `[gguf]`); no weight is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prophet_memory.architecture import Architecture
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.gguf import FileSizes, file_sizes, file_weights
from prophet_memory.parameters import count_parameters
from prophet_memory.precision import FileWeights

PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")
BESIDE_THE_MODEL = 0.001  # of the parameters: tables of frequencies, biases that select experts


@dataclass(frozen=True, slots=True)
class HeaderTensor:
    """A tensor as a header has it."""

    name: str
    values: int
    size_bytes: int


def parts_of(file: Path) -> list[Path]:
    """The files of a model that is split into several, of which one is named."""
    found = PART.fullmatch(file.name)
    if found is None:
        return [file]
    return [file.with_name(f"{found[1]}-{part:05d}-of-{found[3]}.gguf") for part in range(1, int(found[3]) + 1)]


def read_header(file: Path) -> list[HeaderTensor]:
    """Every tensor of a model's file or files.

    Raises:
        ConfigurationError: for a file that is missing or none of this kind, a type that the package does not know, and without
            the package.
    """
    try:
        from gguf import GGUFReader  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise ConfigurationError("--gguf: needs the package gguf; allowed: pip install 'prophet-memory[gguf]'") from None

    def tensors(part: Path) -> Iterator[HeaderTensor]:
        try:
            reader = GGUFReader(part)
        except OSError as problem:
            raise ConfigurationError(f"--gguf: {part}: {problem.strerror or problem}; allowed: a file that can be read") from None
        except (ValueError, KeyError, IndexError) as problem:
            reason = (str(problem).splitlines() or [type(problem).__name__])[0]
            allowed = "a whole GGUF file whose types the package gguf knows"
            raise ConfigurationError(f"--gguf: {part}: {reason}; allowed: {allowed}") from None
        for tensor in reader.tensors:
            yield HeaderTensor(str(tensor.name), int(tensor.n_elements), int(tensor.n_bytes))

    return [tensor for part in parts_of(file) for tensor in tensors(part)]


def weights_of_header(file: Path, architecture: Architecture) -> FileWeights:
    """The weights of a file as a plan takes them. Raises ConfigurationError as `tensor_sizes`."""
    return file_weights(file.name, tensor_sizes(file, architecture))


def sizes_of_header(file: Path, architecture: Architecture) -> FileSizes:
    """The bytes of a file by where they stand. Raises ConfigurationError as `tensor_sizes`."""
    return file_sizes(tensor_sizes(file, architecture))


def tensor_sizes(file: Path, architecture: Architecture) -> dict[str, int]:
    """Bytes of each tensor of a model's file.

    Raises:
        ConfigurationError: as `read_header`, and for a file of another model.
    """
    tensors = read_header(file)
    own, expected = sum(tensor.values for tensor in tensors), count_parameters(architecture).total
    if abs(own / expected - 1) > BESIDE_THE_MODEL:
        allowed = f"a file of the model, which has {expected:,}"
        raise ConfigurationError(f"--gguf: {file}: {own:,} parameters; allowed: {allowed}")
    return {tensor.name: tensor.size_bytes for tensor in tensors}
