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
from prophet_memory.huggingface.module_names import (
    CROSS,
    EMBEDDINGS,
    FURTHER,
    LANGUAGE_TYPES,
    LAST_IN_BLOCK,
    NAMINGS,
    PARENTS,
    PARTS,
    ROOTS,
    ROOTS_OF_TWO,
    ROUTERS,
    SEVERAL,
    SHARED,
    Naming,
)  # fmt: skip
from prophet_memory.next_tokens import with_next_token_layers
from prophet_memory.tensors import Component, Weight
from prophet_memory.weights import feed_forward_weights, per_layer_input_weights

ONE_EXPERT = re.compile(r"\bexperts\.(?:expert_)?(\d+)\b")
SOME_EXPERTS = re.compile(r"\bexperts\.(?:expert_)?\d*[\[(|?+{]")  # by a class, a group or a choice of their numbers
SOME_DIGITS = re.compile(r"\bexperts\\?\.(?:expert_)?(?:\d|\\d)*\\d(?![+*\d]|\\d)")  # so many as there are
AS_MOST = Naming()
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


CHOICE = re.compile(r"\((?:\?:)?((?!\?)[^()]*)\)|\[([\w.-]+)\]")  # a group, or a class of letters, with no choice in it
PATTERN = re.compile(r"[*?+\\|()\[\]{}^$]")
MOST_CHOICES = 512
MOST_LETTERS = 26
ANYWHERE = ("model", "layers", "lm_head")  # steps of a name that do not tell a root or a head from others


def choices(pattern: str) -> list[str]:
    """What a pattern says once each choice in it is made, of the alternatives of a group and of the letters of a class.

    Of a pattern with very many some come back with choices in them.
    """
    left, done = [pattern], list[str]()
    while left and len(left) + len(done) < MOST_CHOICES:
        text = left.pop()
        found = CHOICE.search(text)
        if found is None:
            done += text.split("|")
        else:
            options = found[1].split("|") if found[2] is None else letters(found[2])
            left += [text[: found.start()] + option + text[found.end() :] for option in options]
    return done + left


def letters(of_class: str) -> list[str]:
    """The letters of a class in a pattern, those of ranges among them, as `[1-3]` has three."""

    def between(found: re.Match[str]) -> str:
        first, last = map(ord, found.groups())
        return "".join(map(chr, range(first, min(last, first + MOST_LETTERS) + 1)))

    return list(dict.fromkeys(re.sub(r"(\w)-(\w)", between, of_class)))


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
        self.any_expert = any(map(SOME_EXPERTS.search, plain)) or any(map(SOME_DIGITS.search, words))
        said = (choice for word in words for choice in (choices(word) if PATTERN.search(word) else [word]))
        told = dict.fromkeys(re.sub(r"\\d\+?|\d+", "0", word).replace("\\", "") for word in said)  # each layer says the same
        self.text = "\n".join(told)
        self.own = NAMINGS.get(model_type, AS_MOST)
        self._has_dense = has_dense
        self._used: dict[tuple[str, ...], tuple[str, ...]] = {}

    def used(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The type's own of some names, else the first, and those that the statement has."""
        if names not in self._used:
            first = next((name for name in names if name in self.own.preferred), names[0])
            words = {name: re.escape(re.sub(r"\d+", "0", name)) for name in names if name != first}
            self._used[names] = (first, *(name for name, word in words.items() if re.search(rf"\b{word}\b", self.text)))
        return self._used[names]

    def begun(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Of the roots or heads of a type the first, and those whose own words the statement has.

        It need not have them as one name: `.*language_model.*attn` has `language_model` and not `model.language_model.layers`.
        """

        def said(name: str) -> bool:
            apart = [word for word in name.split(".") if word not in ANYWHERE]
            return all(re.search(rf"\b{word}\b" if apart else rf"(?<![\w.]){name}\b", self.text) for word in apart or [name])

        return names[:1] + tuple(filter(said, names[1:]))

    def parents(self, component: Component) -> tuple[str, ...]:
        """What contains the maps of a component, with the experts' the router and the shared expert."""
        of_layer = component in ("attention", "recurrent", "dense_feed_forward")
        key = component if of_layer or component in self.own.parents else "routed_expert"
        own = self.own.parents.get(key)
        if own is None:
            return self.used(PARENTS[key])
        dense = self.own.parents.get("dense_feed_forward", PARENTS["dense_feed_forward"]) if self._has_dense else ()
        taken = () if of_layer else dense[:1]  # then a name means the dense block, but where it stands with the experts
        return own[:1] + tuple(name for name in own[1:] if name not in taken or re.search(rf"\b{name}{WITHIN_MOE}", self.text))

    def shared(self) -> tuple[str, ...]:
        """What contains the maps of the shared expert."""
        return self.own.parents.get("shared") or self.used(SHARED)

    def spelled(self, component: Component, part: str) -> tuple[tuple[str, ...], ...]:
        """The names of the modules of a part; of one that has no name, none that a checkpoint has."""
        own = self.own.parts.get(f"{component}.{part}", self.own.parts.get(part))
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
        own = self.own.parents.get("experts")
        containers = own or self.paths(parents, ("experts",))
        named = tuple(path for path in containers if path.endswith("experts"))
        whole = named if re.search(r"\bexperts(?![\w.])", self.text) else ()
        return whole + (self.paths(containers, part) if own or re.search(r"\bexperts\.[a-z]", self.text) else ())

    def told_apart(self, experts: int) -> list[int]:
        """The experts that the statement names by number, and one that stands for all others."""
        named = [*range(experts)] if self.any_expert else sorted(self.experts & set(range(experts)))
        return named + [expert for expert in range(len(named) + 1) if expert not in named and expert < experts][:1]


def language_type(types: Sequence[object]) -> str:
    """The type of the language model, of those that its config and the configs around it say, the outermost first."""
    told = [str(kind) for kind in types if kind is not None] or [""]
    within = LANGUAGE_TYPES.get(told[-1], f"{told[-1]}_text")
    return within if within in NAMINGS else told[-1]


def modules_of(architecture: Architecture, statement: Mapping[str, Any], model_type: str = "") -> list[Module]:
    """Embedding, head, routers and every linear map of every layer, in the spellings of a statement and of the model's type."""
    stacks = [stack for stack in (architecture.encoder, architecture.decoder) if stack is not None]
    blocks = [layer.feed_forward for stack in stacks for layer in stack.layers]
    has_dense = any(isinstance(block, Dense) or getattr(block, "parallel_dense_intermediate_size", 0) for block in blocks)
    spellings = Spellings(statement, model_type, has_dense=has_dense)
    modules = [Module("embedding", "", spellings.used(EMBEDDINGS))]
    if not architecture.tied_embeddings:
        modules.append(Module("lm_head", "", spellings.begun(spellings.own.heads)))
    for side, stack in (("encoder", architecture.encoder), ("decoder", architecture.decoder)):
        if stack is not None:
            roots = spellings.own.roots or (ROOTS if architecture.encoder is None else ROOTS_OF_TWO)
            own = tuple(root.replace("{side}", side) for root in roots)
            modules += _of_stack(side, stack, own, architecture, spellings)
    if architecture.per_layer_input_size:
        (part,) = spellings.spelled("dense_feed_forward", "layer_inputs")
        above = [root.removesuffix("layers") for root in spellings.begun(spellings.own.roots or ROOTS)]
        modules.append(Module("dense_feed_forward", "layer_inputs", tuple(root + name for root in above for name in part)))
    if architecture.next_token_layers:
        modules += _further(architecture, spellings)
    return modules


def _further(architecture: Architecture, spellings: Spellings) -> Iterator[Module]:
    """The modules of the layers that predict further tokens: numbered after the model's, or from 0 under names of their own."""
    own = architecture.decoder.layer_count
    stack = with_next_token_layers(architecture).decoder
    for module in _of_stack("decoder", stack, spellings.own.roots or ROOTS, architecture, spellings, first=own):
        number = module.layer[1] if module.layer else own
        others = dict.fromkeys(f"{FURTHER}.{number - own}.{name.partition(f'.{number}.')[2]}" for name in module.names)
        yield replace(module, names=(*module.names, *others), predicts_further=True)


def _of_stack(
    side: str, stack: Stack, roots: tuple[str, ...], architecture: Architecture, spellings: Spellings, first: int = 0
) -> Iterator[Module]:
    """The modules of the layers of a stack from the first that is asked for."""
    kinds = [list(_kinds(layer, stack, architecture, spellings)) for layer in stack.layers]
    used = spellings.begun(roots)
    for number, kind in list(enumerate(stack.order))[first:]:
        layer, place = divmod(number, spellings.own.sublayers)
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
