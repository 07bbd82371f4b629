"""`prophet-memory compare`: every policy and precision side by side for one model on some GPUs, best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from prophet_memory.alternatives import SAME, Asked, alternatives
from prophet_memory.cli.options import (
    BATCH,
    CACHE,
    COUNTS,
    CUSTOM_FORMS,
    ENGINE,
    FIXED_COSTS,
    GPUS,
    HOST_MEMORY_OPTION,
    HOST_OPTION,
    LAW_HELP,
    MTP,
    POLICY,
    PROVISION,
    ROUTING,
    STEP_TOKENS,
    Among,
    Number,
    Several,
    as_json,
    changed_assumptions,
    changed_timing,
    checked_context,
    default_layout_error,
    model_with_counts,
    open_gpu,
    spread_over,
)
from prophet_memory.cli.render import gib, print_json, print_table, say
from prophet_memory.cli.said import (
    hypothetical,
    law_in_words,
    left_out,
    partly_measured,
    said_of_caches,
    said_of_measured,
    said_of_pools,
    said_of_times,
    say_notes,
    say_warnings,
    unread_gpus,
    without_hardware,
)
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import ENGINES_FILE, said_of_profile
from prophet_memory.edge.files import FLOAT_DECIMALS
from prophet_memory.edge.messages import described_by, relative
from prophet_memory.edge.model_files import OpenedModel, open_model
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.edge.text import multiplied, precision_label, thousands
from prophet_memory.formats import DEFAULT_FORMAT, NATIVE, PRECISIONS
from prophet_memory.grid import Grid, Model
from prophet_memory.placement import CutBlocksError
from prophet_memory.provision import Provision
from prophet_memory.residency import POLICIES, ResidencyPolicy, residency_policies
from prophet_memory.routing import RoutingLaw

WEIGHTS = (DEFAULT_FORMAT, "int8", "int4")
HEADS = (
    ("policy", False), ("weights", False), ("GPU GiB", True), ("host GiB", True), ("hits", True), ("link MB", True),
    ("step ms", True), ("× resident", True), ("tokens/s/GPU", True), ("KV tokens", True), ("at once", True), ("", False),
)  # fmt: skip
COLUMNS_IN_WORDS = (
    "GPU GiB (beside the KV cache) and link MB (of a step) are of the fullest GPU, host GiB of all; × resident: in the same bits",
    "KV tokens are what is left at this batch; at once is how many such sequences fit where pools grow with them",
)
MEGA = 10**6


def default_precisions(opened: OpenedModel) -> list[str]:
    """16, 8 and 4 bit, and as published where that is none of them and holds for all layers that are counted."""
    own = opened.architecture
    return [*WEIGHTS, *([NATIVE] if own.is_published_alike and own.published_precision not in WEIGHTS else [])]


def answerable(policies: Sequence[ResidencyPolicy], law: RoutingLaw, model: Model) -> list[ResidencyPolicy]:
    """The policies whose caches the law can answer for, after a note that names the others."""
    if law.bind(model.architecture.moe, model.counts).popularity() is not None:
        return list(policies)
    others = [policy.name for policy in policies if policy.cache is not None]
    say_notes([f"{law.name} does not say which experts are popular: without {', '.join(others)}"])
    return [policy for policy in policies if policy.cache is None]


@click.command(name="compare")
@click.option("--model", required=True, help="name of the catalogue, catalogue file or config.json")
@MTP
@click.option("--gpu", required=True, help=f"name of the catalogue (prophet-memory gpus), or {CUSTOM_FORMS}")
@click.option("--n-gpus", type=GPUS, default=1, show_default=True, help="how many serve the model together")
@click.option("--batch", type=BATCH, help="sequences decoded together; default: the paper's")
@click.option(
    "--context", type=Number(1, 2**40), help="tokens of each sequence; default: config's, up to the model's own maximum"
)
@click.option(
    "--precisions", type=Several(Among(PRECISIONS)), help="of the weights, with commas; default: bf16, int8, int4, native"
)
@click.option("--policies", type=Several(POLICY), help="with commas, each as in lru_cache:resident_fraction=0.5; default: all")
@click.option("--routing", type=ROUTING, help=LAW_HELP)
@COUNTS
@PROVISION
@STEP_TOKENS
@click.option("--kv", "kv_format", type=CACHE, help="format of keys, values and latents; default: config's")
@click.option("--state", "state_format", type=CACHE, help="format of recurrent state; default: config's")
@ENGINE
@click.option("--usable-fraction", type=Number(fraction=True), help="of the GPU's memory; serving engines take 0.9")
@HOST_MEMORY_OPTION
@HOST_OPTION
@FIXED_COSTS
@as_json
def command(  # noqa: PLR0913 - one argument an option
    *, model: str, mtp: bool, gpu: str, n_gpus: int, batch: int | None, context: int | None, precisions: list[str] | None,
    policies: list[ResidencyPolicy] | None, routing: RoutingLaw | None, counts: Path | None, provision: Provision | None,
    engine: str | None, host_memory: str | None, host: tuple[int, int | None] | None, fixed_costs: bool | None, as_json: bool,
    **changes: Any,  # noqa: ANN401 - assumptions by name
) -> None:  # fmt: skip
    """Every policy and precision side by side: what fits and is fast first, what another one beats marked.

    A choice is dominated where another takes no more GPU memory and no more time a step. Times leave out
    what engines pay for each layer, unless --fixed-costs adds it.
    """
    settings = read_settings_alone()
    opened = open_model(model, stored=DEFAULT_FORMAT if precisions is None or NATIVE in precisions else precisions[0], mtp=mtp)
    architecture, law = opened.architecture, routing or settings.reference_law
    if architecture.is_dense:
        raise ConfigurationError(f"--model: {opened.slug}; allowed: a model with routed experts")
    assumptions, profile = changed_assumptions(settings.assumptions, engine, changes)
    own, sized = model_with_counts(opened, [law], counts), provision or settings.reference_provision
    chosen = answerable(residency_policies(list(POLICIES)), law, own) if policies is None else policies
    device, asked = open_gpu(gpu), batch or settings.paper.reference.batch_size
    held = checked_context(context, architecture) or settings.latency.context_tokens
    grid = Grid(
        [own],
        gpus=[device],
        n_gpus=[n_gpus],
        batch_sizes=[asked],
        routings=[law],
        precisions=precisions or default_precisions(opened),
        policies=chosen,
        provisions=[sized],
        layouts={n_gpus: spread_over(architecture, assumptions, n_gpus)},
    )
    timing = changed_timing(settings.latency, host_memory, host, fixed_costs)
    with described_by(opened.file), said_of_profile(profile.name):
        try:
            table = alternatives(grid, assumptions, Asked(held, timing))
        except CutBlocksError as problem:
            raise default_layout_error(problem, opened.slug) from None
    rows = sorted(table.to_dicts(), key=lambda row: (not row["fits"], row["step_s"], row["gpu_bytes"], row["precision"]))
    bounds = [policy.name for policy in chosen if policy.is_bound]
    spread = grid.layouts[n_gpus]
    notes = [
        *opened.notes, *partly_measured(own), *said_of_caches(own, chosen, law, asked * assumptions.tokens_per_sequence),
        *said_of_pools(own, chosen[-1], law, sized, [spread.expert]), *said_of_measured(own, law), *COLUMNS_IN_WORDS,
    ]  # fmt: skip
    doubts = dict.fromkeys(said for one in grid.precisions for said in hypothetical(architecture, str(one)))
    warnings = [
        *left_out(opened), *unread_gpus(profile, [device]),
        *without_hardware(profile, architecture, [device], grid.precisions), *doubts,
    ]  # fmt: skip
    if as_json:
        choices = [
            {name: rounded(value) for name, value in row.items()}
            | {"is_bound": row["policy"] in bounds, "dominated_by": beaten_by(row, rows, bounds)}
            for row in rows
        ]
        said = {"assumptions": asdict(assumptions), "timing": asdict(timing), "warnings": warnings, "notes": notes}
        print_json({"alternatives": choices, "layout": asdict(spread)} | said)
        return
    ways = f" ({spread.tensor}-way tensor, {spread.expert}-way expert parallel)" if n_gpus > 1 else ""
    say(f"{opened.name} on {n_gpus} x {gpu}{ways}, batch {asked}, {rows[0]['context_tokens']:,} tokens each", bold=True)
    print_table(HEADS, [line(row, rows, bounds) for row in rows])
    tokens = assumptions.tokens_per_sequence
    drafts = f", {tokens:,} tokens of each sequence a step" if tokens > 1 else ""
    say(f"assumed: {law_in_words(law)}, pools for {sized.words}{drafts}, KV {assumptions.kv_format}, "
        f"{profile.name} in {relative(ENGINES_FILE)}; {said_of_times(timing, chosen)}")  # fmt: skip
    if len(grid.precisions) > 1:
        say("Fewer bits cost accuracy, which nothing here judges: --precisions with one format compares policies alone.")
    say_warnings(warnings)
    say_notes(notes)


def rounded(value: object) -> object:
    """A number as results have it."""
    if not isinstance(value, float):
        return value
    return round(value) if value > MEGA else round(value, FLOAT_DECIMALS)  # bytes


def beaten_by(row: dict[str, Any], rows: Sequence[dict[str, Any]], bounds: Sequence[str]) -> str | None:
    """The fastest choice that takes no more GPU memory and no more time, and less of one; None where nothing does."""
    if not row["is_dominated"]:
        return None
    latest = (1 + SAME) * row["step_s"]
    for one in rows:
        if one["fits"] and one["policy"] not in bounds and one["gpu_bytes"] <= row["gpu_bytes"] and one["step_s"] <= latest:
            shorter = (1 + SAME) * one["step_s"] < row["step_s"]
            if shorter or any(one[name] < row[name] for name in ("gpu_bytes", "host_memory_bytes")):
                return f"{one['policy']} {one['precision']}"
    return None


def line(row: dict[str, Any], rows: Sequence[dict[str, Any]], bounds: Sequence[str]) -> tuple[str, ...]:
    """A row of the table."""
    held = row["usable_kv_capacity_tokens"]
    hits = "" if row["hit_rate"] is None else f"{row['hit_rate']:.0%}"
    weights = precision_label(row["precision"])
    return (
        row["policy"], weights, gib(row["gpu_bytes"]), gib(row["host_memory_bytes"]), hits,
        f"{row['host_link_bytes'] / MEGA:,.0f}", f"{1e3 * row['step_s']:,.1f}", multiplied(row["latency_factor"]),
        f"{row['tokens_per_s_per_gpu']:,.0f}", "" if held is None else thousands(held), f"{row['concurrency']:,}",
        "; ".join(remarks(row, rows, bounds)),
    )  # fmt: skip


def remarks(row: dict[str, Any], rows: Sequence[dict[str, Any]], bounds: Sequence[str]) -> Iterator[str]:
    """What a reader should know of a choice."""
    if not row["fits"]:
        yield f"does not fit with {row['batch_size']:,} x {row['context_tokens']:,} tokens"
    if row["policy"] in bounds:
        yield "a bound, nobody can build it"
    if better := beaten_by(row, rows, bounds):
        yield f"dominated by {better}"
