"""Which formats of weights a GPU has hardware or kernels for, by its CUDA compute capability (docs/engines.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from prophet_memory.fields import Described, OneOf, Several
from prophet_memory.formats import WEIGHT_FORMATS, Format
from prophet_memory.gpu import Capability, Gpu
from prophet_memory.precision import FileWeights, Stored

BF16_BITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSupport(Described):
    """The least compute capability that multiplies formats as they are, and the least with which they run at all."""

    formats: Several[Annotated[str, OneOf(WEIGHT_FORMATS)]]
    multiplied: Capability | None = None  # None: everywhere, or nobody says
    runs: Capability | None = None


def _formats(stored: Stored) -> list[Format]:
    return [] if isinstance(stored, FileWeights) else list(dict.fromkeys(stored.formats))


def _named(gpus: Sequence[Gpu]) -> str:
    return ", ".join(f"{gpu.name} (compute capability {gpu.cuda_compute_capability})" for gpu in gpus)


def unsupported(engine: str, support: Sequence[FormatSupport], stored: Sequence[Stored], gpus: Sequence[Gpu]) -> Iterator[str]:
    """A line for each format that some of the GPUs do not run, or do not multiply; GPUs without a capability are left out.

    Args:
        engine: as lines name it.
        support: what its profile says.
        stored: how weights are stored.
        gpus: those that are asked about.
    """
    known = [(gpu, gpu.cuda_compute_capability) for gpu in gpus if gpu.cuda_compute_capability is not None]
    for form in dict.fromkeys(one for each in stored for one in _formats(each)):
        for said in support:
            if all(WEIGHT_FORMATS[name] != form for name in said.formats):
                continue
            without = [gpu for gpu, own in known if said.runs is not None and own < said.runs]
            slow = [gpu for gpu, own in known if said.multiplied is not None and own < said.multiplied and gpu not in without]
            if without:
                yield f"{engine} runs no {form.label} weights on {_named(without)}: they take {said.runs}"
            if slow:
                how = "weights are unpacked and multiplied in 16 bit" if form.bits < BF16_BITS else "engines take fp16 instead"
                yield f"no {form.label} arithmetic on {_named(slow)}, which takes {said.multiplied}: {how}"
