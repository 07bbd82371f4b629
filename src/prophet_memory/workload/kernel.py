"""The loop of continuous batching, compiled: arrays in, arrays changed in place (docs/workloads.md).

A step takes the running sequences in the order of their admission, one token of each that decodes and a chunk of each whose
prompt is not read yet, then admits waiting ones, as long as tokens, sequences and cache allow. Where the cache runs out, the
sequence that was admitted last gives up its part and waits in front; what it had is computed again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from prophet_memory.workload.routes import ROUND_ROBIN, SHORTEST_QUEUE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NONE = -1


class Costs(NamedTuple):
    """What a step of so many new tokens takes, and what sequences hold; arrays by new tokens or by tokens of a context."""

    read_s: Floats
    compute_s: Floats
    beside_s: Floats
    asked_s: Floats
    waited_s: Floats
    overlap: float
    read_s_per_byte: float
    cache_bytes: Ints  # that a sequence of so many tokens has its steps read
    held_bytes: Ints  # and what it holds, whole blocks
    attended_s: Floats  # of a token that is decoded, with so many before it
    chunk_attended_s: Floats  # of a token of a chunk
    head_s: float  # of a sequence of the step
    budget_bytes: int
    step_tokens: int
    sequences: int


class State(NamedTuple):
    """Replicas and requests, and what is counted of steps."""

    clock_s: Floats  # by replica: when its last step ended
    used_bytes: Ints
    running: Ints
    waiting: Ints
    head: Ints
    tail: Ints
    slot: Ints  # (replica, place): the request, in the order of admission
    done: Ints  # tokens in its cache
    known: Ints  # tokens of its prompt and output so far
    scheduled: Ints  # tokens of this step
    arrival_s: Floats  # by request
    prompt: Ints
    output: Ints
    made: Ints
    behind: Ints
    replica: Ints
    first_s: Floats
    finish_s: Floats
    batch: Ints  # that its first token came with
    preempted: Ints
    steps: Ints  # by sequences of a step
    seconds: Floats
    decode_steps: Ints  # by tokens of a step that reads no prompt
    turn: Ints  # of the round robin


@njit(cache=True)
def serve(costs: Costs, state: State, routing: int, first: int, last: int, picks: Ints) -> None:
    """Let the requests from `first` up to `last` arrive, and replicas work until then."""
    for request in range(first, last):
        now = state.arrival_s[request]
        if routing == SHORTEST_QUEUE:
            for replica in range(state.clock_s.size):
                advance(costs, state, replica, now)
            chosen = 0
            for replica in range(1, state.clock_s.size):
                there = state.running[replica] + state.waiting[replica]
                if there < state.running[chosen] + state.waiting[chosen]:
                    chosen = replica
        elif routing == ROUND_ROBIN:
            chosen = state.turn[0]
            state.turn[0] = (chosen + 1) % state.clock_s.size
        else:
            chosen = picks[request]
        state.replica[request] = chosen
        longest = state.prompt[request] + state.output[request] - 1
        if longest >= costs.held_bytes.size or costs.held_bytes[longest] > costs.budget_bytes:
            continue  # it could never be served: its finish stays undefined
        advance(costs, state, chosen, now)
        if state.running[chosen] + state.waiting[chosen] == 0:
            state.clock_s[chosen] = max(state.clock_s[chosen], now)
        state.behind[request] = NONE
        if state.tail[chosen] == NONE:
            state.head[chosen] = request
        else:
            state.behind[state.tail[chosen]] = request
        state.tail[chosen] = request
        state.waiting[chosen] += 1


@njit(cache=True)
def finish(costs: Costs, state: State, until: float) -> bool:
    """Let every replica work until a time; whether nothing is left."""
    done = True
    for replica in range(state.clock_s.size):
        advance(costs, state, replica, until)
        done = done and state.running[replica] + state.waiting[replica] == 0
    return done


@njit(cache=True)
def advance(costs: Costs, state: State, replica: int, until: float) -> None:
    """The steps of a replica that start before a time."""
    while state.clock_s[replica] < until and state.running[replica] + state.waiting[replica] > 0:
        step(costs, state, replica)


@njit(cache=True, inline="always")
def step(costs: Costs, state: State, replica: int) -> None:
    """One step."""
    left, cache, attended, prompts, full = costs.step_tokens, 0, 0.0, 0, False
    place = 0
    while place < state.running[replica] and left > 0:
        tokens = min(left, state.known[replica, place] - state.done[replica, place])
        more = costs.held_bytes[state.done[replica, place] + tokens] - costs.held_bytes[state.done[replica, place]]
        while state.used_bytes[replica] + more > costs.budget_bytes and place < state.running[replica]:
            give_up(costs, state, replica)
            full = True
        if place >= state.running[replica]:
            break
        state.used_bytes[replica] += more
        cache += costs.cache_bytes[state.done[replica, place] + tokens]
        attended += seen_s(costs, tokens, state.done[replica, place])
        prompts += tokens > 1
        state.scheduled[replica, place] = tokens
        left -= tokens
        place += 1
    while not full and left > 0 and state.waiting[replica] > 0 and place < costs.sequences and place == state.running[replica]:
        request = state.head[replica]
        known = state.prompt[request] + state.made[request]
        tokens = min(left, known)
        if state.used_bytes[replica] + costs.held_bytes[tokens] > costs.budget_bytes:
            break
        state.head[replica] = state.behind[request]
        if state.head[replica] == NONE:
            state.tail[replica] = NONE
        state.waiting[replica] -= 1
        state.running[replica] += 1
        state.slot[replica, place], state.done[replica, place], state.known[replica, place] = request, 0, known
        state.used_bytes[replica] += costs.held_bytes[tokens]
        cache += costs.cache_bytes[tokens]
        attended += seen_s(costs, tokens, 0)
        prompts += 1
        state.scheduled[replica, place] = tokens
        left -= tokens
        place += 1
    new = costs.step_tokens - left
    taken = step_s(costs, new, cache, attended + place * costs.head_s)
    state.clock_s[replica] += taken
    state.steps[place] += 1
    state.seconds[place] += taken
    if prompts == 0:
        state.decode_steps[new] += 1
    settle(costs, state, replica, place)


@njit(cache=True, inline="always")
def seen_s(costs: Costs, tokens: int, before: int) -> float:
    """What so many new tokens of a sequence take to attend to those before them."""
    if tokens == 1:
        return float(costs.attended_s[before])
    return float(tokens * costs.chunk_attended_s[before + tokens // 2])


@njit(cache=True, inline="always")
def step_s(costs: Costs, new: int, cache: int, computed_s: float) -> float:
    """The time of a step, as `prophet_memory.latency.StepParts` has it."""
    own = max(costs.read_s[new] + cache * costs.read_s_per_byte, costs.compute_s[new] + computed_s) + costs.beside_s[new]
    return float(own + costs.asked_s[new] + costs.waited_s[new] - min(costs.overlap * own, costs.asked_s[new]))


@njit(cache=True, inline="always")
def give_up(costs: Costs, state: State, replica: int) -> None:
    """The sequence that was admitted last leaves its cache and waits in front."""
    place = state.running[replica] - 1
    request = state.slot[replica, place]
    state.used_bytes[replica] -= costs.held_bytes[state.done[replica, place]]
    state.running[replica] -= 1
    state.preempted[request] += 1
    state.behind[request] = state.head[replica]
    state.head[replica] = request
    if state.tail[replica] == NONE:
        state.tail[replica] = request
    state.waiting[replica] += 1


@njit(cache=True, inline="always")
def settle(costs: Costs, state: State, replica: int, places: int) -> None:
    """After a step tokens are made and complete sequences leave; those that were not scheduled stay as they are."""
    now, decoding = state.clock_s[replica], 0
    for place in range(places):
        state.done[replica, place] += state.scheduled[replica, place]
        if state.done[replica, place] == state.known[replica, place]:
            decoding += 1
    kept = 0
    for place in range(state.running[replica]):
        request = state.slot[replica, place]
        done, known = state.done[replica, place], state.known[replica, place]
        if place < places and done == known:
            state.made[request] += 1
            known += 1
            if state.made[request] == 1:
                state.first_s[request] = now
                state.batch[request] = decoding
            if state.made[request] == state.output[request]:
                state.finish_s[request] = now
                state.used_bytes[replica] -= costs.held_bytes[done]
                continue
        state.slot[replica, kept], state.done[replica, kept], state.known[replica, kept] = request, done, known
        kept += 1
    state.running[replica] = kept
