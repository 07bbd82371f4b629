"""What token-level routing says: counts, distinct experts of batches and runs, overlap, hits of caches, and errors of laws.

The tokens are no part of this repository (docs/routing.md); what is derived from them is committed, and nothing else needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prophet_memory.architecture import MoE
from prophet_memory.distinct import Distributed
from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import MODELS_FOLDER, read_model
from prophet_memory.edge.counting import ROUTING_FOLDER
from prophet_memory.edge.measuring import arrays_of, checked_routing
from prophet_memory.edge.messages import described_by
from prophet_memory.edge.tables import write_rows
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
from prophet_memory.provision import PROVISIONS
from prophet_memory.routing import RoutingLaw, routing_law
from prophet_memory.routing.beta import Beta
from prophet_memory.routing.frequency import Frequency
from prophet_memory.routing.uniform import Uniform
from prophet_memory.routing.zipf import Zipf

TOKENS = (1, 2, 4, 8, 16, 32, 64)
BATCHES, SHARES = (1, 4, 16, 64), (0.125, 0.25, 0.5, 0.75, 1.0)
DRAWS, SEED = 4000, 20261128
QUANTILES = {"p05": 0.05, "p95": 0.95, "p99": 0.99}


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
        architecture = read_model(file).architecture
    moe = architecture.moe
    arrays = arrays_of(tokens, sha256)
    routing = checked_routing(tokens, arrays, moe, architecture.moe_layer_count)
    halves = routing.of_sequences(range(0, routing.lengths.size, 2)), routing.of_sequences(range(1, routing.lengths.size, 2))
    write_rows(list(counts_by_domain(routing, arrays["dataset"])), folder / f"{model}.csv")
    measured = folder / "measured"
    write_rows(list(distinct_rows(routing)), measured / f"{model}_distinct.csv")
    write_rows(list(overlap_rows(routing, moe)), measured / f"{model}_overlap.csv")
    write_rows(list(cache_rows(*halves)), measured / f"{model}_caches.csv")
    write_rows(list(error_rows(*halves, moe)), measured / f"{model}_errors.csv")
    write_rows(list(overflow_rows(*halves, moe)), measured / f"{model}_overflow.csv")
    write_rows(list(topic_rows(routing, arrays["dataset"], moe)), measured / f"{model}_topics.csv")


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
        if not groups:  # fewer sequences than a batch has
            continue
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
    measured = {tokens: distinct_of_batches(served, tokens, DRAWS, generator).mean(axis=0) for tokens in TOKENS}
    for law in fitted_laws(moe, variation):
        bound = law.bind(moe, counts)
        for tokens, layers in measured.items():
            predicted, mean = float(bound.mean(tokens)), float(layers.mean())
            row = {"routing": law.name, "tokens": tokens, "predicted": predicted, "measured": mean}
            own = bound.means(tokens) if isinstance(bound, Distributed) else np.array([predicted])
            worst = float(np.abs(own / layers - 1).max())
            yield row | {"error_percent": 100 * (predicted / mean - 1), "worst_layer_percent": 100 * worst}


def overflow_rows(known: TokenRouting, served: TokenRouting, moe: MoE) -> Iterator[dict[str, Any]]:
    """How often a step of the other half needs more experts than a pool has slots: in a layer, and in any layer of a step."""
    counts = RoutingCounts(tuple(range(known.experts.shape[1])), known.counts())
    generator = np.random.default_rng(SEED + 2)
    for tokens in TOKENS[1:]:
        drawn = distinct_of_batches(served, tokens, DRAWS, generator)
        for law in (Uniform(), Frequency()):
            bound = law.bind(moe, counts)
            for of in (PROVISIONS[name] for name in ("mean", "p95", "p99")):
                pool = bound.means(tokens) if of.quantile is None else bound.quantiles_of_layers(tokens, of.quantile)
                over = drawn > pool
                row = {"routing": law.name, "provision": of.name, "tokens": tokens}
                yield row | {"layers_short": float(over.mean()), "steps_short": float(over.any(axis=1).mean())}


def topic_rows(routing: TokenRouting, domains: np.ndarray[Any, Any], moe: MoE) -> Iterator[dict[str, Any]]:
    """Batches of tokens of sequences of a single data set, against the frequencies of all of them together."""
    bound = Frequency().bind(moe, RoutingCounts(tuple(range(routing.experts.shape[1])), routing.counts()))
    generator = np.random.default_rng(SEED + 3)
    for domain in sorted(set(domains.tolist())):
        own = routing.of_sequences(np.flatnonzero(domains == domain).tolist())
        for tokens in (number for number in TOKENS if number <= own.lengths.size):
            mean, predicted = float(distinct_of_batches(own, tokens, DRAWS, generator).mean()), float(bound.mean(tokens))
            row = {"domain": domain, "sequences": own.lengths.size, "tokens": tokens}
            yield row | {"predicted": predicted, "measured": mean, "error_percent": 100 * (predicted / mean - 1)}


def fitted_laws(moe: MoE, variation: float) -> Iterable[RoutingLaw]:
    """The laws without a parameter, and the others at the median coefficient of variation over the layers."""
    fitted = Zipf.of_variation(moe, variation), Beta.of_variation(moe, variation)
    return [*map(routing_law, ("power_law", "uniform", "frequency")), *fitted, routing_law("worst_case")]


if __name__ == "__main__":
    script(main)
