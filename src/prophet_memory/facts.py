"""What a model is, in numbers: the one description that catalogue, tables and command line take."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prophet_memory.architecture import Architecture
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS
from prophet_memory.kv_cache import CacheFormats, cross_attention_bytes_per_source_token, kv_growth, state_bytes_per_sequence
from prophet_memory.parameters import count_parameters
from prophet_memory.tensors import COMPONENTS

BF16 = FORMATS[DEFAULT_FORMAT]
BF16_CACHE = CacheFormats(kv=BF16, state=BF16, conv=BF16)


def facts(architecture: Architecture, cache: CacheFormats = BF16_CACHE) -> dict[str, Any]:
    """Counts of parameters, and bytes of cache and state, by the names of the model catalogue.

    Args:
        architecture: a model.
        cache: how its cache is stored.

    Raises:
        ArchitectureError: for more bytes than any machine holds.
    """
    counts, growth, moe = count_parameters(architecture), kv_growth(architecture, cache, source_tokens=0), architecture.moe
    return {
        "layers": architecture.layer_count,
        "moe_layers": architecture.moe_layer_count,
        "experts": moe.routed_experts or None,
        "top_k": moe.top_k or None,
        "hidden_size": architecture.hidden_size,
        "expert_intermediate_size": moe.expert_intermediate_size or None,
        "total_params": counts.total,
        "routed_expert_params": counts.routed_expert,
        "non_expert_params": counts.non_expert,
        **{f"{name}_params": asdict(counts)[name] for name in COMPONENTS if name != "routed_expert"},
        "params_per_expert_per_layer": counts.per_expert,
        "active_params_per_token": counts.active_per_token,
        "kv_bytes_per_token": growth.bytes_per_token,
        "kv_bytes_per_token_beyond_windows": growth.unbounded_bytes_per_token,
        "window_tokens": max((window for window, _ in growth.windows), default=None),
        "cross_bytes_per_source_token": cross_attention_bytes_per_source_token(architecture, cache),
        "state_bytes_per_sequence": state_bytes_per_sequence(architecture, cache),
        "max_context_tokens": architecture.max_context_tokens,
    }
