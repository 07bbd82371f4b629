"""Build a virtual environment from hash-pinned locks: with uv where it is present, with venv and pip otherwise.

An environment that is there and whole is left alone. Its stamp records what it was built from, so that other locks, another
interpreter, a moved checkout and a missing package are noticed, and it is built anew. Runs on a bare Python, before anything of
the project's is installed, so it imports the standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LEAST_PYTHON = (3, 11)
PROGRAM = "snakemake"
PACKAGES_PER_LINE = 15
# Installed before the rest: they build what has no wheel, and a Python's own may be years old.
BUILDERS = ("pip", "setuptools")


class EnvironmentProblem(Exception):  # noqa: N818 - says what the user has to do
    """One line that says what is missing and what to install."""


def sources(locks: list[Path]) -> dict[str, str]:
    """What an environment follows from, each with its SHA-256: the locks, the project's own metadata and this script."""
    files = [*locks, Path("pyproject.toml"), Path(__file__).resolve().relative_to(REPOSITORY)]
    return {str(f): hashlib.sha256((REPOSITORY / f).read_bytes()).hexdigest() for f in files if (REPOSITORY / f).is_file()}


def packages(venv: Path) -> dict[str, int]:
    """What stands in the environment's folder of packages, each with how many entries it has; versions are the locks' concern."""
    entries = [entry for folder in venv.glob("lib/python*/site-packages") for entry in folder.iterdir()]
    named = [entry for entry in entries if entry.suffix not in {".dist-info", ".pth"} and "__mypyc" not in entry.name]
    return {e.name: sum(inside.name != "__pycache__" for inside in os.scandir(e)) if e.is_dir() else 1 for e in sorted(named)}


def interpreter(venv: Path) -> str:
    """The version of the environment's Python, empty where it does not start."""
    command = [str(venv / "bin" / "python"), "-I", "-S", "-c", "import sys; print(sys.version.split()[0])"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - our own
    except (OSError, subprocess.CalledProcessError):
        return ""


def starts(venv: Path, name: str) -> bool:
    """Whether a program of the environment is there and names an interpreter that is there, too."""
    program = venv / "bin" / name
    if not program.is_file():
        return False
    line = program.read_bytes().splitlines()[0].decode(errors="replace")
    return not line.startswith("#!/") or Path(line[2:].split()[0]).exists()


def record(venv: Path, locks: list[Path]) -> dict[str, object]:
    """What the stamp of a finished environment says."""
    return {
        "folder": str(venv.resolve()),
        "python": interpreter(venv),
        "base": sys.base_prefix,
        "sources": sources(locks),
        "packages": packages(venv),
    }


def why_not_whole(stamp: Path, locks: list[Path], *, this_python: bool, program: str = PROGRAM) -> str:
    """Why an environment has to be built anew; empty where it is what it has to be."""
    venv = stamp.parent
    if not stamp.is_file():
        return f"{venv} is not finished" if venv.exists() else "there is none"
    try:
        built = dict(json.loads(stamp.read_text(encoding="utf-8")))
        there = packages(venv)
        missing = sorted(name for name, entries in built["packages"].items() if there.get(name, 0) < entries)
        told = {
            "the checkout has moved": built["folder"] != str(venv.resolve()),
            "its interpreter is gone or another": not built["python"] or built["python"] != interpreter(venv),
            f"PYTHON is {sys.version.split()[0]} of {sys.base_prefix}": this_python
            and (built["python"], built["base"]) != (sys.version.split()[0], sys.base_prefix),
            "its programs do not start": not starts(venv, program),
            "the locks have changed": built["sources"] != sources(locks),
            f"{', '.join(missing[:3])} is missing or not whole there": bool(missing),
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{stamp} is not readable"
    return next((reason for reason, holds in told.items() if holds), "")


def check_python() -> None:
    """The interpreter is new enough and, without uv, can make virtual environments."""
    major, minor = sys.version_info[:2]
    if (major, minor) < LEAST_PYTHON:
        found, least = sys.version.split()[0], ".".join(map(str, LEAST_PYTHON))
        raise EnvironmentProblem(f"{sys.executable}: Python {found}; needed: {least} or later (make PYTHON=python3.12 ...)")
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian leaves it out of python3
    except ImportError:
        if shutil.which("uv") is None:
            raise EnvironmentProblem(
                f"{sys.executable}: cannot make virtual environments; install python3-venv"
                f" (Debian, Ubuntu: apt-get install python{major}.{minor}-venv) or uv"
            ) from None


def builders(locks: list[Path]) -> str:
    """What the locks say of the packages that build others."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", "".join((REPOSITORY / lock).read_text("utf-8") for lock in locks), flags=re.MULTILINE)
    return "".join(block for block in blocks if block.partition("==")[0] in BUILDERS)


def commands(venv: Path, locks: list[Path], *, program: str = PROGRAM, wheelhouse: Path | None = None) -> list[list[str]]:
    """What builds the environment, in order. The locks pin everything, what builds the rest too, so nothing is resolved here."""
    python = str(venv / "bin" / "python")
    base = getattr(sys, "_base_executable", None) or sys.executable  # an environment cannot clear itself
    uv = shutil.which("uv")
    if uv:
        install = [uv, "pip", "install", "--compile-bytecode", "--python", python]
        make = [uv, "venv", "--quiet", "--clear", "--python", base, str(venv)]
    else:
        install = [python, "-m", "pip", "install", "--disable-pip-version-check"]
        make = [base, "-m", "venv", "--clear", str(venv)]
    if wheelhouse:
        install += ["--no-index", "--find-links", str(wheelhouse.resolve())]
    install += ["--no-deps", "--no-build-isolation"]
    pinned = [[*install, "--require-hashes", "--requirement", str(REPOSITORY / lock)] for lock in locks]
    return [make, *pinned, *([[*install, "--editable", str(REPOSITORY)]] if program == PROGRAM else [])]


def surroundings(wheelhouse: Path | None) -> dict[str, str]:
    """The variables that installers see; with a wheelhouse nothing of what this machine tells pip or uv of indexes."""
    # Bytecode saves every job the compilation of its imports.
    hidden = ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", *(("PIP_", "UV_") if wheelhouse else ()))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return kept | ({"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "UV_OFFLINE": "1"} if wheelhouse else {})


def run_with_progress(command: list[str], environment: dict[str, str]) -> int:
    """Run a command; of pip's hundreds of lines show a count of packages. Errors and uv's own progress pass through."""
    lock, seen = Path(command[-1]), 0
    packages = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines()) if lock.is_file() else 1
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        for line in process.stdout or ():
            found = line.startswith(("Collecting ", "Processing "))
            seen += found
            if found and seen % PACKAGES_PER_LINE == 0:
                print(f"  {seen} of at most {packages} packages fetched", flush=True)
            elif seen > 1 and line.startswith("Installing collected"):
                print(f"  installing {seen} packages", flush=True)
    return process.returncode


def build(stamp: Path, locks: list[Path], program: str = PROGRAM, wheelhouse: Path | None = None, *, this_python: bool) -> None:
    """Run the commands where they are needed; the stamp marks the environment as complete, so it is written last."""
    if not (reason := why_not_whole(stamp, locks, program=program, this_python=this_python)):
        return
    check_python()
    if wheelhouse and not wheelhouse.is_dir():
        raise EnvironmentProblem(f"WHEELHOUSE={wheelhouse}: folder: missing; allowed: a folder that make wheelhouse wrote")
    venv = stamp.parent
    tool = "uv" if shutil.which("uv") else "pip"
    named = " and ".join(map(str, [*locks, *([wheelhouse] if wheelhouse else [])]))
    print(f"Building {venv} from {named} with {tool} and Python {sys.version.split()[0]} ({reason}) ...", flush=True)
    stamp.unlink(missing_ok=True)
    remedy = "; allowed: a wheelhouse of these locks, this Python and platform (make wheelhouse)" if wheelhouse else ""
    with tempfile.TemporaryDirectory() as folder:
        (first := Path(folder, "builders.txt")).write_text(builders(locks), encoding="utf-8")
        files = [first, *locks] if first.stat().st_size else locks
        for command in commands(venv, files, program=program, wheelhouse=wheelhouse):
            if status := run_with_progress(command, surroundings(wheelhouse)):
                raise EnvironmentProblem(f"{venv}: not built: {' '.join(command)} failed with status {status}{remedy}")
    stamp.write_text(json.dumps(record(venv, locks), indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Build or say in one line why not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, default=REPOSITORY / ".venv" / "prophet-environment", help="written last")
    parser.add_argument("--locks", type=Path, nargs="+", default=[Path("requirements.lock")], help="with hashes, in order")
    parser.add_argument("--program", default=PROGRAM, help="that must start; only Snakemake's needs the project")
    parser.add_argument("--this-python", action="store_true", help="build anew where another interpreter built it")
    parser.add_argument("--wheelhouse", type=Path, help="folder that stands in for the network (make wheelhouse writes it)")
    args = parser.parse_args()
    try:
        build(args.stamp, args.locks, args.program, args.wheelhouse, this_python=args.this_python)
    except EnvironmentProblem as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
