"""What a text that people read must hold to: no number by hand, and no figure or table that it does not point to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Len, MinLen

from prophet_memory.edge.documents import read
from prophet_memory.edge.tables import read_rows
from prophet_memory.fields import Described

Kind = Literal["latex", "markdown"]
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
MACRO = re.compile(r"\\([A-Z][A-Za-z]*)")
PICTURE = re.compile(r"\\includegraphics(?:\[[^\]]*\])?\{(\w+)\}")
LABEL, REFERENCE = re.compile(r"\\label\{((?:fig|tab):[\w-]+)\}"), re.compile(r"\\ref\{([\w:-]+)\}")
# What is no text: commands whose arguments are names or lengths, comments; code, addresses, what a template puts in.
NO_TEXT = {
    "latex": (
        r"(?<!\\)%.*",
        r"\\(?:input|includegraphics|label|ref|cite|begin|end|bibliography|bibliographystyle)\*?(?:\[[^\]]*\]|\{[^}]*\})+",
    ),
    "markdown": (r"(?s)```.*?```", r"(?s)<!--.*?-->", r"`[^`\n]*`", r"\]\([^)]*\)", r"(?s)\{\{.*?\}\}", r"(?s)\{%.*?%\}"),
}  # fmt: skip
FROM_RESULTS = {"markdown": re.compile(r"(?s)\{\{.*?\}\}")}


@dataclass(frozen=True, slots=True)
class Allowed(Described):
    """A number that a text may hold by hand: what is written, word by word, and why."""

    text: Annotated[str, MinLen(1)]
    why: Annotated[str, MinLen(1)]


@dataclass(frozen=True, slots=True)
class AllowList(Described):
    """config/bare_numbers.yaml."""

    allowed: Annotated[tuple[Allowed, ...], Len(1)]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of the numbers in a text: how many come from the results, how many are allowed by hand, and those that are neither."""

    name: str
    from_results: int
    by_hand: int
    bare: tuple[str, ...]  # each with the words around it

    @property
    def fraction(self) -> float:
        """The share that comes from the results or is allowed."""
        known = self.from_results + self.by_hand
        return known / (known + len(self.bare)) if known or self.bare else 1.0

    def __str__(self) -> str:
        found = f"{self.name}: {self.from_results} numbers from the results, {self.by_hand} by hand with a reason"
        return f"{found}, {len(self.bare)} bare: {self.fraction:.0%}"


def read_allowed(file: Path) -> tuple[str, ...]:
    """What may be written by hand, the longest first. Raises ConfigurationError."""
    return tuple(sorted((entry.text for entry in read(AllowList, file).allowed), key=len, reverse=True))


def coverage(
    name: str, text: str, kind: Kind, *, macros: Iterable[str] = (), allowed: Sequence[str], names: Iterable[str]
) -> Coverage:
    r"""Where the numbers of a text come from.

    Args:
        name: of the text.
        text: LaTeX from \begin{document} on, or Markdown before a template's values are put in.
        kind: of the text.
        macros: whose values come from the results; a template's expressions do.
        allowed: what may be written by hand.
        names: of models, GPUs and engines, whose digits are no numbers.
    """
    body = text.partition(r"\begin{document}")[2] if kind == "latex" else text
    known = set(macros)
    from_results = (
        sum(found in known for found in MACRO.findall(body)) if kind == "latex" else len(FROM_RESULTS[kind].findall(body))
    )
    for pattern in NO_TEXT[kind]:
        body = re.sub(pattern, " ", body)
    for word in sorted(names, key=len, reverse=True):
        body = body.replace(word, " ")
    by_hand = 0
    for word in allowed:
        found = re.compile(rf"(?<![\w.]){re.escape(word)}(?!\w|\.\d)")
        by_hand += sum(len(NUMBER.findall(match)) for match in found.findall(body))
        body = found.sub(" ", body)
    bare = tuple(" ".join(body[max(0, match.start() - 30) : match.end() + 20].split()) for match in NUMBER.finditer(body))
    return Coverage(name, from_results, by_hand, bare)


def names_in(catalogues: Iterable[Path]) -> list[str]:
    """What the rows of catalogues are called: a name or a label."""
    return [row.get("name") or row["label"] for file in catalogues for row in read_rows(file)]


def uncited(text: str, tables: Iterable[str] = ()) -> list[str]:
    """Labels of figures and tables, in the text or in what it takes in, that the text does not refer to."""
    labels = {label for part in (text, *tables) for label in LABEL.findall(part)}
    return sorted(labels - set(REFERENCE.findall(text)))


def figure_numbers(text: str) -> dict[str, int]:
    """The number under which the paper shows each picture, by the picture's name: each has its own caption."""
    body = re.sub(NO_TEXT["latex"][0], "", text)
    return {name: number for number, name in enumerate(PICTURE.findall(body), start=1)}
