"""What a serving engine assumes: how much of the memory it takes, how large its steps are, and what it sets aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Engine:
    """A profile of config/engines.yaml, where the values and their sources stand."""

    name: str
    label: str
    usable_fraction: float  # of each GPU's memory
    max_step_tokens: int  # of the largest prefill chunk
    runtime_reserve_bytes: int
    communication_reserve_bytes: int  # on each of several GPUs
    activation_value_bytes: int

    def reserve_bytes(self, n_gpus: int) -> int:
        """What is set aside on each of some GPUs."""
        return self.runtime_reserve_bytes + (self.communication_reserve_bytes if n_gpus > 1 else 0)


def engine_from_mapping(name: str, entry: Mapping[str, Any]) -> Engine:
    """An engine from its entry in the catalogue."""
    return Engine(name, label=entry["name"], **{key: value for key, value in entry.items() if key != "name"})
