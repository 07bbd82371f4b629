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

IntArray = npt.NDArray[np.int64]


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


def mixer_kv_values_per_token(mixer: Mixer) -> int:
    """Cached values per token of one layer: keys and values, or MLA's latent and rotary key; none for recurrent mixers."""
    match mixer:
        case Attention():
            return 2 * mixer.kv_heads * mixer.head_dim
        case LatentAttention():
            return mixer.kv_lora_rank + mixer.qk_rope_head_dim
        case _:
            return 0


def mixer_state_values(mixer: Mixer) -> tuple[int, int]:
    """Constant state of one layer and sequence: (values of the convolution window, values of the recurrent state)."""
    match mixer:
        case Mamba():
            return mixer.inner_size * mixer.conv_kernel, mixer.inner_size * mixer.state_size
        case GatedDeltaNet():
            state = mixer.value_heads * mixer.key_head_dim * mixer.value_head_dim
            return mixer.conv_size * mixer.conv_kernel, state
        case LightningAttention():
            return 0, mixer.heads * mixer.head_dim**2
        case _:
            return 0, 0


def state_bytes_per_sequence(architecture: Architecture, *, conv_value_bytes: int, state_value_bytes: int) -> int:
    """Constant state of the recurrent mixers of one sequence, in bytes."""
    total = 0
    for layer in architecture.decoder.layers:
        conv, state = mixer_state_values(layer.mixer)
        total += layer.count * (conv * conv_value_bytes + state * state_value_bytes)
    return total


def cross_attention_bytes_per_source_token(architecture: Architecture, *, value_bytes: int) -> int:
    """Cached keys and values of the encoder's output, per source token, in bytes."""
    cross = architecture.decoder.cross_attention
    return 0 if cross is None else architecture.decoder.layer_count * mixer_kv_values_per_token(cross) * value_bytes


def kv_layout(architecture: Architecture, *, value_bytes: int, state_value_bytes: int, source_tokens: int) -> KVLayout:
    """How the cache of one sequence grows.

    Args:
        architecture: the model.
        value_bytes: bytes of a cached key, value, latent or convolution input.
        state_value_bytes: bytes of a value of the recurrent state.
        source_tokens: length of the encoder's input, for cross-attention.
    """
    unbounded, windows = 0, defaultdict[int, int](int)
    for layer in architecture.decoder.layers:
        rate = layer.count * mixer_kv_values_per_token(layer.mixer) * value_bytes
        if isinstance(layer.mixer, Attention) and layer.mixer.window_tokens is not None:
            windows[layer.mixer.window_tokens] += rate
        else:
            unbounded += rate
    constant = state_bytes_per_sequence(architecture, conv_value_bytes=value_bytes, state_value_bytes=state_value_bytes)
    constant += source_tokens * cross_attention_bytes_per_source_token(architecture, value_bytes=value_bytes)
    return KVLayout(constant, unbounded, tuple(sorted(windows.items())), architecture.max_context_tokens)


def bytes_per_sequence(layout: KVLayout, context_tokens: npt.ArrayLike) -> IntArray:
    """Bytes of one sequence at each context length (any shape)."""
    context = np.asarray(context_tokens, dtype=np.int64)
    total = layout.constant_bytes + layout.unbounded_bytes_per_token * context
    for window, rate in layout.windows:
        total = total + rate * np.minimum(context, window)
    return total


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
