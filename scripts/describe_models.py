"""The catalogue resolved: exact parameter counts and cache sizes of every model in the sweep."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import read_model
from prophet_memory.edge.messages import described_by
from prophet_memory.edge.tables import write_rows
from prophet_memory.facts import facts
from prophet_memory.formats import DEFAULT_FORMAT, FORMATS
from prophet_memory.kv_cache import CacheFormats


def groups_of(expert_counts: Sequence[int], upper_ends: Sequence[int]) -> dict[int, str]:
    """Label of the group of each expert count: the range of counts that really stand in it."""
    members: dict[int, list[int]] = {}
    for count in sorted(set(expert_counts)):
        members.setdefault(bisect_left(sorted(upper_ends), count), []).append(count)
    labels = {i: f"{own[0]}-{own[-1]}" if own[0] != own[-1] else str(own[0]) for i, own in members.items()}
    return {count: labels[i] for i, own in members.items() for count in own}


def main(*, models: list[Path], expert_count_groups: list[int], kv_format: str, state_format: str, output: Path) -> None:
    """Read the catalogue, count, write.

    Args:
        models: catalogue files, config/models/<slug>.yaml
        expert_count_groups: upper ends, ascending
        output: CSV file
    """
    cache = CacheFormats(FORMATS[kv_format], FORMATS[state_format], FORMATS[DEFAULT_FORMAT])
    rows = []
    for file in sorted(models, key=lambda file: file.stem):
        entry = read_model(file)
        architecture = entry.architecture
        with described_by(file):
            own, published = facts(architecture, cache), architecture.published_precision
        rows.append({"model": file.stem, "name": entry.name, "family": entry.family, "published_precision": published} | own)
    groups = groups_of([row["experts"] for row in rows], expert_count_groups)
    write_rows([row | {"expert_count_group": groups[row["experts"]]} for row in rows], output)


if __name__ == "__main__":
    script(main)
