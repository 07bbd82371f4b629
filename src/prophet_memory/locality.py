"""Token-level routing: distinct experts of batches and of runs, what consecutive tokens share, and what caches of experts hit.

Routing is an array (token, layer, k) of expert numbers; the tokens of a sequence stand together, as many as `lengths` say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Experts = npt.NDArray[np.integer]
IntArray = npt.NDArray[np.int64]

NEVER = 2**40  # steps until an expert is needed that is not needed again


@dataclass(frozen=True, eq=False)
class TokenRouting:
    """The experts of each token in each layer, and the number of tokens of each sequence."""

    experts: Experts  # (token, layer, k)
    lengths: IntArray
    expert_count: int

    @property
    def starts(self) -> IntArray:
        """The first token of each sequence."""
        found: IntArray = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        return found

    def of_sequences(self, chosen: Sequence[int]) -> TokenRouting:
        """The routing of some sequences alone."""
        starts = self.starts
        tokens = np.concatenate([np.arange(starts[i], starts[i] + self.lengths[i]) for i in chosen])
        return TokenRouting(self.experts[tokens], self.lengths[list(chosen)], self.expert_count)

    def counts(self) -> FloatArray:
        """How many tokens have each expert among their k, as (layer, expert)."""
        layers = self.experts.shape[1]
        found = np.zeros((layers, self.expert_count))
        for layer in range(layers):
            found[layer] = np.bincount(self.experts[:, layer].ravel(), minlength=self.expert_count)
        return found


def distinct_of(tokens: Experts, expert_count: int) -> IntArray:
    """Distinct experts of groups of tokens: (group, token, layer, k) to (group, layer)."""
    groups, count, layers, top_k = tokens.shape
    flat = np.moveaxis(tokens, 2, 1).reshape(groups, layers, count * top_k).astype(np.int64)
    met = np.zeros((groups, layers, expert_count), np.bool_)
    np.put_along_axis(met, flat, values=True, axis=-1)
    found: IntArray = met.sum(axis=-1)
    return found


def distinct_of_batches(routing: TokenRouting, batch: int, draws: int, generator: np.random.Generator) -> IntArray:
    """Distinct experts of batches of one random token from each of so many distinct random sequences, as (draw, layer)."""
    starts, count = routing.starts, routing.lengths.size
    chosen = np.argsort(generator.random((draws, count)), axis=1)[:, :batch]
    offsets = (generator.random(chosen.shape) * routing.lengths[chosen]).astype(np.int64)
    return distinct_of(routing.experts[starts[chosen] + offsets], routing.expert_count)


def distinct_of_runs(routing: TokenRouting, run: int) -> IntArray:
    """Distinct experts of runs of consecutive tokens of one sequence, side by side, as (run, layer); of long enough sequences."""
    firsts = [
        np.arange(start, start + length - run + 1, run) for start, length in zip(routing.starts, routing.lengths, strict=True)
    ]
    places = np.concatenate(firsts).astype(np.int64)[:, None] + np.arange(run)
    return distinct_of(routing.experts[places], routing.expert_count)


def shared_with_previous(routing: TokenRouting) -> FloatArray:
    """The mean share of a token's experts that the token before had, too, by layer; by chance k / E."""
    follows = np.ones(routing.experts.shape[0], np.bool_)
    follows[routing.starts] = False
    now, before = routing.experts[follows], routing.experts[np.flatnonzero(follows) - 1]
    same = (now[..., :, None] == before[..., None, :]).any(axis=-1)
    found: FloatArray = same.mean(axis=(0, 2))
    return found


def needed_steps(routing: TokenRouting, batch: int) -> list[npt.NDArray[np.bool_]]:
    """Sequences in groups of so many, decoded together until the shortest ends: experts needed, as (step, layer, expert)."""
    starts, found = routing.starts, []
    layers = routing.experts.shape[1]
    for first in range(0, routing.lengths.size - batch + 1, batch):
        group = np.arange(first, first + batch)
        steps = int(routing.lengths[group].min())
        needed = np.zeros((steps, layers, routing.expert_count), np.bool_)
        for sequence in group:
            own = routing.experts[starts[sequence] : starts[sequence] + steps].astype(np.int64)
            np.put_along_axis(needed, own, values=True, axis=-1)
        found.append(needed)
    return found


Priority = Callable[[int, FloatArray, FloatArray], FloatArray]  # (step, last use, uses so far) -> which to keep, the largest


def hit_rate(
    needed: npt.NDArray[np.bool_], slots: int | IntArray, priority: Priority, *, warm: FloatArray | None = None
) -> FloatArray:
    """The share of needed experts that are resident when a step begins, by layer.

    After a step those of the highest priority stay, of the step's own experts and of those that were resident, as many as there
    are slots.

    Args:
        needed: (step, layer, expert).
        slots: experts that are resident in each layer, or a number for each.
        priority: which to keep, from the step, the step of the last use and the number of uses, each (layer, expert).
        warm: priorities by which the cache is filled before the first step; without them it is empty.
    """
    _, layers, experts = needed.shape
    last: FloatArray = np.full((layers, experts), -1.0)
    uses: FloatArray = np.zeros((layers, experts))
    resident = np.zeros((layers, experts), np.bool_) if warm is None else largest(warm, slots)
    hits, asked = np.zeros(layers), needed.sum(axis=(0, 2))
    for step, wanted in enumerate(needed):
        hits += np.count_nonzero(wanted & resident, axis=-1)
        np.copyto(last, step, where=wanted)
        uses += wanted
        known = resident | wanted
        resident = largest(np.where(known, priority(step, last, uses), -np.inf), slots) & known
    found: FloatArray = hits / np.maximum(asked, 1)
    return found


def largest(values: FloatArray, count: int | IntArray) -> npt.NDArray[np.bool_]:
    """Whether a value is among the largest of its row, so many or a number for each row; of equal ones the first."""
    order = np.argsort(-values, axis=-1, kind="stable")
    found = np.empty(values.shape, np.bool_)
    rows, places = np.ogrid[: values.shape[0], : values.shape[1]]
    found[rows, order] = places < np.asarray(count).reshape(-1, 1)
    return found


def least_recently_used(step: int, last: FloatArray, uses: FloatArray) -> FloatArray:
    """Keep what was used last."""
    del step, uses
    return last


def least_frequently_used(step: int, last: FloatArray, uses: FloatArray) -> FloatArray:
    """Keep what was used most often, of equal ones what was used last."""
    return uses + (last + 1) / (step + 2)


def most_popular(frequency: FloatArray) -> Priority:
    """Keep what is used most often by frequencies that are known before."""

    def priority(step: int, last: FloatArray, uses: FloatArray) -> FloatArray:
        del step, last, uses
        return frequency

    return priority


def furthest_ahead(needed: npt.NDArray[np.bool_]) -> Priority:
    """Keep what is needed soonest (Belady's optimum): no policy that fetches on demand misses less."""
    ahead = np.full(needed.shape, NEVER, np.int64)
    following = np.full(needed.shape[1:], NEVER, np.int64)
    for step in range(needed.shape[0] - 1, -1, -1):
        ahead[step] = following
        following = np.where(needed[step], step, following)

    def priority(step: int, last: FloatArray, uses: FloatArray) -> FloatArray:
        del last, uses
        return np.asarray(-ahead[step], np.float64)

    return priority
