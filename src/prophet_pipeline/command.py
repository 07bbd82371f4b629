"""What every program has in common: one line and exit status 2 for wrong input, and for a disk that is full or gone."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import TypeVar

from prophet_memory.architecture import ModelError

Result = TypeVar("Result")


class ConfigurationError(Exception):
    """Wrong input: one line with file, key, value and what is allowed."""

    def __init__(self, line: str) -> None:
        super().__init__(" ".join(line.splitlines()))


def run(main: Callable[[], Result]) -> Result:
    """Run a script's main function, or any other that reads config.

    Letters that a terminal or a pipe cannot show (ASCII) come out as question marks; a reader that goes away ends the program.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return main()
    except (ConfigurationError, ModelError) as error:
        line = str(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        line = f"{error.filename or 'file'}: {error.strerror or error}; allowed: a file system that can be read and written"
    print(line.splitlines()[0], file=sys.stderr)  # noqa: T201 - the message is for the terminal
    sys.exit(2)
