"""Mamba-1: a selective state space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import Mixer, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide


@dataclass(frozen=True, slots=True)
class Mamba(Mixer):
    """Selective state-space mixer (Mamba-1), with the RMS norms on dt, B and C that Jamba adds when `inner_norms`."""

    inner_size: Size
    state_size: Size
    conv_kernel: Size
    dt_rank: Size
    conv_bias: bool = True
    proj_bias: bool = False
    inner_norms: bool = False
    kind: Literal["mamba"] = field(default="mamba", kw_only=True)

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Nothing."""
        del tensor
        return ()

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """Window of the convolution, and the state of each channel."""
        inner = share(self.inner_size, tensor)
        return (inner, self.conv_kernel), (inner, self.state_size)

    def values_per_token(self, *, tensor: int = 1) -> int:
        """X and its gate, x after the convolution, dt, B and C, the output."""
        return 5 * share(self.inner_size, tensor) + self.dt_rank + 2 * self.state_size

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """None: a token meets the state alone."""
        del tokens, tensor
        return 0.0

    def divides_among(self, gpus: int) -> bool:
        """As many channels on each."""
        return self.inner_size % gpus == 0

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """Mamba-1: in, convolution, x, dt and out projections, A, D and Jamba's inner norms."""
        inner, state, rank = self.inner_size, self.state_size, self.dt_rank
        yield from wide("recurrent", 2 * inner, hidden_size, inner, bias=self.proj_bias, part="in")
        yield Weight("recurrent", inner, self.conv_kernel + (1 if self.conv_bias else 0), cut="rows", units=inner)
        yield from tall("recurrent", rank + 2 * state, inner, part="x")
        yield from wide("recurrent", inner, rank, bias=True, part="dt")
        yield Weight("recurrent", inner, state + 1, cut="rows", units=inner)  # A and D
        yield from tall("recurrent", hidden_size, inner, bias=self.proj_bias, part="o")
        if self.inner_norms:
            yield Weight("recurrent", rank + 2 * state)
