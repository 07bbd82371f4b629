"""What the readers share: attention, mixtures of experts, where they stand, and the architecture made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from prophet_memory.architecture import Architecture, Dense, FeedForward, Layer, MoE, Stack
from prophet_memory.errors import ArchitectureError
from prophet_memory.fields import MAX_CONTEXT
from prophet_memory.huggingface.values import Values
from prophet_memory.mixers import Attention, Mixer

Block = TypeVar("Block", bound=Mixer | FeedForward)
# What bounds the cache of a layer of this kind.
WINDOW_KEYS = {"sliding_attention": "sliding_window", "chunked_attention": "attention_chunk_size"}


def head_size(values: Values, heads_key: str = "num_attention_heads") -> int:
    """The width of a head where nothing else says it: the hidden size over the heads.

    Raises:
        ArchitectureError: if there are more heads than the hidden size is wide.
    """
    hidden, heads = values.size("hidden_size"), values.size(heads_key)
    if heads > hidden:
        raise values.error(heads_key, f"at most the hidden size ({hidden})")
    return hidden // heads


def evenly_split(values: Values, heads_key: str = "num_attention_heads") -> int:
    """That width, where the heads have to divide the hidden size.

    Raises:
        ArchitectureError: if they do not.
    """
    if values.size("hidden_size") % values.size(heads_key):
        raise values.error(heads_key, f"a divisor of the hidden size ({values.size('hidden_size')})")
    return head_size(values, heads_key)


def attention(values: Values, **others: Any) -> Attention:  # noqa: ANN401 - fields of Attention
    """Grouped-query attention in the words that most configs share; multi-head where they leave the key-value heads out."""
    query_heads = values.size("num_attention_heads")
    return grouped(values, "num_key_value_heads", values.optional_size("num_key_value_heads") or query_heads, **others)


def grouped(values: Values, kv_key: str, kv_heads: int, *, within: Values | None = None, **others: Any) -> Attention:  # noqa: ANN401
    """Attention with so many key-value heads.

    Args:
        values: the config.
        kv_key: where their number stands, for an error.
        kv_heads: their number.
        within: the config in which that key stands, if it is a nested one.
        others: fields of `Attention`.

    Raises:
        ArchitectureError: if the key-value heads do not divide the query heads.
    """
    query_heads = values.size("num_attention_heads")
    if query_heads % kv_heads:
        raise (within or values).error(kv_key, f"a divisor of the attention heads ({query_heads})")
    head_dim = values.optional_size("head_dim") or head_size(values)
    return Attention(query_heads, kv_heads, **({"head_dim": head_dim} | others))


def routed_experts(values: Values, key: str) -> int:
    """The number of routed experts.

    Raises:
        ArchitectureError: for fewer than two, which is a dense model.
    """
    experts = values.count(key)
    return at_least_two(values, key, experts)


def at_least_two(values: Values, key: str, experts: int) -> int:
    """So many experts.

    Raises:
        ArchitectureError: for fewer than two, which is a dense model.
    """
    if experts < 2:  # noqa: PLR2004
        raise values.error(key, "at least 2: this project describes models with a mixture of experts")
    return experts


def mixture(
    values: Values,
    experts: str = "num_local_experts",
    top_k: str = "num_experts_per_tok",
    intermediate: str = "intermediate_size",
    **others: Any,  # noqa: ANN401 - fields of MoE
) -> MoE:
    """A mixture of experts whose sizes stand under these keys.

    Raises:
        ArchitectureError: if there are fewer than two experts, or a token is sent to more than there are.
    """
    routed = routed_experts(values, experts)
    return MoE(routed, chosen(values, top_k, values.size(top_k), routed), values.size(intermediate), **others)


def chosen(values: Values, key: str, top_k: int, routed: int) -> int:
    """The experts that a token is sent to.

    Raises:
        ArchitectureError: if they are more than there are.
    """
    if top_k > routed:
        raise values.error(key, f"at most the number of routed experts ({routed})")
    return top_k


def everywhere(block: Block, layers: int) -> list[Block]:
    """The same block in every layer."""
    return [block] * layers


def where_sparse(moe: MoE, dense: Dense, sparse: Iterable[bool]) -> list[FeedForward]:
    """The mixture of experts in the layers that are sparse, the dense block in the others."""
    return [moe if is_sparse else dense for is_sparse in sparse]


def windowed(values: Values, mixer: Attention, kinds: Sequence[str]) -> list[Attention]:
    """Attention that a window bounds in the layers whose kind says so.

    Raises:
        ArchitectureError: if there is such a layer and no window.
    """
    mixers = {kind: replace(mixer, window_tokens=values.size(key)) for kind, key in WINDOW_KEYS.items() if kind in kinds}
    return [mixers.get(kind, mixer) for kind in kinds]


def stacked(mixers: Sequence[Mixer], feed_forwards: Sequence[FeedForward], **others: Any) -> Stack:  # noqa: ANN401 - fields of Stack
    """A stack of the layers' mixers and feed-forward blocks."""
    return Stack(**in_kinds([Layer(1, *pair) for pair in zip(mixers, feed_forwards, strict=True)]), **others)


def in_kinds(layers: Sequence[Layer]) -> dict[str, Any]:
    """The fields of a stack that say its layers: those that are alike counted, and their order."""
    kinds = {layer: place for place, layer in enumerate(dict.fromkeys(layers))}
    counts, order = Counter(layers), [kinds[layer] for layer in layers]
    counted = tuple(replace(layer, count=counts[layer]) for layer in kinds)
    return {"layers": counted, "pattern": () if order == sorted(order) else shortest_pattern(order)}


def shortest_pattern(order: Sequence[int]) -> tuple[int, ...]:
    """The shortest beginning that, over and over, gives the whole: its period, found from the longest border (Knuth et al.)."""
    borders = [0] * len(order)  # of each beginning, the longest that it also ends with
    for place in range(1, len(order)):
        length = borders[place - 1]
        while length and order[place] != order[length]:
            length = borders[length - 1]
        borders[place] = length + (order[place] == order[length])
    return tuple(order[: len(order) - borders[-1]])


def decoder_only(
    values: Values,
    mixers: Sequence[Mixer],
    feed_forwards: Sequence[FeedForward],
    **others: Any,  # noqa: ANN401 - fields of Architecture
) -> Architecture:
    """A model that is one decoder."""
    return architecture(values, decoder=stacked(mixers, feed_forwards), **others)


def dense_decoder(
    values: Values,
    mixers: Sequence[Mixer],
    block: Dense,
    **others: Any,  # noqa: ANN401 - fields of Architecture
) -> Architecture:
    """A model that is one decoder without experts, the same feed-forward block in every layer."""
    return any_decoder(values, mixers, everywhere(block, len(mixers)), **others)


def any_decoder(
    values: Values,
    mixers: Sequence[Mixer],
    feed_forwards: Sequence[FeedForward],
    **others: Any,  # noqa: ANN401 - fields of Architecture
) -> Architecture:
    """A model that is one decoder, with experts or without."""
    return _assembled(values, decoder=stacked(mixers, feed_forwards), encoder=None, **others)


def architecture(values: Values, *, decoder: Stack, encoder: Stack | None = None, **others: Any) -> Architecture:  # noqa: ANN401
    """A model of its stacks.

    Args:
        values: the config.
        decoder: its stack.
        encoder: the other, if there is one.
        others: fields of `Architecture`; `max_context_tokens` stands here where the config has no such bound.

    Raises:
        ArchitectureError: if no layer holds a mixture of experts.
    """
    found = _assembled(values, decoder=decoder, encoder=encoder, **others)
    if found.is_dense:
        raise ArchitectureError("model_type", values.raw("model_type"), "a model with a mixture of experts in some layer")
    return found


def _assembled(values: Values, *, decoder: Stack, encoder: Stack | None, **others: Any) -> Architecture:  # noqa: ANN401
    own: dict[str, Any] = {
        "hidden_size": values.size("hidden_size"),
        "vocabulary_size": values.size("vocab_size"),
        "tied_embeddings": values.flag("tie_word_embeddings"),
    }
    if "max_context_tokens" not in others:
        own["max_context_tokens"] = values.whole("max_position_embeddings", least=1, most=MAX_CONTEXT)
    return Architecture(**own, **others, decoder=decoder, encoder=encoder)
