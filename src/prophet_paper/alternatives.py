"""What the source document claims of its alternatives, and the choices that figures and tables set beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from prophet_memory.edge.tables import Row
from prophet_memory.formats import DEFAULT_FORMAT, NATIVE

NUMBER = re.compile(r"\d+(?:\.\d+)?")
BASELINE_SIZE = "table-baseline-size"  # GB of experts
# The source document's name of an approach, and the claims of its share of the experts' memory and of its latency.
APPROACHES = (
    ("Baseline (Load All)", "", ""),
    ("CPU Offloading", "table-offload-size", "table-offload-latency"),
    ("Quantization (INT8)", "table-int8-share", "table-int8-latency"),
    ("Prophet", "table-prophet-share", "table-prophet-latency"),
    ("Prophet + INT8", "table-int8-prophet-share", "table-int8-prophet-latency"),
)


@dataclass(frozen=True, slots=True)
class ClaimedPoint:
    """An approach of the source document: its share of the experts' memory in 16 bit, and its latency over full residency."""

    approach: str
    share: float
    factors: tuple[float, float]  # from and to

    @property
    def printed_factor(self) -> str:
        """As the document has it."""
        first, last = (f"{value:g}" for value in self.factors)
        return first if first == last else f"{first}–{last}"


def numbers(claims: Sequence[Row], claim: str) -> list[float]:
    """The numbers that a claim prints."""
    (text,) = {row["claimed"] for row in claims if row["claim"] == claim}
    return [float(number) for number in NUMBER.findall(text)]


def claimed_points(claims: Sequence[Row]) -> list[ClaimedPoint]:
    """The five approaches, from the ledger."""
    found = []
    for approach, size, latency in APPROACHES:
        share = numbers(claims, size)[0] / 100 if size else 1.0
        factors = numbers(claims, latency) if latency else [1.0]
        found.append(ClaimedPoint(approach, share, (factors[0], factors[-1])))
    return found


def choices(published: str) -> list[tuple[str, str]]:
    """Policies and precisions that stand side by side for a model: in 16 bit or as published, and in fewer bits."""
    own = DEFAULT_FORMAT if published == DEFAULT_FORMAT else NATIVE
    fewer = [("all_resident", name) for name in ("int8", "int4") if own == DEFAULT_FORMAT or name == "int4"]
    alone = ("on_demand_offload", "layer_offload", "lru_cache", "static_cache", "cpu_compute", "oracle_cache", "prophet")
    combined = [("prophet", "int8" if own == DEFAULT_FORMAT else "int4")]
    return [("all_resident", own), *fewer, *((policy, own) for policy in alone), *combined]
