"""Which GPUs, how many and in which layout hold so many requests of a context: of each GPU the fewest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from prophet_memory.concurrency import Concurrency
from prophet_memory.engine import EngineError
from prophet_memory.grid import Grid
from prophet_memory.integers import IntArray
from prophet_memory.memory import Assumptions
from prophet_memory.parallelism import Parallelism, ParallelismError

Layouts = Callable[[int], Sequence[Parallelism]]


@dataclass(frozen=True, slots=True)
class Holding:
    """GPUs, the layout in which they hold the most requests, and how many those are."""

    gpu: str
    n_gpus: int
    memory_bytes: int  # of all of them
    layout: Parallelism
    concurrency: int
    all_resident_concurrency: int
    missing_bytes: int  # that the fullest GPU lacks for a single request; 0 where one fits
    default_concurrency: int | None  # in the first layout; None where the engine has no answer for it

    @property
    def order(self) -> tuple[int, int, str]:
        """The fewest GPUs first, then the least memory."""
        return self.n_gpus, self.memory_bytes, self.gpu


@dataclass(frozen=True, slots=True)
class Fit:
    """What holds so many requests; `nearest` is the most that anything holds where nothing does."""

    holdings: tuple[Holding, ...]
    nearest: Holding | None
    unanswered: dict[int, EngineError]  # numbers of GPUs of which no layout has an answer, and why


def fewest_gpus(grid: Grid, assumptions: Assumptions, concurrency: int, layouts: Layouts) -> Fit:
    """Of each GPU the smallest number that holds so many requests, in the layout that holds the most.

    Args:
        grid: one model, law, precision, policy and context; GPUs and their numbers, ascending.
        assumptions: what the memory model takes as given.
        concurrency: requests at once.
        layouts: those to try for a number of GPUs, the default first; of equal ones the first is taken.

    Raises:
        ParallelismError: where no number has a layout.
        ArchitectureError: for more bytes than any machine holds.
    """
    left, found, nearest = list(grid.gpus), list[Holding](), None
    unanswered: dict[int, EngineError] = {}
    impossible: dict[int, ParallelismError] = {}
    for count in grid.n_gpus:
        try:
            here = _best(replace(grid, gpus=left, n_gpus=[count]), assumptions, layouts(count))
        except ParallelismError as problem:
            impossible[count] = problem
            continue
        except EngineError as problem:
            unanswered[count] = problem
            continue
        enough = {one.gpu: one for one in here if one.concurrency >= concurrency}
        found += enough.values()
        left = [gpu for gpu in left if gpu.name not in enough]
        nearest = max([*here, *([] if nearest is None else [nearest])], key=_nearness)
        if not left:
            break
    if len(impossible) == len(grid.n_gpus):
        raise impossible[grid.n_gpus[-1]]
    return Fit(tuple(sorted(found, key=lambda one: one.order)), None if found else nearest, unanswered)


def _nearness(one: Holding) -> tuple[int, int, int, int]:
    """What holds the most, by the fewest GPUs; where nothing holds a request, what lacks the least for one."""
    return one.concurrency, -one.missing_bytes, -one.n_gpus, -one.memory_bytes


def _best(grid: Grid, assumptions: Assumptions, layouts: Sequence[Parallelism]) -> list[Holding]:
    """Of each GPU, so many of it, the layout that holds the most. Raises as the first layout where none has an answer."""
    count, answers = grid.n_gpus[0], dict[Parallelism, tuple[IntArray, ...]]()
    reason: EngineError | ParallelismError | None = None
    for layout in layouts:
        try:
            answer = Concurrency(replace(grid, layouts={count: layout}), assumptions)
        except (EngineError, ParallelismError) as problem:  # the profile does not know it, or it cuts blocks of weights
            reason = reason or problem
            continue
        answers[layout] = tuple(_of_each_gpu(c, grid) for c in (answer.concurrency, answer.baseline, answer.missing_bytes))
    if not answers:
        raise reason or EngineError("layouts", count, "at least one")
    tried, (most, baseline, missing) = list(answers), np.array(list(answers.values())).swapaxes(0, 1)
    places = np.where(most.any(axis=0), most.argmax(axis=0), missing.argmin(axis=0))
    default = answers.get(layouts[0])
    return [
        Holding(
            gpu.name, count, count * gpu.memory_bytes, tried[place], int(most[place, i]), int(baseline[place, i]),
            int(missing[place, i]), None if default is None else int(default[0][i]),
        )
        for i, (gpu, place) in enumerate(zip(grid.gpus, places, strict=True))
    ]  # fmt: skip


def _of_each_gpu(column: IntArray, grid: Grid) -> IntArray:
    found: IntArray = np.broadcast_to(column, grid.shape).reshape(len(grid.gpus))
    return found
