"""What a GPU has: memory, its bandwidth, and the link to host memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from prophet_memory.fields import Described, OneOf, PositiveBytes, Text


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


@dataclass(frozen=True, slots=True)
class MemoryEntry(Described):
    """What the driver reports to a program."""

    bytes: PositiveBytes
    source: Text


@dataclass(frozen=True, slots=True)
class HbmEntry(Described):
    """The vendor's peak."""

    bandwidth_bytes_per_s: PositiveBytes
    source: Text


@dataclass(frozen=True, slots=True)
class HostLinkEntry(Described):
    """The bandwidth is that of large copies from pinned host memory to the device."""

    pcie_generation: Annotated[int, OneOf((3, 4, 5, 6))]
    lanes: Annotated[int, OneOf((1, 2, 4, 8, 16))]
    effective_bandwidth_bytes_per_s: PositiveBytes
    source: Text


@dataclass(frozen=True, slots=True)
class GpuEntry(Described):
    """An entry of config/gpus.yaml: a GPU in sections, each with its source."""

    name: Text  # as figures and tables print it
    memory: MemoryEntry
    hbm: HbmEntry
    host_link: HostLinkEntry

    def gpu(self, name: str) -> Gpu:
        """The GPU of that name; `memory: {bytes: 1}` becomes `memory_bytes`."""
        sections = {section: part for section, part in asdict(self).items() if section != "name"}
        values = {f"{s}_{key}": value for s, part in sections.items() for key, value in part.items() if key != "source"}
        return Gpu(name, label=self.name, **values)
