"""How far laws are from routing that they were not fitted to, from that of single topics, and how often pools overflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.counting import measured_errors, measured_overflow, measured_topics
from prophet_memory.edge.tables import write_rows
from prophet_memory.routing import LAWS


def error_rows(file: Path, model: str) -> Iterator[dict[str, Any]]:
    """Laws that were fitted on half of the sequences, with the kind of each from its name."""
    for row in measured_errors(file):
        (kind,) = (kind for kind in LAWS if str(row["routing"]) == kind or str(row["routing"]).startswith(f"{kind}_"))
        key = {"model": model, "kind": kind, "law": row["routing"], "batch_size": int(row["tokens"])}
        error = float(row["predicted"]) / float(row["measured"]) - 1
        own = {"predicted": row["predicted"], "measured": row["measured"], "error_fraction": error}
        yield key | own | {"worst_layer_fraction": float(row["worst_layer_percent"]) / 100}


def overflow_rows(file: Path, model: str) -> Iterator[dict[str, Any]]:
    """Shares of layers and of steps that lack a slot."""
    for row in measured_overflow(file):
        key = {"model": model, "law": row["routing"], "provision": row["provision"], "batch_size": int(row["tokens"])}
        yield key | {"layers_short_fraction": row["layers_short"], "steps_short_fraction": row["steps_short"]}


def topic_rows(file: Path, model: str) -> Iterator[dict[str, Any]]:
    """Batches of a single data set."""
    for row in measured_topics(file):
        key = {"model": model, "domain": row["domain"], "sequences": int(row["sequences"]), "batch_size": int(row["tokens"])}
        error = float(row["predicted"]) / float(row["measured"]) - 1
        yield key | {"predicted": row["predicted"], "measured": row["measured"], "error_fraction": error}


KINDS = {"errors": error_rows, "overflow": overflow_rows, "topics": topic_rows}


def main(*, measured: list[Path], output: list[Path]) -> None:
    """Read, write.

    Args:
        measured: config/routing/measured/<model>_errors.csv, _overflow.csv and _topics.csv
        output: CSV files for errors, overflow and topics
    """
    for (kind, rows_of), file in zip(KINDS.items(), output, strict=True):
        own = {one.stem.removesuffix(f"_{kind}"): one for one in measured if one.stem.endswith(f"_{kind}")}
        write_rows([row for model in sorted(own) for row in rows_of(own[model], model)], file)


if __name__ == "__main__":
    script(main)
