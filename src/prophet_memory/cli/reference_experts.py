"""Which parameters of a model of `transformers` are routed experts: those that double with the number of experts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prophet_memory.cli.reference_models import Described, shapes_of

EXPERT_NAMES = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
TOP_K_NAMES = (
    *("num_experts_per_tok", "num_experts_per_token", "num_selected_experts", "experts_per_token", "top_k_experts"),
    *("moe_k", "moe_topk", "moe_top_k"),
)
FIXED_TOP_K = {"switch_transformers": 1, "nllb-moe": 2}  # their classes route to so many, whatever the config says
# A part of a parameter's name that says router, and one that says expert.
ROUTER = re.compile(r"gate|gating|.*router.*|.*score_correction_bias|expert_bias|moe_statics")
EXPERT = re.compile(r"experts?(?:_\d+)?|.*_experts")
LAYER = re.compile(r".*?\.\d+(?=\.)")  # up to the first number of a name

Shapes = Mapping[str, tuple[int, ...]]


class NotSplitError(Exception):
    """Why the routed experts of a model could not be told from the rest."""


@dataclass(frozen=True, slots=True)
class Split:
    """The routed experts of a model: none at all in a dense one."""

    routed_params: int = 0
    moe_layers: int = 0
    experts: int | None = None
    other_choices: int = 0  # of a router: shared experts that it weighs, or where nothing is computed


def split(described: Described, shapes: Shapes) -> Split:
    """Build the model again with twice the experts, and see which parameters follow.

    Args:
        described: the config.
        shapes: the parameters of the part that it describes.

    Raises:
        NotSplitError: if no key of the number of experts is known, or what follows cannot be told.
    """
    if differing := [name for place in _places(described.part) for name in EXPERT_NAMES if _differs_by_layer(place, name)]:
        raise NotSplitError(f"the layers differ in {differing[0]}")
    found: list[tuple[int, Shapes]] = []
    for place, name, experts in _expert_keys(described.part):
        try:
            changed = _with(described, place, name, 2 * experts)
            larger, _ = shapes_of(changed.build(), changed)
        except Exception as problem:  # noqa: BLE001 - whatever the reference raises
            raise NotSplitError(f"the model cannot be built with twice the {name} ({type(problem).__name__})") from None
        if larger != shapes:
            found.append((experts, larger))
    if len(found) > 1:
        raise NotSplitError("several keys of the config change the number of experts")
    if not found:
        if any(EXPERT.fullmatch(part) or "router" in part for name in shapes for part in name.split(".")):
            raise NotSplitError("no key of the config is known to hold the number of experts")
        return Split()
    return _split(shapes, *found[0])


def active_params(total: int, found: Split, described: Any) -> tuple[int, int]:  # noqa: ANN401
    """What a token passes in a model with experts, and the experts of a layer that it is sent to.

    Raises:
        NotSplitError: if the config does not say to how many experts a token is sent.
    """
    stated = [value for place in _places(described) for name in TOP_K_NAMES if (value := config_value(place, name)) is not None]
    single = {value for entry in stated for value in (entry if isinstance(entry, (list, tuple)) else [entry])}
    top_k = FIXED_TOP_K.get(described.model_type) or (single.pop() if len(single) == 1 else None)
    if found.experts is None or not isinstance(top_k, int) or not 0 < top_k <= found.experts:
        raise NotSplitError("the config does not say to how many experts each token is sent")
    if found.other_choices != 0 and found.other_choices != config_value(described, "n_shared_experts"):
        raise NotSplitError("some of the choices of a router are no experts and may compute nothing")
    return total - found.routed_params + found.routed_params // found.experts * top_k, top_k


def config_value(config: Any, name: str) -> Any:  # noqa: ANN401
    """A value of a config, or None, also where its layers differ in it."""
    return None if _differs_by_layer(config, name) else getattr(config, name, None)


def _differs_by_layer(config: Any, name: str) -> bool:  # noqa: ANN401
    """Whether transformers refuses to read a key because the layers of the config differ in it."""
    try:
        getattr(config, name, None)
    except Exception:  # noqa: BLE001 - whatever it refuses with
        return True
    return False


def _split(shapes: Shapes, experts: int, larger: Shapes) -> Split:
    resized, repeated = _following(shapes, experts, larger)
    routers = {name for name in resized if _is_router(name)}
    with_router = {_layer(name) for name in routers}
    routed = (resized - routers) | repeated
    for name in sorted(resized - routers):
        if math.prod(larger[name]) != 2 * math.prod(shapes[name]) and _rows(shapes[name], larger[name]) != experts:
            raise NotSplitError(f"{name} neither doubles with the number of experts nor grows by a row for each")
        # A vector for each expert may be the router's, unless that has a name in the same layer.
        if len(shapes[name]) < 3 and not _is_expert(name) and _layer(name) not in with_router:  # noqa: PLR2004 - matrices
            raise NotSplitError(f"{name} may belong to a router or to experts")
    if not routed:
        raise NotSplitError("no more than a router grows with the number of experts")
    # Other rows that were there before do not follow: those of a shared expert, or of experts that compute nothing.
    grown = sum(math.prod(larger[name]) - math.prod(shapes[name]) for name in resized - routers)
    params = grown + sum(math.prod(shapes[name]) for name in repeated)
    choices = max((shapes[name][0] for name in routers if _rows(shapes[name], larger[name]) == experts), default=experts)
    return Split(params, len({_layer(name) for name in routed}), experts, choices - experts)


def _rows(shape: tuple[int, ...], larger: tuple[int, ...]) -> int:
    """By how many of its rows a parameter grows; none where another dimension does, too."""
    return larger[0] - shape[0] if larger[1:] == shape[1:] else 0


def _following(shapes: Shapes, experts: int, larger: Shapes) -> tuple[set[str], set[str]]:
    """The parameters that are larger with twice the experts, and those of modules of which there are more."""
    if gone := sorted(shapes.keys() - larger.keys()):
        raise NotSplitError(f"{gone[0]} is gone with twice the experts")
    repeated: set[str] = set()
    for name in larger.keys() - shapes.keys():
        twin = _twin(name, experts, shapes)
        if twin is None or twin in repeated or larger[name] != shapes[twin]:
            raise NotSplitError(f"{name} comes with twice the experts and is not like any before")
        repeated.add(twin)
    return {name for name in shapes if larger[name] != shapes[name]}, repeated


def _twin(name: str, experts: int, shapes: Shapes) -> str | None:
    """The parameter of an expert of the first half that corresponds to one of the second."""
    for number in re.finditer(r"\d+", name):
        twin = f"{name[: number.start()]}{int(number.group()) - experts}{name[number.end() :]}"
        if twin in shapes:
            return twin
    return None


def _is_router(name: str) -> bool:
    """Whether the last part of a name that says router or expert says router."""
    return any(ROUTER.fullmatch(part) for part in _telling(name))


def _is_expert(name: str) -> bool:
    return any(EXPERT.fullmatch(part) for part in _telling(name))


def _telling(name: str) -> list[str]:
    return [part for part in name.split(".") if ROUTER.fullmatch(part) or EXPERT.fullmatch(part)][-1:]


def _layer(name: str) -> str:
    found = LAYER.match(name)
    return found.group() if found else name


def _places(described: Any) -> list[Any]:  # noqa: ANN401
    """The config and those nested in it."""
    return [described, *(value for value in vars(described).values() if hasattr(value, "to_dict"))]


def _expert_keys(described: Any) -> Iterator[tuple[int, str, int]]:  # noqa: ANN401
    """Where the number of experts may stand: the place, the key, each key once, and the number."""
    for index, place in enumerate(_places(described)):
        spelling = getattr(place, "attribute_map", {})
        for name in dict.fromkeys(spelling.get(name, name) for name in EXPERT_NAMES):
            value = config_value(place, name)
            if isinstance(value, int) and not isinstance(value, bool) and value > 1:
                yield index, name, value


def _with(described: Described, place: int, name: str, value: int) -> Described:
    changed = described.copied()
    setattr(_places(changed.part)[place], name, value)
    return changed
