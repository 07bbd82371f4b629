"""The design space: a family of synthetic models beside the catalogue, over GPUs, batches, laws, precisions and context lengths.

A synthetic model is a plain decoder: every layer has grouped-query attention and routed experts, nothing else. Its points are
evaluated a block of models at a time, so that memory is bounded by the block however large the space is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture, Attention, Layer, MoE, Stack
from prophet_memory.kv_cache import KVLayout, kv_layout
from prophet_memory.residency import BASELINE_POLICY
from prophet_memory.sweep import (
    DOES_NOT_FIT,
    FITS,
    NEWLY_FITS,
    Assumptions,
    Grid,
    Outcome,
    demand,
    evaluate,
    usable_bytes,
)

FloatArray = npt.NDArray[np.float64]
Columns = dict[str, npt.NDArray[np.generic]]
PlainKernel = Callable[[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray], Outcome]
POINT_AXES = ("gpu", "architecture", "batch_size", "routing", "precision", "context_tokens")


@dataclass(frozen=True, slots=True)
class Family:
    """Axes of the synthetic models; `expert_width` is an expert's intermediate size over the hidden size."""

    experts: Sequence[int]
    top_k: Sequence[int]
    layers: Sequence[int]
    hidden_size: Sequence[int]
    expert_width: Sequence[float]
    kv_heads: Sequence[int]
    head_dim: int
    vocabulary_size: int

    def members(self) -> Iterator[Architecture]:
        """Every model of the family but those that would send a token to every expert, or to more than there are."""
        axes = (self.experts, self.top_k, self.layers, self.hidden_size, self.expert_width, self.kv_heads)
        for experts, top_k, layers, hidden, width, kv_heads in product(*axes):
            if top_k < experts:
                yield self._member(experts, top_k, layers, hidden, round(hidden * width), kv_heads)

    def _member(self, experts: int, top_k: int, layers: int, hidden: int, intermediate: int, kv_heads: int) -> Architecture:
        attention = Attention(query_heads=hidden // self.head_dim, kv_heads=kv_heads, head_dim=self.head_dim)
        moe = MoE(routed_experts=experts, top_k=top_k, expert_intermediate_size=intermediate)
        return Architecture(
            hidden_size=hidden,
            vocabulary_size=self.vocabulary_size,
            tied_embeddings=False,
            max_context_tokens=None,
            decoder=Stack((Layer(layers, attention, moe),)),
        )


def sweep_block(
    architectures: Sequence[Architecture], grid: Grid, context_tokens: Sequence[int], assumptions: Assumptions,
    kernel: PlainKernel | None = None,
) -> Columns:  # fmt: skip
    """Every point of some models.

    Args:
        architectures: the models of the block.
        grid: GPUs, batches, laws, precisions, and one policy, which is compared with the baseline.
        context_tokens: lengths of each sequence; a batch whose sequences are shorter than its cache allows fits.
        assumptions: what the memory model takes as given.
        kernel: `prophet_memory.compiled.evaluate_plain` with arrays to write, or None for numpy alone; both give the same.

    Returns:
        Columns that broadcast to (gpu, architecture, batch, routing, precision, context), the axes of `POINT_AXES`; where
        `fit_verdict` (an index into FIT_VERDICTS) is not `fits`, `kv_extension` is masked.
    """
    baseline_grid = replace(grid, policies=[BASELINE_POLICY])
    needs = [demand(architecture, grid, assumptions) for architecture in architectures]
    baselines = [demand(architecture, baseline_grid, assumptions) for architecture in architectures]
    layouts = [_layout(architecture, assumptions) for architecture in architectures]
    usable = usable_bytes(list(grid.gpu_memory_bytes.values()), assumptions.usable_fraction)
    batch = np.array(grid.batch_sizes, np.int64)
    need, baseline = (np.stack([_points(part.total_bytes, grid) for part in parts]) for parts in (needs, baselines))
    if kernel is not None and all(layout.unbounded_bytes_per_token and not layout.windows for layout in layouts):
        out = _all_at_once(kernel, usable, need, baseline, batch, layouts)
    else:
        out = _one_by_one(usable, need, baseline, batch, layouts)
    context = np.array(context_tokens, np.int64)
    held, baseline_held = (tokens[..., None] >= context for tokens in (out.max_context_tokens, out.baseline_context_tokens))
    verdict = np.where(held, np.where(baseline_held, np.int8(FITS), np.int8(NEWLY_FITS)), np.int8(DOES_NOT_FIT))
    savings = np.stack([_points(part.expert_savings_fraction, grid) for part in needs])
    return {
        "expert_savings_fraction": savings[None, ..., None],
        "all_resident_fraction": (baseline / usable[:, None, None, None, None])[..., None],
        "free_for_kv_bytes": out.free_for_kv_bytes[..., None],
        "max_context_tokens": out.max_context_tokens[..., None],
        "kv_capacity_tokens": out.kv_capacity_tokens[..., None],
        "kv_extension": np.ma.masked_where(verdict != FITS, np.broadcast_to(out.kv_extension[..., None], verdict.shape)),
        "fit_verdict": verdict,
    }


def _layout(architecture: Architecture, assumptions: Assumptions) -> KVLayout:
    return kv_layout(architecture, assumptions.cache, source_tokens=assumptions.encoder_source_tokens)


def _points(values: npt.NDArray[np.generic], grid: Grid) -> npt.NDArray[np.generic]:
    """A demand's array over (batch, routing, precision); the policy axis has one entry."""
    return np.broadcast_to(values, (*grid.shape[2:5], 1))[..., 0]


def _all_at_once(
    kernel: PlainKernel, usable: npt.NDArray[np.int64], need: npt.NDArray[np.generic], baseline: npt.NDArray[np.generic],
    batch: npt.NDArray[np.int64], layouts: Sequence[KVLayout],
) -> Outcome:  # fmt: skip
    sequences = np.broadcast_to(batch[:, None, None], need.shape)
    constant, rate = (
        np.array([getattr(layout, name) for layout in layouts])[:, None, None, None]
        for name in ("constant_bytes", "unbounded_bytes_per_token")
    )
    flat = (values.astype(np.float64).ravel() for values in (need, baseline, sequences, sequences * constant, sequences * rate))
    out = kernel(usable.astype(np.float64), *flat)
    shape = (usable.size, *need.shape)
    return Outcome(*(getattr(out, name).reshape(shape) for name in Outcome.__slots__))


def _one_by_one(
    usable: npt.NDArray[np.int64], need: npt.NDArray[np.generic], baseline: npt.NDArray[np.generic],
    batch: npt.NDArray[np.int64], layouts: Sequence[KVLayout],
) -> Outcome:  # fmt: skip
    memory, sequences = usable[:, None, None, None], batch[:, None, None]
    parts = [evaluate(memory, need[i], baseline[i], sequences, layout) for i, layout in enumerate(layouts)]
    return Outcome(*(np.stack([getattr(part, name) for part in parts], axis=1) for name in Outcome.__slots__))
