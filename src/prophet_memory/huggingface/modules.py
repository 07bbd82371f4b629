"""The modules of a model as checkpoints name them, so that lists of names can be held against what is counted.

A statement on the quantisation of a checkpoint names modules one by one, by patterns or by what contains them. Names differ
between types and between releases of one type, so a module has every spelling that the statement uses; it is meant where one of
them is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from prophet_memory.architecture import Architecture, Dense, FeedForward, Layer, MoE, Stack
from prophet_memory.next_tokens import with_next_token_layers
from prophet_memory.tensors import Component, Weight
from prophet_memory.weights import feed_forward_weights, per_layer_input_weights

# The first spelling is taken where a statement uses none.
ROOTS = (
    "model.layers", "model.language_model.layers", "language_model.model.layers", "language_model.layers", "backbone.layers",
    "language_model.backbone.layers",
    "thinker.model.layers", "transformer.blocks",
)  # fmt: skip
ROOTS_OF_TWO = ("model.{side}.layers", "{side}.layers")  # of an encoder and of a decoder
FURTHER = "mtp.layers"  # that predict further tokens, in Qwen's checkpoints
HEADS = ("lm_head", "language_model.lm_head", "thinker.lm_head", "head")
EMBEDDINGS = (
    "model.embed_tokens", "model.language_model.embed_tokens", "language_model.model.embed_tokens", "embed_tokens",
    "thinker.model.embed_tokens", "backbone.embeddings", "model.embeddings", "transformer.wte", "model.shared", "shared",
)  # fmt: skip
PARENTS: dict[str, tuple[str, ...]] = {  # what contains the maps of a component
    "attention": ("self_attn", "attn", "attention"),
    "recurrent": ("linear_attn", "mamba"),
    "dense_feed_forward": ("mlp", "feed_forward", "ffn"),
    "routed_expert": ("mlp", "block_sparse_moe", "feed_forward", "ffn"),
}
CROSS = ("encoder_attn", "cross_attention", "layer.1.EncDecAttention")
SHARED = ("shared_experts", "shared_expert", "shared_mlp")
ROUTERS = ("gate", "router", "router.layer", "router.gate", "router.proj", "router.classifier", "gate.wg")
PARTS: dict[str, tuple[str, ...]] = {
    "q": ("q_proj", "qkv_proj", "wq"), "k": ("k_proj", "qkv_proj", "wk"), "v": ("v_proj", "qkv_proj", "wv"),
    "o": ("o_proj", "out_proj", "wo"), "q_a": ("q_a_proj", "fused_qkv_a_proj", "wq_a"),
    "q_b": ("q_b_proj", "wq_b", "q_gate_proj"), "kv_a": ("kv_a_proj_with_mqa", "fused_qkv_a_proj"), "kv_b": ("kv_b_proj",),
    "gate": ("gate_proj", "gate_up_proj", "w1", "input_linear"), "attention.gate": ("gate_proj", "g_proj"),
    "recurrent.gate": ("g_proj",),
    "up": ("up_proj", "gate_up_proj", "w3", "input_linear", "fc1", "wi"),
    "down": ("down_proj", "w2", "output_linear", "fc2", "wo"),
    "qkv": ("in_proj_qkv", "in_proj_qkvz", "qkv_proj"), "z": ("in_proj_z", "in_proj_qkvz", "output_gate"),
    "in": ("in_proj",), "x": ("x_proj",), "dt": ("dt_proj",), "beta": ("b_proj",),
    "decay": ("f_proj", "forget_gate.f_proj"), "decay_a": ("f_a_proj", "forget_gate.f_a_proj"),
    "decay_b": ("f_b_proj", "forget_gate.f_b_proj"), "gate_a": ("g_a_proj",), "gate_b": ("g_b_proj",),
    "kv": ("kv_proj", "wkv"), "o_a": ("o_a_proj", "wo_a"), "o_b": ("o_b_proj", "wo_b"),
    "index_q": ("indexer.wq_b", "indexer.q_proj", "index_q_proj", "compressor.indexer.q_b_proj"),
    "index_k": ("indexer.wk", "indexer.k_proj", "index_k_proj"), "layer_inputs": ("per_layer_model_projection",),
    "layer_input_gate": ("per_layer_input_gate",), "layer_input": ("per_layer_projection",),
    "latent_down": ("fc1_latent_proj", "pre_expert_proj"), "latent_up": ("fc2_latent_proj", "post_expert_proj"),
}  # fmt: skip
# Types whose own names are others, which all count: what contains a component, or the maps of all `experts`; "" is the layer.
Names = dict[str, tuple[str, ...]]
SPARSE: Names = {"routed_expert": ("block_sparse_moe", "mlp")}
SHARED_BESIDE: Names = SPARSE | {"shared_expert": ("",), "shared": ("shared_mlp",), "experts": ("experts", "")}
FEED_FORWARD: Names = {"routed_expert": ("feed_forward",), "dense_feed_forward": ("feed_forward",)}
LAYERS_THEMSELVES: Names = {"routed_expert": ("", "moe")}
TEXT_EXPERTS: Names = {"routed_expert": ("mlp", "mlp.text_moe"), "shared_expert": ("mlp",)}
ONE_SHARED: Names = {"shared": ("shared_expert",)}
DELTA: Names = ONE_SHARED | {"attention": ("self_attn",), "recurrent": ("linear_attn",)}
HYBRID: Names = {"attention": ("self_attn",), "recurrent": ("mamba",)}
MIXER: Names = dict.fromkeys(PARENTS, ("mixer",))
IN_BLOCK = ("layer.&.mlp",)
LAST_IN_BLOCK = {"encoder": "1", "decoder": "2"}  # which stand for & there
OWN_PARENTS: dict[str, Names] = {
    "mixtral": SPARSE, "phimoe": SPARSE, "minimax_m2": SPARSE, "minimax": SPARSE | {"recurrent": ("self_attn",)},
    "arctic": SPARSE | {"dense_feed_forward": ("residual_mlp",)}, "nemotron_h": MIXER,
    "jamba": FEED_FORWARD | HYBRID, "lfm2_moe": FEED_FORWARD | {"recurrent": ("conv",)}, "granitemoe": SHARED_BESIDE,
    "granitemoeshared": SHARED_BESIDE, "granitemoe_swa": SHARED_BESIDE, "granitemoehybrid": SHARED_BESIDE | HYBRID,
    "qwen2_moe": ONE_SHARED, "llama4_text": ONE_SHARED, "flint": ONE_SHARED,
    "hunyuan_v1_moe": {"shared": ("shared_mlp",)}, "qwen3_next": DELTA, "qwen3_5_moe_text": DELTA, "lara_mini": DELTA,
    "kimi_linear": SPARSE | {"recurrent": ("self_attn",)},
    "glm5_next_text": {"recurrent": ("self_attn", "linear_attn")},
    "bailing_hybrid": {"attention": ("attention", "self_attn"), "recurrent": ("attention", "self_attn")},
    "gemma4_text": LAYERS_THEMSELVES, "ernie4_5_vl_moe_text": TEXT_EXPERTS,
    "longcat_flash": {"attention": ("self_attn.%",), "dense_feed_forward": ("mlps.%",)},
    "dbrx": {"attention": ("norm_attn_norm.attn",), "routed_expert": ("ffn",)},
    "switch_transformers": {"attention": ("layer.0.SelfAttention",), "dense_feed_forward": IN_BLOCK, "routed_expert": IN_BLOCK},
}  # fmt: skip
# The only names of a part, by the component too where two stand in one module.
MAMBA: Names = {"attention.o": ("o_proj",), "recurrent.o": ("out_proj",)}
INDEXED: Names = {  # beside an indexer with names of its own
    "q": ("q_proj",), "k": ("k_proj",), "v": ("v_proj",), "o": ("o_proj",), "q_b": ("q_b_proj",),
}  # fmt: skip
DECAY: Names = {part: PARTS[part] for part in ("decay", "decay_a", "decay_b")}
QKV = ("Wqkv",)
OWN_PARTS: dict[str, Names] = {
    "nemotron_h": MAMBA, "jamba": MAMBA, "granitemoehybrid": MAMBA, "lara_mini": MAMBA, "qwen3_5_moe_text": MAMBA,
    "qwen3_next": MAMBA | {"qkv": ("in_proj_qkvz",), "z": ("in_proj_qkvz",), "ba": ("in_proj_ba",)},
    "deepseek_v32": INDEXED, "glm_moe_dsa": INDEXED, "hy_v4": INDEXED, "dots3_note_text": INDEXED, "mistral_large4_text": INDEXED,
    "glm5_next_text": INDEXED | DECAY, "kimi_linear": DECAY, "bailing_hybrid": DECAY, "minimax": MAMBA | {
        "attention.q": ("q_proj",), "attention.k": ("k_proj",), "attention.v": ("v_proj",),
        "recurrent.qkv": ("qkv_proj",), "recurrent.z": ("output_gate",),
    },
    "dbrx": {"q": QKV, "k": QKV, "v": QKV, "o": ("out_proj",), "gate": ("mlp.w1",), "up": ("mlp.v1",), "down": ("mlp.w2",)},
    "switch_transformers": {"q": ("q",), "k": ("k",), "v": ("v",), "o": ("o",), "up": ("wi",), "down": ("wo",)},
}  # fmt: skip
LANGUAGE_TYPES = {  # of the language model inside, where its config does not say
    "gemma4": "gemma4_text", "ernie4_5_vl_moe": "ernie4_5_vl_moe_text", "glm5_next": "glm5_next_text",
    "qwen3_5_moe": "qwen3_5_moe_text", "llama4": "llama4_text", "dots3_note": "dots3_note_text",
    "mistral_large4": "mistral_large4_text", "nemo_speechlm": "nemotron_h", "nemotron_h_omni": "nemotron_h",
}  # fmt: skip
OWN_ROOTS = {"dbrx": ("transformer.blocks",), "switch_transformers": ("{side}.block",)}
SUBLAYERS = {"longcat_flash": 2}  # layers of ours that are one of the checkpoint's; % stands for the place of one there
NUMBERED = ("mixtral", "phimoe", "minimax_m2", "minimax", "arctic")
SEVERAL = {  # parts that some checkpoints hold as two modules
    "ba": (("in_proj_b", "in_proj_ba"), ("in_proj_a", "in_proj_ba")),
    "compressor": (
        ("compressor.wkv", "compressor.kv_proj", "compressor.indexer.kv_proj"),
        ("compressor.wgate", "compressor.gate_proj", "compressor.indexer.gate_proj"),
    ),
}
ONE_EXPERT = re.compile(r"\bexperts\.(?:expert_)?(\d+)\b")
SOME_EXPERTS = re.compile(r"\bexperts\.(?:expert_)?\d*[\[(|?+{]")  # by a class, a group or a choice of their numbers
WITHIN_MOE = r"\.(?:experts|shared_expert|shared_mlp|gate\b|router)"


@dataclass(frozen=True, slots=True)
class Module:
    """A module of a model: what it is a part of, its names, and its stack and the layer of it.

    What predicts further tokens is none of the model's own layers.
    """

    component: Component
    part: str
    names: tuple[str, ...]
    layer: tuple[str, int] | None = None
    predicts_further: bool = False

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

    def __init__(self, statement: Mapping[str, Any], model_type: str, *, has_dense: bool) -> None:
        words = list(words_in(statement))
        plain = [word.replace("\\", "") for word in words]
        self.experts = {int(number) for word in plain for number in ONE_EXPERT.findall(word)}
        self.any_expert = any(map(SOME_EXPERTS.search, plain))
        told = dict.fromkeys(re.sub(r"\d+", "0", word.replace("\\", "")) for word in words)  # each layer says the same
        self.text = "\n".join(told)
        self.sublayers = SUBLAYERS.get(model_type, 1)
        self._has_dense = has_dense
        self._own_parents, self._own_parts = OWN_PARENTS.get(model_type, {}), OWN_PARTS.get(model_type, {})
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
        of_layer = component in ("attention", "recurrent", "dense_feed_forward")
        key = component if of_layer or component in self._own_parents else "routed_expert"
        own = self._own_parents.get(key)
        if own is None:
            return self.used(PARENTS[key])
        dense = self._own_parents.get("dense_feed_forward", PARENTS["dense_feed_forward"]) if self._has_dense else ()
        taken = () if of_layer else dense[:1]  # then a name means the dense block, but where it stands with the experts
        return own[:1] + tuple(name for name in own[1:] if name not in taken or re.search(rf"\b{name}{WITHIN_MOE}", self.text))

    def shared(self) -> tuple[str, ...]:
        """What contains the maps of the shared expert."""
        return self._own_parents.get("shared") or self.used(SHARED)

    def spelled(self, component: Component, part: str) -> tuple[tuple[str, ...], ...]:
        """The names of the modules of a part; of one that has no name, none that a checkpoint has."""
        own = self._own_parts.get(f"{component}.{part}", self._own_parts.get(part))
        several = (own,) if own is not None else SEVERAL.get(part) or (self._parts(component, part),)
        return tuple(names if own is not None else self.used(names) for names in several)

    @staticmethod
    def _parts(component: Component, part: str) -> tuple[str, ...]:
        return PARTS.get(f"{component}.{part}") or PARTS.get(part) or (part or "projection",)

    def paths(self, *names: tuple[str, ...]) -> tuple[str, ...]:
        """Names of modules by the names of each step, of which some may be none."""
        return tuple(".".join(filter(None, steps)) for steps in product(*names))

    def fused(self, parents: tuple[str, ...], part: tuple[str, ...]) -> tuple[str, ...]:
        """Names of all experts of a layer at once: of a part of theirs, and of what contains it."""
        containers = self._own_parents.get("experts", ("experts",))
        whole = self.paths(parents, containers[:1]) if re.search(r"\bexperts(?![\w.])", self.text) else ()
        return whole + (self.paths(parents, containers, part) if re.search(r"\bexperts\.[a-z]|\w_linear\b", self.text) else ())

    def told_apart(self, experts: int) -> list[int]:
        """The experts that the statement names by number, and one that stands for all others."""
        named = [*range(experts)] if self.any_expert else sorted(self.experts & set(range(experts)))
        return named + [expert for expert in range(len(named) + 1) if expert not in named and expert < experts][:1]


def language_type(types: Sequence[object]) -> str:
    """The type of the language model, of those that its config and the configs around it say, the outermost first."""
    told = [str(kind) for kind in types if kind is not None] or [""]
    return LANGUAGE_TYPES.get(told[-1], told[-1])


def modules_of(architecture: Architecture, statement: Mapping[str, Any], model_type: str = "") -> list[Module]:
    """Embedding, head, routers and every linear map of every layer, in the spellings of a statement and of the model's type."""
    stacks = [stack for stack in (architecture.encoder, architecture.decoder) if stack is not None]
    blocks = [layer.feed_forward for stack in stacks for layer in stack.layers]
    has_dense = any(isinstance(block, Dense) or getattr(block, "parallel_dense_intermediate_size", 0) for block in blocks)
    spellings = Spellings(statement, model_type, has_dense=has_dense)
    modules = [Module("embedding", "", spellings.used(EMBEDDINGS))]
    if not architecture.tied_embeddings:
        modules.append(Module("lm_head", "", spellings.used(HEADS)))
    for side, stack in (("encoder", architecture.encoder), ("decoder", architecture.decoder)):
        if stack is not None:
            modules += _of_stack(side, stack, _roots(side, architecture, model_type), architecture, spellings)
    if architecture.per_layer_input_size:
        (part,) = spellings.spelled("dense_feed_forward", "layer_inputs")
        roots = [root.removesuffix("layers") for root in spellings.used(ROOTS)]
        modules.append(Module("dense_feed_forward", "layer_inputs", tuple(root + name for root in roots for name in part)))
    if architecture.next_token_layers:
        modules += _further(architecture, spellings)
    return modules


def _roots(side: str, architecture: Architecture, model_type: str) -> tuple[str, ...]:
    """What contains the layers of a stack."""
    roots = OWN_ROOTS.get(model_type, ROOTS if architecture.encoder is None else ROOTS_OF_TWO)
    return tuple(root.replace("{side}", side) for root in roots)


def _further(architecture: Architecture, spellings: Spellings) -> Iterator[Module]:
    """The modules of the layers that predict further tokens: numbered after the model's, or from 0 under names of their own."""
    own = architecture.decoder.layer_count
    stack = with_next_token_layers(architecture).decoder
    for module in _of_stack("decoder", stack, ROOTS, architecture, spellings, first=own):
        number = module.layer[1] if module.layer else own
        others = dict.fromkeys(f"{FURTHER}.{number - own}.{name.partition(f'.{number}.')[2]}" for name in module.names)
        yield replace(module, names=(*module.names, *others), predicts_further=True)


def _of_stack(
    side: str, stack: Stack, roots: tuple[str, ...], architecture: Architecture, spellings: Spellings, first: int = 0
) -> Iterator[Module]:
    """The modules of the layers of a stack from the first that is asked for."""
    kinds = [list(_kinds(layer, stack, architecture, spellings)) for layer in stack.layers]
    used = spellings.used(roots)
    for number, kind in list(enumerate(stack.order))[first:]:
        layer, place = divmod(number, spellings.sublayers)
        for paths, weight in kinds[kind]:
            own = [path.replace("%", str(place)).replace("&", LAST_IN_BLOCK[side]) for path in paths]
            names = tuple(f"{root}.{layer}.{path}" for root in used for path in own)
            yield Module(weight.component, weight.part, names, (side, number))


def _kinds(
    layer: Layer, stack: Stack, architecture: Architecture, spellings: Spellings
) -> Iterator[tuple[tuple[str, ...], Weight]]:
    """The modules of a layer: their names within it, and a weight of theirs."""
    hidden_size = architecture.hidden_size
    for weight in per_layer_input_weights(architecture):
        (part,) = spellings.spelled(weight.component, weight.part)
        yield part, weight
    for weight in _linear(layer.mixer.weights(hidden_size)):
        for part in spellings.spelled(weight.component, weight.part):
            yield spellings.paths(spellings.parents(weight.component), part), weight
    if stack.cross_attention is not None:
        for weight in _linear(stack.cross_attention.weights(hidden_size)):
            for part in spellings.spelled(weight.component, weight.part):
                yield spellings.paths(spellings.used(CROSS), part), weight
    yield from _of_feed_forward(layer.feed_forward, hidden_size, spellings)


def _of_feed_forward(block: FeedForward, hidden_size: int, spellings: Spellings) -> Iterator[tuple[tuple[str, ...], Weight]]:
    for weight in _linear(feed_forward_weights(block, hidden_size)):
        (part,), parents = spellings.spelled(weight.component, weight.part), spellings.parents(weight.component)
        if weight.component == "routed_expert" and isinstance(block, MoE):
            fused = spellings.fused(parents, part)
            for expert in spellings.told_apart(block.routed_experts):
                number = spellings.used((str(expert), f"expert_{expert}"))
                yield (*spellings.paths(parents, ("experts",), number, part), *fused), weight
        elif weight.component == "shared_expert":
            yield spellings.paths(parents, spellings.shared(), part), weight
        else:
            yield spellings.paths(parents, part), weight
    if isinstance(block, MoE):
        names = spellings.paths(spellings.parents("router"), spellings.used(ROUTERS))
        yield names, Weight("router", block.routed_experts, hidden_size)


def _linear(weights: Iterator[Weight]) -> list[Weight]:
    """One linear map of each part."""
    return list({(weight.component, weight.part): weight for weight in weights if weight.linear}.values())
