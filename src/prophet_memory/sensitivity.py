"""How much the answers depend on what is assumed: one case under other values of what a source or a guess has set.

What is asked: the extension of the usable KV capacity, the extension of the concurrency, and the expert savings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture
from prophet_memory.concurrency import ORDER, Concurrency
from prophet_memory.engine import Engine
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.integers import IntArray
from prophet_memory.memory import Assumptions
from prophet_memory.peaks import Buffer, Moment, Peak, Setting, Step
from prophet_memory.peaks.peak import PLAIN
from prophet_memory.provision import Provision
from prophet_memory.residency import residency_policy
from prophet_memory.routing import RoutingLaw
from prophet_memory.sweeps import sweep

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScaledPeak(Peak):
    """Another peak, each of its buffers times a factor: what if activations take more, or less."""

    inner: Peak
    factor: float
    kind: str = "scaled"

    def moments(self, architecture: Architecture, step: Step, setting: Setting = PLAIN) -> tuple[Moment, ...]:
        """Those of the other peak, rounded up to a byte."""
        found = self.inner.moments(architecture, step, setting)
        return tuple(Moment(m.name, tuple(Buffer(b.name, self._scaled(b)) for b in m.buffers)) for m in found)

    def _scaled(self, buffer: Buffer) -> IntArray:
        scaled: IntArray = np.ceil(np.asarray(buffer.size_bytes, np.float64) * self.factor).astype(np.int64)
        return scaled


@dataclass(frozen=True, slots=True)
class Case:
    """A model on a GPU at a batch size, with pools of some provision."""

    model: Model
    gpu: Gpu
    batch_size: int
    precision: str
    provision: Provision


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Values of everything that varies; a context beyond the model's own maximum stands for that maximum."""

    engines: Sequence[Engine]
    kv_formats: Sequence[str]
    activation_factors: Sequence[float]
    usable_fractions: Sequence[float]
    routings: Sequence[RoutingLaw]
    predictor_bytes: Sequence[int]
    context_tokens: Sequence[int]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values there are of each, in the order of the fields."""
        return tuple(len(getattr(self, field.name)) for field in fields(self))


@dataclass(frozen=True, slots=True)
class Responses:
    """What is asked, each of a lattice's shape; NaN where the baseline holds nothing."""

    usable_kv_extension: FloatArray
    concurrency_extension: FloatArray
    expert_savings_fraction: FloatArray


def responses(case: Case, lattice: Lattice, assumptions: Assumptions) -> Responses:
    """The answers of a case at every point of a lattice.

    Raises:
        EngineError: for what an engine's profile does not say.
    """
    found = Responses(*(np.full(lattice.shape, np.nan) for _ in fields(Responses)))
    varied = (lattice.engines, lattice.kv_formats, lattice.activation_factors, lattice.usable_fractions)
    for place in np.ndindex(lattice.shape[: len(varied)]):
        engine, kv_format, factor, usable = (values[at] for values, at in zip(varied, place, strict=True))
        peak = ScaledPeak(engine.part("activation"), factor)
        taken = replace(
            assumptions, engine=replace(engine, usable_fraction=usable, activation=peak), kv_format=kv_format
        )  # fmt: skip
        for name, values in _answers(case, lattice, taken).items():
            getattr(found, name)[place] = values
    return found


def _answers(case: Case, lattice: Lattice, taken: Assumptions) -> dict[str, FloatArray]:
    """Each as (routing, predictor, context)."""
    architecture = case.model.architecture
    policies = [residency_policy({"prophet": {"overhead_bytes": size}}) for size in lattice.predictor_bytes]
    longest = architecture.max_context_tokens or max(lattice.context_tokens)
    grid = Grid(
        [case.model], gpus=[case.gpu], batch_sizes=[case.batch_size], routings=lattice.routings, policies=policies,
        precisions=[case.precision], provisions=[case.provision],
    )  # fmt: skip
    swept, shape = sweep(grid, taken), (len(lattice.routings), len(policies), 1)
    at_once = Concurrency(
        replace(grid, order=ORDER, batch_sizes=[1], context_tokens=[min(one, longest) for one in lattice.context_tokens]), taken
    )

    def filled(array: npt.NDArray[Any], whole: tuple[int, ...]) -> FloatArray:
        return np.ma.filled(np.ma.asarray(np.broadcast_to(array, grid.shape, subok=True), np.float64), np.nan).reshape(whole)

    extension = np.ma.filled(at_once.column("concurrency_extension"), np.nan)
    return {
        "usable_kv_extension": filled(swept.column("usable_kv_extension"), shape),
        "concurrency_extension": extension.reshape(*shape[:2], len(lattice.context_tokens)),
        "expert_savings_fraction": filled(swept.column("expert_savings_fraction"), shape),
    }
