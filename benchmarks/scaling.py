"""The design space end to end against its size: rows per second to Parquet on one core, peak memory, and the count over all rows.

Each size is shard 0 of the config cut into so many shards, a process of its own as on a cluster; the start of Python is in it.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from measure import REPOSITORY, parser, report, script, timed

DESIGN = REPOSITORY / "config" / "design_space.yaml"
MODELS = sorted((REPOSITORY / "config" / "models").glob("*.yaml"))
SHARDS = (5_768, 577, 58, 6, 1)  # of 59 million rows: some 1e4, 1e5, 1e6, 1e7 and 5.9e7 rows


def sweep(shards: int, folder: Path, repeat: int) -> dict[str, Any]:
    """One size."""
    design = folder / "design_space.yaml"
    design.write_text(yaml.safe_dump(yaml.safe_load(DESIGN.read_text(encoding="utf-8")) | {"shards": shards}), encoding="utf-8")
    output = folder / "points.parquet"
    arguments = (*MODELS, "--design", design, "--shard", 0, "--output", output)
    seconds = min(timed(lambda: script("sweep_design_space", *arguments)) for _ in range(repeat))
    record = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    rows = record["rows"]
    return {
        "step": "sweep", "rows": rows, "seconds": seconds, "rows_per_s": rows / seconds, "peak_mib": record["peak_mib"],
        "bytes_per_row": output.stat().st_size / rows,
    }  # fmt: skip


def count(folder: Path) -> dict[str, Any]:
    """The count over all rows, of the last size."""
    design, models = folder / "design_space.yaml", folder / "architectures.parquet"
    script("describe_design_space", *MODELS, "--design", design, "--output", models)
    arguments = ["--shards", folder / "points.parquet", "--architectures", models, "--design", design]
    start = time.perf_counter()
    peak = script(
        "design_space_doubling", *MODELS, *arguments, "--by-load", folder / "load.csv", "--by-sparsity", folder / "sparsity.csv"
    )
    seconds = time.perf_counter() - start
    rows = json.loads((folder / "points.json").read_text(encoding="utf-8"))["rows"]
    return {"step": "count", "rows": rows, "seconds": seconds, "rows_per_s": rows / seconds, "peak_mib": peak,
            "bytes_per_row": None}  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__, "scaling.csv")
    arguments.add_argument("--repeat", type=int, default=3, help="the best of this many runs counts")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [sweep(shards, Path(folder), args.repeat) for shards in SHARDS]
        rows.append(count(Path(folder)))
    report(rows, args.output)


if __name__ == "__main__":
    main()
