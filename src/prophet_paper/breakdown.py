"""What the memory of a GPU is made of, as figures and tables show it: a slice of a bar, a line of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from prophet_memory.edge.tables import Row
from prophet_memory.edge.text import multiplied, significant
from prophet_paper.looks import BLUE, GREY, LIGHT_GREY, ORANGE, PALE_BLUE, PURPLE, SKY

GIB, MIB = 2**30, 2**20
CACHE = "free_for_kv_bytes"
EXTENSIONS = {"kv_extension": "KV extension", "usable_kv_extension": "usable"}
GAINED: dict[str, Any] = {"facecolor": SKY, "edgecolor": "white", "hatch": "\\\\\\\\"}  # what a policy adds to the cache
THIN = ("activation_bytes", "runtime_reserve_bytes", "overhead_bytes")
GROUP_GAP = 0.7  # in widths of a bar

Groups = Sequence[Sequence[Row]]  # for each model its bars: the baseline, then the policy under each law


class Component(NamedTuple):
    """A slice of a bar and a row of the table."""

    column: str
    label: str
    unit: int
    colour: str
    hatch: str | None = None

    @property
    def look(self) -> dict[str, Any]:
        """Patch properties."""
        return {"facecolor": self.colour, "hatch": self.hatch, "edgecolor": "white"}


# From the bottom of a bar to its top.
COMPONENTS = (
    Component("non_expert_bytes", "Non-expert weights", GIB, GREY),
    Component("resident_expert_bytes", "Expert weights", GIB, ORANGE, "////"),
    Component("activation_bytes", "Activations", MIB, BLUE),
    Component("runtime_reserve_bytes", "Runtime reserve", MIB, LIGHT_GREY, "...."),
    Component("overhead_bytes", "{policy} overhead", MIB, PURPLE),
    Component("free_for_kv_bytes", "Left for the KV cache", GIB, PALE_BLUE),
)


def amount(value: float) -> str:
    """A number of the table with a true minus; a dash for nothing."""
    return "–" if value == 0 else significant(value).replace("-", "−")


def verdict(row: Row, column: str) -> str:
    """An extension, or why there is none."""
    return {"fits": "{}", "newly_fits": "newly", "does_not_fit": "no fit"}[row["fit_verdict"]].format(
        multiplied(row[column] or 0)
    )


def gained_bytes(row: Row, baseline: Row) -> int:
    """What a policy adds to the cache of the baseline; nothing where either has none."""
    return int(max(0, max(row[CACHE], 0) - max(baseline[CACHE], 0)))


def starts(groups: Groups) -> list[float]:
    """Where the first bar of each group stands."""
    return [i * (len(group) + GROUP_GAP) for i, group in enumerate(groups)]


def places(groups: Groups) -> Iterator[tuple[float, Row]]:
    """Every bar with its place."""
    for group, first in zip(groups, starts(groups), strict=True):
        yield from ((first + j, row) for j, row in enumerate(group))


def roomiest(groups: Groups) -> int:
    """Index of the last group whose bars leave the space above the capacity line free."""
    free = [i for i, group in enumerate(groups) if all(row[CACHE] >= 0 for row in group)]
    return free[-1] if free else 0
