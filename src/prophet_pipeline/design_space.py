"""The design space as config/design_space.yaml and the catalogue describe it: its models, its grid and its shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from prophet_memory.architecture import Architecture
from prophet_memory.design_space import Family
from prophet_memory.sweep import Grid
from prophet_pipeline.configuration import model_architecture, read_design_space, read_gpus, read_model

POLICY = "prophet"
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class DesignSpace:
    """What the config promises. Models are numbered: the catalogue's first, sorted, then the family's."""

    settings: Mapping[str, Any]
    gpu_memory_bytes: Mapping[str, int]
    catalogue: Mapping[str, Architecture]

    @cached_property
    def grid(self) -> Grid:
        """Every axis in the order of its values, so that the order of the lists in config changes no byte."""
        batches, routings, precisions = (sorted(self.settings[axis]) for axis in ("batch_sizes", "routings", "precisions"))
        return Grid(self.gpu_memory_bytes, [1], batches, routings, precisions, [POLICY])

    @cached_property
    def context_tokens(self) -> list[int]:
        """Lengths of each sequence, ascending."""
        return sorted(self.settings["context_tokens"])

    @cached_property
    def models(self) -> list[tuple[str, Architecture]]:
        """Name and architecture by number."""
        family: dict[str, Any] = {name: sorted(v) if isinstance(v, list) else v for name, v in self.settings["family"].items()}
        named = sorted(self.catalogue.items())
        return named + [(SYNTHETIC, member) for member in Family(**family).members()]

    @property
    def rows_per_model(self) -> int:
        """Points of one model."""
        return prod((*self.grid.shape, len(self.context_tokens)))

    @property
    def models_per_block(self) -> int:
        """Models that are evaluated at once."""
        return max(1, int(self.settings["chunk_rows"]) // self.rows_per_model)

    def members_of_shard(self, shard: int) -> range:
        """Numbers of the models in a shard: consecutive, and as many in each, give or take one."""
        count, shards = len(self.models), self.settings["shards"]
        return range(shard * count // shards, (shard + 1) * count // shards)


def open_design_space(file: Path, gpus_file: Path, model_files: Sequence[Path]) -> DesignSpace:
    """Read the config, the GPUs and the models that it names.

    Raises:
        ConfigurationError: for wrong input.
    """
    gpus = read_gpus(gpus_file)
    settings = read_design_space([path.stem for path in model_files], gpus, file)
    catalogue = {path.stem: model_architecture(read_model(path), path) for path in model_files if path.stem in settings["models"]}
    return DesignSpace(settings, {name: gpus[name]["memory"]["bytes"] for name in sorted(settings["gpus"])}, catalogue)
