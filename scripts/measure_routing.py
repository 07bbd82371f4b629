"""What token-level routing says: counts, distinct experts of batches and runs, overlap, hits of caches, and errors of laws.

The tokens are no part of this repository (docs/routing.md); what is derived from them is committed, and nothing else needs them.
"""

from __future__ import annotations

import hashlib
import io
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.configuration import MODELS_FOLDER, read_model
from prophet_memory.edge.counting import ROUTING_FOLDER
from prophet_memory.edge.messages import described_by
from prophet_memory.edge.tables import write_rows
from prophet_memory.inclusion import zipf_of_variation
from prophet_memory.locality import (
    Priority,
    TokenRouting,
    distinct_of_batches,
    distinct_of_runs,
    furthest_ahead,
    hit_rate,
    least_frequently_used,
    least_recently_used,
    most_popular,
    needed_steps,
    shared_with_previous,
)
from prophet_memory.measured import RoutingCounts
from prophet_memory.routing import RoutingLaw, routing_law

TOKENS = (1, 2, 4, 8, 16, 32, 64)
BATCHES, SHARES = (1, 4, 16), (0.125, 0.25, 0.5, 0.75, 1.0)
DRAWS, SEED = 4000, 20261128
QUANTILES = {"p05": 0.05, "p95": 0.95, "p99": 0.99}
REMOTE = ("https://", "http://")


def main(
    *, tokens: str, sha256: str, model: str = "gpt-oss-20b", folder: Path = ROUTING_FOLDER,
) -> None:  # fmt: skip
    """Read tokens, measure, write.

    Args:
        tokens: path or URL of an .npz with experts (token, layer, k), lengths and dataset of each sequence
        sha256: of that file
        model: the catalogue's name
        folder: where the tables go
    """
    file = MODELS_FOLDER / f"{model}.yaml"
    with described_by(file):
        moe = read_model(file).architecture.moe
    arrays = arrays_of(tokens, sha256)
    routing = checked_routing(tokens, arrays, moe)
    halves = routing.of_sequences(range(0, routing.lengths.size, 2)), routing.of_sequences(range(1, routing.lengths.size, 2))
    write_rows(list(counts_by_domain(routing, arrays["dataset"])), folder / f"{model}.csv")
    measured = folder / "measured"
    write_rows(list(distinct_rows(routing)), measured / f"{model}_distinct.csv")
    write_rows(list(overlap_rows(routing, moe)), measured / f"{model}_overlap.csv")
    write_rows(list(cache_rows(*halves)), measured / f"{model}_caches.csv")
    write_rows(list(error_rows(*halves, moe)), measured / f"{model}_errors.csv")


def arrays_of(place: str, expected: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a file that is what it should be."""
    try:
        content = urllib.request.urlopen(place).read() if place.startswith(REMOTE) else Path(place).read_bytes()  # noqa: S310
    except OSError as problem:
        raise ConfigurationError(f"{place}: file: {problem}; allowed: a path or URL that can be read") from None
    found = hashlib.sha256(content).hexdigest()
    if found != expected.lower():
        raise ConfigurationError(f"{place}: sha256: {found}; allowed: {expected}")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ("experts", "lengths", "dataset")}
    except (ValueError, KeyError, OSError) as problem:
        raise ConfigurationError(f"{place}: file: {problem}; allowed: an .npz with experts, lengths and dataset") from None


def checked_routing(place: str, arrays: dict[str, np.ndarray[Any, Any]], moe: MoE) -> TokenRouting:
    """The routing, if a model with this block can have it."""
    experts, lengths = arrays["experts"], arrays["lengths"].astype(np.int64)
    shape = list(experts.shape)
    if experts.ndim != 3 or shape[2] != moe.top_k:  # noqa: PLR2004 - token, layer, k
        raise ConfigurationError(f"{place}: experts: {shape}; allowed: (token, layer, {moe.top_k})")
    if lengths.min(initial=1) < 1 or lengths.sum() != shape[0] or arrays["dataset"].shape != lengths.shape:
        allowed = f"counts above 0 that sum to {shape[0]} tokens, each with a data set"
        raise ConfigurationError(f"{place}: lengths: {int(lengths.sum())}; allowed: {allowed}")
    ordered = np.sort(experts, axis=-1)
    if int(ordered.max()) >= moe.routed_experts or (np.diff(ordered.astype(np.int64), axis=-1) == 0).any():
        raise ConfigurationError(f"{place}: experts; allowed: {moe.top_k} different numbers below {moe.routed_experts}")
    return TokenRouting(experts, lengths, moe.routed_experts)


def counts_by_domain(routing: TokenRouting, domains: np.ndarray[Any, Any]) -> Iterator[dict[str, Any]]:
    """Counts of each layer and expert by data set."""
    for domain in sorted(set(domains.tolist())):
        own = routing.of_sequences(np.flatnonzero(domains == domain).tolist())
        for (layer, expert), count in np.ndenumerate(own.counts()):
            yield {"domain": domain, "layer": layer, "expert": expert, "count": int(count)}


def distinct_rows(routing: TokenRouting) -> Iterator[dict[str, Any]]:
    """Distinct experts of batches of tokens of distinct sequences and of runs of consecutive ones, by layer and over layers."""
    generator = np.random.default_rng(SEED)
    for tokens in TOKENS:
        drawn = distinct_of_batches(routing, tokens, DRAWS, generator)
        for kind, distinct in (("batch", drawn), ("run", distinct_of_runs(routing, tokens))):
            if not distinct.size:  # no sequence is so long
                continue
            columns = {"all": distinct.mean(axis=1)} | {str(layer): distinct[:, layer] for layer in range(distinct.shape[1])}
            for layer, numbers in columns.items():
                quantiles = {name: float(np.quantile(numbers, q, method="higher")) for name, q in QUANTILES.items()}
                row = {"kind": kind, "tokens": tokens, "layer": layer, "samples": numbers.size}
                yield row | {"mean": float(numbers.mean()), "sd": float(numbers.std())} | quantiles


def overlap_rows(routing: TokenRouting, moe: MoE) -> Iterator[dict[str, Any]]:
    """What consecutive tokens share."""
    chance = moe.top_k / moe.routed_experts
    by_frequency = (RoutingCounts(tuple(range(routing.experts.shape[1])), routing.counts()).inclusion(moe) ** 2).sum(
        axis=1
    ) / moe.top_k
    for layer, shared in enumerate(shared_with_previous(routing)):
        yield {"layer": layer, "shared": float(shared), "by_frequency": float(by_frequency[layer]), "by_chance": chance}


def cache_rows(known: TokenRouting, served: TokenRouting) -> Iterator[dict[str, Any]]:
    """Hit rates on half of the sequences; popularity is that of the other half, by which warm caches are filled, too."""
    frequency = known.counts()
    for batch in BATCHES:
        groups = needed_steps(served, batch)
        asked = np.array([needed.sum(axis=(0, 2)) for needed in groups])
        for share in SHARES:
            slots = round(share * served.expert_count)
            for start, warm in (("cold", None), ("warm", frequency)):
                for policy in ("lru", "lfu", "popular", "belady"):
                    rates = [hit_rate(needed, slots, priority(policy, needed, frequency), warm=warm) for needed in groups]
                    layers = (np.array(rates) * asked).sum(axis=0) / asked.sum(axis=0)
                    row = {"policy": policy, "start": start, "batch": batch, "resident_fraction": share}
                    yield row | {
                        "hit_rate": float(layers.mean()),
                        "lowest_layer": float(layers.min()),
                        "highest_layer": float(layers.max()),
                    }


def priority(policy: str, needed: np.ndarray[Any, Any], frequency: np.ndarray[Any, Any]) -> Priority:
    """A policy by its name."""
    known = {"lru": least_recently_used, "lfu": least_frequently_used}
    return known[policy] if policy in known else most_popular(frequency) if policy == "popular" else furthest_ahead(needed)


def error_rows(known: TokenRouting, served: TokenRouting, moe: MoE) -> Iterator[dict[str, Any]]:
    """Each law, fitted on half of the sequences, against the mean of the other half."""
    counts = RoutingCounts(tuple(range(known.experts.shape[1])), known.counts())
    variation = float(np.median(counts.variation()))
    generator = np.random.default_rng(SEED + 1)
    measured = {tokens: float(distinct_of_batches(served, tokens, DRAWS, generator).mean()) for tokens in TOKENS}
    for law in fitted_laws(moe, variation):
        bound = law.bind(moe, counts)
        for tokens, mean in measured.items():
            predicted = float(bound.mean(tokens))
            row = {"routing": law.name, "tokens": tokens, "predicted": predicted, "measured": mean}
            yield row | {"error_percent": 100 * (predicted / mean - 1)}


def fitted_laws(moe: MoE, variation: float) -> Iterable[RoutingLaw]:
    """The laws without a parameter, and the others at the median coefficient of variation over the layers."""
    share = moe.top_k / moe.routed_experts
    skew = round(zipf_of_variation(moe.routed_experts, moe.top_k, variation), 3)
    rho = round(variation**2 * share / (1 - share), 4)
    return map(routing_law, ["power_law", "uniform", "frequency", {"zipf": {"s": skew}}, {"beta": {"rho": rho}}, "worst_case"])


if __name__ == "__main__":
    script(main)
