"""How values are stored: formats by name, with their scales and zero points, and precisions by theirs (docs/memory-model.md).

A precision is named by the grammar that config and command line share: a format for all weights (`bf16`), a format for the
routed experts alone over a bf16 rest (`int8_experts`), two formats (`int4/fp8`: routed experts, rest), those with exceptions by
component or by a part of one (`nvfp4/nvfp4/attention=bf16/attention.o=nvfp4`), also for some of the layers alone
(`nvfp4/nvfp4/recurrent@1=bf16`: those of the model's format group 1), or `native`, what the model's published checkpoint has.
Config lists the names of PRECISIONS; the others are for the command line and for what a checkpoint states.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

from prophet_memory.errors import ModelError
from prophet_memory.tensors import COMPONENTS, PARTS

BITS_OF_A_BYTE = 8


@dataclass(frozen=True, slots=True)
class Format:
    """How values are stored: `bits` each, and for every block of `block_rows` x `block_columns` a scale and a zero point.

    `label` is its name in figures and tables.

    None stands for the whole side, and a format without scales has no blocks. `column_bytes` is what each input of a matrix takes
    beside. `other_bits` is the width of what the format does not apply to.
    """

    label: str
    bits: int
    scale_bytes: int = 0
    zero_point_bits: int = 0
    block_rows: int | None = 1
    block_columns: int | None = None
    other_bits: int = 16
    column_bytes: int = 0

    def matrix_bytes(self, rows: int, columns: int) -> int:
        """Bytes of a matrix; each row (output channel) begins on a byte."""
        across = 1 if self.block_columns is None else -(-columns // self.block_columns)
        down = 1 if self.block_rows is None else -(-rows // self.block_rows)
        block = down * self.scale_bytes + bytes_of_bits(down * self.zero_point_bits)
        return rows * bytes_of_bits(columns * self.bits) + across * block + columns * self.column_bytes

    def vector_bytes(self, values: int) -> int:
        """Bytes of a cached vector with scales of its own; none where one static scale serves the whole tensor."""
        return bytes_of_bits(values * self.bits) if self.block_rows is None else self.matrix_bytes(1, values)


def bytes_of_bits(bits: int) -> int:
    """Whole bytes that hold so many bits."""
    return -(-bits // BITS_OF_A_BYTE)


# The formats of public checkpoints: one fp32 scale a tensor (fp8) or a 128 x 128 block (DeepSeek-V3); one fp32 scale an output
# channel, symmetric (W8A8); an fp16 scale and a 4-bit zero point for 128 inputs of a channel (GPTQ, AWQ); an E8M0 byte for 32
# values (OCP Microscaling, gpt-oss); an FP8 byte for 16 (NVFP4, its scale of the tensor left out); an fp16 scale for 32,
# symmetric (compressed-tensors, Kimi K2 Thinking).
FORMATS = {
    "fp32": Format("fp32", bits=32, other_bits=32),
    "bf16": Format("bf16", bits=16),
    "fp16": Format("fp16", bits=16),
    "fp8": Format("FP8", bits=8, scale_bytes=4, block_rows=None),
    "fp8_blocks": Format("FP8 blocks", bits=8, scale_bytes=4, block_rows=128, block_columns=128),
    "int8": Format("INT8", bits=8, scale_bytes=4),
    "int4": Format("INT4", bits=4, scale_bytes=2, zero_point_bits=4, block_columns=128),
    "mxfp4": Format("MXFP4", bits=4, scale_bytes=1, block_columns=32),
    "nvfp4": Format("NVFP4", bits=4, scale_bytes=1, block_columns=16),
    "int4_g32": Format("INT4, groups of 32", bits=4, scale_bytes=2, block_columns=32),
}


def integer_formats() -> dict[str, Format]:
    """Integers in groups of inputs of a channel: a 16-bit scale for each, with or without a zero point as wide as a value.

    Their names are `int<bits>_g<group>`, `_zp` where there are zero points and `_order` where the groups follow the order of
    activations, so that an int32 for each input says to which it belongs (g_idx of GPTQ, weight_g_idx of compressed-tensors).
    Those that FORMATS has keep their names.
    """
    found = {"int4_channel": Format("INT4 channels", bits=4, scale_bytes=2)}
    for bits, group, zero_points in product((4, 8), (32, 64, 128), (False, True)):
        own = Format(f"INT{bits}, groups of {group}", bits, 2, bits if zero_points else 0, block_columns=group)
        own = replace(own, label=own.label + ", zero points") if zero_points else own
        alike = [name for name, known in FORMATS.items() if replace(known, label=own.label) == own]
        name = alike[0] if alike else f"int{bits}_g{group}" + ("_zp" if zero_points else "")
        found[name] = FORMATS[name] if alike else own
        found[f"{name}_order"] = replace(own, label=f"{found[name].label}, activation order", column_bytes=4)
    return found


# What public checkpoints have beside FORMATS: one fp32 scale an output channel (fbgemm; vLLM makes fp32 of the 16 bit in files of
# compressed-tensors, `create_fp8_scale_parameter`); an E8M0 byte for 32 values (OCP Microscaling).
CHECKPOINT_FORMATS = {
    "fp8_channel": Format("FP8 channels", bits=8, scale_bytes=4),
    "mxfp8": Format("MXFP8", bits=8, scale_bytes=1, block_columns=32),
} | integer_formats()
WEIGHT_FORMATS = FORMATS | CHECKPOINT_FORMATS
# What llama.cpp stores a cache in, beside 16 bit: an fp16 scale for 32 values.
LLAMA_CPP_CACHE = {
    "q8_0": Format("Q8_0", bits=8, scale_bytes=2, block_columns=32),
    "q4_0": Format("Q4_0", bits=4, scale_bytes=2, block_columns=32),
}
# What engines keep so whatever is asked for: an fp32 scale for 128 values (vLLM's and SGLang's caches of sparse attention).
OF_ENGINES = {"fp8_g128": Format("FP8, groups of 128", bits=8, scale_bytes=4, block_columns=128)}
OF_CACHE = {name: stored for name, stored in FORMATS.items() if name != "fp8_blocks"} | LLAMA_CPP_CACHE
CACHE_FORMATS = tuple(OF_CACHE)  # a token is one row: blocks of rows are for weights
DEFAULT_FORMAT = "bf16"
EXPERTS_SUFFIX = "_experts"
NATIVE = "native"
PRECISIONS = (*FORMATS, *(name + EXPERTS_SUFFIX for name in FORMATS if name != DEFAULT_FORMAT), NATIVE)
PUBLISHED_PRECISIONS = tuple(name for name in PRECISIONS if name != NATIVE)


class NamedFormats(NamedTuple):
    """A precision by the names of its formats.

    `exceptions` are by component (`attention`), by a part of one (`attention.o`), or by either in the layers of a group alone
    (`attention@1`).
    """

    routed_expert: str
    rest: str
    exceptions: Mapping[str, str]


# Components that no format applies to unless an exception says so.
APART = ("router", "norm", "embedding", "lm_head")
EXCEPTED = tuple(name for name in COMPONENTS if name != "routed_expert")
GRAMMAR = "two formats as in int4/fp8, with exceptions as in nvfp4/nvfp4/attention=bf16"
OUTSIDE_LAYERS = ("embedding", "lm_head")
_FORMAT, _LAYERED = "|".join(WEIGHT_FORMATS), "|".join(name for name in EXCEPTED if name not in OUTSIDE_LAYERS)
_KEY = f"({'|'.join(OUTSIDE_LAYERS)}|({_LAYERED})([.]({'|'.join(PARTS)}))?(@[1-9][0-9]{{0,3}})?)"
PRECISION_PATTERN = f"^({_FORMAT})({EXPERTS_SUFFIX}|/({_FORMAT})(/{_KEY}=({_FORMAT}))*)?$"  # native excepted


def parsed(name: str) -> NamedFormats:
    """The formats that a name says, `native` excepted, without exceptions that say what holds anyway.

    Raises:
        ModelError: for a name that the grammar does not have.
    """
    first, *others = name.split("/")
    exceptions = [(key, value) for key, _, value in (entry.partition("=") for entry in others[1:])]
    if not re.fullmatch(PRECISION_PATTERN, name) or len(dict(exceptions)) < len(exceptions):
        more = (
            f"fp8_channel, mxfp8, int4_channel, int4_g64_zp_order and the like beside those; of {', '.join(EXCEPTED)} each once"
        )
        raise ModelError("precision", name, f"{', '.join(PRECISIONS)}, or {GRAMMAR} ({more})")
    if others:
        return NamedFormats(first, others[0], telling(others[0], dict(exceptions)))
    alone = first.removesuffix(EXPERTS_SUFFIX)
    return NamedFormats(alone, alone if alone == first else DEFAULT_FORMAT, {})


class Excepted(NamedTuple):
    """What an exception is about; `part` is "" for the whole component, `format_group` 0 for all layers."""

    component: str
    part: str
    format_group: int


def split_key(key: str) -> Excepted:
    """What the key of an exception names."""
    what, _, group = key.partition("@")
    component, _, part = what.partition(".")
    return Excepted(component, part, int(group or 0))


def keys_of(component: str, part: str, format_group: int) -> list[str]:
    """The keys of exceptions that hold for a part in layers of a group: the first that there is decides."""
    whole = [f"{component}.{part}", component] if part else [component]
    return [f"{key}@{format_group}" for key in whole] + whole if format_group else whole


def telling(rest: str, exceptions: Mapping[str, str]) -> dict[str, str]:
    """The exceptions that say what would not hold without them, in the order of groups of layers and of components."""

    def said(found: Mapping[str, str], own: Excepted) -> str:
        name = next((found[key] for key in keys_of(*own) if key in found), None)
        stored = WEIGHT_FORMATS[name or rest]
        if own.component not in APART:
            return name or rest
        return name if name and stored.bits != stored.other_bits else f"{stored.other_bits} bits"

    def place(key: str) -> tuple[int, int, str]:
        own = split_key(key)
        return own.format_group, order.index(own.component), own.part

    order: list[str] = list(COMPONENTS)
    kept = {key: exceptions[key] for key in sorted(exceptions, key=place)}
    for key in reversed([*kept, *kept]):  # the narrowest first; what a wider one made needed may be so no more
        if key not in kept:
            continue
        own = split_key(key)
        alike = [other for other in map(split_key, kept) if other.component == own.component]
        parts = {own.part} if own.part else {"", *(other.part for other in alike)}
        groups = {own.format_group} if own.format_group else {0, *(other.format_group for other in alike)}
        about = [Excepted(own.component, part, group) for part in parts for group in groups]
        less = {other: value for other, value in kept.items() if other != key}
        if all(said(less, one) == said(kept, one) for one in about):
            kept = less
    return kept


def name_of(named: NamedFormats) -> str:
    """Its name, in the plainest form that says the same."""
    exceptions = telling(named.rest, named.exceptions)
    if exceptions:
        return "/".join([named.routed_expert, named.rest, *(f"{key}={value}" for key, value in exceptions.items())])
    if named.routed_expert == named.rest:
        return named.rest
    return named.routed_expert + EXPERTS_SUFFIX if named.rest == DEFAULT_FORMAT else f"{named.routed_expert}/{named.rest}"


def shortest(routed_expert: str, others: Mapping[str, str]) -> NamedFormats:
    """The precision with the fewest exceptions in which all other weights have these formats.

    Args:
        routed_expert: the format of the routed experts.
        others: a format for each component (`router`), or for each of its parts (`attention.o`); and of each group of layers with
            formats of its own for all of its parts of such a component (`attention.o@1`).
    """
    sections: dict[tuple[int, str], dict[str, str]] = {}
    for key, value in others.items():
        about = split_key(key)
        sections.setdefault((about.format_group, about.component), {})[key] = value

    def with_rest(rest: str) -> NamedFormats:
        found: dict[str, str] = {}
        for (group, component), own in sorted(sections.items()):
            whole = f"{component}@{group}" if group else component
            wider = {key: value for key, value in found.items() if split_key(key).component == component and "@" not in key}
            ways = [telling(rest, wider | {whole: value} | own) for value in dict.fromkeys((own.get(whole, rest), *own.values()))]
            ways += [telling(rest, wider | own)] if group else []
            fewest: dict[str, str] = min(ways, key=len)
            found |= fewest
        return NamedFormats(routed_expert, rest, found)

    rests = [value for key, value in others.items() if split_key(key).component not in APART]
    return min(map(with_rest, dict.fromkeys((routed_expert, DEFAULT_FORMAT, *rests))), key=lambda named: len(named.exceptions))
