"""Whole numbers that numpy can hold: sizes are computed in Python's integers, which have no end, and checked once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prophet_memory.errors import ArchitectureError

IntArray = npt.NDArray[np.int64]

MOST = 2**59  # sums of a dozen such numbers are still below 2^63


def is_count(value: object) -> bool:
    """Whether a value is an integer of at least one, Python's or numpy's."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


def exact_array(values: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """Values as Python integers, so that products of them never wrap."""
    return np.asarray(np.asarray(values, np.int64), object)


def int64(values: npt.ArrayLike, what: str, *, below: int = MOST) -> IntArray:
    """Python integers as int64.

    Args:
        values: integers of any size and shape.
        what: what they are, for the error.
        below: the first that is too large.

    Raises:
        ArchitectureError: for values that are, more than any machine holds.
    """
    array = np.asarray(values, object)
    if array.size and (largest := max(array.ravel().tolist())) >= below:
        raise ArchitectureError(what, largest, f"less than 2^{below.bit_length() - 1}: sizes that some machine could hold")
    return array.astype(np.int64)
