"""Which files of the project a script imports, read off its text: what has to be newer than nothing that the script wrote.

Imports are followed wherever they stand, in functions too, so that the list never lacks a file that a run may load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)|import[ \t]+([\w.]+))", re.MULTILINE)

FINDS_ITS_MODULES = ("kinds_of(", "classes_in(", "modules_in(")  # what a package calls that loads each of its modules


def imported_files(script: Path, source: Path) -> list[str]:
    """The files under `source` (the folder of the packages) that a script imports, directly or through others, sorted.

    Args:
        script: a Python file.
        source: the folder `src`, as the paths shall begin.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for file in _direct(waiting.pop(), source):
            if file not in found:
                found.add(file)
                waiting.append(file)
    return sorted(map(str, found))


@cache
def _direct(file: Path, source: Path) -> tuple[Path, ...]:
    text = file.read_text(encoding="utf-8")
    names = [name for match in IMPORT.finditer(text) for name in _modules(match)]
    kinds = file.parent.glob("*.py") if any(call in text for call in FINDS_ITS_MODULES) and file.name == "__init__.py" else ()
    return tuple(dict.fromkeys([*(path for name in names for path in _files(name, source)), *kinds]))


def _modules(match: re.Match[str]) -> Iterator[str]:
    """The dotted names that an import may load: the module, and each name in it that may be a module itself."""
    module, names, plain = match.groups()
    yield module or plain
    for name in re.findall(r"\w+", re.sub(r"#.*| as \w+", "", names or "")):
        yield f"{module}.{name}"


@cache
def _files(name: str, source: Path) -> tuple[Path, ...]:
    """The file of a module and those of the packages around it; nothing for other people's modules."""
    parts = name.split(".")
    places = [source.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)] if _is_ours(parts[0], source) else []
    return tuple(file for place in places for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file())


@cache
def _is_ours(package: str, source: Path) -> bool:
    return (source / package).is_dir()
