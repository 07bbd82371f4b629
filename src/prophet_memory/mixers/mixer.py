"""What a mixer is: the part of a layer in which tokens see each other, and all that the memory model asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from prophet_memory.fields import Described
from prophet_memory.tensors import Weight

Vector = tuple[int, int]  # how many, and values of each
Vectors = tuple[Vector, ...]
NONE: Vector = (0, 0)
Part = tuple[Vectors, int | None]  # vectors of a token, and the tokens beyond which they are no more; None: without end


def share(units: int, gpus: int) -> int:
    """What the fullest of some GPUs has of units that cannot be cut."""
    return -(-units // gpus)


class Mixer(Described, ABC):
    """A kind of mixer is a frozen dataclass in a module of this package; `kind` is its name in a catalogue file.

    What has no answer that is right for most kinds is abstract, so that a new kind cannot be forgotten. `tensor` is the number of
    GPUs that share the mixer; sizes are those of the fullest.
    """

    __slots__ = ()

    kind: str

    @property
    def cached(self) -> str:
        """What a token adds to the cache, in words."""
        return "nothing"

    @property
    def head_count(self) -> int | None:
        """Heads that whole GPUs can take, None where there are none."""
        return None

    @property
    def window_tokens(self) -> int | None:
        """Tokens beyond which the cache no longer grows; None where it grows forever or not at all."""
        return None

    def cached_parts(self, *, tensor: int = 1) -> tuple[Part, ...]:
        """What a token adds to the cache of one layer, in parts that grow up to windows of their own."""
        vectors = self.cached_vectors(tensor=tensor)
        return ((vectors, self.window_tokens),) if vectors else ()

    def read_parts(self, *, tokens: int = 1, tensor: int = 1) -> tuple[Part, ...]:
        """What a step of so many new tokens reads of the cache: all of it, unless the mixer attends to less than it caches."""
        del tokens
        return self.cached_parts(tensor=tensor)

    def attended_parts(self, *, tokens: int, tensor: int = 1) -> tuple[tuple[float, int | None], ...]:
        """Multiplications of a new token with each of the cache, and the most tokens of which that is true."""
        return ((self.products_per_pair(tokens=tokens, tensor=tensor), self.window_tokens),)

    @abstractmethod
    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """Every weight of one layer."""

    @abstractmethod
    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """What a token adds to the cache of one layer: vectors and values of each, empty for a recurrent mixer."""

    @abstractmethod
    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """Constant state of one layer and sequence: the window of a convolution, and the recurrent state."""

    @abstractmethod
    def values_per_token(self, *, tensor: int = 1) -> int:
        """Values alive at once, per token: what the projections yield and what goes to the output projection."""

    @abstractmethod
    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """Multiplications of a new token with one of the cache, in a step of so many new tokens a sequence."""

    @abstractmethod
    def divides_among(self, gpus: int) -> bool:
        """Whether a number of GPUs can share it."""
