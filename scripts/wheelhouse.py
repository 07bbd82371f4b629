"""A wheelhouse: what the locks pin for this Python and platform, in a folder from which the environment is built offline.

Everything is held against the hashes of the locks. A package of which no wheel is published comes as its source distribution:
what builds it is pinned as well, so it is built where it is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from prophet_memory.edge.command import ConfigurationError, script

DOWNLOAD = (
    "-m",
    "pip",
    "download",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--no-build-isolation",
    "--require-hashes",
)
MEGABYTE = 10**6


def fetched(locks: list[Path], known: Path, folder: Path) -> None:
    """Let pip fetch what the locks pin; what the known wheelhouse has is copied from there."""
    asked = [word for lock in locks for word in ("--requirement", str(lock))]
    there = ["--find-links", str(known)] if known.is_dir() else []
    command = [sys.executable, *DOWNLOAD, *asked, *there, "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        what = said[0] if said else f"pip download failed with status {done.returncode}"
        raise ConfigurationError(f"{locks[0]}: {what}; allowed: a network from which packages can be installed")


def main(*, locks: list[Path], output: Path) -> None:
    """Fetch into a folder beside the old one, take its place, say what is there.

    Args:
        locks: requirements with hashes
        output: folder of wheels
    """
    if output.exists() and not output.is_dir():
        raise ConfigurationError(f"{output}: not a folder; allowed: a folder that is written anew")
    if strange := [file for file in output.glob("*") if not file.name.endswith((".whl", ".tar.gz", ".zip"))]:
        raise ConfigurationError(f"{strange[0]}: no distribution; allowed: a folder of wheels alone, for it is written anew")
    fresh = output.with_name(f".{output.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        fetched(locks, output, fresh)
        shutil.rmtree(output, ignore_errors=True)
        fresh.rename(output)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    files = sorted(output.iterdir())
    sources = [file.name for file in files if file.suffix != ".whl"]
    size = sum(file.stat().st_size for file in files) / MEGABYTE
    of_sources = f" and {len(sources)} source distributions ({', '.join(sources)})" if sources else ""
    print(f"{output}: {len(files) - len(sources)} wheels{of_sources}, {size:.0f} MB")


if __name__ == "__main__":
    script(main)
