"""What the activation peak of an engine is: buffers that live together at a moment of its largest step, and the largest sum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture
from prophet_memory.fields import Described
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS, Format
from prophet_memory.integers import IntArray, int64
from prophet_memory.parallelism import ALONE, Parallelism


@dataclass(frozen=True, slots=True)
class Step:
    """The largest step of an engine on one GPU's group: tokens and sequences, int64 arrays of one shape or integers."""

    tokens: npt.ArrayLike
    sequences: npt.ArrayLike


@dataclass(frozen=True, slots=True)
class Setting:
    """How the engine holds a model: spread over GPUs, the format of the routed experts, the padding of the vocabulary.

    `context_tokens` are those of all sequences together, None where nobody says; `flash_attention` keeps no scores.
    """

    layout: Parallelism = ALONE
    expert_format: Format = FORMATS[DEFAULT_FORMAT]
    vocabulary_multiple: int = 1
    context_tokens: int | None = None
    flash_attention: bool = True


PLAIN = Setting()


@dataclass(frozen=True, slots=True)
class Buffer:
    """What an engine allocates, as it is called and in bytes on the fullest GPU: an integer, or an array of the step's shape."""

    name: str
    size_bytes: npt.ArrayLike


@dataclass(frozen=True, slots=True)
class Moment:
    """Buffers that live at the same time."""

    name: str
    buffers: tuple[Buffer, ...]

    @property
    def total_bytes(self) -> IntArray:
        """All of them, an int64 array of the step's shape. Raises ArchitectureError for more bytes than any machine holds."""
        return int64(sum(np.asarray(buffer.size_bytes, object) for buffer in self.buffers), "activation_bytes")


class Peak(Described, ABC):
    """A kind of peak is a frozen dataclass in a module of this package; `kind` is its name in config/engines.yaml."""

    __slots__ = ()

    kind: str
    depends_on_format: ClassVar[bool] = False  # of the routed experts

    def unread(self, architecture: Architecture, setting: Setting = PLAIN) -> tuple[str, ...]:
        """Parts of the model whose buffers the peak leaves out because nobody read them: it can be larger."""
        del architecture, setting
        return ()

    @abstractmethod
    def moments(self, architecture: Architecture, step: Step, setting: Setting = PLAIN) -> tuple[Moment, ...]:
        """The moments at which the peak can be, of a model (or one pipeline stage of it) on the fullest GPU."""

    def peak_bytes(self, architecture: Architecture, step: Step, setting: Setting = PLAIN) -> IntArray:
        """The largest moment.

        Args:
            architecture: the model, or one pipeline stage of it.
            step: the largest step of a group of attention.
            setting: how the engine holds the model; each group of attention runs steps of its own.

        Returns:
            int64 array of the step's shape.

        Raises:
            ArchitectureError: for more bytes than any machine holds.
        """
        totals = [moment.total_bytes for moment in self.moments(architecture, step, setting)]
        largest: IntArray = np.max(np.stack(np.broadcast_arrays(*totals)), axis=0)
        return largest
