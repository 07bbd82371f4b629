"""What the converters share: attention, mixtures of experts, where they stand, and the catalogue entry made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Generic, TypeVar

from prophet_memory.architecture import FEED_FORWARD_KINDS, Dense, FeedForward, MoE
from prophet_memory.errors import ArchitectureError
from prophet_memory.hf_config.values import MAX_CONTEXT, Values
from prophet_memory.mixers import MIXER_KINDS, Attention, Mixer

Block = TypeVar("Block", Mixer, FeedForward)
KIND_NAMES: dict[type, str] = {kind: name for name, kind in (MIXER_KINDS | FEED_FORWARD_KINDS).items()}
# What bounds the cache of a layer of this kind.
WINDOW_KEYS = {"sliding_attention": "sliding_window", "chunked_attention": "attention_chunk_size"}


@dataclass(frozen=True, slots=True)
class Placed(Generic[Block]):
    """Blocks by name, and the name of the one that stands in each layer."""

    blocks: Mapping[str, Block]
    layers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Stack:
    """The layers of an encoder or a decoder, as the catalogue describes it."""

    mixers: Placed[Mixer]
    feed_forwards: Placed[FeedForward]
    cross_attention: str | None = None
    relative_attention_buckets: int = 0


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


def everywhere(name: str, block: Block, layers: int) -> Placed[Block]:
    """The same block in every layer."""
    return Placed({name: block}, [name] * layers)


def where_sparse(moe: MoE, dense: Dense, sparse: Iterable[bool]) -> Placed[FeedForward]:
    """The mixture of experts in the layers that are sparse, the dense block in the others."""
    return Placed({"moe": moe, "dense": dense}, ["moe" if is_sparse else "dense" for is_sparse in sparse])


def windowed(values: Values, mixer: Attention, kinds: Sequence[str]) -> Placed[Mixer]:
    """Attention that a window bounds in the layers whose kind says so.

    Raises:
        ArchitectureError: if there is such a layer and no window.
    """
    mixers: dict[str, Mixer] = {"attention": mixer}
    for kind in sorted(WINDOW_KEYS.keys() & set(kinds)):
        mixers[kind] = replace(mixer, window_tokens=values.size(WINDOW_KEYS[kind]))
    return Placed(mixers, ["attention" if kind == "full_attention" else kind for kind in kinds])


def decoder_only(
    values: Values,
    mixers: Placed[Mixer],
    feed_forwards: Placed[FeedForward],
    **others: Any,  # noqa: ANN401 - whole-model keys of the entry
) -> dict[str, Any]:
    """The entry of a model that is one decoder."""
    return entry(values, {"decoder": Stack(mixers, feed_forwards)}, **others)


def entry(values: Values, stacks: Mapping[str, Stack], **others: Any) -> dict[str, Any]:  # noqa: ANN401
    """The catalogue entry of a model, without keys that say their default.

    Args:
        values: the config.
        stacks: the decoder, and the encoder if there is one.
        others: whole-model keys of the entry; `max_context_tokens` stands here where the config has no such bound.

    Raises:
        ArchitectureError: if no layer holds a mixture of experts.
    """
    used_mixers: dict[str, Any] = {}
    used_feed_forwards: dict[str, Any] = {}
    described = {}
    for side, stack in stacks.items():
        crossing = [] if stack.cross_attention is None else [stack.cross_attention]
        used_mixers |= _used(stack.mixers, [*stack.mixers.layers, *crossing])
        used_feed_forwards |= _used(stack.feed_forwards, stack.feed_forwards.layers)
        described[side] = _stack(stack)
    if not any(block["kind"] == "moe" for block in used_feed_forwards.values()):
        raise ArchitectureError("model_type", values.raw("model_type"), "a model with a mixture of experts in some layer")
    head = {
        "hidden_size": values.size("hidden_size"),
        "vocabulary_size": values.size("vocab_size"),
        "tied_embeddings": values.flag("tie_word_embeddings"),
    }
    if "max_context_tokens" not in others:
        head["max_context_tokens"] = values.whole("max_position_embeddings", least=1, most=MAX_CONTEXT)
    return head | others | {"mixers": used_mixers, "feed_forwards": used_feed_forwards} | described


def _used(placed: Placed[Any], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    used = set(names)
    return {name: _described(block) for name, block in placed.blocks.items() if name in used}


def _described(block: Mixer | FeedForward) -> dict[str, Any]:
    own = fields(block)  # type: ignore[arg-type]  # every kind of mixer is a dataclass
    values = {f.name: getattr(block, f.name) for f in own}
    defaults = {f.name: f.default for f in own if f.default is not MISSING}
    return {"kind": KIND_NAMES[type(block)]} | {k: v for k, v in values.items() if k not in defaults or v != defaults[k]}


def _stack(stack: Stack) -> dict[str, Any]:
    pairs = Counter(zip(stack.mixers.layers, stack.feed_forwards.layers, strict=True))
    layers = [{"count": count, "mixer": mixer, "feed_forward": block} for (mixer, block), count in pairs.items()]
    described: dict[str, Any] = {}
    if stack.cross_attention is not None:
        described["cross_attention"] = stack.cross_attention
    if stack.relative_attention_buckets:
        described["relative_attention_buckets"] = stack.relative_attention_buckets
    return described | {"layers": layers}
