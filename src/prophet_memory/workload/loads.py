"""From offered load to batch size: what Poisson arrivals meet where nobody waits (M/G/infinity).

The load of a replica is rho = arrival rate x time that a request decodes. Whoever enters finds a Poisson number of others with
that mean, so the batch at entry is 1 + Poisson(rho), and the replica is idle for a share exp(-rho) of the time.
"""

from __future__ import annotations

import math

from prophet_memory.errors import ModelError

HALVINGS, MOST_LOAD = 60, 1e6


def share_at_most(load: float, batch: int) -> float:
    """Of the requests, those that enter a batch of at most so many, themselves among them.

    Args:
        load: of a replica, at least 0.
        batch: at least 1.

    Raises:
        ModelError: for a negative load, and a batch below 1.
    """
    if not 0 <= load < math.inf:
        raise ModelError("load", load, "a number of at least 0")
    if batch < 1:
        raise ModelError("batch", batch, "at least 1")
    if load == 0:
        return 1.0
    return math.fsum(math.exp(others * math.log(load) - load - math.lgamma(others + 1)) for others in range(batch))


def load_for(share: float, batch: int) -> float:
    """The largest load at which a share of the requests enters a batch of at most so many.

    Raises:
        ModelError: for a share that is not above 0 and below 1, and a batch below 1.
    """
    if not 0 < share < 1:
        raise ModelError("share", share, "a number above 0 and below 1")
    below, above = 0.0, 1.0
    while share_at_most(above, batch) > share and above < MOST_LOAD:
        below, above = above, 2 * above
    for _ in range(HALVINGS):
        middle = (below + above) / 2
        below, above = (middle, above) if share_at_most(middle, batch) > share else (below, middle)
    return below
