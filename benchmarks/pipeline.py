"""What the workflow engine costs: `snakemake` on a clean copy against one plain process that does the same computing and drawing.

Both run the very command lines of the rules; the plain process runs them one after the other without leaving Python. Prints
seconds and ratios of one run on one machine; only the ratios travel. The last rows say what planning costs as shards become many.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from measure import REPOSITORY, SINGLE_THREAD, parser, report, timed

PLAIN = """
import runpy, shlex, sys
for line in sys.stdin.read().splitlines():
    sys.argv = shlex.split(line)
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Both sides get one thread per library, as the rules set it.
ENVIRONMENT = os.environ | SINGLE_THREAD
PLANNED_SHARDS = (100, 1_000, 4_000)


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


def planning_s(copy: Path, shards: int) -> float:
    """Seconds of a dry run of the design space in so many shards."""
    design = copy / "config" / "design_space.yaml"
    design.write_text(yaml.safe_dump(yaml.safe_load(design.read_text(encoding="utf-8")) | {"shards": shards}), encoding="utf-8")
    return timed(lambda: snakemake(copy, "design_space", "--dry-run", "--quiet"))


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__, "pipeline.csv")
    arguments.add_argument("--repeat", type=int, default=3, help="the best of this many runs counts")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = clean_copy(Path(folder))
        lines = command_lines(copy)
        script = "\n".join(lines)

        def plain() -> None:
            own_library = ENVIRONMENT | {"PYTHONPATH": str(copy / "src")}
            subprocess.run([sys.executable, "-c", PLAIN], cwd=copy, env=own_library, input=script, text=True, check=True)

        snakemake(copy, "--forceall")  # warms the file cache and leaves something for the plain process to read
        seconds = {"one plain process": min(timed(plain) for _ in range(args.repeat))}
        seconds["snakemake, everything"] = min(timed(lambda: snakemake(copy, "--forceall")) for _ in range(args.repeat))
        seconds["snakemake, nothing to do"] = min(timed(lambda: snakemake(copy)) for _ in range(args.repeat))
        model = copy / "config" / "models" / "mixtral-8x7b.yaml"
        edits = []
        for i in range(args.repeat):
            model.write_text(f"{model.read_text(encoding='utf-8')}# edit {i}\n", encoding="utf-8")
            edits.append(timed(lambda: snakemake(copy)))
        seconds["snakemake, one model edited"] = min(edits)
        for shards in PLANNED_SHARDS:
            seconds[f"planning {shards} shards"] = planning_s(copy, shards)
    base = seconds["one plain process"]
    report(
        [{"run": run, "jobs": len(lines), "seconds": took, "of_plain": took / base} for run, took in seconds.items()], args.output
    )


if __name__ == "__main__":
    main()
