"""What a serving engine assumes: how much of the memory it takes, how large its steps are, what it sets aside, how it stores.

A profile may leave out what nobody measured or read. What then asks for it gets an `EngineError` instead of a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Union

from annotated_types import Len

from prophet_memory.architecture import Architecture
from prophet_memory.errors import ModelError
from prophet_memory.fields import ByKind, Bytes, Described, Fraction, Size, Slug, Text
from prophet_memory.gpu import Gpu
from prophet_memory.hardware import FormatSupport
from prophet_memory.kv_cache import SparseStorage, StateStorage
from prophet_memory.loading import Loading
from prophet_memory.paging import PagedCache
from prophet_memory.parallelism import Parallelism
from prophet_memory.peaks import PEAKS, Peak
from prophet_memory.placement import CutBlocks, Placement, apart, check_blocks, cut_experts_as
from prophet_memory.precision import Stored
from prophet_memory.shares import StaticShare

if TYPE_CHECKING:
    AnyPeak = Peak
else:  # every kind that there is
    AnyPeak = Annotated[Union[PEAKS], ByKind()]  # noqa: UP007 - a union of what is found


class EngineError(ModelError):
    """What a profile does not say; the key is the part of the profile."""


@dataclass(frozen=True, slots=True)
class StepSize(Described):
    """The largest step on GPUs of at least some memory; `sequences` is None for as many as are decoded together."""

    tokens: Size
    sequences: Size | None = None
    memory_bytes: Bytes = 0  # of the GPU, at least
    but: tuple[Slug, ...] = ()  # GPUs whose names begin so are taken for smaller ones


LAYOUT_KEYS = ("n_gpus", "tensor", "expert", "pipeline")


@dataclass(frozen=True, slots=True)
class Reserve(Described):
    """What stands beside torch's memory on each GPU of a layout; None stands for any number."""

    bytes: Bytes
    n_gpus: Size | None = None  # that serve the model together
    tensor: Size | None = None  # of them that share a layer
    pipeline: Size | None = None  # stages
    expert: Size | None = None  # ranks of whole experts

    def matches(self, layout: Parallelism) -> bool:
        """Whether it is said of a layout."""
        return all(getattr(self, key) in (None, getattr(layout, key)) for key in LAYOUT_KEYS)


SeenBytes = Annotated[tuple[Bytes, ...], Len(2, 2)]  # from and to


@dataclass(frozen=True, slots=True)
class Graphs(Described):
    """CUDA graphs: what the engine estimated, what they were seen to take, and whether it takes them off the cache."""

    estimated_bytes: SeenBytes
    actual_bytes: SeenBytes
    deducted: bool

    def __post_init__(self) -> None:
        if self.deducted:
            raise ModelError("graphs.deducted", True, "false: what an engine would take off has no model here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Described):
    """The values of an engine; config/engines.yaml holds them, each with its source."""

    usable_fraction: Fraction | StaticShare | None = None  # of each GPU's memory
    fraction_of_free: bool = False  # what stands beside torch is taken off first
    steps: tuple[StepSize, ...] = ()  # the first that a GPU meets counts
    reserves: tuple[Reserve, ...] = ()  # the first that a layout meets counts
    activation: AnyPeak | None = None
    vocabulary_multiple: Size = 1  # to which the engine pads the vocabulary
    read_on: tuple[Slug, ...] = ()  # GPUs, by how their names begin, whose kernels the profile describes; others' may differ
    keeps_all_experts: bool = False  # it knows no other residency
    loads_files: bool = False  # of the kind GGUF
    format_support: tuple[FormatSupport, ...] = ()  # by the GPU's compute capability
    cuts_experts: bool = False  # unless told otherwise, GPUs cut each expert instead of holding whole ones
    placements: tuple[Placement, ...] = ()  # of components that are not cut by the GPUs that share attention
    cut_blocks: tuple[CutBlocks, ...] = ()  # formats that are cut inside the blocks which share a scale
    shares_tokens_in: tuple[Slug, ...] = ()  # formats of a cache whose tokens GPUs share instead of caching the same
    cache: PagedCache | None = None  # None: tokens as many as fit
    state: StateStorage | None = None  # None: every input of a convolution, and the format that is asked for
    sparse: SparseStorage | None = None  # None: the format that is asked for, where attention is to chosen tokens
    loading: Loading | None = None  # None: weights as they are counted
    graphs: Graphs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine(Profile):
    """A profile by the name that config gives it, and as people read it."""

    name: str
    label: str = ""

    def part(self, key: str) -> Any:  # noqa: ANN401 - a field
        """A part of the profile. Raises EngineError where it has none."""
        value = getattr(self, key)
        if value is None or value == ():
            raise EngineError(key, None, f"a value: the profile {self.name} has none, for no source says it")
        return value

    def apart(self, layout: Parallelism) -> dict[str, int]:
        """GPUs that share each component which is not cut by the GPUs that share attention."""
        return apart(self.placements, layout)

    def check_blocks(self, architecture: Architecture, stored: Stored, layout: Parallelism) -> None:
        """Raise a ParallelismError where a layout cuts weights inside the blocks which share a scale."""
        check_blocks(architecture, stored, layout, self.placements, self.cut_blocks)

    def cut_as(self, architecture: Architecture, stored: Stored, layout: Parallelism) -> Stored:
        """How weights are stored once a layout cuts experts inside the blocks which share a scale."""
        return cut_experts_as(stored, architecture, layout, self.cut_blocks)

    def step_size(self, gpu: Gpu) -> StepSize:
        """The largest step on a GPU. Raises EngineError where the profile has none for it."""
        for size in self.part("steps"):
            if gpu.memory_bytes >= size.memory_bytes and not any(gpu.name.startswith(name) for name in size.but):
                found: StepSize = size
                return found
        raise EngineError("steps", gpu.name, f"a GPU that {self.name} has a step for")

    def fraction(self, gpu: Gpu, layout: Parallelism, architecture: Architecture) -> float:
        """The usable share of a GPU's memory. Raises EngineError where the profile says none."""
        share: float | StaticShare = self.part("usable_fraction")
        if isinstance(share, StaticShare):
            return share.fraction(gpu.memory_bytes, self.step_size(gpu).tokens, layout, architecture)
        return share

    def usable_bytes(self, gpu: Gpu, layout: Parallelism, architecture: Architecture) -> int:
        """What the engine may use of a GPU, rounded down. Raises EngineError where the profile does not say."""
        fraction = self.fraction(gpu, layout, architecture)
        before = self.reserve(layout).bytes if self.fraction_of_free else 0
        return math.floor(gpu.memory_bytes * fraction + before * (1 - fraction))

    def reserve(self, layout: Parallelism) -> Reserve:
        """What is set aside on each GPU of a layout. Raises EngineError where nobody measured it."""
        entries: Sequence[Reserve] = self.part("reserves")
        for entry in entries:
            if entry.matches(layout):
                return entry
        shape = f"{layout.tensor}-way tensor, {layout.data}-way data, {layout.expert}-way expert, {layout.pipeline}-way pipeline"
        known = "; ".join(", ".join(f"{key} {v}" for key in LAYOUT_KEYS if (v := getattr(entry, key))) for entry in entries)
        raise EngineError("reserves", shape, f"a layout that {self.name} was measured in: {known}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry(Profile):
    """An entry of config/engines.yaml; `sources` says where each of its values was read."""

    name: Text  # as figures and tables print it
    sources: dict[str, Text]

    def __post_init__(self) -> None:
        given = {field.name for field in fields(Profile) if getattr(self, field.name) != field.default}
        for key in sorted(given ^ set(self.sources)):
            allowed = "a source for each value of the profile" if key in given else "a value that the profile has"
            raise ModelError(f"sources.{key}", self.sources.get(key), allowed)

    def engine(self, name: str) -> Engine:
        """The engine of that name."""
        own = {field.name: getattr(self, field.name) for field in fields(Profile)}
        return Engine(**own, name=name, label=self.name)
