"""Which tensor of a file gets which type: the recipes of llama-quantize by file type, and how they changed.

Read in ggml-org/llama.cpp src/llama-quant.cpp (`llama_tensor_get_type_impl`), its predecessors in llama.cpp, and in
ikawrakow/ik_llama.cpp at 8337e4c. Mixes that publishers made by hand ("UD" and others) print the same names and are not these:
a file's header says what it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from prophet_memory.errors import ModelError
from prophet_memory.gguf.tensors import EMBEDDING, OUTPUT, Tensor, TensorList
from prophet_memory.gguf.types import TYPES

Era = Literal["2023-12", "2024-02", "2024-04"]
# 2023-12: llama.cpp #4406; 2024-02: 2da9f1c to #6387, where the layers of a gate count routers; 2024-04: #6387 to #19770 (2026).
ERAS: tuple[Era, ...] = ("2023-12", "2024-02", "2024-04")
EIGHT_EXPERTS, FEW_EXPERTS, GROUPED = 8, 4, 4  # numbers at which rules begin
MATRIX = 2  # sides; experts are stacked


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor stands: its number among tensors of its kind, how many of those or of layers there are, and the model."""

    number: int
    count: int
    model: TensorList
    has_importance: bool  # whether the file was made with an importance matrix

    @property
    def in_first_eighth(self) -> bool:
        """Whether it is in the first eighth."""
        return self.number < self.count // 8

    @property
    def gets_more_bits(self) -> bool:
        """The first and the last eighth, and each third between."""
        return (
            self.in_first_eighth or self.number >= 7 * self.count // 8 or (self.number - self.count // 8) % 3 == 2  # noqa: PLR2004 - each third
        )

    @property
    def is_grouped(self) -> bool:
        """Whether four or more heads share a key-value head."""
        return self.model.heads_per_kv_head >= GROUPED


Rule = Callable[[Place], str | None]  # a type, or None for the recipe's default


def always(name: str) -> Rule:
    """The same everywhere."""
    return lambda _: name


def more_bits(name: str) -> Rule:
    """In those that get more bits."""
    return lambda place: name if place.gets_more_bits else None


def first_eighth(name: str, otherwise: str | None = None) -> Rule:
    """In the first eighth of the layers."""
    return lambda place: name if place.in_first_eighth else otherwise


def first(number: int, name: str, otherwise: str | None = None) -> Rule:
    """In the first so many."""
    return lambda place: name if place.number < number else otherwise


def grouped(name: str, otherwise: str | None = None) -> Rule:
    """Where heads share key-value heads."""
    return lambda place: name if place.is_grouped else otherwise


def without_importance(rule: Rule) -> Rule:
    """In files that were made without an importance matrix."""
    return lambda place: None if place.has_importance else rule(place)


def with_importance(rule: Rule) -> Rule:
    """In files that were made with one."""
    return lambda place: rule(place) if place.has_importance else None


def _shared_or_many(name: str, otherwise: str) -> Rule:
    return lambda place: name if place.is_grouped or place.model.experts >= FEW_EXPERTS else otherwise


def _values_of_iq3_xxs(place: Place) -> str:
    return "Q4_K" if place.is_grouped else "IQ3_XXS" if place.has_importance else "IQ3_S"


def _down_of_iq3_m(place: Place) -> str | None:
    eight = place.model.experts == EIGHT_EXPERTS and place.gets_more_bits
    return "Q4_K" if place.in_first_eighth or eight else None


def _between_the_eighths(name: str) -> Rule:
    return lambda place: name if not place.in_first_eighth and place.number < 7 * place.count // 8 else None


@dataclass(frozen=True, slots=True)
class Recipe:
    """Types by the kind of a tensor; what a recipe does not name gets the default, and the output six bits."""

    default: str
    rules: dict[str, Rule] = field(default_factory=dict)
    embedding: str | None = None
    output: str = "Q6_K"
    output_of_eight: str | None = None  # of attention, in a model of eight experts
    is_low: bool = False  # one or two bits: rules of its own for eight experts
    beside_experts: str | None = None  # of matrices that are no experts


def _recipe(default: str, **others: Rule) -> Recipe:
    return Recipe(default, others)


def _low(default: str, values: Rule, down: str, output: str | None, embedding: str) -> Recipe:
    rules = {"attn_v": values, "ffn_down": first_eighth(down)} | ({} if output is None else {"attn_output": always(output)})
    return Recipe(default, rules, embedding, "Q5_K", "Q5_K", is_low=True)


def _with_eight(recipe: Recipe) -> Recipe:
    return replace(recipe, output_of_eight="Q5_K")


_IQ1 = _shared_or_many("Q4_K", "Q2_K")
_IQ2_S = _shared_or_many("Q4_K", "IQ3_S")
FILE_TYPES: dict[str, Recipe] = {
    **{name: Recipe(name, output=name) for name in ("F32", "F16", "BF16", "Q8_0")},
    **{name: Recipe(name) for name in ("Q4_1", "Q5_1", "Q6_K")},
    "Q4_0": _recipe("Q4_0", ffn_down=with_importance(first_eighth("Q4_1"))),
    "Q5_0": _recipe("Q5_0", ffn_down=with_importance(first_eighth("Q5_1"))),
    "Q2_K": _with_eight(
        _recipe("Q2_K", attn_v=grouped("Q4_K", "Q3_K"), attn_output=always("Q3_K"), ffn_down=always("Q3_K"))
    ),
    "Q2_K_S": _recipe("Q2_K", attn_v=grouped("Q4_K"), ffn_down=first_eighth("Q4_K")),
    "Q3_K_S": _with_eight(Recipe("Q3_K")),
    "Q3_K_M": _with_eight(
        _recipe(
            "Q3_K",
            attn_v=first(2, "Q5_K", "Q4_K"),
            attn_output=always("Q4_K"),
            ffn_down=lambda place: "Q5_K" if place.number < place.count // 16 else "Q4_K",
        )
    ),
    "Q3_K_L": _recipe("Q3_K", attn_v=always("Q5_K"), attn_output=always("Q5_K"), ffn_down=always("Q5_K")),
    "Q4_K_S": _with_eight(_recipe("Q4_K", attn_v=first(4, "Q5_K"), ffn_down=first_eighth("Q5_K"))),
    "Q4_K_M": _with_eight(_recipe("Q4_K", attn_v=more_bits("Q6_K"), ffn_down=more_bits("Q6_K"))),
    "Q5_K_S": Recipe("Q5_K"),
    "Q5_K_M": _recipe("Q5_K", attn_v=more_bits("Q6_K"), ffn_down=more_bits("Q6_K")),
    "IQ1_S": _low("IQ1_S", _IQ1, "Q2_K", "IQ2_XXS", "Q2_K"),
    "IQ1_M": _low("IQ1_M", _IQ1, "Q2_K", "IQ2_XXS", "Q2_K"),
    "IQ2_XXS": _low("IQ2_XXS", _IQ1, "Q2_K", None, "Q2_K"),
    "IQ2_XS": _low("IQ2_XS", _IQ1, "Q2_K", None, "Q2_K"),
    "IQ2_S": _low("IQ2_XS", _IQ2_S, "IQ3_S", "IQ3_S", "IQ3_S"),
    "IQ2_M": _low("IQ2_S", _IQ2_S, "IQ3_S", "IQ3_S", "IQ3_S"),
    "IQ3_XXS": Recipe(
        "IQ3_XXS",
        {
            "attn_v": _values_of_iq3_xxs, "attn_k": always("IQ2_S"), "attn_q": always("IQ2_S"), "attn_output": always("IQ3_S"),
            "ffn_down": without_importance(first_eighth("Q4_K", "Q3_K")),
        },
        "IQ3_S", "Q5_K", "Q5_K",
    ),
    "IQ3_XS": _with_eight(
        _recipe(
            "IQ3_S", attn_v=grouped("Q4_K"), attn_k=always("IQ3_XXS"), attn_q=always("IQ3_XXS"),
            ffn_gate=_between_the_eighths("IQ3_XXS"), ffn_up=_between_the_eighths("IQ3_XXS"),
        )
    ),
    "IQ3_S": _with_eight(_recipe("IQ3_S", attn_v=grouped("Q4_K"))),
    "IQ3_M": _with_eight(_recipe("IQ3_S", attn_v=always("Q4_K"), attn_output=always("Q4_K"), ffn_down=_down_of_iq3_m)),
    "IQ4_NL": _with_eight(_recipe("IQ4_NL", attn_v=grouped("Q5_K"), ffn_down=without_importance(first_eighth("Q5_K")))),
    "IQ4_XS": _with_eight(_recipe("IQ4_XS", attn_v=grouped("Q5_K"), ffn_down=without_importance(first_eighth("Q5_K")))),
    "TQ1_0": Recipe("TQ1_0", embedding="Q4_K"),
    "TQ2_0": Recipe("TQ2_0", embedding="Q4_K"),
    "MXFP4_MOE": Recipe("MXFP4", embedding="Q8_0", output="Q8_0", beside_experts="Q8_0"),
}  # fmt: skip
# What stands for a type whose blocks do not divide the columns; the first of them since February 2024 (#5590).
FALLBACKS = {"Q2_K": "IQ4_NL", "Q3_K": "IQ4_NL", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "TQ1_0": "Q4_0", "TQ2_0": "Q4_0"}
FALLBACKS_OF_2023 = FALLBACKS | {"Q2_K": "Q4_0", "Q3_K": "Q4_1"}
KINDS = ("attn_v", "attn_k", "attn_q", "ffn_down", "attn_output", "ffn_gate", "ffn_up")


def types_of(model: TensorList, file_type: str, *, era: Era = "2024-04", has_importance: bool = False) -> dict[str, str]:
    """The type of each tensor of a file, by its name.

    Args:
        model: its tensors.
        file_type: one of FILE_TYPES.
        era: when the file was made.
        has_importance: whether it was made with an importance matrix.

    Raises:
        ModelError: for a file type without a published recipe.
    """
    if file_type not in FILE_TYPES:
        raise ModelError("file_type", file_type, f"a recipe that is published: {', '.join(FILE_TYPES)}")
    choice = _Choice(model, FILE_TYPES[file_type], era, has_importance)
    return {tensor.name: choice.of(tensor) for tensor in model.tensors}


def _kind(tensor: Tensor) -> str | None:
    """The kind that rules go by: the start of a name within its layer; projections of MLA's latent have none."""
    own = tensor.name.split(".", 2)[-1] if tensor.layer is not None else ""
    return next(
        (kind for kind in KINDS if own.startswith((f"{kind}.", f"{kind}_exps", f"{kind}_shexp")) and "bias" not in own), None
    )


class _Choice:
    """The types of a file's tensors, asked for in the order of the file: some rules count the tensors of a kind."""

    def __init__(self, model: TensorList, recipe: Recipe, era: Era, has_importance: bool) -> None:
        self.model, self.recipe, self.era, self.has_importance = model, recipe, era, has_importance
        self.seen = dict.fromkeys(KINDS, 0)
        self.values = sum(_kind(tensor) == "attn_v" for tensor in model.tensors)

    def of(self, tensor: Tensor) -> str:
        """The type of the next tensor."""
        kind = _kind(tensor)
        wanted = self._wanted(tensor, kind)
        if kind is not None:
            self.seen[kind] += 1
        return wanted if tensor.kept else _fitting(wanted, tensor.shape[0], self.era)

    def _wanted(self, tensor: Tensor, kind: str | None) -> str:
        recipe, tied = self.recipe, self.model.is_tied and self.era != "2023-12"
        if tensor.kept:  # the router once stayed as it was converted
            return "F16" if self.era == "2023-12" and tensor.name.endswith("ffn_gate_inp.weight") else tensor.kept
        if tensor.name == OUTPUT or (tensor.name == EMBEDDING and tied):
            return recipe.output if TYPES[recipe.default].divides(tensor.shape[0]) else "Q8_0"
        if tensor.name == EMBEDDING:
            return recipe.embedding or recipe.default
        if recipe.beside_experts is not None and len(tensor.shape) == MATRIX:
            return recipe.beside_experts
        if kind is None or (kind == "ffn_down" and self.era == "2023-12" and self.model.experts):
            return recipe.default
        eight = _of_eight(kind, recipe, self.era) if self.model.experts == EIGHT_EXPERTS else None
        rule = recipe.rules.get(kind)
        return eight or (rule and rule(self._place(tensor, kind))) or recipe.default

    def _place(self, tensor: Tensor, kind: str) -> Place:
        model = self.model
        counted = kind == "ffn_down" and (self.recipe.is_low or model.experts <= 1)  # by tensors, not by layers
        number = tensor.layer or 0 if kind.startswith("ffn") and not counted else self.seen[kind]
        count = self.values if kind == "attn_v" else model.layers
        if self.era == "2024-02" and kind == "ffn_gate" and model.experts > 1:
            count += model.layers // model.experts
        return Place(number, count, model, self.has_importance)


def _of_eight(kind: str, recipe: Recipe, era: Era) -> str | None:
    """In a model of eight experts attention gets more bits: it is small beside them."""
    if kind in {"attn_v", "attn_k"}:
        return "Q4_K" if recipe.is_low else "Q8_0"
    if kind == "attn_output" and era != "2023-12":
        return recipe.output_of_eight or recipe.default
    return None


def _fitting(name: str, columns: int, era: Era) -> str:
    if TYPES[name].divides(columns):
        return name
    other = (FALLBACKS_OF_2023 if era == "2023-12" else FALLBACKS).get(name, "IQ4_NL")
    return other if TYPES[other].divides(columns) else "F16"
