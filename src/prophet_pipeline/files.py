"""Where things stand in a checkout, and writing that never leaves half a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Digits that survive in a result: enough for every use, few enough that the last bits of a logarithm never show.
FLOAT_DECIMALS = 9


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` on success, remove it on failure.

    What a killed process left there is removed too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    host = os.uname().nodename
    # The suffix stays last: writers choose their format by it.
    temporary = path.with_name(f".{path.stem}.{host}.{os.getpid()}{path.suffix}")
    for leftover in path.parent.glob(f".{path.stem}.{host}.*{path.suffix}"):
        if not _is_running(leftover.name.removesuffix(path.suffix).rpartition(".")[2]):
            leftover.unlink(missing_ok=True)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as problem:
        if problem.errno is not None and problem.filename in {None, str(temporary)}:
            problem.filename = str(path)  # a full disk is reported without a name by some writers
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _is_running(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError):
        return False
    return True


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, all of it or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
