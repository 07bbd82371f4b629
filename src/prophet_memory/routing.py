"""Routing laws: the expected number of distinct experts U(B) of one MoE layer (DESIGN "Distinct experts").

Every law takes arrays that broadcast (experts E, top_k k, batch tokens B) and returns float64 of the common shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
RoutingLaw = Callable[[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike], FloatArray]


def power_law_demand(top_k: npt.ArrayLike, batch: npt.ArrayLike, *, exponent: float) -> FloatArray:
    """The source document's formula as it stands, k B^exponent, which passes the number of experts at the saturation batch."""
    return np.asarray(top_k, np.float64) * np.asarray(batch, np.float64) ** exponent


def power_law(experts: npt.ArrayLike, top_k: npt.ArrayLike, batch: npt.ArrayLike, *, exponent: float) -> FloatArray:
    """The source document's law: U = min(E, k B^exponent)."""
    return np.minimum(np.asarray(experts, np.float64), power_law_demand(top_k, batch, exponent=exponent))


def uniform(experts: npt.ArrayLike, top_k: npt.ArrayLike, batch: npt.ArrayLike) -> FloatArray:
    """Tokens route independently and uniformly, exactly: U = E (1 - (1 - k/E)^B).

    The largest E[U] of any i.i.d. routing with the same k, because 1 - (1 - p)^B is concave in the popularity p. It bounds
    neither a single step nor tokens that are told apart: those sent to disjoint experts activate more.
    """
    pool = np.asarray(experts, np.float64)
    with np.errstate(divide="ignore"):  # k = E: every token activates every expert
        missed = np.asarray(batch, np.float64) * np.log1p(-np.asarray(top_k, np.float64) / pool)
    return -pool * np.expm1(missed)


def routing_laws(*, power_law_exponent: float) -> Mapping[str, RoutingLaw]:
    """The laws by the names that config and results use."""
    return {"power_law": partial(power_law, exponent=power_law_exponent), "uniform": uniform}


ROUTING_LAW_NAMES = tuple(routing_laws(power_law_exponent=1.0))


def power_law_batch_for_fraction(experts: float, top_k: float, fraction: float, *, exponent: float) -> float:
    """Continuous batch at which the power law reaches `fraction` of E; at 1, the saturation batch (E/k)^(1/exponent)."""
    return max(1.0, math.pow(fraction * experts / top_k, 1 / exponent))


def uniform_batch_for_fraction(experts: float, top_k: float, fraction: float) -> float:
    """Continuous batch at which the uniform law reaches `fraction` of E: infinite at 1 unless k = E."""
    if fraction * experts <= top_k:
        return 1.0
    return math.inf if fraction >= 1 else math.log1p(-fraction) / math.log1p(-top_k / experts)
