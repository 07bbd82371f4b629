"""Which policy, precision and layout serve a load with the fewest GPUs, and which number decided it (docs/workloads.md).

Requests arrive as a Poisson process, so where rho of them are decoded on average, one that enters meets a batch of
1 + Poisson(rho): memory and step are those of its 99th percentile. Between two tokens a request waits for others' prompts, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from prophet_memory.engine import EngineError
from prophet_memory.errors import ModelError
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid
from prophet_memory.memory import Assumptions, sequence_room, stored_as
from prophet_memory.parallelism import Parallelism, ParallelismError, layouts
from prophet_memory.precision import FileWeights
from prophet_memory.steps import FloatArray, StepTimes, Timing
from prophet_memory.sweeps import DOES_NOT_FIT, sweep
from prophet_memory.workload.loads import load_for

Bools = npt.NDArray[np.bool_]
DIGITS = 9  # of deciding numbers: more is rounding

SHARE = 0.99  # of the requests, those that meet a batch no larger than what memory and time are planned for
LADDER = tuple(sorted({*(2**power for power in range(11)), *(3 * 2**power for power in range(9))}))  # 1, 2, 3, 4, 6, 8 ... 1,024


@dataclass(frozen=True, slots=True)
class Load:
    """Requests a second to all replicas together, and the tokens that each makes of its context."""

    requests_per_s: float
    output_tokens: float

    def __post_init__(self) -> None:
        for name in ("requests_per_s", "output_tokens"):
            if not 0 < getattr(self, name) < math.inf:
                raise ModelError(name, getattr(self, name), "a number above 0")


@dataclass(frozen=True, slots=True)
class Target:
    """What a request may take: for each token after the first, and for its prompt where nobody else is there."""

    tpot_s: float
    ttft_s: float = math.inf

    def __post_init__(self) -> None:
        for name in ("tpot_s", "ttft_s"):
            if not getattr(self, name) > 0:
                raise ModelError(name, getattr(self, name), "a number above 0")


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """A policy at a precision in a layout: what a replica takes at each batch size of LADDER, its pools sized for that batch."""

    gpu: str
    layout: Parallelism
    precision: str
    policy: str
    fits: Bools
    step_s: FloatArray
    first_token_s: FloatArray  # of a prompt alone
    host_memory_bytes: FloatArray  # of all GPUs' experts
    lacking_bytes: int  # of the fullest GPU for one request; 0 where one fits

    @property
    def order(self) -> tuple[str, int, int, int, str, str]:
        """To tell apart what nothing else does."""
        return self.gpu, self.layout.n_gpus, -self.layout.tensor, self.layout.expert, self.precision, self.policy


@dataclass(frozen=True, slots=True)
class Choice:
    """An option that meets the target, with as many replicas as the load takes."""

    option: Option
    replicas: int
    goodput_per_s_per_gpu: float  # the most that a replica serves in time, over its GPUs
    load: float  # of a replica: requests that it decodes on average
    batch_size: int  # that the 99th percentile of the requests meets, rounded up to LADDER
    step_s: float  # of that batch
    tpot_s: float  # with the prompts of others
    first_token_s: float  # of a prompt alone
    host_memory_bytes: float  # of a replica

    @property
    def total_gpus(self) -> int:
        """Of all replicas."""
        return self.replicas * self.option.layout.n_gpus

    @property
    def ranks(self) -> dict[str, float]:
        """What decides, in its order, the least first: GPUs, goodput, time per token, host memory; without rounding's part."""
        numbers = {
            "total_gpus": self.total_gpus, "goodput_per_s_per_gpu": -self.goodput_per_s_per_gpu, "tpot_s": self.tpot_s,
            "host_memory_bytes": self.host_memory_bytes,
        }  # fmt: skip
        return {name: float(f"{value:.{DIGITS}g}") for name, value in numbers.items()}

    @property
    def order(self) -> tuple[object, ...]:
        """By what decides; of equal ones by name."""
        return *self.ranks.values(), self.option.order

    def decided_over(self, other: Choice) -> tuple[str, float, float] | None:
        """The first of the deciding numbers in which it differs from another choice, with both values; None where none does."""
        theirs = other.ranks
        name = next((name for name, value in self.ranks.items() if value != theirs[name]), None)
        return None if name is None else (name, float(getattr(self, name)), float(getattr(other, name)))


@dataclass(frozen=True, slots=True)
class Refusal:
    """An option that meets no target at any batch, by the number that says so: bytes that it lacks, or seconds."""

    option: Option
    key: str  # memory, tpot or ttft
    least: float


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Choices, the best first; what was refused; and the least time of a step of all that fits, None where nothing does."""

    choices: tuple[Choice, ...]
    refusals: tuple[Refusal, ...]
    bound: Refusal | None


def recommend(
    grid: Grid, load: Load, target: Target, context_tokens: int, *, assumptions: Assumptions, timing: Timing
) -> Recommendation:
    """What serves a load in time, the fewest GPUs first.

    Args:
        grid: one model, law and provision; GPUs, numbers of GPUs of a replica, precisions and policies to choose from.
        load: of all replicas.
        target: of each request.
        context_tokens: of each request, prompt and output together, up to the model's own maximum.
        assumptions: what the memory model takes as given.
        timing: what times are computed with, of a machine; replicas fill it, and each has its GPUs' part of the host.

    Raises:
        ModelError: as `Sweep` and `StepTimes`, for an encoder-decoder, for a context that leaves no token to a prompt, and where
            no number of GPUs has a layout.
    """
    return ranked(options(grid, assumptions, timing, context_tokens, load.output_tokens), load, target)


def options(grid: Grid, assumptions: Assumptions, timing: Timing, context_tokens: int, output_tokens: float) -> list[Option]:
    """Every option of a grid as in `recommend`: layouts of tensor, data and expert parallelism; a batch passes stages in turn."""
    (model,) = grid.models
    if model.architecture.encoder is not None:
        raise ModelError("model", model.name, "a decoder alone: requests have one prompt and one output")
    grid = replace(grid, policies=[policy for policy in grid.policies if not policy.is_bound])  # nobody can build those
    context = min(context_tokens, model.architecture.max_context_tokens or context_tokens)
    if not output_tokens < context:
        raise ModelError("output_tokens", output_tokens, f"fewer than the context, {context}")
    found: list[Option] = []
    problem: ModelError | None = None
    for count in grid.n_gpus:
        try:
            own = layouts(model.architecture, count, pipeline=1, cut_experts=assumptions.engine.cuts_experts)
        except ParallelismError as none:
            problem = problem or none
            continue
        for layout in own:
            try:
                formats = whole_blocks(grid, assumptions, layout)
                part = replace(grid, n_gpus=[count], layouts={count: layout}, context_tokens=[context], precisions=formats)
                own_timing = timing.of_replica(count)
                found += _in_layout(part, assumptions, own_timing, layout, math.ceil(context - output_tokens))
            except (EngineError, ParallelismError) as none:  # a layout that the profile knows nothing of, or of no precision
                problem = problem or none
    if not found and problem is not None:
        raise problem
    return found


def whole_blocks(grid: Grid, assumptions: Assumptions, layout: Parallelism) -> list[str | FileWeights]:
    """The precisions whose blocks of weights a layout leaves whole. Raises ParallelismError where there is none."""
    (model,) = grid.models
    found, problem = list[str | FileWeights](), None
    for name in grid.precisions:
        try:
            assumptions.engine.check_blocks(model.architecture, stored_as(name, model.architecture), layout)
            found.append(name)
        except ParallelismError as broken:
            problem = problem or broken
    if not found and problem is not None:
        raise problem
    return found


def _by_largest_batch(gpus: Sequence[Gpu], assumptions: Assumptions, layout: Parallelism) -> dict[int, list[Gpu]]:
    """GPUs by the most sequences that the engine's step takes there, up to LADDER's last."""
    found: dict[int, list[Gpu]] = {}
    for gpu in gpus:
        limit = assumptions.engine.step_size(gpu).sequences
        found.setdefault(LADDER[-1] if limit is None else min(LADDER[-1], limit * layout.data), []).append(gpu)
    return found


def _in_layout(grid: Grid, assumptions: Assumptions, timing: Timing, layout: Parallelism, prompt_tokens: int) -> Iterator[Option]:
    """The options of one layout, by GPU, precision and policy."""
    for most, gpus in _by_largest_batch(grid.gpus, assumptions, layout).items():
        part = replace(grid, gpus=gpus, batch_sizes=[size for size in LADDER if size <= most])
        yield from _of_some_gpus(part, assumptions, timing, layout, prompt_tokens)


def _of_some_gpus(
    grid: Grid, assumptions: Assumptions, timing: Timing, layout: Parallelism, prompt_tokens: int
) -> Iterator[Option]:
    """The same for GPUs whose steps take as many sequences."""
    (model,), (context,) = grid.models, grid.context_tokens
    swept = sweep(grid, assumptions)
    times, prompts = StepTimes(swept, timing, context), StepTimes(swept, timing, prompt_tokens)
    order = ("gpu", "precision", "policy", "batch_size")
    places = [grid.order.index(axis) for axis in order]
    beyond = [(0, 0)] * (len(order) - 1) + [(0, len(LADDER) - len(grid.batch_sizes))]

    def aside(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        whole = np.moveaxis(np.broadcast_to(np.ma.getdata(values), grid.shape), places, range(-len(places), 0))
        return np.pad(whole.reshape([len(grid.axes[axis]) for axis in order]), beyond)  # larger batches: none fits

    fits, step_s = aside(swept.fit_verdict != DOES_NOT_FIT), aside(times.step_s)
    first_token_s, free = aside(prompts.first_token_s), aside(swept.free_for_kv_bytes)
    host = aside(times.host_memory_bytes)
    for i, gpu in enumerate(grid.gpus):
        room = sequence_room(model, layout, assumptions, gpu, np.array([context]))
        alone = int((room.units[0] + room.masked_units) * room.unit_bytes)
        for j, precision in enumerate(grid.names("precision")):
            for k, policy in enumerate(grid.policies):
                yield Option(
                    gpu.name, layout, precision, policy.name, fits[i, j, k], step_s[i, j, k], first_token_s[i, j, k],
                    host[i, j, k], max(0, alone - int(free[i, j, k, 0])),
                )  # fmt: skip


def ranked(found: Sequence[Option], load: Load, target: Target) -> Recommendation:
    """Options by what a load and a target make of them."""
    capacity = Capacity(found, load.output_tokens, target)
    choices = sorted(capacity.choices(load.requests_per_s), key=lambda one: one.order)
    bounds = [Refusal(one, "tpot", least) for one, least in zip(found, capacity.least_step_s.tolist(), strict=True)]
    bound = min(bounds, key=lambda one: (one.least, one.option.order), default=None)
    is_bound = bound is not None and bound.least < math.inf
    return Recommendation(tuple(choices), tuple(capacity.refusals()), bound if is_bound else None)


class Capacity:
    """What a replica of each option serves in time at each batch size of LADDER: arrays (option, batch).

    At a load rho a request gets a token each step and rho P / O: prompts of others, of P each, come once in an output of O tokens
    for each that decodes. A load is bounded by the batch, and by the target.
    """

    def __init__(self, found: Sequence[Option], output_tokens: float, target: Target) -> None:
        self.found, self.output_tokens, self.target = found, output_tokens, target
        shape = (-1, len(LADDER))
        self.fits = np.array([one.fits for one in found], np.bool_).reshape(shape)
        self.step_s = np.array([one.step_s for one in found], np.float64).reshape(shape)
        self.first_token_s = np.array([one.first_token_s for one in found], np.float64).reshape(shape)
        self.in_time = self.fits & (self.step_s < target.tpot_s) & (self.first_token_s <= target.ttft_s)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            bounded = (target.tpot_s - self.step_s) * output_tokens / self.first_token_s
        load = np.where(self.in_time, np.fmin(LOADS, bounded), 0.0)
        spent_s = output_tokens * self.step_s + load * self.first_token_s  # of a request, from its first token to its last
        self.rate_per_s = np.divide(load, spent_s, out=np.zeros(load.shape), where=self.in_time)
        self.least_step_s: FloatArray = np.where(self.fits, self.step_s, np.inf).min(axis=1, initial=np.inf)

    def choices(self, requests_per_s: float) -> Iterator[Choice]:
        """As many replicas as the load takes, at the smallest batch that then does; of the options that are in time."""
        places = np.flatnonzero(self.rate_per_s.any(axis=1))
        most = self.rate_per_s[places].max(axis=1, initial=0)
        replicas = np.ceil(requests_per_s / most)
        each = np.minimum(most, requests_per_s / replicas)
        at = (self.rate_per_s[places] >= each[:, None]).argmax(axis=1)
        tpot_s = self.step_s[places, at] / (1 - each * self.first_token_s[places, at])
        loads = each * self.output_tokens * tpot_s
        columns = (array.tolist() for array in (places, replicas.astype(np.int64), most, loads, at, tpot_s))
        for place, count, rate, load, batch, tpot in zip(*columns, strict=True):
            option = self.found[place]
            yield Choice(
                option, count, rate / option.layout.n_gpus, load, LADDER[batch], float(option.step_s[batch]), tpot,
                float(option.first_token_s[batch]), float(option.host_memory_bytes[batch]),
            )  # fmt: skip

    def refusals(self) -> Iterator[Refusal]:
        """The number that no batch of the other options brings down far enough."""
        steady = self.fits & (self.step_s < self.target.tpot_s)
        first = np.where(steady, self.first_token_s, np.inf).min(axis=1, initial=np.inf)
        for place in np.flatnonzero(~self.rate_per_s.any(axis=1)).tolist():
            option = self.found[place]
            if not self.fits[place].any():
                yield Refusal(option, "memory", float(option.lacking_bytes))
            elif steady[place].any():
                yield Refusal(option, "ttft", float(first[place]))
            else:
                yield Refusal(option, "tpot", float(self.least_step_s[place]))


def _loads(sizes: Sequence[int]) -> FloatArray:
    return np.array([load_for(SHARE, size) for size in sizes])


LOADS = _loads(LADDER)
