"""What every program has in common: one line and exit status 2 for wrong input, and for a disk that is full or gone."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
from collections.abc import Callable
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from prophet_memory.errors import ModelError

Result = TypeVar("Result")
ARGUMENT = re.compile(r"^ {8}(\w+): (.+)$", re.MULTILINE)  # a line of a docstring's Args


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


def script(main: Callable[..., None]) -> None:
    """Run a script's main with the command line that its signature describes.

    Each keyword is an option of its name: text, number or path, several of them for a list, JSON for a dictionary, a flag for a
    bool; one without a default is required. The docstring's `Args` are the help.
    """
    parser = argparse.ArgumentParser(description=sys.modules[main.__module__].__doc__)
    kinds, told = get_type_hints(main), dict(ARGUMENT.findall(main.__doc__ or ""))
    for name, parameter in signature(main).parameters.items():
        needed = parameter.default is Parameter.empty
        common: dict[str, Any] = {"help": told.get(name), "required": needed} | ({} if needed else {"default": parameter.default})
        parser.add_argument(f"--{name.replace('_', '-')}", **common, **_as_option(kinds[name]))
    arguments = parser.parse_args()
    run(lambda: main(**vars(arguments)))


def _as_option(kind: object) -> dict[str, Any]:
    """What argparse is told of an annotation."""
    of, parts = get_origin(kind), get_args(kind)
    if of is UnionType:
        return _as_option(next(part for part in parts if part is not NoneType))
    if of is list and parts[0] is Any:
        return {"type": json.loads, "metavar": "JSON"}
    if of is list:
        return {"nargs": "+"} | _as_option(parts[0])
    if of is Literal:
        return {"choices": parts}
    if of is dict:
        return {"type": json.loads, "metavar": "JSON"}
    return {"action": "store_true"} if kind is bool else {"type": kind}
