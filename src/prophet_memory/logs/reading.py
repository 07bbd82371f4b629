"""What a log says, and how its lines are found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prophet_memory.errors import ModelError

# Colours, also where a paste has lost the escape before them.
COLOURS = re.compile(r"(?:\x1b\[|(?<![\w\"\]])\[)[0-9;]{1,5}m")


# Formats of weights by the names that vLLM and SGLang give to how a model is quantised.
QUANTIZATIONS = {
    "fp8": "fp8", "mxfp4": "mxfp4_experts", "gpt_oss_mxfp4": "mxfp4_experts", "awq": "int4", "awq_marlin": "int4", "gptq": "int4",
    "gptq_marlin": "int4", "modelopt": "fp8", "modelopt_fp4": "nvfp4", "fbgemm_fp8": "fp8",
}  # fmt: skip


class LogError(ModelError):
    """A log that is not read."""


@dataclass(frozen=True, slots=True)
class LogReading:
    """The settings have the names of `Observation`'s fields, the figures those of its components with their unit.

    `named` is the model as the log has it, None where it has none. `notes` say what a reader should know of how it was read.
    """

    engine: str  # with its version where the log has it
    named: str | None
    settings: Mapping[str, Any]
    measured: Mapping[str, str]
    notes: tuple[str, ...] = field(default=())


def plain_lines(text: str) -> list[str]:
    """The lines without colours; progress bars end in a return of their own."""
    return [line for line in re.split(r"[\r\n]+", COLOURS.sub("", text)) if line.strip()]


def first(pattern: re.Pattern[str], lines: Iterable[str]) -> re.Match[str] | None:
    """The first line in which a pattern stands."""
    return next((found for line in lines if (found := pattern.search(line))), None)


def last(pattern: re.Pattern[str], lines: Sequence[str]) -> re.Match[str] | None:
    """The last line in which a pattern stands: what an engine prints again replaces what it printed before."""
    return first(pattern, reversed(lines))


def every(pattern: re.Pattern[str], lines: Iterable[str]) -> list[re.Match[str]]:
    """Each line in which a pattern stands, once a line."""
    return [found for line in lines if (found := pattern.search(line))]


def whole(text: str | None) -> int | None:
    """A count as a setting has it; None for what is no number of at most nine digits."""
    return int(text) if text is not None and re.fullmatch(r"\d{1,9}", text) else None


def gib(number: float | str) -> str:
    """A figure in GiB; what older engines call GB is GiB."""
    return f"{float(number):g} GiB"


def mib(number: float | str) -> str:
    """A figure in MiB."""
    return f"{float(number):.10g} MiB"
