"""Residency policies: which routed experts stay in GPU memory (docs/memory-model.md, "Residency").

A policy stands in a module of its own here and is found by its kind, as config names it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from prophet_memory.named import by_name, kinds_of, parsed
from prophet_memory.residency.policy import ResidencyPolicy, Transfers

__all__ = ["BASELINE", "POLICIES", "ResidencyPolicy", "Transfers", "residency_policies", "residency_policy"]

POLICIES = kinds_of(sys.modules[__name__], ResidencyPolicy)  # type: ignore[type-abstract]


def residency_policy(specification: object) -> ResidencyPolicy:
    """The policy that config names. Raises ParameterError."""
    return parsed(specification, POLICIES)


def residency_policies(specifications: Iterable[object]) -> list[ResidencyPolicy]:
    """The policies of a list of config, sorted by name. Raises ParameterError."""
    return by_name(map(residency_policy, specifications))


# What every KV extension is a ratio to.
BASELINE = residency_policy("all_resident")
