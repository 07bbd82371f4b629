"""Routing laws: what gives the number of distinct experts U(B) of one MoE layer (docs/memory-model.md, "Distinct experts").

A law stands in a module of its own here and is found by its kind, as config names it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from prophet_memory.named import by_name, kinds_of, parsed
from prophet_memory.routing.law import DistinctExperts, RoutingLaw

__all__ = ["LAWS", "DistinctExperts", "RoutingLaw", "routing_law", "routing_laws"]

LAWS = kinds_of(sys.modules[__name__], RoutingLaw)  # type: ignore[type-abstract]


def routing_law(specification: object) -> RoutingLaw:
    """The law that config names, as `uniform` or `{power_law: {exponent: 0.9}}`. Raises ParameterError."""
    return parsed(specification, LAWS)


def routing_laws(specifications: Iterable[object]) -> list[RoutingLaw]:
    """The laws of a list of config, sorted by name. Raises ParameterError."""
    return by_name(map(routing_law, specifications))
