"""What a GPU has: memory, its bandwidth, and the link to host memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A row of the catalogue; None where the memory model alone is asked and nobody said."""

    name: str
    memory_bytes: int  # as the driver reports it to a program
    label: str = ""
    hbm_bandwidth_bytes_per_s: int | None = None
    host_link_pcie_generation: int | None = None
    host_link_lanes: int | None = None
    host_link_effective_bandwidth_bytes_per_s: int | None = None


def gpu_from_mapping(name: str, entry: Mapping[str, Any]) -> Gpu:
    """A GPU from its entry in the catalogue, in which `memory: {bytes: 1}` is `memory_bytes`."""
    values = {
        f"{section}_{key}": value
        for section, part in entry.items()
        if isinstance(part, Mapping)
        for key, value in part.items()
        if key != SOURCE
    }
    return Gpu(name, label=entry["name"], **values)
