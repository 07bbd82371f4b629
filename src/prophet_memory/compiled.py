"""The sweep's kernel compiled by numba, for sweeps of millions of points; it needs the extra `scale`.

It gives what `prophet_memory.sweep.evaluate` gives, to the bit, in one pass over memory (benchmarks/kernel.py measures both).
Floor divisions are made in float64: for integers a and b > 0 with |a| < 2^53, floor(fl(a / b)) = floor(a / b), because a
quotient below an integer n is at least 1/b below it, which is more than half an ulp of n.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from prophet_memory.sweep import DOES_NOT_FIT, FITS, NEWLY_FITS, Outcome

FloatArray = npt.NDArray[np.float64]

EXACT_BYTES = 2**53  # integers below are exact in float64
NO_TOKEN, ONE_TOKEN = 0.0, 1.0


def empty_outcome(gpus: int, points: int) -> Outcome:
    """Arrays of shape (gpus, points) for `evaluate_plain` to write; reusing them spares the first touch of fresh memory."""
    free, context, baseline, capacity = (np.empty((gpus, points), np.int64) for _ in range(4))
    return Outcome(free, context, baseline, capacity, np.empty((gpus, points)), np.empty((gpus, points), np.int8))


def evaluate_plain(
    usable: FloatArray, need: FloatArray, baseline: FloatArray, sequences: FloatArray, fixed: FloatArray, step: FloatArray,
    out: Outcome,
) -> None:  # fmt: skip
    """The kernel for caches that grow by the same bytes for every token, points of many models at once.

    Args:
        usable: usable bytes of each GPU, shape (gpus,).
        need: what the policy takes beside the KV cache, in bytes; this and the next four of shape (points,).
        baseline: what the baseline takes.
        sequences: sequences in the batch.
        fixed: bytes of the whole batch that do not depend on its length.
        step: bytes that one more token in each sequence of the batch takes.
        out: arrays of shape (gpus, points), overwritten.

    Raises:
        OverflowError: where bytes reach 2^53 and float64 would round them.
    """
    largest = max(float(values.max()) for values in (usable, need, baseline, fixed, step))
    if largest >= EXACT_BYTES:
        raise OverflowError(f"{largest:.0f} bytes; allowed: fewer than {EXACT_BYTES}, so that float64 divides exactly")
    _evaluate(
        usable, need, baseline, sequences, fixed, step,
        out.free_for_kv_bytes, out.max_context_tokens, out.baseline_context_tokens, out.kv_capacity_tokens, out.kv_extension,
        out.fit_verdict,
    )  # fmt: skip


@numba.njit(error_model="numpy", cache=True)
def _evaluate(  # type: ignore[no-untyped-def]  # noqa: ANN202, PLR0913, PLR0917
    usable, need, baseline, sequences, fixed, step,  # noqa: ANN001
    free, context, baseline_context, capacity, extension, verdict,  # noqa: ANN001
):  # fmt: skip
    """No branch stands in the inner loop, so that the compiler makes vector code of it."""
    for i in range(usable.size):
        for j in range(need.size):
            left = usable[i] - need[j]
            tokens = max(np.floor((left - fixed[j]) / step[j]), NO_TOKEN)
            baseline_tokens = max(np.floor((usable[i] - baseline[j] - fixed[j]) / step[j]), NO_TOKEN)
            fits, baseline_fits = tokens > NO_TOKEN, baseline_tokens > NO_TOKEN
            free[i, j] = np.int64(left)
            context[i, j] = np.int64(tokens)
            baseline_context[i, j] = np.int64(baseline_tokens)
            capacity[i, j] = np.int64(tokens * sequences[j])
            extension[i, j] = tokens / max(baseline_tokens, ONE_TOKEN) * baseline_fits
            verdict[i, j] = DOES_NOT_FIT - fits * (DOES_NOT_FIT - NEWLY_FITS) - (fits & baseline_fits) * (NEWLY_FITS - FITS)
