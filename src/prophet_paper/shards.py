"""Shards: parts of one table that jobs write apart, each with a sidecar that records how many rows it holds and its checksum.

A file that a full disk, a killed node or a copy cut short is found by it, before it makes a table that is silently short.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.files import sha256, write_text

REMEDY = "delete it and run again"


def sidecar_of(shard: Path) -> Path:
    """Where a shard's sidecar stands."""
    return shard.with_suffix(".json")


def write_sidecar(shard: Path, rows: int, **measured: object) -> None:
    """Record what a finished shard holds, and what was measured on the way; the shard itself has been renamed into place."""
    record = {"rows": rows, "sha256": sha256(shard), "bytes": shard.stat().st_size} | measured
    write_text(sidecar_of(shard), json.dumps(record, indent=1) + "\n", receipt=False)


def read_sidecar(shard: Path) -> dict[str, Any]:
    """The record beside a shard.

    Raises:
        ConfigurationError: where there is none, or half of one.
    """
    file = sidecar_of(shard)
    try:
        record = dict(json.loads(file.read_text(encoding="utf-8")))
        return record | {"rows": int(record["rows"]), "sha256": str(record["sha256"])}
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: file: missing; allowed: the record of {shard.name}, {REMEDY}") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{file}: file: not a record; allowed: rows and sha256 of {shard.name}, {REMEDY}") from None


def check_shard(shard: Path, rows: int) -> None:
    """A shard is whole: as many rows as the config promises, and the bytes that its writer left.

    Raises:
        ConfigurationError: one line that names the shard and what is wrong with it.
    """
    record = read_sidecar(shard)
    if record["rows"] != rows:
        raise ConfigurationError(f"{shard}: rows: {record['rows']}; allowed: {rows}, as the config promises, {REMEDY}")
    if not shard.exists():
        raise ConfigurationError(f"{shard}: file: missing; allowed: the shard that its sidecar records, run again")
    if (found := sha256(shard)) != record["sha256"]:
        raise ConfigurationError(f"{shard}: sha256: {found}; allowed: {record['sha256']}, as its sidecar records, {REMEDY}")


def check_beside(shard: Path, rows: int, counts: Path) -> None:
    """As `check_shard`, without reading the shard: its length, and the bytes of the counts that were written with it.

    Raises:
        ConfigurationError: one line that names the file and what is wrong with it.
    """
    record = read_sidecar(shard)
    if record["rows"] != rows:
        raise ConfigurationError(f"{shard}: rows: {record['rows']}; allowed: {rows}, as the config promises, {REMEDY}")
    length = shard.stat().st_size if shard.exists() else "missing"
    if length != record.get("bytes"):
        raise ConfigurationError(f"{shard}: bytes: {length}; allowed: {record.get('bytes')}, as its sidecar records, {REMEDY}")
    found = sha256(counts) if counts.exists() else "missing"
    if found != record.get("counts_sha256"):
        allowed = f"{record.get('counts_sha256')}, as {sidecar_of(shard).name} records, {REMEDY}"
        raise ConfigurationError(f"{counts}: sha256: {found}; allowed: {allowed}")
