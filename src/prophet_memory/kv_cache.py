"""Bytes of KV cache and constant state per sequence, and the KV capacity in closed form (docs/memory-model.md, "Cache").

A sequence of c tokens takes constant + sum over windows w of rate_w x min(c, w) + rate_unbounded x c bytes: piecewise linear and
concave in c, so the largest c that fits has a closed form on each piece.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Union

import numpy as np
import numpy.typing as npt

from prophet_memory.architecture import Architecture
from prophet_memory.fields import Count, Described, OneOf, kinds_in
from prophet_memory.formats import BITS_OF_A_BYTE, DEFAULT_FORMAT, FORMATS, OF_CACHE, OF_ENGINES, Format
from prophet_memory.integers import IntArray, exact_array, int64
from prophet_memory.mixers import MIXERS, LatentAttention, Mixer
from prophet_memory.mixers.mixer import Vectors

KINDS = tuple(kinds_in(Union[MIXERS]))  # noqa: UP007 - a union of what is found


@dataclass(frozen=True, slots=True)
class KVGrowth:
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
class MixerState(Described):
    """The format in which an engine keeps the recurrent state of a kind of mixer, whatever is asked for."""

    mixer: Annotated[str, OneOf(KINDS)]
    format: Annotated[str, OneOf(OF_CACHE)]


@dataclass(frozen=True, slots=True)
class StateStorage(Described):
    """How an engine keeps recurrent state: inputs of a short convolution fewer than its kernel has, and formats."""

    fewer_inputs: Count = 0
    follows_model: bool = False  # the format that the model's own config names, where it names one
    mixers: tuple[MixerState, ...] = ()  # kinds with a format of their own


@dataclass(frozen=True, slots=True)
class SparseStorage(Described):
    """How an engine caches for latent attention to chosen tokens, whatever is asked for: formats of `OF_ENGINES`.

    The latents of an 8-bit cache have scales of their own there, and the rotary keys beside them stay at 16 bit.
    """

    index_keys: Annotated[str, OneOf(OF_ENGINES)]
    latents_of_8_bits: Annotated[str, OneOf(OF_ENGINES)]


@dataclass(frozen=True, slots=True)
class CacheFormats:
    """How keys and values (or MLA's latents), recurrent state, and the inputs of short convolutions are stored."""

    kv: Format
    state: Format
    conv: Format
    storage: StateStorage = StateStorage()
    sparse: SparseStorage | None = None

    def token_bytes(self, mixer: Mixer, vectors: Vectors) -> int:
        """Bytes of some of the vectors that a layer caches of a token, or reads of one."""
        if self.sparse is None or not isinstance(mixer, LatentAttention) or mixer.chosen_tokens is None:
            return vectors_bytes(vectors, self.kv)
        latents, keys = mixer.latents(), mixer.index_keys()
        has_keys = bool(keys) and vectors != latents and vectors[-len(keys) :] == keys
        of_keys = vectors_bytes(keys, OF_ENGINES[self.sparse.index_keys]) if has_keys else 0
        own = vectors[: -len(keys)] if has_keys else vectors
        if not own or self.kv.bits != BITS_OF_A_BYTE:
            return of_keys + vectors_bytes(own, self.kv)
        scaled = OF_ENGINES[self.sparse.latents_of_8_bits]
        return of_keys + vectors_bytes(own[:1], scaled) + vectors_bytes(own[1:], FORMATS[DEFAULT_FORMAT])

    def state_bytes(self, mixer: Mixer, *, tensor: int = 1) -> int:
        """Constant state of one layer and sequence: the window of a convolution, and the recurrent state."""
        (channels, inputs), (rows, values) = mixer.state_vectors(tensor=tensor)
        of_kernel = inputs == getattr(mixer, "conv_kernel", None)  # another mixer keeps tokens that wait, all of them
        kept = inputs - self.storage.fewer_inputs if of_kernel else inputs
        own = next((OF_CACHE[one.format] for one in self.storage.mixers if one.mixer == mixer.kind), self.state)
        return channels * self.conv.vector_bytes(kept) + rows * own.vector_bytes(values)


def mixer_kv_bytes_per_token(mixer: Mixer, cache: CacheFormats, *, tensor: int = 1) -> int:
    """Cached bytes per token of one layer on each of `tensor` GPUs, scales included."""
    return cache.token_bytes(mixer, mixer.cached_vectors(tensor=tensor))


def vectors_bytes(vectors: Vectors, stored: Format) -> int:
    """Bytes of some vectors, each with scales of its own."""
    return sum(count * stored.vector_bytes(values) for count, values in vectors)


def state_bytes_per_sequence(architecture: Architecture, cache: CacheFormats, *, tensor: int = 1) -> int:
    """Constant state of the recurrent mixers of one sequence on each of `tensor` GPUs, in bytes."""
    total = 0
    for layer in architecture.decoder.layers:
        total += layer.count * cache.state_bytes(layer.mixer, tensor=tensor)
    return total


def cross_attention_bytes_per_source_token(architecture: Architecture, cache: CacheFormats, *, tensor: int = 1) -> int:
    """Cached keys and values of the encoder's output, per source token, in bytes."""
    cross = architecture.decoder.cross_attention
    return 0 if cross is None else architecture.decoder.layer_count * mixer_kv_bytes_per_token(cross, cache, tensor=tensor)


def kv_growth(
    architecture: Architecture, cache: CacheFormats, *, source_tokens: int, tensor: int = 1, read_by_tokens: int | None = None
) -> KVGrowth:
    """How the cache of one sequence grows on each of `tensor` GPUs that share it.

    Args:
        architecture: the model.
        cache: how keys, values and state are stored.
        source_tokens: length of the encoder's input, for cross-attention.
        tensor: GPUs that share the attention.
        read_by_tokens: new tokens of a step, to count what it reads instead of what is held: mixers that choose the tokens that
            they attend to read less, and layers that borrow the cache of others read it again.

    Raises:
        ArchitectureError: for more bytes than any machine holds.
    """
    unbounded, windows = 0, defaultdict[int, int](int)
    for layer in architecture.decoder.layers:
        mixer, read = layer.mixer, read_by_tokens
        parts = mixer.cached_parts(tensor=tensor) if read is None else mixer.read_parts(tokens=read, tensor=tensor)
        for vectors, window in parts:
            rate = layer.count * cache.token_bytes(mixer, vectors)
            if window is None:
                unbounded += rate
            else:
                windows[window] += rate
    constant = state_bytes_per_sequence(architecture, cache, tensor=tensor)
    constant += source_tokens * cross_attention_bytes_per_source_token(architecture, cache, tensor=tensor)
    filled = sum(window * rate for window, rate in windows.items())
    int64([constant, filled, unbounded + sum(windows.values())], "kv_bytes")
    return KVGrowth(constant, unbounded, tuple(sorted(windows.items())), architecture.max_context_tokens)


def bytes_per_sequence(growth: KVGrowth, context_tokens: npt.ArrayLike) -> IntArray:
    """Bytes of one sequence at each context length (any shape). Raises ArchitectureError past what any machine holds."""
    context = exact_array(context_tokens)
    total = growth.constant_bytes + growth.unbounded_bytes_per_token * context
    for window, rate in growth.windows:
        total = total + rate * np.minimum(context, window)
    return int64(total, "kv_bytes", below=2**63)


def pieces(growth: KVGrowth) -> tuple[tuple[int, int, int], ...]:
    """The lines of which bytes_per_sequence is the minimum: (first token, bytes before it beside the constant, bytes per token).

    The last piece has no bytes per token where no layer's cache grows forever.
    """
    lines, rate, start, start_bytes = [], growth.bytes_per_token, 0, 0
    for window, window_rate in (*growth.windows, (0, 0)):
        lines.append((start, start_bytes, rate))
        start_bytes += rate * (window - start)
        start, rate = window, rate - window_rate
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of some growths as arrays over (piece, ...), where growths of fewer pieces repeat their last."""

    constant_bytes: IntArray
    start_tokens: IntArray
    start_bytes: IntArray
    bytes_per_token: IntArray
    max_context_tokens: IntArray

    def shaped(self, shape: Callable[[IntArray], IntArray]) -> Pieces:
        """The same with the axes behind the first shaped by a function, so that they broadcast to other arrays."""
        return Pieces(*(np.stack([shape(part) for part in getattr(self, name)]) for name in self.__slots__))


def pieces_of(growths: Sequence[KVGrowth]) -> Pieces:
    """The pieces of some growths along one axis behind that of the pieces."""
    lines = [pieces(growth) for growth in growths]
    most = max(map(len, lines))
    padded = np.array([[*own, *[own[-1]] * (most - len(own))] for own in lines], np.int64)
    start, start_bytes, rate = np.moveaxis(padded, (2, 1), (0, 1))
    constant = np.array([[growth.constant_bytes for growth in growths]], np.int64)
    last = np.array([[growth.max_context_tokens or 0 for growth in growths]], np.int64)
    return Pieces(constant, start, start_bytes, rate, last)


def longest_context(known: Pieces, bytes_for_each_sequence: IntArray) -> IntArray:
    """Largest context c with bytes_per_sequence(c) <= the bytes for each sequence; 0 where not even one token fits.

    Args:
        known: pieces whose axes behind the first broadcast with the bytes.
        bytes_for_each_sequence: int64 array, negative where nothing is left.

    Returns:
        int64 array of the common shape; the growth's own maximum where its cache stops growing.
    """
    available = bytes_for_each_sequence - known.constant_bytes[0]
    context: IntArray = np.zeros_like(available)
    for start, start_bytes, rate in zip(known.start_tokens, known.start_bytes, known.bytes_per_token, strict=True):
        # bytes_per_sequence is concave, so the minimum of its lines: c fits if it fits under any one of them.
        if rate.all():
            fits = start + (available - start_bytes) // rate
        else:
            fits = np.where(rate > 0, start + (available - start_bytes) // np.maximum(rate, 1), 0)
        np.maximum(context, fits, out=context)
        # A cache that has stopped growing bounds nothing: what is left is the growth's own maximum.
        np.copyto(context, known.max_context_tokens[0], where=(rate == 0) & (available >= start_bytes))
    return context


def max_context_tokens(growth: KVGrowth, bytes_for_each_sequence: npt.ArrayLike) -> IntArray:
    """As `longest_context`, for one growth and bytes of any shape."""
    available = np.asarray(bytes_for_each_sequence, dtype=np.int64)
    known = pieces_of([growth]).shaped(lambda part: part.reshape([1] * available.ndim))
    return longest_context(known, available)
