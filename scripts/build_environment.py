"""Build a virtual environment from hash-pinned locks: with uv where it is present, with venv and pip otherwise.

Runs on a bare Python, before anything of the project's is installed, so it imports the standard library only.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LEAST_PYTHON = (3, 11)
LOCK = Path("requirements.lock")
PACKAGES_PER_LINE = 15


class EnvironmentProblem(Exception):  # noqa: N818 - says what the user has to do
    """One line that says what is missing and what to install."""


def check_python() -> None:
    """The interpreter is new enough and, without uv, can make virtual environments."""
    if sys.version_info < LEAST_PYTHON:
        found, least = sys.version.split()[0], ".".join(map(str, LEAST_PYTHON))
        raise EnvironmentProblem(f"{sys.executable}: Python {found}; needed: {least} or later (make PYTHON=python3.12 ...)")
    if shutil.which("uv") is None:
        try:
            import ensurepip  # noqa: F401, PLC0415 - Debian leaves it out of python3
            import venv  # noqa: F401, PLC0415 - as above
        except ImportError:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise EnvironmentProblem(
                f"{sys.executable}: cannot make virtual environments; install python3-venv"
                f" (Debian, Ubuntu: apt-get install python{version}-venv) or uv"
            ) from None


def commands(venv: Path, locks: list[Path], *, extend: bool = False) -> list[list[str]]:
    """What builds the environment, in order. The locks pin everything, the build backend too, so nothing is resolved here."""
    python = str(venv / "bin" / "python")
    uv = shutil.which("uv")
    if uv:
        install = [uv, "pip", "install", "--compile-bytecode", "--python", python]
        make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)]
    else:
        install = [python, "-m", "pip", "install", "--disable-pip-version-check"]
        make = [sys.executable, "-m", "venv", "--clear", str(venv)]
    pinned = [[*install, "--no-deps", "--require-hashes", "--requirement", str(REPOSITORY / lock)] for lock in locks]
    if extend:
        return pinned
    return [make, *pinned, [*install, "--no-deps", "--no-build-isolation", "--editable", str(REPOSITORY)]]


def run_with_progress(command: list[str], environment: dict[str, str]) -> int:
    """Run a command; of pip's hundreds of lines show a count of packages. Errors and uv's own progress pass through."""
    lock = Path(command[-1])
    packages = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines()) if lock.is_file() else 1
    seen = 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        for line in process.stdout or ():
            found = line.startswith(("Collecting ", "Processing "))
            seen += found
            if found and seen % PACKAGES_PER_LINE == 0:
                print(f"  {seen} of at most {packages} packages fetched", flush=True)
            elif seen > 1 and line.startswith("Installing collected"):
                print(f"  installing {seen} packages", flush=True)
    return process.returncode


def build(stamp: Path, locks: list[Path], *, extend: bool = False) -> None:
    """Run the commands; the stamp marks the environment as complete, so it is written last."""
    check_python()
    venv = stamp.parent
    tool = "uv" if shutil.which("uv") else "pip"
    doing, sources = "Extending" if extend else "Building", " and ".join(map(str, locks))
    print(f"{doing} {venv} from {sources} with {tool} and Python {sys.version.split()[0]} ...", flush=True)
    # Bytecode saves every job the compilation of its imports.
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}}
    for command in commands(venv, locks, extend=extend):
        status = run_with_progress(command, environment)
        if status:
            raise EnvironmentProblem(f"{venv}: not built: {' '.join(command)} failed with status {status}")
    stamp.write_text(f"{sys.version}\n", encoding="utf-8")


def main() -> None:
    """Build or say in one line why not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, default=REPOSITORY / ".venv" / "prophet-environment", help="written last")
    parser.add_argument("--locks", type=Path, nargs="+", default=[LOCK], help="requirements with hashes, one after the other")
    parser.add_argument("--extend", action="store_true", help="install into the environment that is there")
    args = parser.parse_args()
    try:
        build(args.stamp, args.locks, extend=args.extend)
    except EnvironmentProblem as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
