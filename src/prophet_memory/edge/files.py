"""Where things stand in a checkout, and writing that never leaves half a file.

A job of the workflow also leaves a receipt: the SHA-256 of what it wrote. An edit by hand is told from it later.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prophet_memory.edge.command import ConfigurationError

REPOSITORY = Path(__file__).resolve().parents[3]
# Digits that survive in a result: enough for every use, few enough that the last bits of a logarithm never show.
FLOAT_DECIMALS = 9
# The workflow names here the folder of the receipts. Unset, as for a script that is run by hand, none is left.
RECEIPTS_VARIABLE = "PROPHET_RECEIPTS"
RECEIPTS = ".snakemake/receipts"
REMEDY = "make paper FORCE=1 writes all of them again (the design space: make design-space FORCE=1)"


@contextmanager
def replacing(path: Path, *, receipt: bool = True) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` on success, remove it on failure.

    What a killed process left there is removed too. `receipt` is false where the writer keeps a record of its own.
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
        if receipt:
            _leave_receipt(path, temporary)
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


def write_text(path: Path, text: str, *, receipt: bool = True) -> None:
    """Write UTF-8 text with Unix line ends, all of it or nothing."""
    with replacing(path, receipt=receipt) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def check_writable(folders: Iterable[Path]) -> None:
    """Each folder, or the nearest that exists above it, can be written to; said before a run, which would end in a traceback.

    Raises:
        ConfigurationError: one line that names the folder and the cause.
    """
    for folder in folders:
        there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
        if not os.access(there, os.W_OK | os.X_OK):
            read_only = os.statvfs(there).f_flag & os.ST_RDONLY
            cause = os.strerror(errno.EROFS if read_only else errno.EACCES)
            raise ConfigurationError(f"{there}: folder: {cause}; allowed: a folder that can be written to")


def _leave_receipt(path: Path, written: Path) -> None:
    """Record what a job is about to put in place; Snakemake has removed what stood there, so a kill in between leaves no file."""
    folder = os.environ.get(RECEIPTS_VARIABLE)
    own = Path(os.path.relpath(path))
    if folder is None or own.is_absolute() or ".." in own.parts:
        return
    file = receipt_of(own, Path(folder))
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(sha256(written) + "\n", encoding="ascii")
    temporary.replace(file)


def receipt_of(path: Path, folder: Path) -> Path:
    """Where the receipt of an output stands."""
    return folder / f"{path}.sha256"


def receipt_digest(path: Path, folder: Path) -> str | None:
    """The digest of what a job last wrote to a file; None where no job of this checkout did."""
    receipt = receipt_of(path, folder)
    return receipt.read_text(encoding="ascii", errors="replace").strip() if receipt.is_file() else None


def listed_digests(sums: Path) -> dict[Path, str]:
    """The files and digests of a SHA256SUMS. Raises ValueError for a line that is not one of each."""
    found = {}
    for number, line in enumerate(sums.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        digest, _, name = line.partition("  ")
        if not name or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError(f"{number}: {line}")
        found[Path(name)] = digest
    return found


def check_written(path: Path) -> None:
    """What a job reads is what a job wrote: an edited or damaged result stops who reads it, before more is made of it.

    Raises:
        ConfigurationError: for a file of the results that differs from its receipt.
    """
    own = Path(os.path.relpath(path))
    folder = Path(os.environ.get(RECEIPTS_VARIABLE, RECEIPTS))
    written = None if ".." in own.parts else receipt_digest(own, folder)
    if written is not None and path.is_file() and sha256(path) != written:
        raise ConfigurationError(f"{path}: sha256: not what its job wrote; allowed: an output that nobody edited; {REMEDY}")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
