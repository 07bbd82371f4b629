"""Which class of `transformers` a config is built with, and what of the model belongs to the language model.

A language model inside a multimodal one is counted in the model around it, for only that one may have a class with a head. What
is beside it there, such as a vision tower, is counted apart.
"""

from __future__ import annotations

import copy
import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

# In the order in which they are asked; then any class that transformers makes of a config, those without a head last.
ALONE, TOGETHER = (
    ("AutoModelForCausalLM", "AutoModelForMultimodalLM"),
    ("AutoModelForMultimodalLM", "AutoModelForImageTextToText"),
)
ENCODER_DECODERS = ("AutoModelForSeq2SeqLM",)
HEADLESS = ("AutoModel", "AutoBackbone")
# Parts of a language model that only what another modality sends passes, such as experts of ERNIE 4.5 VL.
OTHER_MODALITY = re.compile(r"(?:^|[._])(?:vision|visual|image|audio|speech)(?=[._])")

Shapes = dict[str, tuple[int, ...]]


class NoClassError(Exception):
    """That transformers has no class of a model for a config."""


@dataclass(frozen=True, slots=True)
class Described:
    """A config inside the one that is built.

    Args:
        outer: the config that `maker`, an auto class of transformers, builds.
        path: from attribute to attribute, from `outer` to the part that is counted; empty where that is all of it.
        maker: the name of the auto class.
        others: whether what is beside the part belongs to the model that was asked for.
    """

    outer: Any
    path: tuple[str, ...]
    maker: str
    others: bool

    @property
    def part(self) -> Any:  # noqa: ANN401 - a config of transformers
        """The config that is counted."""
        return _at(self.outer, self.path)

    def build(self) -> Any:  # noqa: ANN401 - a module of torch
        """The whole model on the meta device; its experts one by one, which runs anywhere."""
        torch, transformers = import_module("torch"), import_module("transformers")
        with torch.device("meta"):
            return getattr(transformers, self.maker).from_config(self.outer, experts_implementation="eager")

    def copied(self) -> Described:
        """The same with configs of its own, to be changed."""
        return replace(self, outer=copy.deepcopy(self.outer))


def described_model(config: Any) -> tuple[Described, Any, Exception | None]:  # noqa: ANN401 - a config and a module of transformers
    """A config as it can be built, its model on the meta device, and what the best way to build it raised if that failed.

    Raises:
        NoClassError: if no class takes the config.
        Exception: whatever the first class that takes it raises, if no other one can be built.
    """
    first: Exception | None = None
    for described in _candidates(config):
        try:
            return described, described.build(), first
        except Exception as problem:  # noqa: BLE001 - whatever the reference raises
            first = first or problem
    raise first or NoClassError("transformers has no class of a model for it")


def has_others(config: Any) -> bool:  # noqa: ANN401
    """Whether the language model of a config is a part of it."""
    return _text_of(config) is not config


def shapes_of(model: Any, described: Described) -> tuple[Shapes, int]:  # noqa: ANN401
    """The shape of each parameter of the part, a tied tensor once, and the number of all other parameters."""
    own, others = own_names(model, described), 0
    shapes: Shapes = {}
    for name, parameter in model.named_parameters():
        if name in own:
            shapes[name] = tuple(parameter.shape)
        else:
            others += math.prod(parameter.shape)
    return shapes, others


def own_names(model: Any, described: Described) -> set[str]:  # noqa: ANN401
    """The names of the parameters of the part: of its modules, and of the head that makes logits of its output."""
    if not described.path:
        return {name for name, _ in model.named_parameters()}
    found = {id(weight) for weight in _head(model, described.part)}
    for module in _own_modules(model, described):
        found |= {id(weight) for inner, weight in module.named_parameters() if not OTHER_MODALITY.search(f".{inner}")}
    return {name for name, weight in model.named_parameters() if id(weight) in found}


def own_module(model: Any, described: Described) -> Any:  # noqa: ANN401
    """The largest module of the part."""
    return next(_own_modules(model, described), model)


def _own_modules(model: Any, described: Described) -> Iterator[Any]:  # noqa: ANN401
    """The modules of the part that are not inside another one of it."""
    inside: set[int] = set()
    for module in model.modules():
        if getattr(module, "config", None) is described.part and id(module) not in inside:
            inside |= {id(inner) for inner in module.modules()}
            yield module


def _head(model: Any, part: Any) -> list[Any]:  # noqa: ANN401
    """The parameters of the module that makes logits of what the part puts out."""
    for module in model.modules():
        config = getattr(module, "config", None)
        if config is None or not hasattr(module, "get_output_embeddings") or _text_of(config) is not part:
            continue
        if (head := module.get_output_embeddings()) is not None:
            return list(head.parameters())
    return []


def _candidates(config: Any) -> Iterator[Described]:  # noqa: ANN401
    """The ways in which the language model of a config can be built, the best first."""
    text = _text_of(config)
    path = next(path for path, place in _nested(config) if place is text)
    if path:
        yield from (Described(config, path, maker, others=True) for maker in _makers(config, TOGETHER))
    makers = ENCODER_DECODERS if config.is_encoder_decoder else ALONE
    yield from (Described(text, (), maker, others=False) for maker in _makers(text, makers))
    yield from _inside(text)
    rest = [name for name in sorted(dir(import_module("transformers"))) if name.startswith("AutoModelFor")]
    yield from (Described(config, path, maker, others=bool(path)) for maker in _makers(config, (*rest, *HEADLESS)))


def _makers(config: Any, names: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401
    """Those auto classes that have a class for the config."""
    transformers = import_module("transformers")
    for name in names:
        if type(config) in (getattr(getattr(transformers, name), "_model_mapping", None) or {}):
            yield name


def _inside(text: Any) -> Iterator[Described]:  # noqa: ANN401
    """A config inside those of the same file: what has no class of its own is built with the model around it."""
    module = import_module(type(text).__module__)
    for _, kind in inspect.getmembers(module, inspect.isclass):
        path = _path_to(type(text), kind)
        if not path:
            continue
        around: Any = kind()
        for maker in _makers(around, TOGETHER):
            setattr(_at(around, path[:-1]), path[-1], text)
            around.tie_word_embeddings = getattr(text, "tie_word_embeddings", False)
            yield Described(around, path, maker, others=False)


def _path_to(wanted: type, kind: type) -> tuple[str, ...]:
    """From attribute to attribute, from configs of one class to one of another class; empty where there is no way."""
    for name, inner in getattr(kind, "sub_configs", {}).items():
        if inner is wanted:
            return (name,)
        if further := _path_to(wanted, inner):
            return (name, *further)
    return ()


def _text_of(config: Any) -> Any:  # noqa: ANN401
    """The config of the language model; of an encoder-decoder without one the config itself."""
    return config if config.is_encoder_decoder and not hasattr(config, "text_config") else config.get_text_config()


def _nested(config: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401
    """A config and those inside it at any depth, with the way there."""
    yield path, config
    for name, value in vars(config).items():
        if hasattr(value, "to_dict") and hasattr(value, "model_type"):
            yield from _nested(value, (*path, name))


def _at(config: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401
    for name in path:
        config = getattr(config, name)
    return config
