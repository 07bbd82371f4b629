"""How an engine cuts its cache into blocks, and what it prints as the size of the cache (docs/engines.md, "Cache").

Layers that store alike form groups of equal size; a block holds some tokens of every layer of one group. A token of a sequence
takes a block of each group, so what the engine prints is the number of blocks over the number of groups, in tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from prophet_memory.architecture import Architecture
from prophet_memory.fields import Count, Described, OneOf, Size
from prophet_memory.kv_cache import CacheFormats, KVGrowth, mixer_kv_bytes_per_token
from prophet_memory.mixers import LatentAttention, Mixer
from prophet_memory.tensors import multiple_of

UNEVEN = (3, 2)  # kinds of layers of which one has less than 3/2 the layers of the other form groups of the larger


@dataclass(frozen=True, slots=True)
class PagedCache(Described):
    """Blocks of a number of tokens; models with recurrent state get larger ones, so that a block also holds a state."""

    block_tokens: Size
    latent_fp8_block_tokens: Size | None = None  # of MLA's latents in fp8, where the kernel wants other blocks
    masked_blocks: Count = 0  # that stand for tokens which are masked
    window_less: Count = 0  # tokens that a layer with a window holds fewer than it has: the newest is of the step
    window_blocks: Count = 0  # that such a layer holds beside them, for the window begins inside a block
    windows_apart: bool = False  # layers with a window have a cache of their own: of the window and a step, in whole blocks
    unread: tuple[Annotated[str, OneOf(("windows", "states"))], ...] = ()  # which layers' caches nobody read in its source

    def window_cells(self, window_tokens: int, step_tokens: int) -> int:
        """Tokens that a layer with a window holds at most, in whole blocks, where such layers stand apart."""
        return multiple_of(window_tokens + step_tokens, self.block_tokens)


@dataclass(frozen=True, slots=True)
class Blocks:
    """The cache of a model on one GPU: bytes of a block, its tokens, groups of layers, and the blocks that a sequence takes.

    Without groups a block is one byte.

    `growth` counts blocks instead of bytes, over blocks of tokens instead of tokens.
    """

    block_bytes: int
    block_tokens: int
    groups: int
    growth: KVGrowth
    masked: int = 0  # blocks that no sequence gets


@dataclass(frozen=True, slots=True)
class _Kind:
    """Layers that store alike: bytes of a token or of a state, and the window."""

    token_bytes: int
    state_bytes: int
    window_tokens: int | None


def blocks(
    cache: PagedCache, architecture: Architecture, formats: CacheFormats, *, step_tokens: int, tensor: int = 1
) -> Blocks | None:
    """How a model's cache is cut; None where it caches nothing, or cross-attention, whose blocks no source says.

    Layers with a window that stand apart fit into no common block: the growth then counts bytes over blocks of tokens, and there
    are no groups.

    Args:
        cache: the engine's blocks.
        architecture: the model, or a pipeline stage of it.
        formats: how keys, values and state are stored.
        step_tokens: of the largest step: a window's layers hold them beside the window.
        tensor: GPUs that share the attention.
    """
    if architecture.decoder.cross_attention is not None:
        return None
    counts: dict[_Kind, int] = defaultdict(int)
    for layer in architecture.decoder.layers:
        counts[_kind(layer.mixer, formats, tensor)] += layer.count
    counts = {kind: count for kind, count in counts.items() if kind.token_bytes or kind.state_bytes}  # the others hold nothing
    growing = {kind: count for kind, count in counts.items() if kind.token_bytes}
    if not growing:
        return None
    tokens = _block_tokens(cache, architecture, counts, formats)
    if cache.windows_apart and any(kind.window_tokens for kind in growing):
        return Blocks(1, tokens, 0, _apart(cache, growing, step_tokens, architecture.max_context_tokens), cache.masked_blocks)
    pages = {kind.token_bytes for kind in growing}
    if len(pages) > 1:
        whole = sum(kind.token_bytes * count for kind, count in growing.items())
        return Blocks(whole * tokens, tokens, 1, KVGrowth(0, 1), cache.masked_blocks)
    size = _group_size(list(counts.values()))
    groups = {kind: -(-count // size) for kind, count in counts.items()}
    growth = _growth(cache, groups, tokens, step_tokens, architecture.max_context_tokens)
    return Blocks(pages.pop() * tokens * size, tokens, sum(groups.values()), growth, cache.masked_blocks)


def has_uneven_windows(cache: PagedCache, architecture: Architecture, formats: CacheFormats, *, tensor: int = 1) -> bool:
    """Whether no block suits all layers: some have windows and a token of theirs takes other bytes, or one has two caches."""
    layers = [layer.mixer.cached_parts(tensor=tensor) for layer in architecture.decoder.layers]
    if any(len(parts) > 1 for parts in layers):
        return True
    windows = {window for parts in layers for _, window in parts}
    sizes = {
        formats.token_bytes(layer.mixer, vectors)
        for layer, parts in zip(architecture.decoder.layers, layers, strict=True)
        for vectors, _ in parts
    }
    return not cache.windows_apart and len(windows) > 1 and len(sizes) > 1


def _apart(cache: PagedCache, growing: Mapping[_Kind, int], step_tokens: int, most_tokens: int | None) -> KVGrowth:
    """Bytes of a sequence over blocks of tokens, where layers with a window have a cache of their own."""
    forever, windows = 0, defaultdict[int, int](int)
    for kind, count in growing.items():
        block_bytes = kind.token_bytes * count * cache.block_tokens
        if kind.window_tokens is None:
            forever += block_bytes
        else:
            windows[cache.window_cells(kind.window_tokens, step_tokens) // cache.block_tokens] += block_bytes
    most = None if most_tokens is None else -(-most_tokens // cache.block_tokens)
    return KVGrowth(0, forever, tuple(sorted(windows.items())), most)


def _kind(mixer: Mixer, formats: CacheFormats, tensor: int) -> _Kind:
    held = formats.state_bytes(mixer, tensor=tensor)
    return _Kind(mixer_kv_bytes_per_token(mixer, formats, tensor=tensor), held, mixer.window_tokens)


def _block_tokens(cache: PagedCache, architecture: Architecture, counts: Mapping[_Kind, int], formats: CacheFormats) -> int:
    """Tokens of a block: the engine's own, more where a block has to hold a recurrent state, too."""
    latent = any(isinstance(layer.mixer, LatentAttention) for layer in architecture.decoder.layers)
    unit = cache.block_tokens
    if latent and cache.latent_fp8_block_tokens and formats.kv.bits == 8:  # noqa: PLR2004 - fp8
        unit = cache.latent_fp8_block_tokens
    state = max(kind.state_bytes for kind in counts)
    rate = max(kind.token_bytes for kind in counts)
    return max(unit, multiple_of(-(-state // rate), unit))


def _group_size(counts: list[int]) -> int:
    """Layers of a group: as many as the rarest kind has, or all of the commonest where that is hardly more."""
    least, most = min(counts), max(counts)
    return most if UNEVEN[1] * most < UNEVEN[0] * least else least


def _growth(cache: PagedCache, groups: Mapping[_Kind, int], tokens: int, step_tokens: int, most_tokens: int | None) -> KVGrowth:
    """Blocks of a sequence over blocks of tokens: a window's groups hold the window and a step, and blocks beside."""
    constant, forever, windows = 0, 0, defaultdict[int, int](int)
    for kind, count in groups.items():
        if not kind.token_bytes:
            constant += count
        elif kind.window_tokens is None:
            forever += count
        else:
            constant += count * cache.window_blocks
            windows[-(-(kind.window_tokens - cache.window_less + step_tokens) // tokens)] += count
    most = None if most_tokens is None else -(-most_tokens // tokens)
    return KVGrowth(constant, forever, tuple(sorted(windows.items())), most)
