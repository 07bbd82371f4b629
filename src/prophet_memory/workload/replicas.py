"""Requests served by replicas, and what they and the steps saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.errors import ModelError
from prophet_memory.integers import IntArray
from prophet_memory.workload import kernel
from prophet_memory.workload.kernel import State
from prophet_memory.workload.requests import FloatArray, Requests
from prophet_memory.workload.routes import ROUTES
from prophet_memory.workload.service import Service

AT_ONCE = 20_000  # requests between two reports of progress
SLICES = 20  # of the time of the arrivals, after which progress is reported when all have arrived


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What became of requests; times are NaN where one could never be served."""

    requests: Requests
    first_s: FloatArray
    finish_s: FloatArray
    batch: IntArray  # sequences that decoded in the step of the first token, itself among them
    preempted: IntArray
    replica: IntArray
    steps: IntArray  # by sequences of a step, of all replicas
    seconds: FloatArray
    decode_steps: IntArray  # by tokens of a step that read no prompt
    n_replicas: int
    n_gpus: int  # of a replica

    @property
    def done(self) -> npt.NDArray[np.bool_]:
        """Which were served."""
        return ~np.isnan(self.finish_s)

    @property
    def ttft_s(self) -> FloatArray:
        """Time to the first token of those that were served."""
        return (self.first_s - self.requests.arrival_s)[self.done]

    @property
    def tpot_s(self) -> FloatArray:
        """Time per output token after the first, of those with more than one."""
        several = self.done & (self.requests.output_tokens > 1)
        return (self.finish_s - self.first_s)[several] / (self.requests.output_tokens[several] - 1)

    @property
    def span_s(self) -> float:
        """From the first arrival to the last token."""
        return float(np.nanmax(self.finish_s, initial=0.0) - self.requests.arrival_s[0]) if self.done.any() else 0.0

    @property
    def utilisation(self) -> float:
        """Of all replicas, the share of the span in which they work."""
        return float(self.seconds.sum() / (self.span_s * self.n_replicas)) if self.span_s else 0.0

    def share_at_most(self, batch: int) -> float:
        """Of the requests that were served, those whose first token came in a batch of at most so many."""
        return float((self.batch[self.done] <= batch).mean()) if self.done.any() else float("nan")

    def in_time(self, tpot_s: float, ttft_s: float = np.inf) -> npt.NDArray[np.bool_]:
        """Which requests meet both targets; one that was never served does not."""
        each = np.maximum(1, self.requests.output_tokens - 1)
        first = self.first_s - self.requests.arrival_s
        return self.done & ((self.finish_s - self.first_s) / each <= tpot_s) & (first <= ttft_s)

    def goodput_per_s(self, tpot_s: float, ttft_s: float = np.inf) -> float:
        """Requests a second and GPU that meet both targets."""
        if not self.span_s:
            return 0.0
        return float(self.in_time(tpot_s, ttft_s).sum() / self.span_s / (self.n_replicas * self.n_gpus))


def serve(
    requests: Requests, service: Service, *, replicas: int = 1, routing: str = "random", seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Served:  # fmt: skip
    """Let replicas serve requests.

    Args:
        requests: in the order of their arrival.
        service: what each replica can do.
        replicas: how many.
        routing: which of them gets a request: one of ROUTES.
        seed: of random routing; the same gives the same.
        progress: is called with how many more requests are finished.

    Raises:
        ModelError: for no replica, and a routing that there is not.
    """
    if replicas < 1:
        raise ModelError("replicas", replicas, "at least 1")
    if routing not in ROUTES:
        raise ModelError("routing", routing, f"one of {', '.join(ROUTES)}")
    state, costs = _state(requests, service, replicas), service.costs
    picks = np.random.default_rng(seed).integers(0, replicas, len(requests))
    said = 0
    for first in range(0, len(requests), AT_ONCE):
        kernel.serve(costs, state, ROUTES[routing], first, min(first + AT_ONCE, len(requests)), picks)
        said = _reported(state, said, progress)
    until, slice_s = requests.arrival_s[-1] if len(requests) else 0.0, max(requests.span_s / SLICES, 1.0)
    while not kernel.finish(costs, state, until if progress is not None else np.inf):
        until += slice_s
        said = _reported(state, said, progress)
    _reported(state, said, progress)
    return Served(
        requests, state.first_s, state.finish_s, state.batch, state.preempted, state.replica, state.steps, state.seconds,
        state.decode_steps, replicas, service.n_gpus,
    )  # fmt: skip


def _reported(state: State, said: int, progress: Callable[[int], None] | None) -> int:
    """How many requests are finished, once what is more than was said before is told."""
    if progress is None:
        return said
    finished = int(np.count_nonzero(~np.isnan(state.finish_s)))
    progress(finished - said)
    return finished


def _state(requests: Requests, service: Service, replicas: int) -> State:
    count, places, tokens = len(requests), service.costs.sequences, service.costs.step_tokens

    def whole(*shape: int, filled: int = 0) -> IntArray:
        return np.full(shape, filled, np.int64)

    return State(
        clock_s=np.zeros(replicas), used_bytes=whole(replicas), running=whole(replicas), waiting=whole(replicas),
        head=whole(replicas, filled=kernel.NONE), tail=whole(replicas, filled=kernel.NONE), slot=whole(replicas, places),
        done=whole(replicas, places), known=whole(replicas, places), scheduled=whole(replicas, places),
        arrival_s=requests.arrival_s, prompt=requests.prompt_tokens, output=requests.output_tokens, made=whole(count),
        behind=whole(count, filled=kernel.NONE), replica=whole(count), first_s=np.full(count, np.nan),
        finish_s=np.full(count, np.nan), batch=whole(count), preempted=whole(count), steps=whole(places + 1),
        seconds=np.zeros(places + 1), decode_steps=whole(tokens + 1), turn=whole(1),
    )  # fmt: skip
