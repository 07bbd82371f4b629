"""The modules of a model as checkpoints name them, so that lists of names can be held against what is counted.

A statement on the quantisation of a checkpoint names modules one by one, by patterns or by what contains them. Names differ
between types and between releases of one type, so a module has every spelling that the statement uses; it is meant where one of
them is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prophet_memory.architecture import Architecture, FeedForward, Layer, MoE, Stack
from prophet_memory.tensors import Component, Weight
from prophet_memory.weights import feed_forward_weights

# The first spelling is taken where a statement uses none.
ROOTS = (
    "model.layers", "model.language_model.layers", "language_model.model.layers", "language_model.layers", "backbone.layers",
)  # fmt: skip
HEADS = ("lm_head", "language_model.lm_head", "head")
EMBEDDINGS = ("model.embed_tokens", "model.language_model.embed_tokens", "language_model.model.embed_tokens", "embed_tokens")
PARENTS: dict[str, tuple[str, ...]] = {  # what contains the maps of a component
    "attention": ("self_attn", "attn", "attention"),
    "recurrent": ("linear_attn", "mamba"),
    "dense_feed_forward": ("mlp", "feed_forward", "ffn"),
    "routed_expert": ("mlp", "block_sparse_moe", "feed_forward", "ffn"),
}
SHARED = ("shared_experts", "shared_expert", "shared_mlp")
ROUTERS = ("gate", "router", "router.layer", "gate.wg")
PARTS: dict[str, tuple[str, ...]] = {
    "q": ("q_proj", "qkv_proj", "wq"), "k": ("k_proj", "qkv_proj", "wk"), "v": ("v_proj", "qkv_proj", "wv"),
    "o": ("o_proj", "out_proj", "wo"), "q_a": ("q_a_proj", "fused_qkv_a_proj", "wq_a"), "q_b": ("q_b_proj", "wq_b"),
    "kv_a": ("kv_a_proj_with_mqa", "fused_qkv_a_proj"), "kv_b": ("kv_b_proj",),
    "gate": ("gate_proj", "gate_up_proj", "w1", "g_proj"), "up": ("up_proj", "gate_up_proj", "w3"), "down": ("down_proj", "w2"),
    "qkv": ("in_proj_qkv", "in_proj_qkvz", "qkv_proj"), "z": ("in_proj_z", "in_proj_qkvz", "output_gate"),
    "in": ("in_proj",), "x": ("x_proj",), "dt": ("dt_proj",), "beta": ("b_proj",),
    "decay": ("f_proj",), "decay_a": ("f_a_proj",), "decay_b": ("f_b_proj",), "gate_a": ("g_a_proj",), "gate_b": ("g_b_proj",),
    "kv": ("kv_proj", "wkv"), "o_a": ("o_a_proj", "wo_a"), "o_b": ("o_b_proj", "wo_b"),
    "index_q": ("indexer.wq_b", "indexer.q_proj", "index_q_proj"), "index_k": ("indexer.wk", "index_k_proj"),
    "compressor": ("compressor.wkv", "compressor.wgate"), "layer_inputs": ("per_layer_model_projection",),
    "layer_input_gate": ("per_layer_input_gate",), "layer_input": ("per_layer_projection",),
    "latent_down": ("fc1_latent_proj",), "latent_up": ("fc2_latent_proj",),
}  # fmt: skip
# Types whose own names are others: the parents, and whether projections are numbered as in w1, w2 and w3.
SPARSE = {"routed_expert": "block_sparse_moe"}
FEED_FORWARD = {"routed_expert": "feed_forward", "dense_feed_forward": "feed_forward"}
OWN_PARENTS: dict[str, dict[str, str]] = {
    "mixtral": SPARSE, "phimoe": SPARSE, "minimax_m2": SPARSE, "minimax": SPARSE | {"recurrent": "self_attn"},
    "arctic": SPARSE | {"dense_feed_forward": "residual_mlp"}, "nemotron_h": dict.fromkeys(PARENTS, "mixer"),
    "jamba": FEED_FORWARD, "lfm2_moe": FEED_FORWARD | {"recurrent": "conv"}, "granitemoehybrid": SPARSE,
    "kimi_linear": SPARSE | {"recurrent": "self_attn"}, "bailing_hybrid": {"attention": "attention", "recurrent": "attention"},
}  # fmt: skip
NUMBERED = ("mixtral", "phimoe", "minimax_m2", "minimax", "arctic")
SEVERAL = {"ba": (("in_proj_b", "in_proj_ba"), ("in_proj_a", "in_proj_ba"))}  # parts that some checkpoints hold as two modules
ONE_EXPERT = re.compile(r"\bexperts\.(\d+)\b")


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the counted part of a model: what it is a part of, and its names."""

    component: Component
    part: str
    names: tuple[str, ...]

    @property
    def key(self) -> str:
        """The component and the part, as a precision names them."""
        return f"{self.component}.{self.part}" if self.part else self.component


def words_in(statement: object) -> Iterator[str]:
    """Every text in what a JSON file says, keys among it."""
    if isinstance(statement, Mapping):
        statement = [*statement, *statement.values()]
    if isinstance(statement, list):
        for value in statement:
            yield from words_in(value)
    elif isinstance(statement, str):
        yield statement


class Spellings:
    """Which names a statement uses."""

    def __init__(self, statement: Mapping[str, Any], model_type: str) -> None:
        words = list(words_in(statement))
        self.experts = {int(number) for word in words for number in ONE_EXPERT.findall(word)}
        told = dict.fromkeys(re.sub(r"\d+", "0", word.replace("\\", "")) for word in words)  # each layer says the same
        self.text = "\n".join(told)
        self.has_fused_experts = re.search(r"\bexperts\.[a-z]", self.text) is not None
        self._own_parents = OWN_PARENTS.get(model_type, {})
        self._own_names = ("w1", "w2", "w3") if model_type in NUMBERED else ()
        self._used: dict[tuple[str, ...], tuple[str, ...]] = {}

    def used(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The type's own of some names, else the first, and those that the statement has."""
        if names not in self._used:
            first = next((name for name in names if name in self._own_names), names[0])
            words = {name: re.escape(re.sub(r"\d+", "0", name)) for name in names if name != first}
            self._used[names] = (first, *(name for name, word in words.items() if re.search(rf"\b{word}\b", self.text)))
        return self._used[names]

    def parents(self, component: Component) -> tuple[str, ...]:
        """What contains the maps of a component, with the experts' the router and the shared expert."""
        key = component if component in PARENTS else "routed_expert"
        return (self._own_parents[key],) if key in self._own_parents else PARENTS[key]

    def paths(self, *names: tuple[str, ...]) -> tuple[str, ...]:
        """Names of modules by the spellings of each step."""
        paths: tuple[str, ...] = ("",)
        for spellings in names:
            paths = tuple(f"{path}.{name}" if path else name for path in paths for name in self.used(spellings))
        return paths

    def told_apart(self, experts: int) -> list[int]:
        """The experts that the statement names by number, and one that stands for all others."""
        named = sorted(self.experts & set(range(experts)))
        return named + [expert for expert in range(len(named) + 1) if expert not in named and expert < experts][:1]


def modules_of(architecture: Architecture, statement: Mapping[str, Any], model_type: object = None) -> list[Module]:
    """Embedding, head, routers and every linear map of every layer, in the spellings of a statement and of the model's type."""
    spellings = Spellings(statement, str(model_type))
    modules = [Module("embedding", "", spellings.paths(EMBEDDINGS))]
    if not architecture.tied_embeddings:
        modules.append(Module("lm_head", "", spellings.paths(HEADS)))
    for side, stack in (("encoder", architecture.encoder), ("decoder", architecture.decoder)):
        if stack is not None:
            roots = ROOTS if architecture.encoder is None else (f"model.{side}.layers", f"{side}.layers")
            modules += _of_stack(stack, roots, architecture.hidden_size, spellings)
    return modules


def _of_stack(stack: Stack, roots: tuple[str, ...], hidden_size: int, spellings: Spellings) -> Iterator[Module]:
    kinds = [list(_kinds(layer, stack, hidden_size, spellings)) for layer in stack.layers]
    used = spellings.used(roots)
    for number, kind in enumerate(stack.order):
        for paths, weight in kinds[kind]:
            names = tuple(f"{root}.{number}.{path}" for root in used for path in paths)
            yield Module(weight.component, weight.part, names)


def _kinds(layer: Layer, stack: Stack, hidden_size: int, spellings: Spellings) -> Iterator[tuple[tuple[str, ...], Weight]]:
    """The modules of a layer: their names within it, and a weight of theirs."""
    for weight in _linear(layer.mixer.weights(hidden_size)):
        for part in _spelled(weight.part):
            yield spellings.paths(spellings.parents(weight.component), part), weight
    if stack.cross_attention is not None:
        for weight in _linear(stack.cross_attention.weights(hidden_size)):
            yield spellings.paths(("encoder_attn", "EncDecAttention"), *_spelled(weight.part)), weight
    yield from _of_feed_forward(layer.feed_forward, hidden_size, spellings)


def _of_feed_forward(block: FeedForward, hidden_size: int, spellings: Spellings) -> Iterator[tuple[tuple[str, ...], Weight]]:
    for weight in _linear(feed_forward_weights(block, hidden_size)):
        (part,), parents = _spelled(weight.part), spellings.parents(weight.component)
        if weight.component == "routed_expert" and isinstance(block, MoE):
            fused = spellings.paths(parents, ("experts",), part) if spellings.has_fused_experts else ()
            for expert in spellings.told_apart(block.routed_experts):
                yield (*spellings.paths(parents, ("experts",), (str(expert),), part), *fused), weight
        elif weight.component == "shared_expert":
            yield spellings.paths(parents, SHARED, part), weight
        else:
            yield spellings.paths(parents, part), weight
    if isinstance(block, MoE):
        yield spellings.paths(spellings.parents("router"), ROUTERS), Weight("router", block.routed_experts, hidden_size)


def _linear(weights: Iterator[Weight]) -> list[Weight]:
    """One linear map of each part."""
    return list({(weight.component, weight.part): weight for weight in weights if weight.linear}.values())


def _spelled(part: str) -> tuple[tuple[str, ...], ...]:
    """The spellings of the modules of a part; of one that has no name, none that a checkpoint has."""
    return SEVERAL.get(part) or (PARTS.get(part, (part or "projection",)),)
