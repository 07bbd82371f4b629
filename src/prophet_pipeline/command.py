"""What every script has in common: one line and exit status 2 for wrong input."""

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
        print(error, file=sys.stderr)  # noqa: T201 - the message is for the terminal
        sys.exit(2)
