"""The design space end to end against its size: rows per second to Parquet on one core, peak memory, and the count at the end.

Each size is shard 0 of the config cut into so many shards, a process of its own as on a cluster, with the start of Python. The
limit of the largest is polars alone: the same finished rows, held in memory, written by the same call.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from measure import REPOSITORY, best_s, parser, report, script, timed
from polars.io.plugins import register_io_source

DESIGN = REPOSITORY / "config" / "design_space.yaml"
MODELS = sorted((REPOSITORY / "config" / "models").glob("*.yaml"))
SHARDS = (5_768, 577, 58, 6, 1)  # of 59 million rows: some 1e4, 1e5, 1e6, 1e7 and 5.9e7 rows
COUNTED_SHARDS = (1, 12)  # of a small design space


def design_of(folder: Path, **changes: Any) -> Path:  # noqa: ANN401 - values of the config
    """The design space's config with some of it changed."""
    design = folder / "design_space.yaml"
    design.write_text(yaml.safe_dump(yaml.safe_load(DESIGN.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    return design


def sweep_shard(design: Path, folder: Path, number: int = 0) -> dict[str, Any]:
    """Sweep one shard; what its sidecar records."""
    folder.mkdir(exist_ok=True)
    places = ("--counts", folder / "counts.parquet", "--output", folder / "points.parquet")
    script("sweep_design_space", "--models", *MODELS, "--design", design, "--shard", number, *places)
    record: dict[str, Any] = json.loads((folder / "points.json").read_text(encoding="utf-8"))
    return record


def sweep(shards: int, folder: Path, repeat: int) -> dict[str, Any]:
    """One size."""
    design = design_of(folder, shards=shards)
    records: list[dict[str, Any]] = []
    seconds = min(timed(lambda: records.append(sweep_shard(design, folder))) for _ in range(repeat))
    record = min(records, key=lambda one: float(one["seconds"]))
    size = (folder / "points.parquet").stat().st_size
    return row("sweep", shards, record["rows"], seconds, record["peak_mib"], size) | {"in_process_s": record["seconds"]}


def write(folder: Path, repeat: int) -> dict[str, Any]:
    """Polars alone: the rows of the last size, read into memory in their blocks and written as the sweep writes them."""
    chunk = yaml.safe_load(DESIGN.read_text(encoding="utf-8"))["chunk_rows"]
    table = pl.read_parquet(folder / "points.parquet")
    blocks = [table.slice(first, chunk) for first in range(0, table.height, chunk)]

    def run() -> None:
        def again(*_: object) -> Iterator[pl.DataFrame]:
            return iter(blocks)

        source = register_io_source(again, schema=table.schema)
        source.sink_parquet(folder / "again.parquet", compression="zstd", row_group_size=chunk, maintain_order=True)

    seconds = best_s(run, repeat)
    return row("write", 1, table.height, seconds, None, (folder / "again.parquet").stat().st_size) | {"in_process_s": seconds}


def count(shards: int, folder: Path, repeat: int) -> dict[str, Any]:
    """The count at the end over so many small shards."""
    design = design_of(folder, shards=shards, context_tokens=[1024])
    rows = [sweep_shard(design, folder / str(number), number)["rows"] for number in range(shards)]
    parts = [folder / str(number) for number in range(shards)]
    files = [option for kind in ("shards", "counts") for option in
             (f"--{kind}", *(part / f"{'points' if kind == 'shards' else kind}.parquet" for part in parts))]  # fmt: skip
    places = ("--by-load", folder / "load.csv", "--by-sparsity", folder / "sparsity.csv")
    peaks: list[int] = []
    run = partial(script, "design_space_doubling", *files, "--promised", *rows, *places)
    seconds = min(timed(lambda: peaks.append(run())) for _ in range(repeat))
    return row("count", shards, sum(rows), seconds, max(peaks), None) | {"in_process_s": None}


def row(step: str, shards: int, rows: int, seconds: float, peak_mib: int | None, size: int | None) -> dict[str, Any]:
    """A line of the table."""
    return {
        "step": step, "shards": shards, "rows": rows, "seconds": seconds, "rows_per_s": rows / seconds, "peak_mib": peak_mib,
        "bytes_per_row": None if size is None else size / rows,
    }  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__, "scaling.csv")
    arguments.add_argument("--repeat", type=int, default=3, help="the best of this many runs counts")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [sweep(shards, Path(folder), args.repeat) for shards in SHARDS]
        # Before this process holds the largest table: a child's peak begins with its parent's.
        rows += [count(shards, Path(folder), args.repeat) for shards in COUNTED_SHARDS]
        rows.append(write(Path(folder), args.repeat))
    report(rows, args.output)


if __name__ == "__main__":
    main()
