"""Programs of this checkout in a process of their own that is forked where their imports are done already.

Python's start and the imports are nine tenths of what a short call takes. What a program does with its own start (threads,
caches, installed packages, another checkout) is for `subprocess`.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRARY = REPOSITORY / "src/prophet_memory"
OTHERS = (
    "numpy", "polars", "pydantic", "yaml", "click", "rich.console", "rich.table", "rich.markup", "seaborn", "prophet_memory.cli",
)  # fmt: skip
READS_CONFIG = {"edge", "cli"}  # config is read where these are imported, and a call may name another


def _names() -> list[str]:
    """What every process starts with: others' packages, and the library, which is pure."""
    files = (file.relative_to(LIBRARY.parent) for file in sorted(LIBRARY.rglob("*.py")))
    ours = (".".join(file.with_suffix("").parts) for file in files if not READS_CONFIG & set(file.parts))
    return [*OTHERS, *(name.removesuffix(".__init__") for name in ours)]


SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(_names())


def _become(words: list[str], environment: dict[str, str], folder: str, out: str, err: str) -> None:
    """In the new process: what a shell sets for `python words`, or for the program where the first word is its name."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, name, mode in ((1, "stdout", out), (2, "stderr", err)):
        os.dup2(os.open(mode, os.O_WRONLY), number)
        setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - open to the end
    sys.argv = words
    if words[0] == "prophet-memory":
        from prophet_memory.cli import main

        main()
    else:
        sys.path.insert(0, str(Path(words[0]).parent))
        runpy.run_path(words[0], run_name="__main__")


def forked(
    *words: object, environment: dict[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Call `prophet-memory` or a script of this checkout; what `subprocess.run` would give."""
    call = list(map(str, words))
    with tempfile.NamedTemporaryFile("r+", encoding="utf-8") as out, tempfile.NamedTemporaryFile("r+", encoding="utf-8") as err:
        process = SERVER.Process(
            target=_become, args=(call, dict(environment or os.environ), str(folder or Path.cwd()), out.name, err.name)
        )
        process.start()
        process.join()
        done = subprocess.CompletedProcess(call, process.exitcode, out.read(), err.read())
        process.close()
    return done
