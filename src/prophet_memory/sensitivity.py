"""How much the answers depend on what is assumed: one case under other values of what a source or a guess has set.

What is asked: the extension of the usable KV capacity, the extension of the concurrency, and the expert savings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from prophet_memory.architecture import Architecture
from prophet_memory.concurrency import most_concurrent
from prophet_memory.engine import Engine
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import Assumptions
from prophet_memory.parallelism import known_layout
from prophet_memory.peaks import Buffer, Moment, Peak, Setting, Step
from prophet_memory.peaks.peak import PLAIN
from prophet_memory.provision import Provision
from prophet_memory.residency import residency_policy
from prophet_memory.routing import RoutingLaw
from prophet_memory.sweeps import sweep


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

    def _scaled(self, buffer: Buffer) -> np.ndarray:
        return np.ceil(np.asarray(buffer.size_bytes, np.float64) * self.factor).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Case:
    """A model on a GPU at a batch size, with pools of some provision."""

    model: Model
    gpu: Gpu
    batch_size: int
    precision: str
    provision: Provision


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A value of everything that varies; a context beyond the model's own maximum stands for that maximum."""

    routing: RoutingLaw
    activation_factor: float
    predictor_bytes: int
    usable_fraction: float
    engine: Engine
    kv_format: str
    context_tokens: int


@dataclass(frozen=True, slots=True)
class Response:
    """What is asked; None where the baseline holds nothing."""

    usable_kv_extension: float | None
    concurrency_extension: float | None
    expert_savings_fraction: float


def response(case: Case, choice: Choice, assumptions: Assumptions) -> Response:
    """The answers of a case under a choice.

    Raises:
        EngineError: for what the engine's profile does not say.
    """
    engine = choice.engine
    peak = ScaledPeak(engine.part("activation"), choice.activation_factor)
    taken = replace(
        assumptions,
        engine=replace(engine, usable_fraction=choice.usable_fraction, activation=peak),
        kv_format=choice.kv_format,
    )
    policy = residency_policy({"prophet": {"overhead_bytes": choice.predictor_bytes}})
    grid = Grid(
        [case.model], gpus=[case.gpu], batch_sizes=[case.batch_size], routings=[choice.routing], policies=[policy],
        precisions=[case.precision], provisions=[case.provision],
    )  # fmt: skip
    swept, architecture = sweep(grid, taken), case.model.architecture
    extension = np.ma.filled(swept.column("usable_kv_extension"), math.nan).item()
    found = most_concurrent(
        case.model, case.gpu, taken, known_layout(architecture, 1, None, cut_experts=engine.cuts_experts),
        context_tokens=min(choice.context_tokens, architecture.max_context_tokens or choice.context_tokens),
        precision=case.precision, routing=choice.routing, policy=policy, provision=case.provision,
    )  # fmt: skip
    return Response(
        None if math.isnan(extension) else extension,
        found.sequences / found.baseline_sequences if found.baseline_sequences else None,
        swept.column("expert_savings_fraction").item(),
    )
