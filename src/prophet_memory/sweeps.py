"""The memory model over a grid, whatever its size: what is left for the KV cache, what it holds, and how that compares.

Everything but the GPU's memory is resolved first into small arrays, a cell for each model and number of GPUs. The columns are
then computed over all points, each when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from prophet_memory.grid import Grid
from prophet_memory.integers import IntArray
from prophet_memory.kv_cache import Pieces, longest_context, pieces_of
from prophet_memory.memory import POINT, Assumptions, Cell, Demand, cache_blocks, growth_of
from prophet_memory.paging import Blocks
from prophet_memory.parallelism import known_layout
from prophet_memory.residency import BASELINE
from prophet_memory.stages import models_in_order, stage_models

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

FIT_VERDICTS = ("fits", "newly_fits", "does_not_fit")
FITS, NEWLY_FITS, DOES_NOT_FIT = range(3)
CELL = ("model", "n_gpus")
UNLIMITED = 2**62  # tokens of a context
DEMAND = (*CELL, *POINT)

# The value columns of the results contract, in its order.
COLUMNS = (
    "tensor_parallel", "data_parallel", "expert_parallel", "pipeline_parallel", "distinct_experts", "expert_savings_fraction",
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

    def __init__(self, grid: Grid, assumptions: Assumptions, stage: int = 0) -> None:
        self.grid, self.assumptions = grid, assumptions
        self.spreads = [
            [
                known_layout(model.architecture, n_gpus, grid.layouts.get(n_gpus), cut_experts=assumptions.engine.cuts_experts)
                for n_gpus in grid.n_gpus
            ]
            for model in grid.models
        ]
        stages = [
            [stage_models(model, spread) for spread in spreads] for model, spreads in zip(grid.models, self.spreads, strict=True)
        ]
        self.stages = max(len(cell) for row in stages for cell in row)
        # A cell of fewer stages repeats its last.
        self.stage_of = [[cell[min(stage, len(cell) - 1)] for cell in row] for row in stages]
        policies, batch_sizes = [*grid.policies, BASELINE], np.array(grid.batch_sizes, np.int64)
        cells = [list(zip(models, spreads, strict=True)) for models, spreads in zip(self.stage_of, self.spreads, strict=True)]
        self._demands = [
            [Cell(model, spread, assumptions, grid, policies).demand(batch_sizes) for model, spread in row] for row in cells
        ]
        self._growths = [[growth_of(model, spread, assumptions) for model, spread in row] for row in cells]

    @property
    def decisive(self) -> npt.NDArray[np.intp]:
        """The pipeline stage that decides each point: its place among the different ones."""
        return np.zeros(self.grid.shape, np.intp)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of COLUMNS, or `all_resident_fraction`; `fit_verdict` holds indices into FIT_VERDICTS."""
        if name in Demand.__slots__:
            return self.demanded(name)
        found: npt.NDArray[Any] = getattr(self, name)
        return found

    def demanded(self, name: str) -> npt.NDArray[Any]:
        """A part of `Demand` for each point."""
        cells = self._stacked(name)
        return self.grid.along(DEMAND, cells if cells.shape[-2] == 1 else cells[..., :-1, :])

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
        return self._each_cell(lambda i, j: self.spreads[i][j].tensor)

    @property
    def data_parallel(self) -> IntArray:
        """Groups of such GPUs."""
        return self._each_cell(lambda i, j: self.spreads[i][j].data)

    @property
    def expert_parallel(self) -> IntArray:
        """Ranks of whole experts."""
        return self._each_cell(lambda i, j: self.spreads[i][j].expert)

    @property
    def pipeline_parallel(self) -> IntArray:
        """Stages of layers."""
        return self._each_cell(lambda i, j: self.spreads[i][j].pipeline)

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
        usable, gpus = self.assumptions.engine.usable_bytes, self.grid.gpus

        def of(i: int, j: int) -> list[int]:
            return [usable(gpu, self.spreads[i][j], self.stage_of[i][j].architecture) for gpu in gpus]

        return self._each_cell(of, (*CELL, "gpu"))

    @cached_property
    def _totals(self) -> IntArray:
        totals: IntArray = self._stacked("total_bytes")
        return totals

    @cached_property
    def _baseline_bytes(self) -> IntArray:
        """What the baseline takes: the same under every law, policy and provision."""
        found: IntArray = self.grid.along(DEMAND, self._totals[:, :, :, :, :1, :, -1:, :1])
        return found

    @cached_property
    def _sequences(self) -> IntArray:
        """Sequences on the fullest group of attention."""
        return self._each_cell(lambda i, j: self.spreads[i][j].sequences(self.grid.batch_sizes), (*CELL, "batch_size"))

    @cached_property
    def free_for_kv_bytes(self) -> IntArray:
        """What is left, negative where it is missing."""
        free: IntArray = self.usable_bytes - self.grid.along(DEMAND, self._totals[..., :-1, :])
        return free

    @cached_property
    def _paged(self) -> _Paged:
        cells = [
            cache_blocks(model, spread, self.assumptions, gpu) or Blocks(1, 1, 0, growth)
            for models, spreads, growths in zip(self.stage_of, self.spreads, self._growths, strict=True)
            for model, spread, growth in zip(models, spreads, growths, strict=True)
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

    @property
    def _shares(self) -> IntArray:
        """GPUs that each cache a part of a sequence's tokens."""
        return self._each_cell(lambda i, j: self.spreads[i][j].context)

    def _contexts(self, free: IntArray) -> IntArray:
        if self.assumptions.engine.cache is not None:
            paged = self._paged
            usable = free // paged.block_bytes - paged.masked
            return self._shares * paged.block_tokens * longest_context(paged.growth, usable // self._sequences)
        flat = pieces_of([growth for row in self._growths for growth in row])
        shape = (len(self.grid.models), len(self.grid.n_gpus))
        shaped = flat.shaped(lambda part: self.grid.along(CELL, part.reshape(shape)))
        return self._shares * longest_context(shaped, free // self._sequences)

    @cached_property
    def context(self) -> IntArray:
        """The longest context that fits; 0 where not one token does."""
        return self._contexts(self.free_for_kv_bytes)

    @cached_property
    def baseline_context(self) -> IntArray:
        """The same with all experts resident."""
        return self._contexts(self.usable_bytes - self._baseline_bytes)

    @property
    def max_context_tokens(self) -> npt.NDArray[Any]:
        """Of each sequence."""
        return np.ma.masked_equal(self.context, 0, copy=False)

    @property
    def kv_capacity_tokens(self) -> npt.NDArray[Any]:
        """Over the whole batch; of an engine with a paged cache what it prints, for all its groups of attention together."""
        batch = self.grid.along("batch_size", np.array(self.grid.batch_sizes, np.int64))
        tokens = self.context * batch
        if self.assumptions.engine.cache is not None:
            paged = self._paged
            printed = self.free_for_kv_bytes // paged.block_bytes // np.maximum(paged.groups, 1) * paged.block_tokens
            tokens = np.where(paged.groups > 0, printed * self.data_parallel * self._shares, tokens)
        return np.ma.masked_where(self.context == 0, tokens)

    @cached_property
    def _model_context(self) -> IntArray:
        """The longest context that each model takes; where it has no maximum of its own, more than any memory holds."""
        limits = [model.architecture.max_context_tokens for model in self.grid.models]
        return self.grid.along("model", np.array([limit or UNLIMITED for limit in limits], np.int64))

    @property
    def usable_kv_capacity_tokens(self) -> npt.NDArray[Any]:
        """Of the KV capacity, what sequences of the batch can use: none is longer than the model's own maximum."""
        batch = self.grid.along("batch_size", np.array(self.grid.batch_sizes, np.int64))
        usable = np.minimum(self.context, self._model_context) * batch
        return np.ma.masked_where(np.broadcast_to(self.context == 0, usable.shape), usable)

    @cached_property
    def fit_verdict(self) -> npt.NDArray[np.int8]:
        """Whether each sequence can have the context that the grid asks for."""
        asked = self.grid.along("context_tokens", np.array(self.grid.context_tokens, np.int64))
        fits = np.where(self.baseline_context >= asked, np.int8(FITS), np.int8(NEWLY_FITS))
        return np.where(self.context >= asked, fits, np.int8(DOES_NOT_FIT))

    @cached_property
    def kv_extension(self) -> npt.NDArray[Any]:
        """KV capacity over the baseline's, where both fit."""
        return self._over_baseline(self.context, self.baseline_context)

    @cached_property
    def usable_kv_extension(self) -> npt.NDArray[Any]:
        """Usable KV capacity over the baseline's, where both fit."""
        return self._over_baseline(*(np.minimum(one, self._model_context) for one in (self.context, self.baseline_context)))

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
        return np.ma.masked_where((self.context == 0) | (limit == UNLIMITED), self.context > limit)

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


class StagedSweep(Sweep):
    """Models in pipeline stages: a sequence needs every stage, so the one that holds the fewest tokens decides."""

    def __init__(self, parts: Sequence[Sweep]) -> None:
        self.grid, self.assumptions, self.stages = parts[0].grid, parts[0].assumptions, parts[0].stages
        self.spreads, self.stage_of, self._parts = parts[0].spreads, parts[0].stage_of, parts

    @cached_property
    def decisive(self) -> npt.NDArray[np.intp]:
        """The stage of each point that holds the fewest tokens; of several the one with the least memory left."""
        contexts, free = self._each(lambda part: part.context), self._each(lambda part: part.free_for_kv_bytes)
        found = np.zeros(self.grid.shape, np.intp)
        for stage in range(1, len(self._parts)):
            own = np.choose(found, contexts), np.choose(found, free)
            fewer = (contexts[stage] < own[0]) | ((contexts[stage] == own[0]) & (free[stage] < own[1]))
            found[fewer] = stage
        return found

    def _each(self, of: Callable[[Sweep], npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        return [np.broadcast_to(np.ma.getdata(of(part)), self.grid.shape) for part in self._parts]

    def _of_decisive(self, name: str) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = np.choose(self.decisive, self._each(lambda part: part.column(name)))
        return found

    def demanded(self, name: str) -> npt.NDArray[Any]:
        """Of the stage that decides."""
        if name in {"distinct_experts", "expert_savings_fraction"}:  # of the model: a stage may have no MoE layer
            parts = self._each(lambda part: part.demanded(name))
            most = np.max(parts, axis=0)  # from which like stages differ by nothing, whatever their shares round to
            less = [(part - most) * share for part, share in zip(parts, self._shares_of_moe_layers, strict=True)]
            whole: npt.NDArray[Any] = most + np.sum(less, axis=0)
            return whole
        return self._of_decisive(name)

    @cached_property
    def _shares_of_moe_layers(self) -> list[npt.NDArray[np.float64]]:
        """What share of a model's MoE layers the stages like each of the different ones hold."""

        def share(i: int, j: int, stage: int) -> float:
            in_order = models_in_order(self.grid.models[i], self.spreads[i][j])
            different = list(dict.fromkeys(in_order))
            if stage >= len(different):
                return 0.0
            alike = sum(one.architecture.moe_layer_count for one in in_order if one == different[stage])
            return alike / max(1, self.grid.models[i].architecture.moe_layer_count)

        return [self._each_cell(partial(share, stage=stage)) for stage in range(self.stages)]

    @property
    def kv_bytes_per_token(self) -> IntArray:
        """Of the stage that decides."""
        return self._of_decisive("kv_bytes_per_token")

    @property
    def kv_constant_bytes_per_sequence(self) -> IntArray:
        """Of the stage that decides."""
        return self._of_decisive("kv_constant_bytes_per_sequence")

    @cached_property
    def usable_bytes(self) -> IntArray:
        """Of the stage that decides."""
        return self._of_decisive("usable_bytes")

    @cached_property
    def free_for_kv_bytes(self) -> IntArray:
        """Of the stage that decides."""
        return self._of_decisive("free_for_kv_bytes")

    @cached_property
    def context(self) -> IntArray:
        """The longest context that fits; 0 where not one token does."""
        found: IntArray = np.min(self._each(lambda part: part.context), axis=0)
        return found

    @cached_property
    def baseline_context(self) -> IntArray:
        """The same with all experts resident."""
        found: IntArray = np.min(self._each(lambda part: part.baseline_context), axis=0)
        return found

    @property
    def kv_capacity_tokens(self) -> npt.NDArray[Any]:
        """What the stage that decides prints."""
        return np.ma.masked_where(self.context == 0, self._of_decisive("kv_capacity_tokens"))

    @property
    def all_resident_fraction(self) -> npt.NDArray[np.float64]:
        """Of the fullest stage."""
        found: npt.NDArray[np.float64] = np.max(self._each(lambda part: part.all_resident_fraction), axis=0)
        return found


def sweep(grid: Grid, assumptions: Assumptions) -> Sweep:
    """The memory model over a grid. Raises ParallelismError and ArchitectureError, as `Sweep`."""
    first = Sweep(grid, assumptions)
    if first.stages == 1:
        return first
    return StagedSweep([first, *(Sweep(grid, assumptions, stage) for stage in range(1, first.stages))])
