"""How long a step takes: bytes over bandwidths and operations over peaks (docs/latency.md); at the vendors' peaks a lower bound.

A step reads the weights that it activates and the cache of every sequence once, and it multiplies each token with the weights
that the token passes: the slower of the two bounds it. What is activated and not resident crosses the host link. A predictor can
hide that behind the step's own work and can take away none of it: no step is shorter than its missing bytes over the link.

All arguments that are bytes, operations or shares may be arrays, and broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prophet_memory.errors import ModelError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Link:
    """A path for copies: its bandwidth for large ones, and what each copy costs before its first byte.

    A copy of n bytes takes `start_s` + n / bandwidth, so that its efficiency is n / (n + start_s x bandwidth).

    Raises:
        ModelError: for a bandwidth that is not above 0, and a negative start.
    """

    bandwidth_bytes_per_s: float
    start_s: float = 0.0

    def __post_init__(self) -> None:
        _require("bandwidth_bytes_per_s", self.bandwidth_bytes_per_s, "a number above 0", holds=self.bandwidth_bytes_per_s > 0)
        _require("start_s", self.start_s, "a number of at least 0", holds=self.start_s >= 0)

    def seconds(self, size_bytes: npt.ArrayLike, copies: npt.ArrayLike = 0.0) -> FloatArray:
        """The time of so many copies of so many bytes in all."""
        return np.asarray(size_bytes, np.float64) / self.bandwidth_bytes_per_s + self.start_s * np.asarray(copies, np.float64)


@dataclass(frozen=True, slots=True)
class Processor:
    """What bounds a resident step on a GPU; efficiencies are shares of the vendor's peaks that kernels reach.

    Raises:
        ModelError: for a peak that is not above 0, and an efficiency outside (0, 1].
    """

    memory_bytes_per_s: float
    flops_per_s: float
    memory_efficiency: float = 1.0
    flops_efficiency: float = 1.0

    def __post_init__(self) -> None:
        for name in ("memory_bytes_per_s", "flops_per_s"):
            _require(name, getattr(self, name), "a number above 0", holds=getattr(self, name) > 0)
        for name in ("memory_efficiency", "flops_efficiency"):
            _require(name, getattr(self, name), "a number above 0, at most 1", holds=0 < getattr(self, name) <= 1)

    def reading_s(self, read_bytes: npt.ArrayLike) -> FloatArray:
        """The time of so many bytes."""
        return np.asarray(read_bytes, np.float64) / (self.memory_bytes_per_s * self.memory_efficiency)

    def computing_s(self, flops: npt.ArrayLike) -> FloatArray:
        """The time of so many operations."""
        return np.asarray(flops, np.float64) / (self.flops_per_s * self.flops_efficiency)

    def seconds(self, read_bytes: npt.ArrayLike, flops: npt.ArrayLike) -> FloatArray:
        """The slower of reading so many bytes and of so many operations."""
        return np.maximum(self.reading_s(read_bytes), self.computing_s(flops))


@dataclass(frozen=True, slots=True)
class Prefetch:
    """What a predictor of experts does; three numbers that say nothing of each other, and none of what is resident.

    Args:
        recall: of the missing bytes, the share that it asks for in time.
        wasted: bytes that it asks for and nobody needs, over those that it rightly asks for.
        overlap: of the step's own work, the share behind which transfers can hide.

    Raises:
        ModelError: for a recall or an overlap outside 0 to 1, and a negative waste.
    """

    recall: float = 0.0
    wasted: float = 0.0
    overlap: float = 1.0

    @property
    def crossing(self) -> float:
        """Bytes that cross the link for each that is missing: what is asked for in vain, too."""
        return 1 + self.recall * self.wasted

    def __post_init__(self) -> None:
        for name in ("recall", "overlap"):
            _require(name, getattr(self, name), "a number from 0 to 1", holds=0 <= getattr(self, name) <= 1)
        _require("wasted", self.wasted, "a number of at least 0", holds=self.wasted >= 0)


def missing_bytes(activated_bytes: npt.ArrayLike, residency: npt.ArrayLike) -> FloatArray:
    """What a step must fetch where a share of what it activates is resident.

    Raises:
        ModelError: for a residency outside 0 to 1.
    """
    share = np.asarray(residency, np.float64)
    for outside in share[~((share >= 0) & (share <= 1))]:
        raise ModelError("residency", float(outside), "from 0 to 1")
    return (1 - share) * np.asarray(activated_bytes, np.float64)


@dataclass(frozen=True, slots=True)
class StepParts:
    """What a step takes: seconds, arrays of one shape.

    Reading and computing go on at once, what stands beside follows them: T0. What the predictor asked for crosses the link
    meanwhile and hides behind a share of that, what it did not know of is waited for: T = T0 + asked - min(o T0, asked) + waited.
    """

    read_s: FloatArray
    compute_s: FloatArray
    beside_s: FloatArray
    asked_s: FloatArray
    waited_s: FloatArray
    overlap: float

    def seconds(self, read_s: npt.ArrayLike = 0.0, compute_s: npt.ArrayLike = 0.0) -> FloatArray:
        """The step, with more to read and to compute."""
        own = np.maximum(self.read_s + np.asarray(read_s), self.compute_s + np.asarray(compute_s)) + self.beside_s
        found: FloatArray = own + self.asked_s - np.minimum(self.overlap * own, self.asked_s) + self.waited_s
        return found

    def or_where(self, chosen: npt.NDArray[np.bool_], other: StepParts) -> StepParts:
        """The other's parts where it is chosen; both overlap alike."""
        names = ("read_s", "compute_s", "beside_s", "asked_s", "waited_s")
        return replace(self, **{name: np.where(chosen, getattr(other, name), getattr(self, name)) for name in names})


def transfers_s(
    missing: npt.ArrayLike, link: Link, prefetch: Prefetch, copies: npt.ArrayLike = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Of what is missing, the time of what a predictor asks for, hF(1+w)/BW, and of what is waited for, (1-h)F/BW."""
    needed, each = np.asarray(missing, np.float64), np.asarray(copies, np.float64)
    ahead = prefetch.recall * (1 + prefetch.wasted)
    late = 1 - prefetch.recall
    return link.seconds(ahead * needed, ahead * each), link.seconds(late * needed, late * each)


def streamed_step_s(
    resident_s: npt.ArrayLike, missing: npt.ArrayLike, link: Link, prefetch: Prefetch, copies: npt.ArrayLike = 0.0
) -> FloatArray:
    """A step that fetches what is missing, as `StepParts` has it.

    Args:
        resident_s: T0, the step with everything resident.
        missing: F, in bytes.
        link: to the host.
        prefetch: recall h, waste w, overlap o.
        copies: of the missing bytes.
    """
    own, nothing = np.asarray(resident_s, np.float64), np.zeros(())
    return StepParts(own, nothing, nothing, *transfers_s(missing, link, prefetch, copies), prefetch.overlap).seconds()


def all_reduce_s(size_bytes: npt.ArrayLike, gpus: int, link: Link) -> FloatArray:
    """Adding up what each of some GPUs holds, on all: every byte leaves each of them 2 (n - 1) / n times (a ring, or better).

    All GPUs of a machine talk at once, so an exchange starts once.
    """
    return link.seconds(2 * (gpus - 1) / gpus * np.asarray(size_bytes, np.float64), int(gpus > 1))


def all_to_all_s(size_bytes: npt.ArrayLike, gpus: int, link: Link) -> FloatArray:
    """Sending an equal part of what each of some GPUs holds to each: (n - 1) / n of it leaves."""
    return link.seconds((gpus - 1) / gpus * np.asarray(size_bytes, np.float64), int(gpus > 1))


def _require(key: str, value: float, allowed: str, *, holds: bool) -> None:
    if not holds:
        raise ModelError(key, value, allowed)
