"""One model on some GPUs: a point of the sweep with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from prophet_memory.architecture import Architecture
from prophet_memory.formats import DEFAULT_FORMAT
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.kv_cache import KVGrowth
from prophet_memory.memory import (
    Assumptions,
    activation_moments,
    cache_blocks,
    growth_of,
    largest_step,
    loaded_beyond_counted,
    sequence_room,
    setting_of,
    stored_as,
)
from prophet_memory.occupancy import experts_on_fullest_rank
from prophet_memory.paging import Blocks
from prophet_memory.parallelism import Parallelism, known_layout
from prophet_memory.peaks import Buffer, Moment
from prophet_memory.precision import FileWeights, routed_expert_bytes
from prophet_memory.provision import MEAN, Provision
from prophet_memory.residency import ResidencyPolicy, residency_policy
from prophet_memory.routing import RoutingLaw, routing_law
from prophet_memory.stages import models_in_order
from prophet_memory.sweeps import COLUMNS, DOES_NOT_FIT, FIT_VERDICTS, Sweep, sweep


@dataclass(frozen=True, slots=True)
class Plan:
    """A row of the sweep as plain values, None where undefined; `context_bytes` are of all sequences on the fullest GPU."""

    row: dict[str, Any]
    law: RoutingLaw
    provision: Provision
    policy: ResidencyPolicy
    assumptions: Assumptions
    layout: Parallelism
    growth: KVGrowth
    context_tokens: int | None
    context_bytes: int | None
    fullest_is_exact: bool  # the experts on the fullest rank, or an upper bound
    moments: tuple[Moment, ...]  # at which the activation peak can be, the largest first
    beyond_weights: tuple[Buffer, ...]  # what the engine holds beyond the counted weights
    blocks: Blocks | None  # of a paged cache
    unread: tuple[str, ...]  # parts whose buffers the activation peak leaves out
    usable_fraction: float
    host_bytes: int  # of the routed experts that the host holds a copy of, all ranks together
    baseline_context_tokens: int  # the longest context with all experts resident
    state_format: str  # of recurrent state
    uncounted_bytes: int  # that the activation peak would take beyond, at the capacity or the context that was asked for

    @property
    def holds(self) -> bool:
        """Whether the model fits, with the context that was asked for."""
        return bool(self.row["fit_verdict"] != FIT_VERDICTS[DOES_NOT_FIT])

    @property
    def context_is_the_models(self) -> bool:
        """Whether the longest context is the model's own maximum: memory bounds none where no layer's cache grows forever."""
        bound = self.growth.max_context_tokens if self.growth.unbounded_bytes_per_token == 0 else None
        return bound is not None and self.row["max_context_tokens"] == bound


def _host_copies(architecture: Architecture, policy: ResidencyPolicy, spread: Parallelism, resident: float | None) -> float:
    """Experts of all layers that the host holds, as `StepTimes.host_memory_bytes` counts them."""
    if architecture.is_dense:
        return 0.0
    experts = experts_on_fullest_rank(architecture.moe.routed_experts, spread.expert)
    copies = float(policy.host_copies(np.array([resident or 0.0]), experts)[0]) * spread.expert
    return min(copies, float(architecture.moe.routed_experts)) * architecture.moe_layer_count


def plan(  # noqa: PLR0913 - one argument a choice
    model: Model,
    gpu: Gpu,
    assumptions: Assumptions,
    *,
    batch_size: int,
    n_gpus: int = 1,
    layout: Parallelism | None = None,
    precision: str | FileWeights = DEFAULT_FORMAT,
    routing: RoutingLaw | None = None,
    policy: ResidencyPolicy | None = None,
    context_tokens: int | None = None,
    provision: Provision = MEAN,
    stage: int | None = None,
) -> Plan:
    """What a model needs on some GPUs and what it holds there.

    Args:
        model: a name and an architecture.
        gpu: one of the GPUs.
        assumptions: what the memory model takes as given.
        batch_size: sequences decoded together.
        n_gpus: how many GPUs serve the model together.
        layout: how it is spread over them, in pipeline stages, too; default: as `prophet_memory.parallelism.parallelism`.
        precision: of the weights, as `prophet_memory.precision.precision` names it, or those of a file.
        routing: the law of the distinct experts; default: uniform.
        policy: which experts stay in GPU memory; default: prophet.
        context_tokens: of each sequence, that must fit.
        provision: what resident pools are sized for; default: the mean.
        stage: the pipeline stage to answer for, from 0; default: the one that holds the fewest tokens.

    Raises:
        ParallelismError: for more GPUs than the model can use.
        ArchitectureError: for more bytes than any machine holds.
        EngineError: for what the engine's profile does not say.
        ModelError: for a count below one, and a precision that there is not.
    """
    law, keeps = routing or routing_law("uniform"), policy or residency_policy("prophet")
    spread = known_layout(model.architecture, n_gpus, layout, cut_experts=assumptions.engine.cuts_experts)
    grid = Grid(
        [model],
        gpus=[gpu],
        n_gpus=[n_gpus],
        batch_sizes=[batch_size],
        routings=[law],
        precisions=[precision],
        policies=[keeps],
        context_tokens=[1 if context_tokens is None else context_tokens],
        layouts={n_gpus: spread},
        provisions=[provision],
    )
    parts = models_in_order(model, spread)
    stages = list(dict.fromkeys(parts))
    swept = sweep(grid, assumptions) if stage is None else Sweep(grid, assumptions, stages.index(parts[stage]))
    row, own = _row(swept), stages[int(swept.decisive.item())] if stage is None else parts[stage]
    decisive = own.architecture
    growth, size = growth_of(own, spread, assumptions), None
    paged = cache_blocks(own, spread, assumptions, gpu)
    if context_tokens is not None:
        room = sequence_room(own, spread, assumptions, gpu, np.array([context_tokens]))
        size = int(room.units[0]) * room.unit_bytes * int(spread.sequences(batch_size))
    stored = stored_as(precision, model.architecture)
    setting, peak = setting_of(stored, spread, assumptions.engine), assumptions.engine.part("activation")
    step = largest_step(assumptions, gpu, spread, batch_size)
    held = row["kv_capacity_tokens"] or 0 if context_tokens is None else context_tokens * batch_size
    longer = peak.peak_bytes(decisive, step, replace(setting, context_tokens=held))
    tokens = batch_size * assumptions.tokens_per_sequence
    exact = model.architecture.is_dense or law.bind(model.architecture.moe, model.counts).is_exact(tokens, spread.expert)
    return Plan(
        row,
        law,
        provision,
        keeps,
        assumptions,
        spread,
        growth,
        context_tokens,
        size,
        exact,
        moments=activation_moments(own, stored, spread, assumptions, gpu, batch_size),
        beyond_weights=loaded_beyond_counted(decisive, stored, spread, assumptions.engine),
        blocks=paged,
        unread=peak.unread(decisive, setting),
        uncounted_bytes=int(longer) - int(peak.peak_bytes(decisive, step, setting)),
        state_format=assumptions.state_of(decisive),
        host_bytes=round(_host_copies(model.architecture, keeps, spread, row["resident_experts_per_layer"]))
        * routed_expert_bytes(model.architecture, stored, expert_tensor=1),
        usable_fraction=assumptions.engine.fraction(gpu, spread, decisive),
        baseline_context_tokens=int(np.broadcast_to(swept.baseline_context, grid.shape).item()),
    )


def _row(swept: Sweep) -> dict[str, Any]:
    """A sweep's one point as plain values."""
    row: dict[str, Any] = {}
    for name, array in {**swept.grid.keys(), **{name: swept.column(name) for name in COLUMNS}}.items():
        value = array.ravel()[0]
        row[name] = None if value is np.ma.masked else value.item()
    row["fit_verdict"] = FIT_VERDICTS[row["fit_verdict"]]
    return row
