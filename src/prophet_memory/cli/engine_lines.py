"""What `plan` says of an engine: buffers of its activation peak, what it holds beyond weights, blocks of the cache, graphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from prophet_memory.cli.render import MIB
from prophet_memory.peaks import Buffer, Moment
from prophet_memory.planning import Plan

PLAIN_BUFFERS = 2  # of a peak that says no more than the breakdown does
HEADS = (("in the activation peak", False), ("MiB", True))
BEYOND_HEADS = (("held beyond the counted weights", False), ("MiB", True))


def size_of(buffer: Buffer) -> int:
    """Bytes of a buffer of one point."""
    return int(np.asarray(buffer.size_bytes))


def _lines(buffers: tuple[Buffer, ...]) -> list[tuple[str, str]]:
    return [(buffer.name, f"{size_of(buffer) / MIB:,.1f}") for buffer in buffers if size_of(buffer)]


def peak_lines(plan: Plan) -> list[tuple[str, str]]:
    """The buffers of the moment that is the peak, and the other moments' sums; nothing where there is no more to say."""
    largest, *others = plan.moments
    if all(len(moment.buffers) <= PLAIN_BUFFERS for moment in plan.moments):
        return []
    found = [(f"{largest.name}: {name}", size) for name, size in _lines(largest.buffers)]
    sums = [(f"not the peak: {moment.name}", f"{int(moment.total_bytes) / MIB:,.1f}") for moment in others]
    return [*found, *sums]


def beyond_lines(plan: Plan) -> list[tuple[str, str]]:
    """What the engine holds beyond the weights that are counted."""
    return _lines(plan.beyond_weights)


def cache_line(plan: Plan) -> Iterator[str]:
    """How the cache is cut, and what CUDA graphs take beside it."""
    if (blocks := plan.blocks) is not None and not blocks.groups:
        cells = ", ".join(f"{window * blocks.block_tokens:,}" for window, _ in blocks.growth.windows)
        yield f"cache cells        in multiples of {blocks.block_tokens}; layers with a window hold {cells} of a sequence at most"
    elif blocks is not None and blocks.block_tokens > 1:
        groups = f", {blocks.groups} blocks for each" if blocks.groups > 1 else ""
        yield f"cache blocks       {blocks.block_tokens} tokens, {blocks.block_bytes:,} bytes{groups}"
    if (graphs := plan.assumptions.engine.graphs) is not None:
        least, most = (size / 2**30 for size in graphs.actual_bytes)
        yield f"CUDA graphs        not deducted; {least:.1f} to {most:.1f} GiB seen, out of what is left to others"


def as_document(plan: Plan) -> dict[str, Any]:
    """The same for programs."""

    def listed(buffers: tuple[Buffer, ...]) -> list[dict[str, Any]]:
        return [{"name": buffer.name, "bytes": size_of(buffer)} for buffer in buffers]

    def moment(one: Moment) -> dict[str, Any]:
        return {"name": one.name, "bytes": int(one.total_bytes), "buffers": listed(one.buffers)}

    blocks = plan.blocks
    is_cut = blocks is not None and blocks.groups
    cut = {name: getattr(blocks, name) for name in ("block_bytes", "block_tokens", "groups")} if is_cut else None
    return {
        "activation_moments": [moment(one) for one in plan.moments],
        "held_beyond_counted_weights": listed(plan.beyond_weights),
        "cache_blocks": cut,
    }
