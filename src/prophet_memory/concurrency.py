"""Concurrency: the most sequences of a context that fit at once (docs/memory-model.md, "Concurrency").

More sequences activate more experts, which leaves less memory for their cache, so under Prophet the answer is a fixed point. What
a number of sequences demands never falls as the number grows: bisection over whole numbers finds the largest that fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from prophet_memory.axes import KEYS
from prophet_memory.formats import DEFAULT_FORMAT
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.integers import IntArray
from prophet_memory.memory import Assumptions, Cell, sequence_room
from prophet_memory.parallelism import Parallelism, known_layout
from prophet_memory.precision import FileWeights
from prophet_memory.provision import MEAN, Provision
from prophet_memory.residency import BASELINE, ResidencyPolicy
from prophet_memory.routing import RoutingLaw
from prophet_memory.stages import stage_models

if TYPE_CHECKING:
    import polars as pl

ORDER = (*(key for key in KEYS if key != "batch_size"), "context_tokens")
CELL = ("model", "n_gpus")
POINT = ("gpu", "routing", "precision", "policy", "provision", "context_tokens")  # of a cell
COLUMNS = (
    "tensor_parallel", "data_parallel", "expert_parallel", "pipeline_parallel", "kv_bytes_per_sequence", "concurrency",
    "distinct_experts", "concurrency_extension",
)  # fmt: skip


class Concurrency:
    """The columns of a grid without batch sizes; arrays of the grid's shape, masked where a value is undefined.

    Args:
        grid: its order is ORDER; contexts are what each sequence has.
        assumptions: what the memory model takes as given.

    Raises:
        ParallelismError, ArchitectureError, EngineError: as `Sweep`.
    """

    def __init__(self, grid: Grid, assumptions: Assumptions) -> None:
        self.grid = grid
        self._cells = [
            [
                _fewest(model, known_layout(model.architecture, n, grid.layouts.get(n), cut_experts=cut), assumptions, grid)
                for n in grid.n_gpus
            ]
            for cut in [assumptions.engine.cuts_experts]
            for model in grid.models
        ]

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of COLUMNS."""
        found: npt.NDArray[Any] = getattr(self, name)
        return np.broadcast_to(found, self.grid.shape, subok=True)

    def _along(self, name: str, axes: tuple[str, ...]) -> npt.NDArray[Any]:
        return self.grid.along((*CELL, *axes), np.array([[getattr(cell, name) for cell in row] for row in self._cells]))

    @property
    def tensor_parallel(self) -> IntArray:
        """GPUs that share attention."""
        return self._along("tensor_parallel", ())

    @property
    def data_parallel(self) -> IntArray:
        """Groups of such GPUs."""
        return self._along("data_parallel", ())

    @property
    def expert_parallel(self) -> IntArray:
        """Ranks of whole experts."""
        return self._along("expert_parallel", ())

    @property
    def pipeline_parallel(self) -> IntArray:
        """Stages of layers."""
        return self._along("pipeline_parallel", ())

    @property
    def kv_bytes_per_sequence(self) -> IntArray:
        """What the cache of a sequence takes on the fullest GPU."""
        return self._along("kv_bytes_per_sequence", ("gpu", "context_tokens"))

    @cached_property
    def concurrency(self) -> IntArray:
        """The most sequences; 0 where not one fits."""
        return self._along("most_sequences", POINT)

    @property
    def baseline(self) -> IntArray:
        """The same with all experts resident."""
        return self._along("baseline_sequences", POINT)

    @property
    def missing_bytes(self) -> IntArray:
        """What the fullest GPU lacks for a single sequence; 0 where one fits."""
        return self._along("missing_bytes", POINT)

    @property
    def distinct_experts(self) -> npt.NDArray[Any]:
        """Of a layer when so many sequences are decoded together; undefined where none is."""
        return np.ma.masked_where(self.concurrency == 0, self._along("distinct_experts", POINT))

    @property
    def concurrency_extension(self) -> npt.NDArray[Any]:
        """Concurrency over the baseline's, where that holds a sequence."""
        baseline = self.baseline
        ratio = self.concurrency / np.maximum(baseline, 1)
        return np.ma.masked_where(np.broadcast_to(baseline == 0, ratio.shape), ratio)

    def to_polars(self) -> pl.DataFrame:
        """A row for each point: keys, then values; what is undefined is null."""
        import polars as pl  # noqa: PLC0415 - arrays alone need no tables

        rows = self.rows()
        frame = pl.DataFrame({name: np.ma.getdata(array) for name, array in rows.items()})
        defined = {name: pl.Series(~np.ma.getmaskarray(array)) for name, array in rows.items() if np.ma.is_masked(array)}
        return frame.with_columns(pl.when(known).then(pl.col(name)).alias(name) for name, known in defined.items())

    def rows(self) -> dict[str, npt.NDArray[Any]]:
        """Keys and columns, each a flat array in the order of rows."""
        columns = {name: self.column(name) for name in COLUMNS}
        return {name: array.ravel() for name, array in (self.grid.keys() | columns).items()}


@dataclass(frozen=True, slots=True)
class Concurrent:
    """The most sequences of a context at once, under a policy and with all experts resident."""

    context_tokens: int
    sequences: int
    baseline_sequences: int
    distinct_experts: float | None  # of a layer, when so many are decoded together; None where none fits


def most_concurrent(  # noqa: PLR0913 - one argument a choice
    model: Model,
    gpu: Gpu,
    assumptions: Assumptions,
    layout: Parallelism,
    *,
    context_tokens: int,
    precision: str | FileWeights = DEFAULT_FORMAT,
    routing: RoutingLaw,
    policy: ResidencyPolicy,
    provision: Provision = MEAN,
) -> Concurrent:
    """Of one model on some GPUs; of pipeline stages the one that holds the fewest sequences decides. Raises as `Concurrency`."""
    grid = Grid(
        [model],
        gpus=[gpu],
        n_gpus=[layout.n_gpus],
        batch_sizes=[1],
        routings=[routing],
        precisions=[precision],
        policies=[policy],
        context_tokens=[context_tokens],
        order=ORDER,
        layouts={layout.n_gpus: layout},
        provisions=[provision],
    )
    found = Concurrency(grid, assumptions)
    sequences, baseline = int(found.concurrency.item()), int(found.baseline.item())
    return Concurrent(context_tokens, sequences, baseline, float(found.distinct_experts.item()) if sequences else None)


def _fewest(model: Model, spread: Parallelism, assumptions: Assumptions, grid: Grid) -> _Answer:
    """A sequence needs every pipeline stage, so each point has what its fullest stage holds."""
    first, *others = [_Answer(stage, spread, assumptions, grid) for stage in stage_models(model, spread)]
    for other in others:
        first.most_sequences = np.minimum(first.most_sequences, other.most_sequences)
        first.baseline_sequences = np.minimum(first.baseline_sequences, other.baseline_sequences)
        first.missing_bytes = np.maximum(first.missing_bytes, other.missing_bytes)
        first.kv_bytes_per_sequence = np.maximum(first.kv_bytes_per_sequence, other.kv_bytes_per_sequence)
    if others:
        cell = Cell(model, spread, assumptions, grid, [*grid.policies, BASELINE])
        first.distinct_experts = _distinct(cell, np.maximum(first.most_sequences, 1))
    return first


class _Answer:
    """One model in one layout: arrays over POINT."""

    def __init__(self, model: Model, spread: Parallelism, assumptions: Assumptions, grid: Grid) -> None:
        self.tensor_parallel, self.data_parallel = spread.tensor, spread.data
        self.expert_parallel, self.pipeline_parallel = spread.expert, spread.pipeline
        limits = [assumptions.engine.step_size(gpu).sequences for gpu in grid.gpus]
        shape = _shape(grid, len(grid.policies) + 1)
        most, missing, distinct = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape)
        self.kv_bytes_per_sequence = np.zeros((shape[0], shape[-1]), np.int64)
        for limit in dict.fromkeys(limits):  # a step takes no more sequences on some GPUs, so those are searched by themselves
            places = [place for place, own in enumerate(limits) if own == limit]
            part = replace(grid, gpus=[grid.gpus[place] for place in places])
            room = _Room(model, spread, assumptions, part)
            self.kv_bytes_per_sequence[places] = room.cost[:, 0, 0, 0, 0] * room.unit_bytes[:, 0, 0, 0, 0]
            cell = Cell(model, spread, assumptions, part, [*grid.policies, BASELINE])
            most[places] = _most_sequences(cell, room, None if limit is None else limit * spread.data)
            distinct[places] = _distinct(cell, np.maximum(most[places], 1))
            alone = np.moveaxis(cell.demand(np.array([1])).total_bytes, 1, -1)
            missing[places] = room.missing_for_one(alone)
        self.missing_bytes = missing[:, :, :, :-1]
        self.most_sequences, self.baseline_sequences = most[:, :, :, :-1], most[:, :, :, -1:]
        self.distinct_experts = distinct[:, :, :, :-1]


class _Room:
    """What the engine may use of each GPU, and what the cache of a sequence takes of it, in units: blocks, or bytes."""

    def __init__(self, model: Model, spread: Parallelism, assumptions: Assumptions, grid: Grid) -> None:
        self.spread, contexts = spread, np.array(grid.context_tokens, np.int64)
        rooms = [sequence_room(model, spread, assumptions, gpu, contexts) for gpu in grid.gpus]
        self.usable_bytes = _upright([assumptions.engine.usable_bytes(gpu, spread, model.architecture) for gpu in grid.gpus])
        self.unit_bytes = _upright([room.unit_bytes for room in rooms])
        self.masked = _upright([room.masked_units for room in rooms])
        self.cost = np.array([room.units for room in rooms], np.int64)[:, None, None, None, None, :]

    def holds(self, sequences: IntArray, taken_bytes: IntArray) -> npt.NDArray[np.bool_]:
        """Whether the caches of so many sequences fit beside what else is taken."""
        units = (self.usable_bytes - taken_bytes) // self.unit_bytes - self.masked
        fits: npt.NDArray[np.bool_] = self.spread.sequences(sequences) * self.cost <= units
        return fits

    def missing_for_one(self, taken_bytes: IntArray) -> IntArray:
        """Bytes without which not one sequence fits beside what else is taken."""
        needed = taken_bytes + (self.cost + self.masked) * self.unit_bytes
        missing: IntArray = np.maximum(needed - self.usable_bytes, 0)
        return missing


def _most_sequences(cell: Cell, room: _Room, limit: int | None) -> IntArray:
    """Bisection for every point at once: what fits stays below, what does not above."""
    grid = cell.grid
    shape = _shape(grid, len(cell.policies))
    bound = room.usable_bytes // room.unit_bytes // room.cost * room.spread.data
    # Powers of two, so that many points ask for the same numbers.
    above = 2 ** np.ceil(np.log2(np.broadcast_to(bound, shape) + 2)).astype(np.int64)
    above = above if limit is None else np.minimum(above, limit + 1)
    least = np.zeros(shape, np.int64)
    while (open_ := above - least > 1).any():
        middle = np.where(open_, (least + above) // 2, 1)
        numbers = np.unique(middle)
        total = np.broadcast_to(cell.demand(numbers).total_bytes, (shape[0], numbers.size, *shape[1:-1]))
        taken = np.take_along_axis(np.moveaxis(total, 1, -1), np.searchsorted(numbers, middle), axis=-1)
        fits = room.holds(middle, taken)
        least, above = np.where(open_ & fits, middle, least), np.where(open_ & ~fits, middle, above)
    return least


def _distinct(cell: Cell, sequences: IntArray) -> npt.NDArray[np.float64]:
    """Distinct experts of a layer at so many sequences."""
    numbers = np.unique(sequences)
    distinct = cell.demand(numbers).distinct_experts[0, :, :, 0, 0, 0]  # (number, law)
    laws = np.arange(distinct.shape[1]).reshape(1, -1, 1, 1, 1, 1)
    found: npt.NDArray[np.float64] = distinct[np.searchsorted(numbers, sequences), laws]
    return found


def _shape(grid: Grid, policies: int) -> tuple[int, ...]:
    """Of POINT, with so many policies."""
    return tuple(policies if axis == "policy" else len(grid.axes[axis]) for axis in POINT)


def _upright(values: list[int]) -> IntArray:
    """A value of each GPU, to broadcast over POINT."""
    return np.array(values, np.int64).reshape(-1, 1, 1, 1, 1, 1)
