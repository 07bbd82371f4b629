"""The design space as config/design_space.yaml and the catalogue describe it: its models, its grid and its shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from prophet_memory.architecture import Architecture
from prophet_memory.design_space import POINT_AXES, SYNTHETIC
from prophet_memory.edge.configuration import read_gpus, read_model
from prophet_memory.edge.settings import DesignSettings, read_design_space
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.named import by_name
from prophet_memory.sweeps import FITS, NEWLY_FITS, Sweep
from prophet_paper.counts import COUNTED_BY, added_up


@dataclass(frozen=True)
class DesignSpace:
    """What the config promises. Models are numbered: the catalogue's first, sorted, then the family's."""

    settings: DesignSettings
    gpus: Sequence[Gpu]
    catalogue: Mapping[str, Architecture]

    def grid(self, members: range) -> Grid:
        """Some models over every axis in the order of its values, so that the order of the lists in config changes no byte."""
        return Grid(
            self.models[members.start : members.stop],
            gpus=self.gpus,
            batch_sizes=sorted(self.settings.batch_sizes),
            routings=by_name(self.settings.routings),
            precisions=sorted(self.settings.precisions),
            policies=[self.settings.policy],
            context_tokens=sorted(self.settings.context_tokens),
            order=POINT_AXES,
        )

    @cached_property
    def models(self) -> list[Model]:
        """Name and architecture by number."""
        lists: dict[str, Any] = {
            name: tuple(sorted(v)) for name, v in asdict(self.settings.family).items() if isinstance(v, tuple)
        }
        named = [Model(*item) for item in sorted(self.catalogue.items())]
        return named + [Model(SYNTHETIC, member) for member in replace(self.settings.family, **lists).members()]

    @property
    def models_per_block(self) -> int:
        """Models that are evaluated at once."""
        return max(1, self.settings.chunk_rows // self.settings.rows_per_model)


def open_design_space(file: Path, gpus_file: Path, model_files: Sequence[Path]) -> DesignSpace:
    """Read the config, the GPUs and the models that it names.

    Raises:
        ConfigurationError: for wrong input.
    """
    gpus = read_gpus(gpus_file)
    settings = read_design_space([path.stem for path in model_files], gpus, file)
    catalogue = {path.stem: read_model(path).architecture for path in model_files if path.stem in settings.models}
    return DesignSpace(settings, [gpus[name] for name in sorted(settings.gpus)], catalogue)


DOUBLED = 2


def load_from(fraction: npt.NDArray[np.float64], steps: int) -> npt.NDArray[np.float64]:
    """Lower end of the step of the share of the GPU's memory that all experts resident would take; the last holds all from 1."""
    shown = fraction.astype(np.float32).astype(np.float64)  # as the points hold it
    return np.clip(np.floor(shown * steps), 0, steps) / steps


def counts_of(swept: Sweep, load_steps: int) -> pl.DataFrame:
    """How many points of some models there are, fit, newly fit and at least double, by COUNTED_BY."""
    grid, verdict, contexts = swept.grid, swept.fit_verdict, len(swept.grid.context_tokens)
    extension = swept.kv_extension
    found = {
        "fits": (verdict == FITS).sum(axis=-1),
        "newly_fits": (verdict == NEWLY_FITS).sum(axis=-1),
        "at_least_doubled": np.ma.filled(extension >= DOUBLED, fill_value=False).sum(axis=-1),
    }
    blocks = [model.architecture.moe for model in grid.models]
    keys = {
        "routing": grid.along("routing", range(len(grid.routings))),
        "precision": grid.along("precision", range(len(grid.precisions))),
        "all_resident_fraction_from": load_from(swept.all_resident_fraction, load_steps),
        "experts": grid.along("model", [moe.routed_experts for moe in blocks]),
        "top_k": grid.along("model", [moe.top_k for moe in blocks]),
        "batch_size": grid.along("batch_size", grid.batch_sizes),
    }
    columns = {name: array[..., 0] for name, array in keys.items()} | {"configurations": np.array(contexts)} | found
    table = pl.DataFrame({name: np.broadcast_to(array, grid.shape[:-1]).ravel() for name, array in columns.items()})
    # Names are text, and slow to make by the million: numbers until the table is small.
    numbered = added_up([table])
    named = {axis: pl.col(axis).replace_strict(dict(enumerate(grid.names(axis)))) for axis in ("routing", "precision")}
    return numbered.with_columns(**named).sort(COUNTED_BY)
