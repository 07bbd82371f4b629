"""The artifact as one file: what git tracks, the compiled paper, the crate and the SHA-256 of each; the same bytes each time.

A wheelhouse goes into a second file, for it is of one platform and Python and many times larger. Both unpack into one folder,
in which `make paper` then needs no network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from gzip import GzipFile
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.files import replacing, sha256
from prophet_paper.checksums import read_sums

NAME = "prophet-memory"
CONTENT = "ARTIFACT_SHA256SUMS"
PROGRAM_MODE, FILE_MODE = 0o755, 0o644
MEGABYTE = 10**6
SHOWN_DIGITS = 12


def git(*words: str) -> list[str]:
    """What git says of this checkout, in records that end with a zero byte. Raises ConfigurationError where there is none."""
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise ConfigurationError(f"git {words[0]}: {done.stderr.strip()}; allowed: a git checkout")
    return [record for record in done.stdout.split("\0") if record]


def check_committed() -> None:
    """Raise a ConfigurationError for the first file that is not as it is committed, or that git neither knows nor ignores."""
    if git("rev-parse", "--show-prefix")[0].strip():
        raise ConfigurationError(f"{Path.cwd()}: git: inside another checkout; allowed: a checkout of its own")
    if changed := git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal"):
        raise ConfigurationError(f"{changed[0][3:]}: git: {len(changed)} changed or unknown; allowed: what is committed")


def check_outputs(sums: Iterable[Path]) -> None:
    """Raise a ConfigurationError for the first output that is not what its SHA256SUMS says."""
    for list_of in sums:
        for file, listed in sorted(read_sums(list_of).items()):
            found = sha256(file) if file.is_file() else "missing"
            if found != listed:
                told = f"allowed: {listed[:SHOWN_DIGITS]}..., as {list_of} says (make paper FORCE=1)"
                raise ConfigurationError(f"{file}: sha256: {found[:SHOWN_DIGITS]}; {told}")


def check_crate(crate: Path, files: Collection[Path]) -> None:
    """Raise a ConfigurationError for the first file that the crate describes and that is another, or none of the files."""
    try:
        graph = json.loads(crate.read_text(encoding="utf-8"))["@graph"]
        # Results on the way, which are not kept, have identifiers of the crate's own.
        parts = {Path(unquote(part["@id"])): part["sha256"] for part in graph if "sha256" in part and part["@id"][0] != "#"}
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{crate}: not a crate; allowed: what make crate writes") from None
    for file, listed in parts.items():
        if file not in files or not file.is_file() or sha256(file) != listed:
            raise ConfigurationError(f"{crate}: {file}: sha256: {listed}; allowed: a crate of this checkout (make crate)")


def tracked() -> dict[Path, int]:
    """The files that git tracks, each with its mode."""
    found = {}
    for record in git("ls-files", "--stage", "-z"):
        mode, _, name = record.partition("\t")
        if not mode.startswith("100"):
            raise ConfigurationError(
                f"{name}: mode: {mode.split()[0]}; allowed: files, for links and modules do not unpack everywhere"
            )
        found[Path(name)] = PROGRAM_MODE if mode.startswith("100755") else FILE_MODE
    return found


def entry(name: str, size: int, mode: int, time: int) -> tarfile.TarInfo:
    """A member of an archive that tells nothing of who made it."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, mode, time
    return member


def add(archive: tarfile.TarFile, top: str, files: dict[Path, int], time: int, folder: Path = Path()) -> None:
    """Add files of a folder in the order of their names."""
    for file in sorted(files):
        with (folder / file).open("rb") as stream:
            archive.addfile(entry(f"{top}/{file}", (folder / file).stat().st_size, files[file], time), stream)


@contextmanager
def tarball(file: Path) -> Iterator[tarfile.TarFile]:
    """An archive to write, which is compressed if its name ends in .gz and says of itself what it is when it is in place."""
    with replacing(file, receipt=False) as temporary, temporary.open("wb") as raw, ExitStack() as stack:
        # No name and no time in the head of what is compressed.
        packed = stack.enter_context(GzipFile("", "wb", 9, raw, mtime=0)) if file.suffix == ".gz" else raw
        archive = stack.enter_context(tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT))
        yield archive
        members = len(archive.getmembers())
    print(f"{file}: {members} files, {file.stat().st_size / MEGABYTE:.1f} MB, sha256 {sha256(file)}")


def main(*, sums: list[Path], crate: Path, pdf: Path, output: Path, wheelhouse: Path | None = None) -> None:
    """Refuse what is not whole, write.

    Args:
        sums: SHA256SUMS of the outputs
        crate: ro-crate-metadata.json of this checkout
        pdf: the compiled paper
        output: folder of the archives
        wheelhouse: folder that make wheelhouse wrote
    """
    for file, target in ((pdf, "pdf"), (crate, "crate")):
        if not file.is_file():
            raise ConfigurationError(f"{file}: file: missing; allowed: what make {target} writes")
    wheels = {Path(file.name): FILE_MODE for file in wheelhouse.glob("*.*")} if wheelhouse else {}
    if wheelhouse and not wheels:
        raise ConfigurationError(f"{wheelhouse}: wheels: missing; allowed: a folder that make wheelhouse wrote")
    check_committed()
    check_outputs(sums)
    version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    time = int(git("log", "-1", "--format=%ct")[0])
    top = f"{NAME}-artifact-{version}"
    files = tracked() | dict.fromkeys((pdf, crate), FILE_MODE)
    check_crate(crate, files)
    listed = "".join(f"{sha256(file)}  {file}\n" for file in sorted(files)).encode()
    with tarball(output / f"{top}.tar.gz") as archive:
        archive.addfile(entry(f"{top}/{CONTENT}", len(listed), FILE_MODE, time), BytesIO(listed))
        add(archive, top, files, time)
    if wheelhouse is None:
        return
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    with tarball(output / f"{NAME}-wheelhouse-{version}-{python}-{sysconfig.get_platform()}.tar") as archive:
        add(archive, f"{top}/wheelhouse", wheels, time, wheelhouse)


if __name__ == "__main__":
    script(main)
