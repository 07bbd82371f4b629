"""Colours, marks and dashes, and which of them tell routing laws apart.

Colours are Okabe and Ito's, which survive colour blindness, and are told apart in grey by dash, marker or hatch.
"""

from __future__ import annotations

from typing import NamedTuple

BLACK, GREY, LIGHT_GREY, PALE_BLUE = "#000000", "#6b6b6b", "#c9c9c9", "#bfe1f6"
BLUE, SKY, GREEN, YELLOW, ORANGE, VERMILLION, PURPLE = (
    "#0072b2", "#56b4e9", "#009e73", "#f0e442", "#e69f00", "#d55e00", "#cc79a7",
)  # fmt: skip


class Look(NamedTuple):
    """Dashes are lengths in widths of the line, on and off in turn; none is a solid line."""

    colour: str
    marker: str
    dash: str


# In the order of the laws in figures; past the last they begin again.
LAW_LOOKS = (
    Look(BLUE, "o", ""),
    Look(VERMILLION, "s", "3.2 1.6"),
    Look(GREEN, "^", "1.2 1.2"),
    Look(PURPLE, "D", "5 1.4 1.2 1.4"),
    Look(ORANGE, "v", "6 2"),
    Look(SKY, "P", "2 1 1 1"),
    Look(BLACK, "X", "1 2.4"),
)
