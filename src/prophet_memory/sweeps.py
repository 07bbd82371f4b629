"""The memory model over a grid, whatever its size: what is left for the KV cache, what it holds, and how that compares.

Everything but the GPU's memory is resolved first into small arrays, a cell for each model and number of GPUs. The columns are
then computed over all points, each when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from prophet_memory.grid import Grid
from prophet_memory.integers import IntArray
from prophet_memory.kv_cache import Pieces, longest_context, pieces_of
from prophet_memory.memory import Assumptions, Cell, Demand, cache_blocks, growth_of
from prophet_memory.paging import Blocks
from prophet_memory.parallelism import known_layout
from prophet_memory.residency import BASELINE

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

FIT_VERDICTS = ("fits", "newly_fits", "does_not_fit")
FITS, NEWLY_FITS, DOES_NOT_FIT = range(3)
CELL = ("model", "n_gpus")
UNLIMITED = 2**62  # tokens of a context
DEMAND = (*CELL, "gpu", "batch_size", "routing", "precision", "policy")

# The value columns of the results contract, in its order.
COLUMNS = (
    "tensor_parallel", "data_parallel", "expert_parallel", "distinct_experts", "expert_savings_fraction",
    "resident_experts_per_layer", "gpu_memory_bytes", "usable_bytes", "non_expert_bytes", "resident_expert_bytes",
    "activation_bytes", "overhead_bytes", "runtime_reserve_bytes", "free_for_kv_bytes", "kv_bytes_per_token",
    "kv_constant_bytes_per_sequence", "kv_capacity_tokens", "usable_kv_capacity_tokens", "max_context_tokens",
    "kv_extension", "usable_kv_extension", "fit_verdict", "exceeds_model_context",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Paged:
    """`Blocks` of every cell and GPU along the grid; no groups where the cache is not cut into blocks."""

    block_bytes: IntArray
    block_tokens: IntArray
    groups: IntArray
    masked: IntArray
    growth: Pieces


class Sweep:
    """The columns of a grid; arrays broadcast to the grid's shape and are masked where a value is undefined.

    Raises:
        ParallelismError: for more GPUs than a model can use, and a layout that it cannot have.
        ArchitectureError: for more bytes than any machine holds.
        EngineError: for what the engine's profile does not say.
    """

    def __init__(self, grid: Grid, assumptions: Assumptions) -> None:
        self.grid, self.assumptions = grid, assumptions
        self._spreads = [
            [
                known_layout(model.architecture, n_gpus, grid.layouts.get(n_gpus), cut_experts=assumptions.engine.cuts_experts)
                for n_gpus in grid.n_gpus
            ]
            for model in grid.models
        ]
        policies, batch_sizes = [*grid.policies, BASELINE], np.array(grid.batch_sizes, np.int64)
        self._demands = [
            [Cell(model, spread, assumptions, grid, policies).demand(batch_sizes) for spread in spreads]
            for model, spreads in zip(grid.models, self._spreads, strict=True)
        ]
        self._growths = [
            [growth_of(model, spread, assumptions) for spread in spreads]
            for model, spreads in zip(grid.models, self._spreads, strict=True)
        ]

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of COLUMNS, or `all_resident_fraction`; `fit_verdict` holds indices into FIT_VERDICTS."""
        if name in Demand.__slots__:
            return self._demanded(name)
        found: npt.NDArray[Any] = getattr(self, name)
        return found

    def _demanded(self, name: str) -> npt.NDArray[Any]:
        cells = self._stacked(name)
        return self.grid.along(DEMAND, cells if cells.shape[-1] == 1 else cells[..., :-1])

    def _stacked(self, name: str) -> npt.NDArray[Any]:
        """A part of what every cell demands, as one array along DEMAND; the last policy is the baseline."""
        return np.array([[getattr(cell, name) for cell in row] for row in self._demands])

    def _each_cell(self, of: Callable[[int, int], Any], axes: Sequence[str] = CELL) -> npt.NDArray[Any]:
        """A value, or an array along further axes, of each model and number of GPUs."""
        values = [[of(i, j) for j in range(len(self.grid.n_gpus))] for i in range(len(self.grid.models))]
        return self.grid.along(axes, np.array(values))

    @property
    def tensor_parallel(self) -> IntArray:
        """GPUs that share attention."""
        return self._each_cell(lambda i, j: self._spreads[i][j].tensor)

    @property
    def data_parallel(self) -> IntArray:
        """Groups of such GPUs."""
        return self._each_cell(lambda i, j: self._spreads[i][j].data)

    @property
    def expert_parallel(self) -> IntArray:
        """Ranks of whole experts."""
        return self._each_cell(lambda i, j: self._spreads[i][j].expert)

    @property
    def kv_bytes_per_token(self) -> IntArray:
        """What a token adds while the context is inside every window."""
        return self._each_cell(lambda i, j: self._growths[i][j].bytes_per_token)

    @property
    def kv_constant_bytes_per_sequence(self) -> IntArray:
        """State, and cross-attention's cache."""
        return self._each_cell(lambda i, j: self._growths[i][j].constant_bytes)

    @property
    def gpu_memory_bytes(self) -> IntArray:
        """As the driver reports it."""
        return self.grid.along("gpu", np.array([gpu.memory_bytes for gpu in self.grid.gpus], np.int64))

    @cached_property
    def usable_bytes(self) -> IntArray:
        """What the engine takes of it."""
        usable, gpus, models = self.assumptions.engine.usable_bytes, self.grid.gpus, self.grid.models

        def of(i: int, j: int) -> list[int]:
            return [usable(gpu, self._spreads[i][j], models[i].architecture) for gpu in gpus]

        return self._each_cell(of, (*CELL, "gpu"))

    @cached_property
    def _totals(self) -> IntArray:
        totals: IntArray = self._stacked("total_bytes")
        return totals

    @cached_property
    def _baseline_bytes(self) -> IntArray:
        """What the baseline takes: the same under every law and whatever the policy."""
        found: IntArray = self.grid.along(DEMAND, self._totals[:, :, :, :, :1, :, -1:])
        return found

    @cached_property
    def _sequences(self) -> IntArray:
        """Sequences on the fullest group of attention."""
        return self._each_cell(lambda i, j: self._spreads[i][j].sequences(self.grid.batch_sizes), (*CELL, "batch_size"))

    @cached_property
    def free_for_kv_bytes(self) -> IntArray:
        """What is left, negative where it is missing."""
        free: IntArray = self.usable_bytes - self.grid.along(DEMAND, self._totals[..., :-1])
        return free

    @cached_property
    def _paged(self) -> _Paged:
        cells = [
            cache_blocks(model, spread, self.assumptions, gpu) or Blocks(1, 1, 0, growth)
            for model, spreads, growths in zip(self.grid.models, self._spreads, self._growths, strict=True)
            for spread, growth in zip(spreads, growths, strict=True)
            for gpu in self.grid.gpus
        ]
        shape = (len(self.grid.models), len(self.grid.n_gpus), len(self.grid.gpus))

        def along(values: npt.ArrayLike) -> IntArray:
            placed: IntArray = self.grid.along((*CELL, "gpu"), np.asarray(values, np.int64).reshape(shape))
            return placed

        return _Paged(
            along([cell.block_bytes for cell in cells]),
            along([cell.block_tokens for cell in cells]),
            along([cell.groups for cell in cells]),
            along([cell.masked for cell in cells]),
            pieces_of([cell.growth for cell in cells]).shaped(along),
        )

    def _contexts(self, free: IntArray) -> IntArray:
        if self.assumptions.engine.cache is not None:
            paged = self._paged
            usable = free // paged.block_bytes - paged.masked
            return paged.block_tokens * longest_context(paged.growth, usable // self._sequences)
        flat = pieces_of([growth for row in self._growths for growth in row])
        shape = (len(self.grid.models), len(self.grid.n_gpus))
        return longest_context(flat.shaped(lambda part: self.grid.along(CELL, part.reshape(shape))), free // self._sequences)

    @cached_property
    def _context(self) -> IntArray:
        return self._contexts(self.free_for_kv_bytes)

    @cached_property
    def _baseline_context(self) -> IntArray:
        return self._contexts(self.usable_bytes - self._baseline_bytes)

    @property
    def max_context_tokens(self) -> npt.NDArray[Any]:
        """Of each sequence."""
        return np.ma.masked_equal(self._context, 0, copy=False)

    @property
    def kv_capacity_tokens(self) -> npt.NDArray[Any]:
        """Over the whole batch; of an engine with a paged cache what it prints, for all its groups of attention together."""
        batch = self.grid.along("batch_size", np.array(self.grid.batch_sizes, np.int64))
        tokens = self._context * batch
        if self.assumptions.engine.cache is not None:
            paged = self._paged
            printed = self.free_for_kv_bytes // paged.block_bytes // np.maximum(paged.groups, 1) * paged.block_tokens
            tokens = np.where(paged.groups > 0, printed * self.data_parallel, tokens)
        return np.ma.masked_where(self._context == 0, tokens)

    @cached_property
    def _model_context(self) -> IntArray:
        """The longest context that each model takes; where it has no maximum of its own, more than any memory holds."""
        limits = [model.architecture.max_context_tokens for model in self.grid.models]
        return self.grid.along("model", np.array([limit or UNLIMITED for limit in limits], np.int64))

    @property
    def usable_kv_capacity_tokens(self) -> npt.NDArray[Any]:
        """Of the KV capacity, what sequences of the batch can use: none is longer than the model's own maximum."""
        batch = self.grid.along("batch_size", np.array(self.grid.batch_sizes, np.int64))
        usable = np.minimum(self._context, self._model_context) * batch
        return np.ma.masked_where(np.broadcast_to(self._context == 0, usable.shape), usable)

    @cached_property
    def fit_verdict(self) -> npt.NDArray[np.int8]:
        """Whether each sequence can have the context that the grid asks for."""
        asked = self.grid.along("context_tokens", np.array(self.grid.context_tokens, np.int64))
        fits = np.where(self._baseline_context >= asked, np.int8(FITS), np.int8(NEWLY_FITS))
        return np.where(self._context >= asked, fits, np.int8(DOES_NOT_FIT))

    @cached_property
    def kv_extension(self) -> npt.NDArray[Any]:
        """KV capacity over the baseline's, where both fit."""
        return self._over_baseline(self._context, self._baseline_context)

    @cached_property
    def usable_kv_extension(self) -> npt.NDArray[Any]:
        """Usable KV capacity over the baseline's, where both fit."""
        return self._over_baseline(*(np.minimum(one, self._model_context) for one in (self._context, self._baseline_context)))

    def _over_baseline(self, own: IntArray, baseline: IntArray) -> npt.NDArray[Any]:
        ratio = np.divide(own, np.maximum(baseline, 1))
        undefined = self.fit_verdict != FITS
        return np.ma.masked_where(undefined, np.broadcast_to(ratio, undefined.shape))

    @property
    def all_resident_fraction(self) -> npt.NDArray[np.float64]:
        """The share of what is usable that everything but the cache would take with all experts resident."""
        return self._baseline_bytes / self.usable_bytes

    @property
    def exceeds_model_context(self) -> npt.NDArray[Any]:
        """Whether the cache holds more than the model's own maximum; undefined where it has none or nothing fits."""
        limit = self._model_context
        return np.ma.masked_where((self._context == 0) | (limit == UNLIMITED), self._context > limit)

    def to_polars(self) -> pl.DataFrame:
        """A row for each point, as the results contract has them: keys, then values; what is undefined is null."""
        import polars as pl  # noqa: PLC0415 - arrays alone need no tables

        columns = {name: self.column(name) for name in COLUMNS}
        columns["fit_verdict"] = np.asarray(FIT_VERDICTS)[columns["fit_verdict"]]
        table = pl.DataFrame({name: self._flat(np.ma.getdata(array)) for name, array in (self.grid.keys() | columns).items()})
        masks = {name: np.ma.getmaskarray(array) for name, array in columns.items() if np.ma.isMaskedArray(array)}
        defined = {name: pl.Series(~self._flat(mask)) for name, mask in masks.items()}
        return table.with_columns(pl.when(known).then(pl.col(name)).alias(name) for name, known in defined.items())

    def to_pandas(self) -> pd.DataFrame:
        """The same as a pandas frame."""
        return self.to_polars().to_pandas()

    def _flat(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.broadcast_to(array, self.grid.shape).ravel()


def sweep(grid: Grid, assumptions: Assumptions) -> Sweep:
    """The memory model over a grid. Raises ParallelismError and ArchitectureError, as `Sweep`."""
    return Sweep(grid, assumptions)
