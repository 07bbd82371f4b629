"""A weight as a matrix or a vector, what it belongs to, and how tensor parallelism cuts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Component = Literal[
    "routed_expert", "shared_expert", "router", "attention", "recurrent", "dense_feed_forward", "norm", "embedding", "lm_head"
]  # fmt: skip
COMPONENTS: tuple[Component, ...] = Component.__args__  # type: ignore[attr-defined]
# What a linear map is within its component, as checkpoints name their modules (huggingface/modules.py).
PARTS = (
    "q", "k", "v", "o", "q_a", "q_b", "kv_a", "kv_b", "kv", "o_a", "o_b", "gate", "up", "down", "qkv", "z", "ba", "in", "x", "dt",
    "beta", "decay", "decay_a", "decay_b", "gate_a", "gate_b", "index_q", "index_k", "compressor", "latent_down", "latent_up",
    "layer_inputs", "layer_input_gate", "layer_input",
)  # fmt: skip
Cut = Literal["rows", "columns", "none"]


def multiple_of(count: int, unit: int) -> int:
    """The least multiple of a unit that is no less than a count."""
    return -(-count // unit) * unit


@dataclass(frozen=True, slots=True)
class Weight:
    """`copies` equal tensors of rows (output channels) x columns (inputs).

    Tensor parallelism gives each GPU an equal number of the `units` (heads, channels) of which the cut side consists, rounded
    up, so that what has fewer units than there are GPUs is replicated. Only a `linear` map takes a quantised format; `part` tells
    it apart within its component, as lists of modules do, and `format_group` is that of its layers.
    """

    component: Component
    rows: int
    columns: int = 1
    copies: int = 1
    cut: Cut = "none"
    units: int = 1
    linear: bool = False
    part: str = ""
    format_group: int = 0

    @property
    def parameters(self) -> int:
        """Number of parameters, all copies."""
        return self.copies * self.rows * self.columns

    def times(self, count: int, format_group: int = 0) -> Weight:
        """So many of it, in layers of a group."""
        copies = self.copies * count
        return Weight(self.component, self.rows, self.columns, copies, self.cut, self.units, self.linear, self.part, format_group)

    def shard(self, gpus: int) -> Weight:
        """The part that each of some GPUs holds, the largest where they do not divide the units."""
        if gpus == 1 or self.cut == "none":
            return self
        share = -(-self.units // gpus)
        if self.cut == "rows":
            return replace(self, rows=self.rows // self.units * share, units=share)
        return replace(self, columns=self.columns // self.units * share, units=share)


def wide(
    component: Component, rows: int, columns: int, units: int | None = None, *, bias: bool = False, part: str = ""
) -> Iterator[Weight]:
    """A linear map cut by its outputs, and its bias."""
    yield Weight(component, rows, columns, cut="rows", units=units or rows, linear=True, part=part)
    if bias:
        yield Weight(component, rows, cut="rows", units=units or rows)


def tall(
    component: Component, rows: int, columns: int, units: int | None = None, *, bias: bool = False, part: str = ""
) -> Iterator[Weight]:
    """A linear map cut by its inputs; every GPU adds to all outputs, and the bias stands on each."""
    yield Weight(component, rows, columns, cut="columns", units=units or columns, linear=True, part=part)
    if bias:
        yield Weight(component, rows)
