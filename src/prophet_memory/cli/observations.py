"""`prophet-memory observations compare`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from prophet_memory.cli.options import as_json
from prophet_memory.cli.render import gib, print_json, print_table, say
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.messages import hint, relative
from prophet_memory.edge.observing import OBSERVATIONS_FOLDER, comparison_rows, read_observations
from prophet_memory.edge.text import COMPONENT_LABELS
from prophet_memory.observations import NO_PROFILE, error_rows

COUNTS = frozenset({"kv_tokens", "kv_bytes_per_token", "kv_blocks", "max_concurrency"})
HEADS = (("run", False), ("quantity", False), ("measured", True), ("predicted", True), ("error", True), ("reason", False))
ERROR_HEADS = (
    ("engine", False), ("quantity", False), ("compared", True), ("unexplained", True), ("explained", True),
    ("no prediction", True), ("median", True), ("lowest", True), ("highest", True), ("left out", True), ("worst run", False),
)  # fmt: skip
ERRORS = ("lowest_error_fraction", "highest_error_fraction", "worst_error_fraction_left_out")


@click.group(name="observations")
def command() -> None:
    """Published measurements of engines: config/observations."""


@command.command(name="compare")
@click.option("--engine", help=f"a profile that observations have, or {NO_PROFILE} for engines without one")
@click.option("--run", "name", help="one run alone")
@click.option("--summary", is_flag=True, help="errors by engine and quantity alone")
@as_json
def compare(*, engine: str | None, name: str | None, summary: bool, as_json: bool) -> None:
    """What the memory model predicts beside what was measured, figure by figure, and the errors by engine and quantity.

    An error above zero promises more than the engine gave. Exit status: 0, or 2 for wrong input.
    """
    observations = read_observations()
    if not observations:
        raise ConfigurationError(f"{relative(OBSERVATIONS_FOLDER)}: file: none; allowed: a folder with observations")
    profiles = sorted({own.profile or NO_PROFILE for own in observations.values()})
    _known("--engine", engine, profiles)
    _known("--run", name, list(observations))
    rows = [
        row
        for row in comparison_rows(observations)
        if name in (None, row["run"]) and engine in (None, row["profile"] or NO_PROFILE)
    ]
    if not rows:
        allowed = f"{observations[str(name)].profile or NO_PROFILE}, the profile of the run"
        raise ConfigurationError(f"--engine: {json.dumps(engine)}; allowed: {allowed} {name}")
    errors = error_rows(rows)
    if as_json:
        print_json(errors if summary else rows)
        return
    if not summary:
        print_table(HEADS, [figure_line(row) for row in rows])
        for run in dict.fromkeys(row["run"] for row in rows if row["note"]):
            say(f"{run}: {observations[run].note}")
    print_table(ERROR_HEADS, [_errors(row) for row in errors])


def _known(option: str, value: str | None, names: Sequence[str]) -> None:
    if value is not None and value not in names:
        raise ConfigurationError(f"{option}: {json.dumps(value)}; allowed: {', '.join(names)}{hint(value, names)}")


def _amount(component: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.6g}" if component == "max_concurrency" else f"{value:,.0f}" if component in COUNTS else f"{gib(value)} GiB"


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:+.3f} %"


def figure_line(row: Mapping[str, Any]) -> tuple[str, ...]:
    """One row of the comparison, as people read it."""
    what = row["component"]
    amounts = (_amount(what, row[key]) for key in ("measured", "predicted"))
    said = row["reason"] or (f"not explained: {row['unexplained']}" if row["unexplained"] else "")
    return (row["run"], COMPONENT_LABELS[what], *amounts, _percent(row["error_fraction"]), said)


def _errors(row: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (str(row[key]) for key in ("compared", "unexplained", "explained", "not_predicted"))
    return (
        row["profile"],
        COMPONENT_LABELS[row["component"]],
        *counts,
        _percent(row["median_error_fraction"]).removeprefix("+"),  # of differences without their sign
        *(_percent(row[key]) for key in ERRORS),
        row["worst_run"] or "",
    )
