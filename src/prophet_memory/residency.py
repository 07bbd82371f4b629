"""Residency policies: how many routed experts of each layer stay in GPU memory, and what the policy itself takes there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ResidencyPolicy:
    """`resident_experts(distinct_experts, experts)` of one layer, and whether the predictor's memory is needed."""

    resident_experts: Callable[[FloatArray, int], FloatArray]
    uses_predictor: bool


POLICIES = {
    "all_resident": ResidencyPolicy(np.full_like, uses_predictor=False),
    "prophet": ResidencyPolicy(lambda distinct, _experts: distinct, uses_predictor=True),
}
BASELINE_POLICY = "all_resident"
