"""What a GPU has: memory, its bandwidth, the link to host memory, and peak arithmetic."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from annotated_types import Ge, Le

from prophet_memory.errors import ModelError
from prophet_memory.fields import Described, OneOf, PositiveBytes, Text

Capability = Annotated[float, Ge(1), Le(100)]  # as 9.0


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
    gpu_link_bandwidth_bytes_per_s: int | None = None  # one way, to all others of a machine; None: over the host link
    gpu_link_peer_bandwidth_bytes_per_s: int | None = None  # to a single other, where that is less
    gpu_link_gpus: int | None = None  # that it joins at the most
    compute_peak_flops_per_s: int | None = None  # dense, of 16-bit numbers
    cuda_compute_capability: float | None = None  # None: no GPU of NVIDIA's, or nobody said

    def between(self, gpus: int) -> int:
        """Bytes a second, one way, from each of some GPUs of a machine to the others together.

        Raises:
            ModelError: for a GPU of which nobody said what joins it to others.
        """
        own, joined = self.gpu_link_bandwidth_bytes_per_s, self.gpu_link_gpus
        if own is not None and (joined is None or gpus <= joined):
            peer = self.gpu_link_peer_bandwidth_bytes_per_s
            return own if peer is None else min(own, peer * (gpus - 1))
        if self.host_link_effective_bandwidth_bytes_per_s is None:
            raise ModelError("gpu", self.name, "a GPU with a bandwidth of its host link")
        return self.host_link_effective_bandwidth_bytes_per_s


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLinkEntry(Described):
    """The link between GPUs of a machine, one way: of one to all others, to a single other where that is less."""

    bandwidth_bytes_per_s: PositiveBytes
    peer_bandwidth_bytes_per_s: PositiveBytes | None = None
    gpus: Annotated[int, Ge(2), Le(1024)] | None = None  # that it joins at the most; beyond, and without it, the host link does
    source: Text


@dataclass(frozen=True, slots=True)
class ComputeEntry(Described):
    """The vendor's peak of dense matrix products in bf16, in fp16 where there is no bf16."""

    peak_flops_per_s: Annotated[int, Ge(1), Le(10**18)]
    source: Text


@dataclass(frozen=True, slots=True)
class CudaEntry(Described):
    """NVIDIA's number for what the hardware can do."""

    compute_capability: Capability
    source: Text


@dataclass(frozen=True, slots=True)
class GpuEntry(Described):
    """An entry of config/gpus.yaml: a GPU in sections, each with its source."""

    name: Text  # as figures and tables print it
    memory: MemoryEntry
    hbm: HbmEntry
    host_link: HostLinkEntry
    gpu_link: GpuLinkEntry | None = None
    compute: ComputeEntry | None = None
    cuda: CudaEntry | None = None

    def gpu(self, name: str) -> Gpu:
        """The GPU of that name; `memory: {bytes: 1}` becomes `memory_bytes`."""
        sections = {section: part for section, part in asdict(self).items() if isinstance(part, dict)}
        values = {f"{s}_{key}": value for s, part in sections.items() for key, value in part.items() if key != "source"}
        return Gpu(name, label=self.name, **values)
