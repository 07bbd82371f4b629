"""A gated short convolution in the place of attention (LFM2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import NONE, Mixer, Vector, Vectors, share
from prophet_memory.tensors import Weight, tall, wide


@dataclass(frozen=True, slots=True)
class ShortConvolution(Mixer):
    """A convolution of a few tokens between two gates, each made of the token itself (LFM2)."""

    channels: Size
    conv_kernel: Size
    bias: bool = False
    kind: Literal["short_convolution"] = field(default="short_convolution", kw_only=True)

    def cached_vectors(self, *, tensor: int = 1) -> Vectors:
        """Nothing."""
        del tensor
        return ()

    def state_vectors(self, *, tensor: int = 1) -> tuple[Vector, Vector]:
        """Window of the convolution; there is no state."""
        return (share(self.channels, tensor), self.conv_kernel), NONE

    def values_per_token(self, *, tensor: int = 1) -> int:
        """Two gates and what they open, its convolution, the output."""
        return 5 * share(self.channels, tensor)

    def products_per_pair(self, *, tokens: int, tensor: int = 1) -> float:
        """None: a token meets the few before it alone."""
        del tokens, tensor
        return 0.0

    def divides_among(self, gpus: int) -> bool:
        """As many channels on each."""
        return self.channels % gpus == 0

    def weights(self, hidden_size: int) -> Iterator[Weight]:
        """One projection of the gates and what they open, the convolution, output."""
        channels = self.channels
        yield from wide("recurrent", 3 * channels, hidden_size, channels, bias=self.bias, part="in")
        yield Weight("recurrent", channels, self.conv_kernel + (1 if self.bias else 0), cut="rows", units=channels)
        yield from tall("recurrent", hidden_size, channels, bias=self.bias, part="o")
