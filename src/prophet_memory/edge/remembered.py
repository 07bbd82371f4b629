"""What files describe, kept from one call of the command line to the next: to check a catalogue takes longer than to answer.

What was kept counts only for the same bytes of the file and the same code of this package. The workflow keeps nothing.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from prophet_memory.edge.files import replacing

Kind = TypeVar("Kind")
PACKAGE = Path(__file__).parents[1]
FOLDER = "prophet-memory"

_folder: list[Path | None] = [None]  # nothing is kept unless a folder is named


def cache_folder() -> Path | None:
    """The user's folder for what can be made again (XDG_CACHE_HOME, or ~/.cache); None where there is no home."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():
        return Path(named) / FOLDER
    with suppress(RuntimeError):
        return Path.home() / ".cache" / FOLDER
    return None


def keep_in(folder: Path | None) -> None:
    """Keep what is read from now on in a folder; None keeps nothing."""
    _folder[0] = folder


def read(kind: type[Kind], file: Path) -> Kind:
    """What a YAML file describes; as `prophet_memory.edge.documents.read`, which is asked where nothing is kept."""
    place = None if _folder[0] is None else _folder[0] / f"{hashlib.sha256(os.fsencode(file.absolute())).hexdigest()[:32]}.pickle"
    digest = None if place is None else _digest(file, kind)
    if place is not None and digest is not None and (kept := _kept(place, digest)) is not None:
        found: Kind = kept
        return found
    from prophet_memory.edge.documents import read as read_anew  # noqa: PLC0415 - what checks is what takes time

    found = read_anew(kind, file)
    if place is not None and digest is not None and digest == _digest(file, kind):  # nobody wrote meanwhile
        _keep(place, digest, found)
    return found


@cache
def _code() -> bytes:
    """Stands for the code that checks and the classes that are kept."""
    found = hashlib.sha256(sys.version.encode())
    for module in sorted(_modules(PACKAGE), key=lambda entry: entry.path):
        known = module.stat()
        found.update(f"{module.path} {known.st_size} {known.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return found.digest()


def _modules(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir() and entry.name.isidentifier() and not entry.name.startswith("__"):
                yield from _modules(entry.path)
            elif entry.name.endswith(".py"):
                yield entry


def _digest(file: Path, kind: object) -> bytes | None:
    """Of the file's bytes, what they are read as, and the code; None for a file that cannot be read."""
    name = re.sub(r" at 0x[0-9a-f]+", "", repr(kind))
    try:
        return hashlib.sha256(_code() + name.encode() + b"\0" + file.read_bytes()).digest()
    except OSError:
        return None


def _kept(place: Path, digest: bytes) -> Any:  # noqa: ANN401 - what a file describes
    """What was kept for a digest; None for another's, and for what is damaged or not ours."""
    try:
        if place.stat().st_uid != os.getuid():
            return None
        content = place.read_bytes()
        return pickle.loads(content[len(digest) :]) if content.startswith(digest) else None  # noqa: S301 - the user's own
    except Exception:  # noqa: BLE001 - pickle raises whatever a damaged file makes it meet
        return None


def _keep(place: Path, digest: bytes, found: object) -> None:
    """Keep it; a folder that cannot be written to keeps nothing."""
    with suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(place, receipt=False) as temporary:
            temporary.write_bytes(digest + pickle.dumps(found))
