"""What the explorer holds: which columns of which result tables, in which order, and what follows from what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import polars as pl

from prophet_paper.packing import Derivation, Difference, Packed, Quotient, Ratio, Smaller
from prophet_paper.queries import Query

# The axis that changes fastest comes last: in this order the packed columns are smallest.
SWEEP_KEYS = ("policy", "model", "precision", "n_gpus", "gpu", "routing", "provision", "batch_size")
CONCURRENCY_KEYS = ("policy", "model", "precision", "n_gpus", "gpu", "routing", "provision", "context_tokens")
ALTERNATIVES_KEYS = (
    "model", "policy", "precision", "routing", "provision", "batch_size", "n_gpus", "gpu", "context_tokens",
)  # fmt: skip
COMPONENTS = ("non_expert_bytes", "resident_expert_bytes", "activation_bytes", "overhead_bytes", "runtime_reserve_bytes")
SWEEP_COLUMNS = (
    "tensor_parallel", "data_parallel", "expert_parallel", "pipeline_parallel", "distinct_experts", "expert_savings_fraction",
    "resident_experts_per_layer", "gpu_memory_bytes", "usable_bytes", *COMPONENTS, "free_for_kv_bytes", "kv_bytes_per_token",
    "kv_constant_bytes_per_sequence", "kv_capacity_tokens", "usable_kv_capacity_tokens", "max_context_tokens", "kv_extension",
    "usable_kv_extension", "fit_verdict", "exceeds_model_context",
)  # fmt: skip
CONCURRENCY_COLUMNS = ("concurrency", "concurrency_extension", "distinct_experts", "kv_bytes_per_sequence")
ALTERNATIVES_COLUMNS = (
    "fits", "gpu_bytes", "host_memory_bytes", "resident_step_s", "step_s", "latency_factor", "concurrency", "is_dominated",
)  # fmt: skip
OBSERVATION_COLUMNS = (
    "run", "engine", "profile", "model", "named", "component", "measured", "predicted", "difference", "error_fraction", "reason",
    "unexplained", "note", "repository", "thread",
)  # fmt: skip
CLAIM_COLUMNS = (
    "claim", "section", "quote", "kind", "claimed", "repeats", "trivial", "routing", "computed", "exact", "usable",
    "profile_computed", "profile_verdict", "verdict", "reason", "why",
)  # fmt: skip
NUMBER_COLUMNS = ("number", "text", "unit", "routing")
LONGEST = "model_max_context_tokens"  # the model's own, from the catalogue


def sweep_table(rows: pl.DataFrame, models: pl.DataFrame, baseline: str) -> Packed:
    """The long table. Of what a sequence or a GPU holds, most follows from a few columns.

    Args:
        rows: the long table, with `SWEEP_KEYS` and `SWEEP_COLUMNS`.
        models: the catalogue, with each model's own longest context.
        baseline: the policy that extensions are a ratio to.
    """
    longest = models.select("model", pl.col("max_context_tokens").alias(LONGEST))
    frame = rows.select(*SWEEP_KEYS, *SWEEP_COLUMNS).join(longest, on="model", how="left", maintain_order="left")
    derived: dict[str, Derivation] = {
        "free_for_kv_bytes": Difference("usable_bytes", COMPONENTS),
        "max_context_tokens": Quotient("kv_capacity_tokens", "batch_size"),
        "usable_kv_capacity_tokens": Smaller("max_context_tokens", LONGEST, "batch_size"),
        "kv_extension": Ratio("kv_capacity_tokens", "policy", baseline),
        "usable_kv_extension": Ratio("usable_kv_capacity_tokens", "policy", baseline),
    }
    return Packed(frame.sort(SWEEP_KEYS), SWEEP_KEYS, derived)


def concurrency_table(rows: pl.DataFrame, baseline: str) -> Packed:
    """The most sequences at once, by context. Contexts beyond a model's own have no row, so this is a list."""
    frame = rows.select(*CONCURRENCY_KEYS, *CONCURRENCY_COLUMNS).sort(CONCURRENCY_KEYS)
    sizes = [frame[key].n_unique() for key in CONCURRENCY_KEYS]
    whole = len(frame) == pl.Series(sizes).product()
    return (
        Packed(frame, CONCURRENCY_KEYS, {"concurrency_extension": Ratio("concurrency", "policy", baseline)})
        if whole
        else Packed(frame)
    )


def alternatives_table(rows: pl.DataFrame) -> Packed:
    """Every policy and precision with the time of its step."""
    frame = rows.select(*ALTERNATIVES_KEYS, *ALTERNATIVES_COLUMNS).sort(ALTERNATIVES_KEYS)
    return Packed(frame, derived={"latency_factor": Quotient("step_s", "resident_step_s")})


def listed(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    """A small table as it stands, for the header: its columns, each as plain values."""
    return {"rows": len(rows), "keys": {}, "columns": {name: {"values": rows[name].to_list()} for name in columns}}


def asked_table(rows: pl.DataFrame, queries: Iterable[Query]) -> Packed:
    """What tells rows apart and what queries name: a grid of the axes where every combination has a row, else a list.

    Args:
        rows: a result table.
        queries: those that ask it.
    """
    named = {word for query in queries for part in (query.value, *query.where) for word in re.findall(r"\w+", part)}
    rows = rows.select(
        name
        for name, kind in rows.schema.items()
        if name in named or name in {*SWEEP_KEYS, "context_tokens"} or kind in (pl.String, pl.Boolean)
    )
    keys = [name for name in rows.columns if name in {*SWEEP_KEYS, "context_tokens"}]
    sizes = [rows[key].n_unique() for key in keys]
    is_grid = bool(keys) and len(rows) == pl.Series(sizes).product() and not rows.select(keys).is_duplicated().any()
    return Packed(rows.sort(keys), tuple(keys)) if is_grid else Packed(rows)


def asked(
    queries: Iterable[tuple[str, Query | None]], engines: Mapping[str, str] = MappingProxyType({})
) -> dict[str, dict[str, Any]]:
    """Where each number or claim comes from: table, expression, what it says of the rows, and the profile if not the sweep's."""
    found = {name: asdict(query) | {"engine": engines.get(name)} for name, query in queries if query is not None}
    return {name: {key: value for key, value in own.items() if value is not None} for name, own in found.items()}
