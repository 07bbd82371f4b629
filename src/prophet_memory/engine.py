"""What a serving engine assumes: how much of the memory it takes, how large its steps are, and what it sets aside."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from prophet_memory.fields import Bytes, Described, Fraction, OneOf, Size, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Described):
    """The values of an engine; config/engines.yaml holds them and their sources."""

    usable_fraction: Fraction  # of each GPU's memory
    max_step_tokens: Size  # of the largest prefill chunk
    runtime_reserve_bytes: Bytes
    communication_reserve_bytes: Bytes  # on each of several GPUs
    activation_value_bytes: Annotated[int, OneOf((1, 2, 4))]

    def reserve_bytes(self, n_gpus: int) -> int:
        """What is set aside on each of some GPUs."""
        return self.runtime_reserve_bytes + (self.communication_reserve_bytes if n_gpus > 1 else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine(Profile):
    """A profile by the name that config gives it, and as people read it."""

    name: str
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry(Profile):
    """An entry of config/engines.yaml."""

    name: Text  # as figures and tables print it

    def engine(self, name: str) -> Engine:
        """The engine of that name."""
        return Engine(**asdict(self) | {"name": name, "label": self.name})
