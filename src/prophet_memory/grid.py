"""The grid of a sweep: named axes in an order, and arrays along some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture
from prophet_memory.axes import AXES, KEYS
from prophet_memory.errors import ModelError
from prophet_memory.formats import DEFAULT_FORMAT
from prophet_memory.gpu import Gpu
from prophet_memory.integers import is_count
from prophet_memory.measured import ReplayedCaches, RoutingCounts
from prophet_memory.parallelism import Parallelism
from prophet_memory.precision import FileWeights
from prophet_memory.provision import MEAN, Provision
from prophet_memory.residency import ResidencyPolicy
from prophet_memory.routing import RoutingLaw


class Model(NamedTuple):
    """A model by the name that results give it; counts and caches are what was measured of its routing, if anything was."""

    name: str
    architecture: Architecture
    counts: RoutingCounts | None = None
    caches: ReplayedCaches | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """The values of each axis; `order` names the axes in the order of rows, and those that it leaves out have one value.

    `context_tokens` are lengths that each sequence must have; without them one token is enough. `layouts` overrides how a model
    is spread over a number of GPUs. `provisions` are what resident pools are sized for.
    """

    models: Sequence[Model]
    gpus: Sequence[Gpu]
    batch_sizes: Sequence[int]
    routings: Sequence[RoutingLaw]
    policies: Sequence[ResidencyPolicy]
    precisions: Sequence[str | FileWeights] = (DEFAULT_FORMAT,)
    n_gpus: Sequence[int] = (1,)
    context_tokens: Sequence[int] = (1,)
    order: tuple[str, ...] = KEYS
    layouts: Mapping[int, Parallelism] = field(default_factory=dict)
    provisions: Sequence[Provision] = (MEAN,)

    def __post_init__(self) -> None:
        """Raise a ModelError for a count below one, and a ValueError for an axis of several values that the order leaves out."""
        for name in ("n_gpus", "batch_size", "context_tokens"):
            if wrong := [value for value in self.axes[name] if not is_count(value)]:
                raise ModelError(name, wrong[0], "an integer of at least 1")
        for name, values in self.axes.items():
            if name not in self.order and len(values) != 1:
                raise ValueError(f"{name}: {len(values)} values; allowed: one, for an axis that the order leaves out")

    @property
    def axes(self) -> dict[str, Sequence[Any]]:
        """Every axis and its values."""
        lists = {"model": "models", **AXES, "context_tokens": "context_tokens"}
        return {axis: getattr(self, name) for axis, name in lists.items()}

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis, in the order of rows."""
        return tuple(len(self.axes[name]) for name in self.order)

    def along(self, axes: str | Sequence[str], values: npt.ArrayLike) -> npt.NDArray[Any]:
        """Values that vary along some axes, shaped to broadcast to `shape`.

        Args:
            axes: the axis of each dimension of the values.
            values: an array whose dimensions have the length of their axis, or 1.
        """
        names, array = ([axes] if isinstance(axes, str) else list(axes)), np.asanyarray(values)
        kept = [name for name in names if name in self.order]
        array = array[tuple(slice(None) if name in self.order else 0 for name in names)]
        array = array.transpose(sorted(range(len(kept)), key=lambda i: self.order.index(kept[i])))
        lengths = iter(array.shape)
        return array.reshape([next(lengths) if name in kept else 1 for name in self.order])

    def names(self, axis: str) -> list[Any]:
        """The values of an axis as results name them."""
        return [getattr(value, "name", value) for value in self.axes[axis]]

    def keys(self) -> dict[str, npt.NDArray[Any]]:
        """The key columns of the grid's rows, each of the grid's shape."""
        named = (np.asarray(self.names(axis)) for axis in self.order)
        return dict(zip(self.order, np.meshgrid(*named, indexing="ij", copy=False), strict=True))
