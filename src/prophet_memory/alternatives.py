"""Policies and precisions side by side at equal GPU memory: what each holds, moves and takes, and which another one beats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from prophet_memory.axes import KEYS
from prophet_memory.concurrency import ORDER, Concurrency
from prophet_memory.formats import DEFAULT_FORMAT
from prophet_memory.grid import Grid
from prophet_memory.latency import Link, Prefetch, missing_bytes, streamed_step_s
from prophet_memory.memory import Assumptions, expert_bytes, stored_as
from prophet_memory.residency import BASELINE, residency_policy
from prophet_memory.steps import StepTimes, Timing
from prophet_memory.sweeps import DOES_NOT_FIT, sweep

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SWEPT = (
    "expert_savings_fraction", "resident_experts_per_layer", "resident_expert_bytes", "usable_kv_capacity_tokens",
)  # fmt: skip
TIMED = (
    "hit_rate", "host_link_bytes", "host_computed_bytes", "host_memory_bytes", "resident_step_s", "step_s", "latency_factor",
    "tokens_per_s_per_gpu", "first_token_s",
)  # fmt: skip
HALVINGS = 50
LADDER = 11  # batch sizes of 1 to 1,024 sequences
SAME = 1e-9  # of a time: what rounding can make of it
CHOICES = ("precision", "policy")  # what is chosen at a point; the other keys say where


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the alternatives beside the grid's lists."""

    context_tokens: int  # of each sequence, up to the model's own maximum
    timing: Timing


def alternatives(grid: Grid, assumptions: Assumptions, asked: Asked) -> pl.DataFrame:
    """A row for each point of the grid of one model: whether so many sequences of the context fit, bytes, times, concurrency.

    Args:
        grid: one model.
        assumptions: what the memory model takes as given.
        asked: context and timing.

    Raises:
        ModelError: as `Sweep` and `StepTimes`.
    """
    import polars as pl  # noqa: PLC0415 - arrays alone need no tables

    (model,) = grid.models
    context = min(asked.context_tokens, model.architecture.max_context_tokens or asked.context_tokens)
    grid = replace(grid, context_tokens=[context])
    swept = sweep(grid, assumptions)
    times = StepTimes(swept, asked.timing, context)
    columns: dict[str, npt.NDArray[Any]] = {
        "fits": swept.fit_verdict != DOES_NOT_FIT,
        "gpu_bytes": swept.usable_bytes - swept.free_for_kv_bytes,
    }
    columns |= {name: swept.column(name) for name in SWEPT} | {name: times.column(name) for name in TIMED}
    columns |= compared(grid, assumptions, asked.timing, times)
    columns["concurrency"] = concurrency_of(grid, assumptions)
    columns["is_dominated"] = dominated(
        grid, columns["fits"], columns["gpu_bytes"], columns["step_s"], columns["host_memory_bytes"]
    )
    flat = {name: np.broadcast_to(np.ma.getdata(array), grid.shape).ravel() for name, array in (grid.keys() | columns).items()}
    masks = {name: np.ma.getmaskarray(array) for name, array in columns.items() if np.ma.isMaskedArray(array)}
    defined = {name: pl.Series(~np.broadcast_to(mask, grid.shape).ravel()) for name, mask in masks.items()}
    table = pl.DataFrame(flat).with_columns(pl.when(known).then(pl.col(name)).alias(name) for name, known in defined.items())
    return table.with_columns(pl.lit(context).alias("context_tokens")).select(*KEYS, "context_tokens", *columns)


def compared(grid: Grid, assumptions: Assumptions, timing: Timing, times: StepTimes) -> dict[str, npt.NDArray[Any]]:
    """Steps against those of fetching on demand in the same precision, and of 16-bit weights that are all resident."""
    on_demand, whole = (
        StepTimes(sweep(changed, assumptions), timing, grid.context_tokens[0])
        for changed in (
            replace(grid, policies=[residency_policy("on_demand_offload")]),
            replace(grid, policies=[BASELINE], precisions=[DEFAULT_FORMAT]),
        )
    )
    step = times.column("step_s")
    return {"speedup_over_on_demand": on_demand.step_s / step, "factor_over_16_bit": step / whole.step_s}


def within_target(grid: Grid, assumptions: Assumptions, asked: Asked, step_target_s: float) -> pl.DataFrame:
    """Of each choice of one model the largest batch that fits and whose step is no longer than a target, among powers of two.

    Args:
        grid: one model; its batch sizes are not asked for.
        assumptions: what the memory model takes as given.
        asked: context and timing.
        step_target_s: of a step, that is of a token of each sequence.

    Returns:
        a row for each point without its batch size; nulls where not even one sequence is in time.
    """
    import polars as pl  # noqa: PLC0415 - arrays alone need no tables

    (model,) = grid.models
    context = min(asked.context_tokens, model.architecture.max_context_tokens or asked.context_tokens)
    ladder = 2 ** np.arange(LADDER)
    tried = replace(grid, batch_sizes=ladder.tolist(), context_tokens=[context])
    swept = sweep(tried, assumptions)
    times = StepTimes(swept, asked.timing, context)
    place = tried.order.index("batch_size")
    step = times.column("step_s")
    good = np.broadcast_to((swept.fit_verdict != DOES_NOT_FIT) & (step <= step_target_s), tried.shape)
    last = LADDER - 1 - np.flip(good, axis=place).argmax(axis=place)
    found = good.any(axis=place)
    at = np.expand_dims(last, place)
    columns = {
        "batch_size": ladder[last],
        **{
            name: np.take_along_axis(times.column(name), at, axis=place).squeeze(place)
            for name in ("step_s", "tokens_per_s_per_gpu")
        },
    }
    keys = {name: np.take(values, 0, axis=place) for name, values in tried.keys().items() if name != "batch_size"}
    table = pl.DataFrame({name: values.ravel() for name, values in (keys | columns).items()})
    known = pl.Series(found.ravel())
    table = table.with_columns(pl.when(known).then(pl.col(name)).alias(name) for name in columns)
    own = {"context_tokens": context, "step_target_s": step_target_s}
    return table.with_columns(pl.lit(value).alias(name) for name, value in own.items()).select(*keys, *own, *columns)


@dataclass(frozen=True, slots=True)
class Demanded:
    """What a step of one point takes and fetches: seconds with everything resident, bytes and copies that it activates."""

    resident_s: float
    activated_bytes: float
    copies: float
    link: Link

    def factor(self, residency: npt.ArrayLike, prefetch: Prefetch) -> FloatArray:
        """Of the resident step, where a share of what is activated is resident when the step begins."""
        missing = missing_bytes(self.activated_bytes, residency)
        found: FloatArray = (
            streamed_step_s(self.resident_s, missing, self.link, prefetch, missing_bytes(self.copies, residency))
            / self.resident_s
        )
        return found

    def residency_for(self, factor: float, prefetch: Prefetch) -> float:
        """The least share with which the step takes no more than a factor of the resident one: bisection, for it falls."""
        if float(self.factor(0.0, prefetch)) <= factor:
            return 0.0
        below, above = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (below + above) / 2
            below, above = (middle, above) if float(self.factor(middle, prefetch)) > factor else (below, middle)
        return above


def demanded(grid: Grid, assumptions: Assumptions, asked: Asked) -> Demanded:
    """Of a grid of one point; what its policy keeps plays no part."""
    (gpu,), (model,) = grid.gpus, grid.models
    swept = sweep(replace(grid, policies=[residency_policy("on_demand_offload")]), assumptions)
    times = StepTimes(swept, asked.timing, asked.context_tokens)
    stored = stored_as(grid.precisions[0], model.architecture)
    size = expert_bytes(model.architecture, stored, swept.spreads[0][0], assumptions.engine)
    activated_bytes = float(times.host_link_bytes.item())
    return Demanded(float(times.resident_step_s.item()), activated_bytes, activated_bytes / size, asked.timing.host_link(gpu))


def concurrency_of(grid: Grid, assumptions: Assumptions) -> npt.NDArray[np.int64]:
    """The most sequences of the grid's context at once, for each of its points: the same for every batch."""
    found = Concurrency(replace(grid, batch_sizes=[1], order=ORDER), assumptions).concurrency
    return np.expand_dims(found.squeeze(ORDER.index("context_tokens")), grid.order.index("batch_size"))


def dominated(
    grid: Grid, fits: npt.NDArray[Any], gpu_bytes: npt.NDArray[Any], step_s: npt.NDArray[Any], host_bytes: npt.NDArray[Any]
) -> BoolArray:
    """Whether another choice at the same point takes no more GPU memory and no more time, and less of one; or less of the host.

    What does not fit beats nothing, nor does a bound that nobody can build.
    """
    places = [grid.order.index(axis) for axis in CHOICES]
    real = grid.along("policy", np.array([not policy.is_bound for policy in grid.policies]))

    def aside(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        moved = np.moveaxis(np.broadcast_to(array, grid.shape), places, range(-len(places), 0))
        return moved.reshape(*moved.shape[: -len(places)], -1)

    size, time, host, can = aside(gpu_bytes), aside(step_s), aside(host_bytes), aside(fits & real)
    no_worse = (size[..., :, None] <= size[..., None, :]) & (time[..., :, None] <= (1 + SAME) * time[..., None, :])
    better = (size[..., :, None] < size[..., None, :]) | ((1 + SAME) * time[..., :, None] < time[..., None, :])
    better |= host[..., :, None] < host[..., None, :]  # which counts where both others are no worse
    found = (no_worse & better & can[..., :, None]).any(axis=-2)
    lengths = [len(grid.axes[axis]) for axis in CHOICES]
    shaped: BoolArray = np.moveaxis(found.reshape(*found.shape[:-1], *lengths), range(-len(places), 0), places)
    return shaped
