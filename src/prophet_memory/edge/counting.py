"""Measured routing in files: config/routing/<model>.csv, or one of a user's own, as counts of each layer."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Len

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import CONFIG
from prophet_memory.edge.messages import error
from prophet_memory.errors import ModelError
from prophet_memory.fields import Described, Slug, Text
from prophet_memory.measured import FloatArray, ReplayedCaches, RoutingCounts
from prophet_memory.routing.zipf import Zipf

ROUTING_FOLDER = CONFIG / "routing"
COLUMNS = ("domain", "layer", "expert", "count")
VARIATION_FOLDER, VARIATION_COLUMNS = ROUTING_FOLDER / "variation", ("run", "layer", "coefficient_of_variation")
MEASURED_FOLDER, PUBLISHED_FOLDER = ROUTING_FOLDER / "measured", ROUTING_FOLDER / "published"
DISTINCT_COLUMNS = ("kind", "tokens", "layer", "samples", "mean", "sd", "p05", "p95", "p99")
ERROR = "error_percent"  # of predicted against measured
ERROR_COLUMNS = ("routing", "tokens", "predicted", "measured", ERROR, "worst_layer_percent")
OVERFLOW_COLUMNS = ("routing", "provision", "tokens", "layers_short", "steps_short")
TOPIC_COLUMNS = ("domain", "sequences", "tokens", "predicted", "measured", ERROR)
CACHE_COLUMNS = ("policy", "start", "batch", "resident_fraction", "hit_rate", "lowest_layer", "highest_layer")
WARM = "warm"  # caches that were full before the first step
PUBLISHED_COLUMNS = ("id", "model", "kind", "resident_fraction", "inferred", "hit_rate", "what", "source")
PUBLISHED_KINDS = ("lru", "engine", "static", "hindsight")
MOST_PLACES = 100_000  # layers, or experts


@dataclass(frozen=True, slots=True)
class RoutingSource(Described):
    """An entry of config/routing/sources.yaml."""

    source: Text
    licence: Text
    how: Text  # what was counted
    domains: Text  # what the domains are


RoutingSources = Annotated[dict[Slug, RoutingSource], Len(1)]


@dataclass(frozen=True, slots=True)
class MeasuredDistinct:
    """Distinct experts of batches of tokens from distinct sequences: the mean over layers, and quantiles of a layer."""

    mean: float
    sd: float
    p05: float
    p95: float
    p99: float


def counted_models() -> list[str]:
    """The models whose routing was measured."""
    return sorted(file.stem for file in ROUTING_FOLDER.glob("*.csv"))


def read_counts(file: Path, domain: str | None = None) -> RoutingCounts:
    """The counts in a file, of all domains together or of one.

    Raises:
        ConfigurationError: one line for a file that cannot be read, and for counts that no routing can have.
    """
    found: dict[tuple[int, int], float] = {}
    seen: set[tuple[str, int, int]] = set()
    for number, row in rows_of(file, COLUMNS):
        layer, expert, count = (number_of(file, number, row, name) for name in COLUMNS[1:])
        place = (row["domain"], int(layer), int(expert))
        if place in seen:
            raise error(file, f"line {number}", f"{place[0]}, layer {place[1]}, expert {place[2]}", "each of them once")
        seen.add(place)
        if domain in (None, row["domain"]):
            found[place[1], place[2]] = found.get((place[1], place[2]), 0.0) + count
    if not found:
        raise error(file, "domain", domain, ", ".join(sorted({name for name, _, _ in seen})) or "a row for each layer and expert")
    layers, experts = sorted({layer for layer, _ in found}), 1 + max(expert for _, expert in found)
    for layer in layers:
        for expert in range(experts):
            if (layer, expert) not in found:
                raise error(file, f"layer {layer}, expert {expert}", "missing", f"a count for each of {experts} experts")
    table = np.array([[found[layer, expert] for expert in range(experts)] for layer in layers])
    try:
        return RoutingCounts(tuple(layers), table)
    except ModelError as problem:
        raise error(file, problem.key, problem.value, problem.allowed) from None


def counts_of(model: str) -> RoutingCounts | None:
    """What was measured of a catalogue's model; None where nothing was."""
    file = ROUTING_FOLDER / f"{model}.csv"
    return read_counts(file) if file.is_file() else None


def caches_of(model: str) -> ReplayedCaches | None:
    """Warm caches that were replayed on a catalogue's model's tokens; None where no order of tokens was recorded.

    Raises:
        ConfigurationError: one line for a file that cannot be read.
    """
    file = MEASURED_FOLDER / f"{model}_caches.csv"
    if not file.is_file():
        return None
    rates: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for row in measured_hits(file):
        if row["start"] == WARM:
            own = rates.setdefault(str(row["policy"]), {}).setdefault(int(row["batch"]), [])
            own.append((float(row["resident_fraction"]), float(row["hit_rate"])))
    return ReplayedCaches({cache: {batch: sorted(each) for batch, each in own.items()} for cache, own in rates.items()})


def variations() -> dict[str, FloatArray]:
    """The coefficient of variation of the counts of each measured layer, by model; of a model with several runs, of all of them.

    Raises:
        ConfigurationError: one line for a file that cannot be read.
    """
    found = {model: counts.variation() for model in counted_models() if (counts := counts_of(model)) is not None}
    for file in sorted(VARIATION_FOLDER.glob("*.csv")):
        rows = rows_of(file, VARIATION_COLUMNS)
        found[file.stem] = np.array([number_of(file, number, row, VARIATION_COLUMNS[-1]) for number, row in rows])
    return found


@cache
def median_variation() -> float:
    """The median over the measured models of the median over their layers: how unlike experts are where nobody measured."""
    return float(np.median([np.median(layers) for layers in variations().values()]))


def median_skew(moe: MoE) -> Zipf:
    """Zipf's law whose inclusion probabilities vary as those of the median measured layer do.

    Of a model whose routing nobody measured, uniform routing and this law are the ends of a band.
    """
    return Zipf.of_variation(moe, median_variation())


def domains_of(file: Path) -> list[str]:
    """The domains of a file of counts. Raises ConfigurationError."""
    return sorted({row["domain"] for _, row in rows_of(file, COLUMNS)})


def measured_distinct(file: Path, kind: str = "batch") -> dict[int, MeasuredDistinct]:
    """What was measured at each number of tokens, by config/routing/measured/<model>_distinct.csv.

    Args:
        file: the table.
        kind: `batch` of tokens from distinct sequences, or `run` of consecutive tokens of one.

    Raises:
        ConfigurationError: for a file that cannot be read.
    """
    of_layers: dict[int, list[list[float]]] = {}
    for number, row in rows_of(file, DISTINCT_COLUMNS):
        if row["kind"] == kind and row["layer"] != "all":
            values = [number_of(file, number, row, name) for name in ("mean", "sd", "p05", "p95", "p99")]
            of_layers.setdefault(int(number_of(file, number, row, "tokens")), []).append(values)
    return {batch: MeasuredDistinct(*np.mean(layers, axis=0).tolist()) for batch, layers in sorted(of_layers.items())}


def measured_errors(file: Path) -> list[dict[str, str | float]]:
    """What laws that were fitted on half of the sequences say of the other half, and what is true. Raises ConfigurationError."""
    return _measured(file, ERROR_COLUMNS, words=1)


def measured_overflow(file: Path) -> list[dict[str, str | float]]:
    """How often steps of the other half need more experts than pools have slots. Raises ConfigurationError."""
    return _measured(file, OVERFLOW_COLUMNS, words=2)


def measured_topics(file: Path) -> list[dict[str, str | float]]:
    """Batches of a single data set, and what the frequencies of all say of them. Raises ConfigurationError."""
    return _measured(file, TOPIC_COLUMNS, words=1)


def measured_hits(file: Path) -> list[dict[str, str | float]]:
    """The hit rates of caches in config/routing/measured/<model>_caches.csv. Raises ConfigurationError."""
    return _measured(file, CACHE_COLUMNS, words=2)


def _measured(file: Path, columns: tuple[str, ...], words: int) -> list[dict[str, str | float]]:
    """The rows of a table whose first columns are words and whose others are numbers; errors are the reader's to compute."""
    return [
        {name: row[name] if name in columns[:words] else number_of(file, number, row, name) for name in columns if name != ERROR}
        for number, row in rows_of(file, columns)
    ]


def published_hits(file: Path) -> list[dict[str, str | float]]:
    """Hit rates that others published. Raises ConfigurationError."""
    found: list[dict[str, str | float]] = []
    for number, row in rows_of(file, PUBLISHED_COLUMNS):
        for name, allowed in (("kind", PUBLISHED_KINDS), ("inferred", ("yes", "no"))):
            if row[name] not in allowed:
                raise error(file, f"line {number}, {name}", row[name], f"one of {', '.join(allowed)}")
        numbers = {name: number_of(file, number, row, name) for name in ("resident_fraction", "hit_rate")}
        if wrong := [name for name, value in numbers.items() if value > 1]:
            raise error(file, f"line {number}, {wrong[0]}", row[wrong[0]], "a share from 0 to 1")
        found.append(dict(row) | numbers)
    return found


def checked_counts(file: Path, counts: RoutingCounts, moe_layers: int) -> RoutingCounts:
    """The counts, once they are known to be of a model with so many MoE layers. Raises ConfigurationError."""
    if counts.layers[-1] >= moe_layers:
        raise error(file, "layer", counts.layers[-1], f"0 to {moe_layers - 1}, the model's MoE layers")
    return counts


def rows_of(file: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with these columns and no others, each with its line. Raises ConfigurationError."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if tuple(reader.fieldnames or ()) != columns:
                raise error(file, "line 1", ",".join(reader.fieldnames or ()), ",".join(columns))
            rows = list(enumerate(reader, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        said = problem.strerror if isinstance(problem, OSError) else str(problem)
        allowed = f"a CSV file in UTF-8 with the columns {','.join(columns)}"
        raise ConfigurationError(f"{file}: file: {said}; allowed: {allowed}") from None

    for number, row in rows:
        if None in row or None in row.values():
            raise error(file, f"line {number}", ",".join(map(str, row.values())), f"{len(columns)} values: {','.join(columns)}")
    return rows


def number_of(file: Path, line: int, row: dict[str, str], name: str) -> float:
    """A column of a row as a number of at least 0, whole where it counts layers or experts. Raises ConfigurationError."""
    text = row[name]
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    is_place = name in {"layer", "expert"}
    if not 0 <= value < math.inf or (is_place and (value != int(value) or value > MOST_PLACES)):
        allowed = f"a whole number from 0 to {MOST_PLACES:,}" if is_place else "a number of at least 0"
        raise error(file, f"line {line}, {name}", text, allowed)
    return value
