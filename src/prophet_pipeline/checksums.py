"""What the workflow wrote, held against what is there: outputs that were edited, swapped or cut short are named.

A job's receipt (`files.replacing`) says what it wrote here. Where there is none, as in a clone, the committed SHA256SUMS do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prophet_pipeline.command import ConfigurationError
from prophet_pipeline.files import receipt_of, sha256

SUMS = "SHA256SUMS"
REMEDY = "make paper FORCE=1 (or design-space) writes it again"


def lines_of(digests: Mapping[Path, str]) -> str:
    """The text of SHA256SUMS, as `sha256sum --check` reads it from the folder of the checkout."""
    return "".join(f"{digests[file]}  {file}\n" for file in sorted(digests))


def read_sums(file: Path) -> dict[Path, str]:
    """The files and digests of a SHA256SUMS.

    Raises:
        ConfigurationError: for a line that is not a digest and a name.
    """
    found = {}
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        digest, _, name = line.partition("  ")
        if not name:
            raise ConfigurationError(f"{file}: line {number}: {line}; allowed: a SHA-256, two spaces and a file; {REMEDY}")
        found[Path(name)] = digest
    return found


def read_receipt(file: Path, receipts: Path) -> str | None:
    """The digest of what a job last wrote to a file; None where no job of this checkout did."""
    receipt = receipt_of(file, receipts)
    return receipt.read_text(encoding="ascii", errors="replace").strip() if receipt.is_file() else None


def recorded(evaluation: Path, receipts: Path) -> dict[Path, str | None]:
    """Every output that a SHA256SUMS names, and the list itself, with what was written: the receipt, or else what the list says.

    An output that no list names is held against its receipt when the list is made.
    """
    found: dict[Path, str | None] = {}
    for sums in sorted(evaluation.rglob(SUMS)):
        digests = read_sums(sums)
        found |= {file: read_receipt(file, receipts) or digest for file, digest in digests.items()}
        if (own := read_receipt(sums, receipts)) is not None:
            found[sums] = own
    return found


def differences(written: Mapping[Path, str | None]) -> Iterator[str]:
    """One line for each file that holds something else than was written; a missing file is none, for the next run makes it."""
    for file, digest in sorted(written.items()):
        if not file.is_file():
            continue
        found = sha256(file)
        if digest is None:
            yield f"{file}: sha256: {found}; allowed: what a job of this checkout wrote, and no record of one is there; {REMEDY}"
        elif found != digest:
            yield f"{file}: sha256: {found}; allowed: {digest}, as the workflow wrote it; {REMEDY}"


def written_by_jobs(files: Iterable[Path], receipts: Path) -> dict[Path, str | None]:
    """The receipts of some files."""
    return {file: read_receipt(file, receipts) for file in files}
