"""What a GPU has: memory, its bandwidth, the link to host memory, and peak arithmetic."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from annotated_types import Ge, Le

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
    compute_peak_flops_per_s: int | None = None  # dense, of 16-bit numbers


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


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLinkEntry(Described):
    """The bandwidth is that of large copies from pinned host memory to the device; a link that is no PCIe has no lanes."""

    pcie_generation: Annotated[int, OneOf((3, 4, 5, 6))] | None = None
    lanes: Annotated[int, OneOf((1, 2, 4, 8, 16))] | None = None
    effective_bandwidth_bytes_per_s: PositiveBytes
    source: Text


@dataclass(frozen=True, slots=True)
class ComputeEntry(Described):
    """The vendor's peak of dense matrix products in bf16, in fp16 where there is no bf16."""

    peak_flops_per_s: Annotated[int, Ge(1), Le(10**18)]
    source: Text


@dataclass(frozen=True, slots=True)
class GpuEntry(Described):
    """An entry of config/gpus.yaml: a GPU in sections, each with its source."""

    name: Text  # as figures and tables print it
    memory: MemoryEntry
    hbm: HbmEntry
    host_link: HostLinkEntry
    compute: ComputeEntry | None = None

    def gpu(self, name: str) -> Gpu:
        """The GPU of that name; `memory: {bytes: 1}` becomes `memory_bytes`."""
        sections = {section: part for section, part in asdict(self).items() if isinstance(part, dict)}
        values = {f"{s}_{key}": value for s, part in sections.items() for key, value in part.items() if key != "source"}
        return Gpu(name, label=self.name, **values)
