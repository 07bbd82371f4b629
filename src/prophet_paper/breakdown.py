"""What the memory of a GPU is made of, as figures and tables show it: a slice of a bar, a line of a table."""

from __future__ import annotations

from typing import Any, NamedTuple

from prophet_paper.looks import GREY, LIGHT_GREY, ORANGE, PALE_BLUE, PURPLE, YELLOW

GIB, MIB = 2**30, 2**20


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
    Component("activation_bytes", "Activations", MIB, YELLOW),
    Component("runtime_reserve_bytes", "Runtime reserve", MIB, LIGHT_GREY, "...."),
    Component("overhead_bytes", "{policy} overhead", MIB, PURPLE),
    Component("free_for_kv_bytes", "Left for the KV cache", GIB, PALE_BLUE),
)
