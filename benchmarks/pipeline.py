"""What the workflow engine costs: `snakemake` on a clean copy against one plain process that does the same computing and drawing.

Both run the very command lines of the rules; the plain process runs them one after the other without leaving Python. Prints
seconds and ratios of one run on one machine; only the ratios travel.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PLAIN = """
import runpy, shlex, sys
for line in sys.stdin.read().splitlines():
    sys.argv = shlex.split(line)
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Both sides get one thread per library, as the rules set it.
ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}


def snakemake(copy: Path, *arguments: str) -> str:
    """Run Snakemake in the copy; its output."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    done = subprocess.run(command, cwd=copy, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def command_lines(copy: Path) -> list[str]:
    """The rules' command lines in an order in which they can run, without interpreter and redirection."""
    lines = []
    for line in snakemake(copy, "--dry-run", "--forceall", "--printshellcmds").splitlines():
        _, found, arguments = line.partition("Shell command: python3 ")
        if found:
            lines.append(arguments.split(" 2> ")[0])
    return lines


def timed(run: object, *arguments: object) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    run(*arguments)  # type: ignore[operator]
    return time.perf_counter() - start


def clean_copy(folder: Path) -> Path:
    """The files that git knows, without results."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith(("evaluation/", "paper_tables/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="the best of this many runs counts")
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as folder:
        copy = clean_copy(Path(folder))
        lines = command_lines(copy)
        script = "\n".join(lines)

        def plain() -> None:
            own_library = ENVIRONMENT | {"PYTHONPATH": str(copy / "src")}
            subprocess.run([sys.executable, "-c", PLAIN], cwd=copy, env=own_library, input=script, text=True, check=True)

        def engine() -> None:
            snakemake(copy, "--forceall")

        engine()  # warms the file cache and leaves something for the plain process to read
        plain_s = min(timed(plain) for _ in range(repeat))
        engine_s = min(timed(engine) for _ in range(repeat))
        idle_s = min(timed(snakemake, copy) for _ in range(repeat))
        model = copy / "config" / "models" / "mixtral-8x7b.yaml"
        edits = []
        for i in range(repeat):
            model.write_text(f"{model.read_text(encoding='utf-8')}# edit {i}\n", encoding="utf-8")
            edits.append(timed(snakemake, copy))
    print(f"jobs                                   {len(lines)}")
    print(f"one plain process, all of it           {plain_s:6.2f} s")
    print(f"snakemake, all of it                   {engine_s:6.2f} s   {engine_s / plain_s:5.2f} x plain")
    print(f"snakemake, one model edited            {min(edits):6.2f} s   {min(edits) / plain_s:5.2f} x plain")
    print(f"snakemake, nothing to do               {idle_s:6.2f} s   {idle_s / plain_s:5.2f} x plain")


if __name__ == "__main__":
    main()
