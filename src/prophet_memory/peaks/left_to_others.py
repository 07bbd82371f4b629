"""No peak of its own: an engine that measures none, and runs its steps in what its usable share leaves to others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.architecture import Architecture
from prophet_memory.integers import exact_array
from prophet_memory.peaks.peak import PLAIN, Buffer, Moment, Peak, Setting, Step


@dataclass(frozen=True, slots=True)
class LeftToOthers(Peak):
    """Nothing is taken off the cache."""

    kind: Literal["left_to_others"] = field(default="left_to_others", kw_only=True)

    def moments(self, architecture: Architecture, step: Step, setting: Setting = PLAIN) -> tuple[Moment, ...]:
        """One without bytes."""
        del architecture, setting
        return (Moment("a step", (Buffer("in what is left to others", 0 * exact_array(step.tokens)),)),)
