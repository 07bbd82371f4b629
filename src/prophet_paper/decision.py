"""The learned decision tree in words: what its questions and answers are called, and the tree as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prophet_memory.edge.tables import Row
from prophet_memory.residency import residency_policy

NOTHING, FEWER_BITS = "nothing", "_fewer_bits"  # answers of decision_tree.csv: no policy, and what stands behind one
WORDS = {
    "may_have_fewer_bits": ("weights as published", "fewer bits allowed"),
    "tpot_target_s": ("≤ {:.0f} ms a token", "> {:.0f} ms a token"),
    "weights_over_gpu_memory": ("weights ≤ {:.1f} GPUs", "weights > {:.1f} GPUs"),
    "requests_per_s": ("≤ {:.2g} requests/s", "> {:.2g} requests/s"),
    "routed_experts": ("≤ {:.0f} experts", "> {:.0f} experts"),
    "context_tokens": ("≤ {:,.0f} tokens", "> {:,.0f} tokens"),
    "experts_over_top_k": ("E/k ≤ {:.0f}", "E/k > {:.0f}"),
    "memory_over_link_bandwidth": ("HBM/link ≤ {:.0f}", "HBM/link > {:.0f}"),
}
SCALES = {"tpot_target_s": 1e3}


class Node(NamedTuple):
    """A node: the answer to the question before it, what it says if it is a leaf, and its children."""

    question: str
    words: str
    is_prophet: bool  # whether it recommends the method of the source document
    children: tuple[Node, ...] = ()


def named(answer: str) -> str:
    """An answer in words."""
    if answer == NOTHING:
        return "nothing in time"
    policy = answer.removesuffix(FEWER_BITS)
    return residency_policy(policy).words.label + (", fewer bits" if answer.endswith(FEWER_BITS) else "")


def learned_tree(rows: Mapping[int, Row], place: int = 0, question: str = "") -> Node:
    """The rows of decision_tree.csv by node, from a node on."""
    row = rows[place]
    if row["feature"] is None:
        words = f"{named(row['answer'])} ({row['answer_fraction']:.0%} of {row['cases']:,})"
        return Node(question, words, row["answer"].startswith("prophet"))
    value = SCALES.get(row["feature"], 1) * row["threshold"]
    below, above = (words.format(value) for words in WORDS[row["feature"]])
    sides = ((row["below"], below), (row["above"], above))
    return Node(question, "", is_prophet=False, children=tuple(learned_tree(rows, at, words) for at, words in sides))


def as_text(node: Node, before: str = "") -> Iterator[str]:
    """The tree behind a node as lines."""
    for place, child in enumerate(node.children):
        is_last = place == len(node.children) - 1
        yield f"{before}{'└─' if is_last else '├─'} {child.question}{f': {child.words}' if child.words else ''}"
        yield from as_text(child, before + ("   " if is_last else "│  "))
