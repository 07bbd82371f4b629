"""What the workflow wrote, held against what is there: outputs that were edited, swapped or cut short are named.

A job's receipt (`files.replacing`) says what it wrote here, the committed SHA256SUMS what was written where it comes from. An
output that agrees with its receipt is ours. One that agrees only with the list came with a clone or a pull: it is made again.
One that agrees with neither was edited.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.files import listed_digests, receipt_digest, sha256

SHOWN_DIGITS = 12
AGED_NS = 10**9  # a second after the epoch: Snakemake takes the epoch itself for no time at all


def lines_of(sums: Path, files: Iterable[Path]) -> str:
    """The text of a SHA256SUMS, as `sha256sum --check` reads it from the folder of the checkout, which holds `evaluation`."""
    root = next((folder.parent for folder in sums.parents if folder.name == "evaluation"), Path())
    return "".join(f"{sha256(file)}  {file.relative_to(root)}\n" for file in sorted(files))


def read_sums(file: Path) -> dict[Path, str]:
    """The files and digests of a SHA256SUMS.

    Raises:
        ConfigurationError: for a line that is not a digest and a name.
    """
    try:
        return listed_digests(file)
    except ValueError as problem:
        raise ConfigurationError(f"{file}: line {problem}; allowed: a SHA-256, two spaces and a file") from None


def differences(sums: Path, receipts: Path, *, whole: bool) -> Iterator[str]:
    """One line for each file of a list that is neither what a job wrote here nor what the list says.

    Where the outputs have to be `whole`, the list must be theirs, too. Otherwise a missing file is no difference: the next run
    makes it.
    """
    if not sums.is_file():
        if whole:
            yield f"{sums}: file: missing; allowed: the checksums of its outputs"
        return
    for file, listed in sorted(read_sums(sums).items()):
        written = receipt_digest(file, receipts) or listed
        if not file.is_file():
            if whole:
                yield f"{file}: file: missing; allowed: what the workflow wrote"
        elif (found := sha256(file)) not in {written, listed}:
            yield _edited(file, found, written)
        elif whole and found != listed:
            yield f"{sums}: {file}: {listed[:SHOWN_DIGITS]}...; allowed: {found[:SHOWN_DIGITS]}..., as the workflow wrote it"


def _edited(file: Path, found: str, written: str | None) -> str:
    said = f"{written[:SHOWN_DIGITS]}..., as the workflow wrote it" if written else "what a job of this checkout wrote"
    return f"{file}: sha256: {found[:SHOWN_DIGITS]}...; allowed: {said}"


def not_written_here(files: Iterable[Path], receipts: Path, known: Mapping[Path, str]) -> Iterator[str]:
    """One line for each file that is not what a job wrote; `known` stands in where no job left a receipt."""
    for file in sorted(files):
        written = receipt_digest(file, receipts) or known.get(file)
        if (found := sha256(file)) != written:
            yield _edited(file, found, written)


def age_foreign(files: Iterable[Path], sums: Iterable[Path], receipts: Path, metadata: Path) -> None:
    """Make outputs that came from elsewhere older than everything, so that the run that begins makes them again.

    Those are outputs without a receipt, and outputs that agree with a SHA256SUMS and not with their receipt. Snakemake's record
    of them in `metadata` goes, too: by it an input that has not changed would excuse an old output.
    """
    listed: dict[Path, str] = {}
    for file in sums:
        listed |= read_sums(file) if file.is_file() else {}
    for file in files:
        if not file.is_file() or file.stat().st_mtime_ns == AGED_NS:
            continue
        written, found = receipt_digest(file, receipts), sha256(file)
        if written is None or (found != written and found == listed.get(file)):
            os.utime(file, ns=(AGED_NS, AGED_NS))
            (metadata / base64.urlsafe_b64encode(str(file).encode()).decode()).unlink(missing_ok=True)
