"""`prophet-memory models`."""

from __future__ import annotations

from typing import Any

import click

from prophet_memory.cli.description import counted
from prophet_memory.cli.options import as_json
from prophet_memory.cli.render import print_json, print_table
from prophet_memory.cli.said import say_notes
from prophet_memory.edge.configuration import MODELS_FOLDER, read_models
from prophet_memory.edge.messages import described_by

HEADS = (
    ("model", False), ("name", False), ("layers", True), ("MoE", True), ("experts", True), ("top-k", True), ("total 10⁹", True),
    ("active 10⁹", True), ("KV B/token", True), ("max. context", True), ("published in", False),
)  # fmt: skip


@click.command(name="models")
@as_json
def command(*, as_json: bool) -> None:
    """The catalogue of models: exact counts, and the bf16 cache of a token."""
    found: list[dict[str, Any]] = []
    for slug, entry in read_models().items():
        architecture = entry.architecture
        own = {"model": slug, "name": entry.name, "family": entry.family, "layers": architecture.layer_count}
        limits = {"max_context_tokens": architecture.max_context_tokens, "published_precision": architecture.published_precision}
        limits["leaves_out"] = entry.leaves_out
        with described_by(MODELS_FOLDER / f"{slug}.yaml"):
            found.append(own | counted(architecture) | limits)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            m["model"], m["name"], str(m["layers"]), *(str(m[key] or "–") for key in ("moe_layers", "experts", "top_k")),
            f"{m['total_params'] / 1e9:,.2f}", f"{m['active_params_per_token'] / 1e9:,.2f}", f"{m['kv_bytes_per_token']:,}",
            f"{m['max_context_tokens']:,}" if m["max_context_tokens"] else "–", m["published_precision"],
        )
        for m in found
    ]  # fmt: skip
    print_table(HEADS, rows)
    for part in sorted({m["leaves_out"] for m in found} - {None}):
        say_notes([f"counted without {part}: {', '.join(m['model'] for m in found if m['leaves_out'] == part)}"])
