"""What an evaluator's commands take: each experiment of config/artifact.yaml in a fresh clone with an empty home, in order.

Writes minutes and disk of one run on one machine, for docs/ARTIFACT.md. An experiment that fails ends the run; those before it
are kept.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import KIBIBYTES_PER_MEBIBYTE, REPOSITORY, parser, report

from prophet_memory.edge.tables import read_rows
from prophet_paper.artifact import Experiment, read_artifact

MEASURED = REPOSITORY / "config" / "artifact_measured.csv"  # an input of the workflow, so no output of it
MIB, GIB, SECONDS_PER_MINUTE = 2**20, 2**30, 60


def machine() -> str:
    """Cores, memory and system of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    python = ".".join(platform.python_version_tuple()[:2])
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, Python {python}"


def disk_mib(folder: Path) -> int:
    """What a folder takes."""
    blocks = sum(file.lstat().st_blocks for file in folder.rglob("*"))
    return round(blocks * 512 / MIB)  # st_blocks counts 512 bytes wherever POSIX holds


def run(experiment: Experiment, clone: Path, home: Path) -> dict[str, object]:
    """The command in the clone; its minutes, and what the clone then takes."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    start = time.perf_counter()
    done = subprocess.run(experiment.command.split(), cwd=clone, env=environment, check=False, stdout=sys.stderr)
    took = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{experiment.id}: {experiment.command}: exit status {done.returncode}")
    return {
        "experiment": experiment.id,
        "command": experiment.command,
        "minutes": round(took / SECONDS_PER_MINUTE, 1),
        "disk_mib": disk_mib(clone),
        "largest_process_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / KIBIBYTES_PER_MEBIBYTE),
        "machine": machine(),
    }


def main() -> None:
    """Clone, run, report."""
    known = read_artifact(REPOSITORY / "config" / "artifact.yaml").experiments
    arguments = parser(__doc__, MEASURED)
    arguments.add_argument(
        "--experiments", nargs="+", choices=[one.id for one in known], help="those alone; the others' rows stay"
    )
    options = arguments.parse_args()
    asked = [one for one in known if options.experiments is None or one.id in options.experiments]
    rows = {row["experiment"]: row for row in read_rows(options.output)} if options.output.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)  # noqa: S607
        try:
            for experiment in asked:
                rows[experiment.id] = run(experiment, clone, home)
        finally:
            report([rows[one.id] for one in known if one.id in rows], options.output)


if __name__ == "__main__":
    main()
