"""What a policy gains over the batches that a workload's requests meet: on average, and provided for the 99th percentile.

The mean is what pools for the mean number of distinct experts at each batch would gain if each request could size them anew.
What a pool of one size gains is the second: pools for the 99th percentile of distinct experts at the 99th percentile of batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from prophet_memory.concurrency import ORDER, Concurrency
from prophet_memory.errors import ModelError
from prophet_memory.grid import Grid
from prophet_memory.integers import IntArray
from prophet_memory.memory import Assumptions
from prophet_memory.provision import PROVISIONS
from prophet_memory.steps import FloatArray, StepTimes, Timing
from prophet_memory.sweeps import sweep

WAYS = {"mean": PROVISIONS["mean"], "p99": PROVISIONS["p99"]}
P99, SUM_WITHIN = 0.99, 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """Batch sizes, ascending, and the share of the requests that enter each.

    Raises:
        ModelError: for sizes that do not rise from at least 1, and shares that do not sum to 1.
    """

    sizes: IntArray
    shares: FloatArray

    def __post_init__(self) -> None:
        if not self.sizes.size or self.sizes[0] < 1 or (np.diff(self.sizes) < 1).any():
            raise ModelError("batch_size", self.sizes.tolist()[:3], "sizes that rise from at least 1")
        if (self.shares < 0).any() or abs(float(self.shares.sum()) - 1) > SUM_WITHIN:
            raise ModelError("fraction", float(self.shares.sum()), "shares of at least 0 that sum to 1")

    @property
    def mean(self) -> float:
        """That requests meet on average."""
        return float(self.shares @ self.sizes)

    @property
    def p99(self) -> int:
        """That all but one request in a hundred do not exceed."""
        return int(self.sizes[np.searchsorted(np.cumsum(self.shares), P99 - SUM_WITHIN)])


def weighted(
    grid: Grid, assumptions: Assumptions, timing: Timing, context_tokens: int, workloads: Sequence[Batches]
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """What a policy saves, extends and takes for each workload and GPU of a grid.

    Args:
        grid: one model, precision, law and policy on GPUs alone; its batch sizes and provisions are not asked for.
        assumptions: what the memory model takes as given.
        timing: what times are computed with.
        context_tokens: of each sequence, up to the model's own maximum.
        workloads: batches.

    Yields:
        the workload's place, the GPU, and by name: savings, usable extension and step over the resident one, each on average and
        at the 99th percentile (None where either side does not fit), and how many sequences of the context fit at once.
    """
    (model,) = grid.models
    context = min(context_tokens, model.architecture.max_context_tokens or context_tokens)
    most = max(int(one.sizes[-1]) for one in workloads)
    swept = sweep(replace(grid, batch_sizes=range(1, most + 1), provisions=list(WAYS.values())), assumptions)
    times = StepTimes(swept, timing, context)
    fits = Concurrency(replace(grid, batch_sizes=[1], context_tokens=[context], order=ORDER, provisions=list(WAYS.values())),
                       assumptions)  # fmt: skip
    columns = {
        "savings_fraction": swept.column("expert_savings_fraction"), "usable_extension": swept.column("usable_kv_extension"),
        "latency_factor": times.column("latency_factor"),
    }  # fmt: skip
    values = {name: _by_gpu(swept.grid, column) for name, column in columns.items()}
    held, baseline = (fits.concurrency, fits.baseline)
    for i, gpu in enumerate(grid.gpus):
        at_once = {f"{way}_concurrency": int(_point(fits.grid, held, i, j)) for j, way in enumerate(WAYS)}
        at_once["baseline_concurrency"] = int(_point(fits.grid, baseline, i, 0))
        for place, batches in enumerate(workloads):
            yield place, gpu.name, {
                f"{way}_{name}": found for name, array in values.items() for way, found in _both(array[i], batches).items()
            } | at_once  # fmt: skip


def _both(values: npt.NDArray[Any], batches: Batches) -> dict[str, float | None]:
    """Of an array (batch, provision): the mean over batches with pools for the mean, and the value at the 99th percentile."""
    at = values[batches.sizes - 1, 0]
    mean = None if np.ma.getmaskarray(at)[batches.shares > 0].any() else float(np.ma.getdata(at) @ batches.shares)
    last = values[batches.p99 - 1, 1]
    return {"mean": mean, "p99": None if last is np.ma.masked else float(last)}


def _by_gpu(grid: Grid, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A column as (GPU, batch, provision)."""
    order = ("gpu", "batch_size", "provision")
    mask = np.broadcast_to(np.ma.getmaskarray(column), grid.shape)
    whole = np.ma.masked_array(np.broadcast_to(np.ma.getdata(column), grid.shape), mask)
    moved = np.moveaxis(whole, [grid.order.index(axis) for axis in order], range(-len(order), 0))
    return moved.reshape([len(grid.axes[axis]) for axis in order])


def _point(grid: Grid, column: npt.NDArray[Any], gpu: int, provision: int) -> npt.NDArray[Any]:
    """One value of a column along GPUs and provisions."""
    whole = np.broadcast_to(column, grid.shape)
    places = {"gpu": gpu, "provision": provision}
    found: npt.NDArray[Any] = whole[tuple(places.get(axis, 0) for axis in grid.order)]
    return found
