"""One line for what is wrong: the file, the key, the value and what is allowed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.files import REPOSITORY
from prophet_memory.edge.places import IS_CHECKOUT, SHIPPED
from prophet_memory.errors import ArchitectureError

SHOWN_VALUE_CHARACTERS = 80
SHOWN_HINTS = 3


def error(file: Path, key: str, value: object, allowed: str) -> ConfigurationError:
    """The error in its one form."""
    shown = json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    if len(shown) > SHOWN_VALUE_CHARACTERS:
        shown = shown[:SHOWN_VALUE_CHARACTERS] + "..."
    return ConfigurationError(f"{relative(file)}: {key}: {shown}; allowed: {allowed}")


@contextmanager
def described_by(file: Path) -> Iterator[None]:
    """What the library finds wrong with a model is said of the file that describes it.

    Raises:
        ConfigurationError: one line.
    """
    try:
        yield
    except ArchitectureError as problem:
        raise error(file, problem.key, problem.value, problem.allowed) from None


def hint(name: str, known: Iterable[str]) -> str:
    """The known names that were probably meant, in parentheses, or nothing: those that begin so, else the one most like it."""
    import difflib  # noqa: PLC0415 - for mistakes alone

    small = {word.lower(): word for word in known}
    near = [word for key, word in small.items() if name and key.startswith(name.lower())]
    near = near or [small[key] for key in difflib.get_close_matches(name.lower(), small, n=1)]
    return f" (did you mean {' or '.join(near[:SHOWN_HINTS])}?)" if near else ""


def relative(file: Path) -> str:
    """A file as messages name it: from the checkout where it stands there."""
    real = Path(os.path.realpath(file))  # unlike Path.resolve, at peace with links that lead in a circle
    home = REPOSITORY if IS_CHECKOUT else SHIPPED.parent  # shipped/config/gpus.yaml: the copy in the package
    return str(real.relative_to(home) if real.is_relative_to(home) else file)
