"""Token-level routing from a file or an address: what it is by its checksum, and whether a model can have it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.contents import content_of
from prophet_memory.locality import TokenRouting


def arrays_of(place: str, expected: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a file that is what it should be."""
    try:
        with np.load(io.BytesIO(content_of(place, expected)), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ("experts", "lengths", "dataset")}
    except (ValueError, KeyError, OSError) as problem:
        raise ConfigurationError(f"{place}: file: {problem}; allowed: an .npz with experts, lengths and dataset") from None


def checked_routing(place: str, arrays: dict[str, np.ndarray[Any, Any]], moe: MoE, layers: int) -> TokenRouting:
    """The routing, if a model with this block can have it."""
    experts, lengths = arrays["experts"], arrays["lengths"]
    if not all(np.issubdtype(array.dtype, np.integer) for array in (experts, lengths)):
        raise ConfigurationError(f"{place}: dtype: {experts.dtype}, {lengths.dtype}; allowed: integers in experts and lengths")
    shape, lengths = list(experts.shape), lengths.astype(np.int64)
    if experts.ndim != 3 or shape[1:] != [layers, moe.top_k] or not experts.size:  # noqa: PLR2004 - token, layer, k
        raise ConfigurationError(f"{place}: experts: {shape}; allowed: (token, {layers}, {moe.top_k}), with tokens")
    if lengths.min(initial=1) < 1 or lengths.sum() != shape[0] or arrays["dataset"].shape != lengths.shape:
        allowed = f"counts above 0 that sum to {shape[0]} tokens, each with a data set"
        raise ConfigurationError(f"{place}: lengths: {int(lengths.sum())}; allowed: {allowed}")
    ordered = np.sort(experts, axis=-1)
    outside = int(ordered.max()) >= moe.routed_experts or int(ordered.min()) < 0
    if outside or (np.diff(ordered.astype(np.int64), axis=-1) == 0).any():
        raise ConfigurationError(f"{place}: experts; allowed: {moe.top_k} different numbers from 0 to {moe.routed_experts - 1}")
    return TokenRouting(experts, lengths, moe.routed_experts)
