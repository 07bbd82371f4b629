"""Mamba-2: a selective state space whose heads share B and C by groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.errors import ArchitectureError
from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import Mixer, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide


@dataclass(frozen=True, slots=True)
class Mamba2(Mixer):
    """Selective state-space mixer (Mamba-2) with a state of head_dim x state_size in each head and a gated norm (Nemotron-H).

    Several GPUs share heads; each has the groups of its heads, and one of its own where there are fewer groups (vLLM).
    """

    heads: Size
    head_dim: Size
    state_size: Size
    groups: Size  # of heads that share B and C
    conv_kernel: Size
    conv_bias: bool = True
    proj_bias: bool = False
    kind: Literal["mamba2"] = field(default="mamba2", kw_only=True)

    def __post_init__(self) -> None:
        if self.heads % self.groups:
            raise ArchitectureError("groups", self.groups, f"a divisor of heads ({self.heads})")

    @property
    def inner_size(self) -> int:
        """Width of all heads."""
        return self.heads * self.head_dim

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Nothing."""
        del tensor
        return ()

    def _conv_channels(self, tensor: int) -> int:
        """Channels of the convolution: x of each head, B and C of each group."""
        return share(self.heads, tensor) * self.head_dim + 2 * share(self.groups, tensor) * self.state_size

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """Window of the convolution, and the state of each head."""
        return (self._conv_channels(tensor), self.conv_kernel), (share(self.heads, tensor) * self.head_dim, self.state_size)

    def values_per_token(self, *, tensor: int = 1) -> int:
        """The gate, what goes through the convolution and what comes out of it, dt, the output."""
        heads = share(self.heads, tensor)
        return 2 * heads * self.head_dim + 2 * self._conv_channels(tensor) + heads

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """None: a token meets the state alone."""
        del tokens, tensor
        return 0.0

    def divides_among(self, gpus: int) -> bool:
        """Whole heads on each; groups divided or replicated evenly."""
        return self.heads % gpus == 0 and (self.groups % gpus == 0 or gpus % self.groups == 0)

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """Mamba-2: one projection of gate, x, B, C and dt, the convolution, A, D and the bias of dt, the norm, output."""
        heads, groups, shared = self.heads, self.groups, 2 * self.groups * self.state_size
        kernel = self.conv_kernel + (1 if self.conv_bias else 0)
        yield from wide("recurrent", 2 * self.inner_size, hidden_size, heads, bias=self.proj_bias, part="in")  # gate and x
        yield from wide("recurrent", shared, hidden_size, groups, bias=self.proj_bias, part="in")  # B and C
        yield from wide("recurrent", heads, hidden_size, heads, bias=self.proj_bias, part="in")  # dt
        yield Weight("recurrent", self.inner_size, kernel, cut="rows", units=heads)
        yield Weight("recurrent", shared, kernel, cut="rows", units=groups)
        yield Weight("recurrent", heads, copies=3, cut="rows", units=heads)  # A, D and the bias of dt
        yield Weight("recurrent", self.inner_size, cut="rows", units=heads)  # the norm
        yield from tall("recurrent", hidden_size, self.inner_size, heads, bias=self.proj_bias, part="o")
