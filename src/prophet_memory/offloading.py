"""Published decode speeds of models whose experts are not all in GPU memory, and the least time that bandwidths leave them.

A bound takes the fastest that a source or its hardware allows: the peak of the GPU's memory, of the host link and of the host's
memory channels, perfect overlap, and what is resident hit as often as the source says. Where a source does not name a GPU of the
catalogue, what the GPU reads takes no time. So no measurement may lie below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from prophet_memory.decode import decode_work, exchange_s
from prophet_memory.errors import ModelError
from prophet_memory.formats import DEFAULT_FORMAT
from prophet_memory.gguf import FILE_TYPES, recipe_weights
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Model
from prophet_memory.memory import Assumptions, stored_as
from prophet_memory.parallelism import ALONE, Parallelism
from prophet_memory.precision import FileWeights, Stored, non_expert_bytes
from prophet_memory.routing import routing_law
from prophet_memory.steps import Timing

HOST = "cpu_compute"
PEAKS = Timing(host_memory_bytes_per_s=np.inf, host_flops_per_s=np.inf)  # of a GPU, without any loss


@dataclass(frozen=True, slots=True)
class OffloadRun:
    """A measured decode speed and what its source states; None where it does not.

    `weights` is a GGUF recipe, a precision, or the name of a file whose size is stated. Bandwidths are the most that source or
    hardware allow. `hit_rate` is of what a step activates; without one a static share hits by its size.
    """

    name: str
    model: Model
    gpu: Gpu | None
    engine: str
    policy: str
    weights: str
    file_bytes: int | None
    resident_fraction: float | None
    hit_rate: float | None
    context_tokens: int
    batch_size: int
    link_bytes_per_s: float | None
    host_bytes_per_s: float | None
    tokens_per_s: float
    resident_tokens_per_s: float | None = None  # with everything on the GPU, as the same author measured

    @property
    def step_s(self) -> float:
        """As measured: a step gives each sequence a token."""
        return self.batch_size / self.tokens_per_s

    @property
    def hits(self) -> float:
        """Of what a step activates, the share that is resident. Raises ModelError where neither is stated."""
        found = self.hit_rate if self.hit_rate is not None else self.resident_fraction
        if found is None:
            raise ModelError("hit_rate", None, f"a number from 0 to 1, or a resident fraction, for {self.name}")
        return found

    @property
    def lacking_layers(self) -> float:
        """MoE layers with experts that are not resident; on the host whole layers stay, so their share counts."""
        share = 1.0 if self.policy != HOST else 1 - (self.resident_fraction or 0.0)
        return share * self.model.architecture.moe_layer_count


@dataclass(frozen=True, slots=True)
class Least:
    """The bound on a step, and what of it the link or the host takes."""

    step_s: float
    elsewhere_s: float


def weights_of(run: OffloadRun) -> Stored:
    """The weights of a run; of a file whose size alone is stated, the experts are what it holds beyond 16-bit other weights."""
    architecture = run.model.architecture
    if run.file_bytes is not None:
        rest = non_expert_bytes(architecture, stored_as(DEFAULT_FORMAT, architecture))
        return FileWeights(run.weights, 0, run.file_bytes - rest)
    return recipe_weights(architecture, run.weights) if run.weights in FILE_TYPES else stored_as(run.weights, architecture)


def least_step(run: OffloadRun, assumptions: Assumptions) -> Least:
    """The least time of a step. Raises ModelError for a run that lacks the bandwidth that its policy needs."""
    moe = run.model.architecture.moe
    batches = np.array([run.batch_size])
    needed = routing_law("uniform").bind(moe).mean(batches)
    work = decode_work(run.model, ALONE, weights_of(run), assumptions, batches, run.context_tokens, needed)
    rest, experts, cache = (float(part[0]) for part in (work.rest_bytes, work.expert_bytes, work.cache_bytes))
    peak = run.gpu.hbm_bandwidth_bytes_per_s if run.gpu is not None else None

    def on_gpu(size_bytes: float) -> float:
        return 0.0 if peak is None else size_bytes / peak

    missing = (1 - run.hits) * experts
    if run.policy == HOST:
        elsewhere = missing / _stated(run, "host_bytes_per_s", run.host_bytes_per_s)
        return Least(on_gpu(rest + cache) + max(on_gpu(experts - missing), elsewhere), elsewhere)
    elsewhere = missing / _stated(run, "link_bytes_per_s", run.link_bytes_per_s)
    return Least(max(on_gpu(rest + cache + experts), elsewhere), elsewhere)


def _stated(run: OffloadRun, key: str, value: float | None) -> float:
    if value is None:
        raise ModelError(key, None, f"a number above 0, for {run.policy} of {run.name}")
    return value


def fixed_cost_s(runs: Sequence[OffloadRun]) -> float:
    """What an MoE layer that lacks experts costs beside bytes, of an engine whose runs differ in the share that its cache misses.

    Their steps fall along a line with that share (least squares). Where nothing is missing any more, the line ends above the step
    that the same author measured with everything resident; every layer has its part of the difference.

    Raises:
        ModelError: for runs that are fewer than two, and where no resident speed was measured.
    """
    own = [run for run in runs if run.hit_rate is not None and run.resident_fraction is not None]
    resident = [run.batch_size / run.resident_tokens_per_s for run in runs if run.resident_tokens_per_s is not None]
    if len(own) < 2 or not resident:  # noqa: PLR2004 - a line
        raise ModelError("runs", len(own), "at least two with a hit rate and a resident fraction, and one with a resident speed")
    line = np.polynomial.Polynomial.fit([1 - run.hits for run in own], [run.step_s for run in own], 1).convert()
    return float((line.coef[0] - min(resident)) / own[0].model.architecture.moe_layer_count)


@dataclass(frozen=True, slots=True)
class ResidentRun:
    """A step with everything resident, and how many distinct experts its tokens took."""

    name: str
    model: Model
    gpu: Gpu
    spread: Parallelism
    precision: str
    kv_format: str
    context_tokens: int
    batch_size: int
    distinct_experts: float
    step_s: float
    source: str = ""
    doubt: str = ""


def least_resident_step_s(run: ResidentRun, assumptions: Assumptions, timing: Timing | None = None) -> float:
    """The time of a resident step without fixed costs of layers; by default at the peaks of its GPUs and of their link.

    Raises:
        ModelError: for a GPU without a bandwidth or a peak.
    """
    timing, needed, batches = timing or PEAKS, np.array([run.distinct_experts]), np.array([run.batch_size])
    stored, taken = stored_as(run.precision, run.model.architecture), replace(assumptions, kv_format=run.kv_format)
    work = decode_work(run.model, run.spread, stored, taken, batches, run.context_tokens, needed)
    own = float(timing.processor(run.gpu).seconds(work.read_bytes, work.flops + work.expert_flops)[0])
    if run.spread.n_gpus == 1:
        return own
    link = timing.gpu_link(run.gpu, run.spread.n_gpus)
    return own + float(exchange_s(run.model.architecture, run.spread, batches.astype(np.float64), link)[0])


def with_fixed_costs(run: OffloadRun, bound_s: float, layer_s: float, offload_layer_s: float) -> float:
    """The bound, and what engines pay for each layer and for each that lacks experts."""
    return bound_s + layer_s * run.model.architecture.layer_count + offload_layer_s * run.lacking_layers
