"""What every script has in common: one line and exit status 2 for wrong input, and for a disk that is full or gone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class ConfigurationError(Exception):
    """Wrong input: one line with file, key, value and what is allowed."""


def run(main: Callable[[], Result]) -> Result:
    """Run a script's main function, or any other that reads config."""
    try:
        return main()
    except ConfigurationError as error:
        line = str(error)
    except OSError as error:
        line = f"{error.filename or 'file'}: {error.strerror or error}; allowed: a file system that can be read and written"
    print(line.splitlines()[0], file=sys.stderr)  # noqa: T201 - the message is for the terminal
    sys.exit(2)
