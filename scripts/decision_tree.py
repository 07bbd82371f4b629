"""A shallow tree learned from what `recommend` says; how often both say the same, and how often the source document's does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, read_rows, write_rows
from prophet_memory.edge.traces import WORKLOADS_FILE, Leaf, read_workloads
from prophet_memory.formats import NATIVE
from prophet_paper.decision import FEWER_BITS, NOTHING, WORDS

FEATURES = tuple(WORDS)  # what may be asked
# By what the source document's policy can stand behind the best choice; nothing where it is the best, or does the same.
BEHIND = ("nothing", "total_gpus", "goodput_per_s_per_gpu", "tpot_s", "host_memory_bytes", "not_in_time")
SEED = 0  # of which feature is looked at first


def main(*, decisions: Path, workloads: Path = WORKLOADS_FILE, depth: int, policy: str, output: list[Path]) -> None:
    """Read decisions, learn, write.

    Args:
        decisions: decisions.csv
        workloads: config/workloads.yaml
        depth: of the tree
        policy: of the source document's tree
        output: CSV files of the tree's nodes, of how often it says what was computed, and of the source document's leaves
    """
    rows = read_rows(decisions)
    cases, answers = np.array([[float(row[name]) for name in FEATURES] for row in rows]), np.array([answer(row) for row in rows])
    tree = learned(cases, answers, depth)
    write_rows(list(nodes(tree)), output[0])
    models = np.array([row["model"] for row in rows])
    others = np.concatenate([
        learned(cases[models != one], answers[models != one], depth).predict(cases[models == one]) == answers[models == one]
        for one in dict.fromkeys(models.tolist())
    ]) if len(set(models.tolist())) > 1 else np.array([np.nan])  # fmt: skip

    def agreed(one: DecisionTreeClassifier) -> float:
        return float((one.predict(cases) == answers).mean())

    most = Counter(answers.tolist()).most_common(1)[0]
    write_rows([{
        "cases": len(rows), "depth": depth,
        "fidelity_fraction": agreed(tree), "fidelity_left_out_model_fraction": float(others.mean()),
        "one_question_fraction": agreed(learned(cases, answers, 1)), "most_common_answer": most[0],
        "most_common_fraction": most[1] / len(rows),
    }], output[1])  # fmt: skip
    write_rows(list(leaves(rows, read_workloads(workloads).tree, policy)), output[2])


def answer(row: Row) -> str:
    """The class of a case: the policy, and whether it took fewer bits than published."""
    if row["best_policy"] is None:
        return NOTHING
    return str(row["best_policy"]) + (FEWER_BITS if row["best_precision"] != NATIVE else "")


def learned(cases: np.ndarray, answers: np.ndarray, depth: int) -> DecisionTreeClassifier:
    """A tree of so many questions at most."""
    return DecisionTreeClassifier(max_depth=depth, random_state=SEED).fit(cases, answers)


def nodes(tree: DecisionTreeClassifier) -> Iterator[Row]:
    """The tree as rows; a case goes to `below` where its feature is at most the threshold, else to `above`.

    Questions are left out behind which every answer is the same.
    """
    own = tree.tree_
    said = [str(tree.classes_[int(own.value[place][0].argmax())]) for place in range(own.node_count)]

    def behind(place: int) -> set[str]:
        sides = own.children_left[place], own.children_right[place]
        return {said[place]} if sides[0] == sides[1] else behind(sides[0]) | behind(sides[1])

    def kept(place: int) -> Iterator[Row]:
        is_leaf, shares = len(behind(place)) == 1, own.value[place][0] / own.value[place][0].sum()
        yield {
            "node": place, "feature": None if is_leaf else FEATURES[own.feature[place]],
            "threshold": None if is_leaf else float(own.threshold[place]),
            "below": None if is_leaf else int(own.children_left[place]),
            "above": None if is_leaf else int(own.children_right[place]),
            "answer": said[place], "answer_fraction": float(shares.max()), "cases": int(own.n_node_samples[place]),
        }  # fmt: skip
        if not is_leaf:
            yield from kept(int(own.children_left[place]))
            yield from kept(int(own.children_right[place]))

    yield from kept(0)


def leaves(rows: list[Row], tree: tuple[Leaf, ...], policy: str) -> Iterator[Row]:
    """Of each leaf of the source document: its cases, how often it agrees, and by what its policy stands behind."""
    for leaf in tree:
        for fewer in (False, True):
            here = [row for row in rows if row["source_leaf"] == leaf.name and bool(row["may_have_fewer_bits"]) is fewer]
            said = Counter(answer(row) for row in here).most_common(1)
            more = [row[f"{policy}_total_gpus"] / row["best_total_gpus"] for row in here if row["behind_by"] == "total_gpus"]
            count, of = max(1, len(here)), Counter(row["behind_by"] for row in here)
            fractions = {f"behind_by_{name}_fraction": of[name] / count for name in BEHIND}
            yield {
                "source_leaf": leaf.name, "may_have_fewer_bits": int(fewer), "cases": len(here),
                "agreement_fraction": sum(row["source_agrees"] for row in here) / count,
                "most_common_answer": said[0][0] if said else None,
                "most_common_fraction": said[0][1] / count if said else None,
                **fractions, "median_gpus_over_best": median(more) if more else None,
            }  # fmt: skip


if __name__ == "__main__":
    script(main)
