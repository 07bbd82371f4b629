"""What an engine cuts otherwise than by the GPUs that share attention, and where it refuses to cut (docs/engines.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from prophet_memory.architecture import Architecture
from prophet_memory.fields import Described, OneOf, Several, Size
from prophet_memory.formats import WEIGHT_FORMATS, Format
from prophet_memory.mixers.mixer import share
from prophet_memory.parallelism import Parallelism, ParallelismError, tensor_parallel_sizes
from prophet_memory.precision import FileWeights, Stored
from prophet_memory.tensors import COMPONENTS, Weight
from prophet_memory.weights import model_weights

Apart = Mapping[str, int]  # GPUs that share a component, where they are not those that share attention
WHOLE, ALL = "whole", "all"
PADDED, HALVED = "padded", "halved"


class CutBlocksError(ParallelismError):
    """A layout that cuts weights inside the blocks which share a scale; `said` is what it does to which weight."""

    def __init__(self, key: str, value: int, allowed: str, said: str) -> None:
        super().__init__(key, value, f"{allowed} ({said})")
        self.said = said


@dataclass(frozen=True, slots=True)
class Placement(Described):
    """Components that stand whole on each GPU, or are cut by all GPUs of a stage, in layouts of at least such numbers."""

    components: Several[Annotated[str, OneOf(COMPONENTS)]]
    cut: Annotated[str, OneOf((WHOLE, ALL))]
    tensor: Size = 1
    data: Size = 1
    expert: Size = 1

    def matches(self, layout: Parallelism) -> bool:
        """Whether it is said of a layout."""
        return layout.tensor >= self.tensor and layout.data >= self.data and layout.expert >= self.expert

    def gpus(self, layout: Parallelism) -> int:
        """GPUs that share each of the components."""
        return 1 if self.cut == WHOLE else layout.tensor * layout.data


@dataclass(frozen=True, slots=True)
class CutBlocks(Described):
    """A format that is cut inside a block: each GPU has a scale of its part, or blocks of routed experts are halved.

    Without a format it is said of every one whose blocks stand in one row. Halved blocks have at least so many values.
    """

    cut: Annotated[str, OneOf((PADDED, HALVED))]
    format: Annotated[str, OneOf(WEIGHT_FORMATS)] | None = None
    values: Size = 1

    def is_of(self, form: Format) -> bool:
        """Whether it is said of a format."""
        return form.block_rows == 1 if self.format is None else WEIGHT_FORMATS[self.format] == form

    def halved(self, form: Format, columns: int) -> Format:
        """The format with blocks that so many columns fill, each half a scale's; as it is where none do."""
        block = form.block_columns or 1
        while self.cut == HALVED and columns % block and block > self.values:
            block //= 2
        return form if columns % block else replace(form, block_columns=block)


def cut_experts_as(stored: Stored, architecture: Architecture, layout: Parallelism, splits: Sequence[CutBlocks]) -> Stored:
    """How weights are stored once a layout cuts experts: with halved blocks where the engine halves them."""
    if isinstance(stored, FileWeights) or layout.expert_tensor == 1 or architecture.is_dense:
        return stored
    form, columns = stored.routed_expert, share(architecture.moe.expert_intermediate_size, layout.expert_tensor)
    for one in splits:
        if one.is_of(form):
            return replace(stored, routed_expert=one.halved(form, columns))
    return stored


def apart(placements: Sequence[Placement], layout: Parallelism) -> dict[str, int]:
    """GPUs that share each component which a layout does not cut by the GPUs that share attention."""
    return {name: one.gpus(layout) for one in placements if one.matches(layout) for name in one.components}


@dataclass(frozen=True, slots=True)
class _Broken:
    """A weight whose inputs are cut inside a block."""

    weight: Weight  # the whole of it
    form: Format
    gpus: int
    columns: int  # on each
    multiple: int  # that they have to be of

    @property
    def of_experts(self) -> bool:
        return self.weight.component == "routed_expert"

    def __str__(self) -> str:
        what = self.weight.component.replace("_", " ")
        return (
            f"{self.form.label}: the {self.weight.columns:,} columns of a weight ({what}) cut by {self.gpus} GPUs"
            f" are {self.columns:,} on each, no multiple of {self.multiple}"
        )


def _broken(
    architecture: Architecture, stored: Stored, layout: Parallelism, own: Apart, splits: Sequence[CutBlocks]
) -> Iterator[_Broken]:
    """Inputs that are cut (row parallel) fill whole blocks; outputs may end inside one where maps are merged (vLLM's rule)."""
    if isinstance(stored, FileWeights):
        return
    for weight in model_weights(architecture):
        routed = weight.component == "routed_expert"
        gpus = layout.expert_tensor if routed else own.get(weight.component, layout.tensor)
        form = stored.format_of(weight.component, weight.part, weight.format_group)
        if weight.cut != "columns" or not weight.linear or gpus == 1 or form.block_columns is None:
            continue
        least = [one.values for one in splits if one.is_of(form) and (routed or one.cut == PADDED)]
        multiple, columns = min([form.block_columns, *least]), weight.shard(gpus).columns
        if columns % multiple:
            yield _Broken(weight, form, gpus, columns, multiple)


def check_blocks(
    architecture: Architecture, stored: Stored, layout: Parallelism, placements: Sequence[Placement], splits: Sequence[CutBlocks]
) -> None:
    """Refuse a layout that cuts weights inside the blocks that share a scale, as engines do.

    Args:
        architecture: the model.
        stored: how its weights are stored.
        layout: how they are spread.
        placements: what the engine cuts otherwise.
        splits: formats that it cuts inside a block.

    Raises:
        CutBlocksError: naming ep for routed experts, else tp, and the numbers that would do.
    """
    found = next(_broken(architecture, stored, layout, apart(placements, layout), splits), None)
    if found is None:
        return
    key, value = ("ep", layout.expert) if found.of_experts else ("tp", layout.tensor)

    def works(other: Parallelism) -> bool:
        rest = _broken(architecture, stored, other, apart(placements, other), splits)
        return all(one.of_experts != found.of_experts for one in rest)

    gpus = layout.tensor * layout.data
    sizes = [size for size in range(1, gpus + 1) if gpus % size == 0]
    if found.of_experts:
        ranks = [size for size in sizes if size <= architecture.moe.routed_experts]
        good = [size for size in ranks if works(replace(layout, expert=size))]
    else:
        tensors = [size for size in tensor_parallel_sizes(architecture, gpus) if size in sizes]
        good = [size for size in tensors if works(replace(layout, tensor=size, data=gpus // size))]
    allowed = ", ".join(map(str, good)) or "other numbers of GPUs, or another format"
    raise CutBlocksError(key, value, allowed, str(found))
