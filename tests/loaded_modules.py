"""What each script loads, as JSON: files of ours, and the modules of others that our files ask for or that those bring.

A program of its own: it loads the modules of others once and then forks for each script, which takes seconds where a Python for
each script takes minutes.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import json
import multiprocessing
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "src"
# To load these once saves time; what is told does not hang on the list.
COMMON = ("numpy", "polars", "matplotlib.figure", "seaborn", "pydantic", "yaml", "numba", "SALib.sample.sobol", "sklearn.tree")


@contextlib.contextmanager
def noted(asked: set[str]) -> Iterator[None]:
    """Keep the names of the modules that files of this project import."""
    plain = builtins.__import__

    def import_and_note(name: str, where: Any = None, names: Any = None, wanted: Any = (), level: int = 0) -> Any:
        module = plain(name, where, names, wanted, level)
        if str((where or {}).get("__file__", "")).startswith(str(SOURCE.parent)) and "site-packages" not in where["__file__"]:
            asked.update([name, *(dotted for part in wanted or () if (dotted := f"{name}.{part}") in sys.modules)])
        return module

    builtins.__import__ = import_and_note
    try:
        yield
    finally:
        builtins.__import__ = plain


def loaded(script: str) -> tuple[list[str], list[str]]:
    """Files of ours that a script loads, and names of others' modules that they import; in a process without ours."""
    asked: set[str] = set()
    with noted(asked):
        runpy.run_path(script, run_name="probe")
    if "prophet_memory.edge.remembered" in sys.modules:  # what reads config loads what checks it with the first file
        importlib.import_module("prophet_memory.edge.documents")
    files = [module.__file__ for name, module in sys.modules.items() if name.startswith("prophet_")]
    others = {name for name in asked if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("prophet_")}
    return sorted(str(Path(file).relative_to(SOURCE.parent)) for file in files if file), sorted(others)


def brought(module: str) -> list[str]:
    """Every module that stands loaded after one import in a new Python."""
    command = [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def main() -> None:
    """Each script of the folder `scripts`."""
    scripts = sorted((SOURCE.parent / "scripts").glob("*.py"))
    sys.path.insert(0, str(SOURCE))
    for name in COMMON:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        found = pool.map(loaded, map(str, scripts), chunksize=1)
    bring = {name: brought(name) for name in sorted({name for _, others in found for name in others})}
    told = {
        script.name: {"ours": ours, "others": sorted({module for name in others for module in bring[name]})}
        for script, (ours, others) in zip(scripts, found, strict=True)
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
