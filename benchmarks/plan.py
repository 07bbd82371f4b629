"""docs/scaling.md: the template with the measured and simulated numbers put in."""

from __future__ import annotations

import argparse
from pathlib import Path

import jinja2
from measure import FOLDER, REPOSITORY

from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import read_rows


def main() -> None:
    """Read tables, render, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, default=FOLDER, help="folder of the tables")
    parser.add_argument("--template", type=Path, default=REPOSITORY / "workflow" / "templates" / "scaling.md.j2")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "scaling.md")
    args = parser.parse_args()
    tables = {file.stem: read_rows(file) for file in args.measured.glob("*.csv")}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - Markdown
    template = environment.from_string(args.template.read_text(encoding="utf-8"))
    best = min(tables["schedule"], key=lambda row: row["until_last_shard_h"])
    write_text(args.output, template.render(**tables, best=best) + "\n")


if __name__ == "__main__":
    main()
