"""Routing laws in tables: their order and look in figures, and laws of a table as objects again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from prophet_memory.edge.tables import catalogued
from prophet_memory.routing import LAWS, RoutingLaw, routing_laws
from prophet_paper.looks import LAW_LOOKS, Look


def laws_of(catalogue: Path) -> list[RoutingLaw]:
    """The laws of law_catalogue.csv, sorted by name."""
    return routing_laws(json.loads(row["specification"]) for row in catalogued(catalogue, "routing").values())


def in_figure_order(laws: Iterable[RoutingLaw]) -> list[RoutingLaw]:
    """Laws in the order in which figures draw them."""
    return sorted(laws, key=lambda law: (law.order, law.name))


def looks_of(laws: Iterable[RoutingLaw]) -> dict[str, Look]:
    """The look of each law by its name: a kind keeps its own whatever is swept; a second law of one kind takes the next free."""
    kinds = list(LAWS)
    places: dict[str, int] = {}
    taken: set[str] = set()
    further = len(kinds)
    for law in in_figure_order(laws):
        places[law.name] = further if law.kind in taken else kinds.index(law.kind)
        further += law.kind in taken
        taken.add(law.kind)
    return {name: LAW_LOOKS[place % len(LAW_LOOKS)] for name, place in places.items()}
