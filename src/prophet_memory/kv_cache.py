"""Bytes of KV cache and constant state per sequence, and the KV capacity in closed form (DESIGN "KV cache and state").

A sequence of c tokens takes constant + sum over windows w of rate_w x min(c, w) + rate_unbounded x c bytes: piecewise linear and
concave in c, so the largest c that fits has a closed form on each piece.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture, Attention, GatedDeltaNet, LatentAttention, LightningAttention, Mamba, Mixer
from prophet_memory.integers import IntArray, exact_array, int64
from prophet_memory.precision import Format


@dataclass(frozen=True, slots=True)
class KVLayout:
    """Bytes per sequence of c tokens.

    `constant_bytes` once, `unbounded_bytes_per_token` for every token, and for each (window_tokens, bytes_per_token) of
    `windows`, ascending, that rate up to the window.
    """

    constant_bytes: int
    unbounded_bytes_per_token: int
    windows: tuple[tuple[int, int], ...] = ()
    max_context_tokens: int | None = None  # bounds c where no layer's cache grows forever

    @property
    def bytes_per_token(self) -> int:
        """Bytes that a token adds while the context is inside every window."""
        return self.unbounded_bytes_per_token + sum(rate for _, rate in self.windows)


@dataclass(frozen=True, slots=True)
class CacheFormats:
    """How keys and values (or MLA's latents), recurrent state, and the inputs of short convolutions are stored."""

    kv: Format
    state: Format
    conv: Format


def cached_vectors(mixer: Mixer, *, tensor: int = 1) -> tuple[tuple[int, int], ...]:
    """What a token adds to the cache of one layer on each of `tensor` GPUs, as (vectors, values of each).

    Keys and values of each head, a head on every GPU where there are fewer; MLA's latent and rotary key, always whole; nothing
    for recurrent mixers.
    """
    match mixer:
        case Attention():
            return ((2 * -(-mixer.kv_heads // tensor), mixer.head_dim),)
        case LatentAttention():
            return ((1, mixer.kv_lora_rank), (1, mixer.qk_rope_head_dim))
        case _:
            return ()


def state_vectors(mixer: Mixer, *, tensor: int = 1) -> tuple[tuple[int, int], tuple[int, int]]:
    """Constant state of one layer and sequence: convolution window and recurrent state, each as (vectors, values of each)."""
    match mixer:
        case Mamba():
            inner = -(-mixer.inner_size // tensor)
            return (inner, mixer.conv_kernel), (inner, mixer.state_size)
        case GatedDeltaNet():
            keys, values = (-(-heads // tensor) for heads in (mixer.key_heads, mixer.value_heads))
            channels = 2 * keys * mixer.key_head_dim + values * mixer.value_head_dim
            return (channels, mixer.conv_kernel), (values * mixer.key_head_dim, mixer.value_head_dim)
        case LightningAttention():
            return (0, 0), (-(-mixer.heads // tensor) * mixer.head_dim, mixer.head_dim)
        case _:
            return (0, 0), (0, 0)


def mixer_kv_values_per_token(mixer: Mixer) -> int:
    """Cached values per token of one layer on one GPU."""
    return sum(vectors * values for vectors, values in cached_vectors(mixer))


def mixer_state_values(mixer: Mixer) -> tuple[int, int]:
    """Constant state of one layer and sequence: (values of the convolution window, values of the recurrent state)."""
    conv, state = state_vectors(mixer)
    return conv[0] * conv[1], state[0] * state[1]


def mixer_kv_bytes_per_token(mixer: Mixer, kv: Format, *, tensor: int = 1) -> int:
    """Cached bytes per token of one layer on each of `tensor` GPUs, scales included."""
    return sum(vectors * kv.vector_bytes(values) for vectors, values in cached_vectors(mixer, tensor=tensor))


def state_bytes_per_sequence(architecture: Architecture, cache: CacheFormats, *, tensor: int = 1) -> int:
    """Constant state of the recurrent mixers of one sequence on each of `tensor` GPUs, in bytes."""
    total = 0
    for layer in architecture.decoder.layers:
        conv, state = state_vectors(layer.mixer, tensor=tensor)
        total += layer.count * conv[0] * cache.conv.vector_bytes(conv[1])
        total += layer.count * state[0] * cache.state.vector_bytes(state[1])
    return total


def cross_attention_bytes_per_source_token(architecture: Architecture, kv: Format, *, tensor: int = 1) -> int:
    """Cached keys and values of the encoder's output, per source token, in bytes."""
    cross = architecture.decoder.cross_attention
    return 0 if cross is None else architecture.decoder.layer_count * mixer_kv_bytes_per_token(cross, kv, tensor=tensor)


def kv_layout(architecture: Architecture, cache: CacheFormats, *, source_tokens: int, tensor: int = 1) -> KVLayout:
    """How the cache of one sequence grows on each of `tensor` GPUs that share it.

    Args:
        architecture: the model.
        cache: how keys, values and state are stored.
        source_tokens: length of the encoder's input, for cross-attention.
        tensor: GPUs that share the attention.

    Raises:
        ArchitectureError: for more bytes than any machine holds.
    """
    unbounded, windows = 0, defaultdict[int, int](int)
    for layer in architecture.decoder.layers:
        rate = layer.count * mixer_kv_bytes_per_token(layer.mixer, cache.kv, tensor=tensor)
        if isinstance(layer.mixer, Attention) and layer.mixer.window_tokens is not None:
            windows[layer.mixer.window_tokens] += rate
        else:
            unbounded += rate
    constant = state_bytes_per_sequence(architecture, cache, tensor=tensor)
    constant += source_tokens * cross_attention_bytes_per_source_token(architecture, cache.kv, tensor=tensor)
    filled = sum(window * rate for window, rate in windows.items())
    int64([constant, filled, unbounded + sum(windows.values())], "kv_bytes")
    return KVLayout(constant, unbounded, tuple(sorted(windows.items())), architecture.max_context_tokens)


def bytes_per_sequence(layout: KVLayout, context_tokens: npt.ArrayLike) -> IntArray:
    """Bytes of one sequence at each context length (any shape). Raises ArchitectureError past what any machine holds."""
    context = exact_array(context_tokens)
    total = layout.constant_bytes + layout.unbounded_bytes_per_token * context
    for window, rate in layout.windows:
        total = total + rate * np.minimum(context, window)
    return int64(total, "kv_bytes", below=2**63)


def pieces(layout: KVLayout) -> tuple[tuple[int, int, int], ...]:
    """The lines of which bytes_per_sequence is the minimum: (first token, bytes before it beside the constant, bytes per token).

    The last piece has no bytes per token where no layer's cache grows forever.
    """
    lines, rate, start, start_bytes = [], layout.bytes_per_token, 0, 0
    for window, window_rate in (*layout.windows, (0, 0)):
        lines.append((start, start_bytes, rate))
        start_bytes += rate * (window - start)
        start, rate = window, rate - window_rate
    return tuple(lines)


def max_context_tokens(layout: KVLayout, bytes_for_each_sequence: npt.ArrayLike) -> IntArray:
    """Largest context c with bytes_per_sequence(c) <= the bytes for each sequence; 0 where not even one token fits.

    Args:
        layout: how the cache grows.
        bytes_for_each_sequence: int64 array of any shape, negative where nothing is left.

    Returns:
        int64 array of that shape; the layout's own maximum where its cache stops growing.
    """
    available = np.asarray(bytes_for_each_sequence, dtype=np.int64) - layout.constant_bytes
    context: IntArray = np.zeros_like(available)
    for start, start_bytes, rate in pieces(layout):
        # bytes_per_sequence is concave, so the minimum of its lines: c fits if it fits under any one of them.
        if rate:
            np.maximum(context, start + (available - start_bytes) // rate, out=context)
        else:
            np.maximum(context, np.where(available >= start_bytes, layout.max_context_tokens or 0, 0), out=context)
    return context
