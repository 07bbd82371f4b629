"""What a run of replicas comes to, as named numbers: batches, distinct experts, stalls, times, goodput."""

from __future__ import annotations

from typing import Any

import numpy as np

from prophet_memory.workload.replicas import Served
from prophet_memory.workload.requests import FloatArray
from prophet_memory.workload.seen import seen
from prophet_memory.workload.service import Service

BATCHES, QUANTILES = (1, 2, 4, 16), {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def columns() -> list[str]:
    """The names of `summary`."""
    times = [f"{time}_{quantile}_s" for time in ("ttft", "tpot") for quantile in QUANTILES]
    return [
        "requests", "served_fraction", "in_time_fraction", "utilisation", "mean_batch_size",
        *(f"fraction_at_most_{batch}" for batch in BATCHES), "steps_batch_size", "distinct_experts", "distinct_experts_p99",
        "resident_experts_per_layer", "short_fraction", *times, "preemptions", "goodput_per_s_per_gpu",
    ]  # fmt: skip


def summary(served: Served, one: Service, tpot_s: float, ttft_s: float = np.inf) -> dict[str, Any]:
    """Numbers of a run; None where nothing was served, no step decoded, or no request made a second token.

    Args:
        served: the run.
        one: the service of its replicas.
        tpot_s: the target of `in_time_fraction` and `goodput_per_s_per_gpu`, for each token after the first.
        ttft_s: likewise, for the first.

    Returns:
        `mean_batch_size` and shares are of the batches that requests enter, `steps_batch_size` is weighted by the time of steps;
        `distinct_experts` and `short_fraction`, the share of a layer's steps that need more than is resident, are of steps that
        decode.
    """
    done, sizes = served.done, np.arange(served.steps.size)
    experts: list[float | None] = [None, None, one.slots, None]
    if one.distinct is not None and served.decode_steps.any():
        mixture = seen(one.distinct, served.decode_steps)
        experts = [mixture.mean, mixture.quantile(QUANTILES["p99"]), one.slots, mixture.exceeding(one.slots)]
    worked = float(served.seconds.sum())
    values = [
        len(served.requests), float(done.mean()), float(served.in_time(tpot_s, ttft_s).mean()), served.utilisation,
        float(served.batch[done].mean()) if done.any() else None,
        *(served.share_at_most(batch) if done.any() else None for batch in BATCHES),
        float(served.seconds @ sizes / worked) if worked else None, *experts,
        *(_quantile(times, q) for times in (served.ttft_s, served.tpot_s) for q in QUANTILES.values()),
        int(served.preempted.sum()), served.goodput_per_s(tpot_s, ttft_s),
    ]  # fmt: skip
    return dict(zip(columns(), values, strict=True))


def _quantile(times: FloatArray, q: float) -> float | None:
    return float(np.quantile(times, q)) if times.size else None
