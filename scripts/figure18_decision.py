"""Figure 18: the source document's decision tree, and the one that is learned from what serves each load with the fewest GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, read_rows
from prophet_memory.edge.traces import WORKLOADS_FILE, Leaf, read_workloads
from prophet_paper.decision import Node, learned_tree
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, GREY, LIGHT_GREY, PALE_BLUE

LEAF_INCHES, TITLES_INCHES, LEAF_COLUMNS = 0.26, 0.55, 2.2  # columns as wide as a question
MANY = 1000  # experts: more stand for no bound


def main(*, tree: Path, fidelity: Path, source: Path, workloads: Path = WORKLOADS_FILE, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        tree: decision_tree.csv
        fidelity: decision_fidelity.csv
        source: source_tree.csv
        workloads: config/workloads.yaml
        output: .pdf and .png files
    """
    (found,) = read_rows(fidelity)
    theirs = source_node(read_workloads(workloads).tree, read_rows(source))
    ours = learned_tree({row["node"]: row for row in read_rows(tree)})
    counts = [len(list(leaves_of(one))) for one in (theirs, ours)]
    figure = new_figure(DOUBLE_COLUMN_INCHES, LEAF_INCHES * sum(counts) + TITLES_INCHES)
    first, second = figure.subplots(2, 1, height_ratios=counts)
    columns = max(depth_of(theirs), depth_of(ours))
    draw(first, theirs, columns)
    first.set_title("The source document's tree: how often the computed choice agrees with each leaf (blue: Prophet)")
    draw(second, ours, columns)
    second.set_title(
        f"Learned: says what was computed in {found['fidelity_fraction']:.0%} of {found['cases']:,} cases, "
        f"the first question alone {found['one_question_fraction']:.0%}"
    )
    save(figure, output)


def source_node(tree: Sequence[Leaf], rows: Sequence[Row]) -> Node:
    """The source document's tree: by the batch that requests enter, then by experts."""
    batches = list(dict.fromkeys(leaf.batch_size for leaf in tree))
    children = []
    for first, last in batches:
        leaves = tuple(source_leaf(leaf, rows) for leaf in tree if leaf.batch_size == (first, last))
        children.append(Node(f"batch {first} to {last}", "", is_prophet=False, children=leaves))
    return Node("", "", is_prophet=False, children=tuple(children))


def source_leaf(leaf: Leaf, rows: Sequence[Row]) -> Node:
    """A leaf with what was computed where it applies."""
    first, last = leaf.experts
    question = f"{first} to {last} experts" if last < MANY else f"{first} experts and more"
    parts = []
    for row in rows:
        if row["source_leaf"] == leaf.name and row["cases"]:
            weights = "fewer bits allowed" if row["may_have_fewer_bits"] else "weights as published"
            parts.append(f"{row['agreement_fraction']:.0%} of {row['cases']:,}, {weights}")
    return Node(question, f"{leaf.name}: {'; '.join(parts)}", is_prophet="Prophet" in leaf.name)


def leaves_of(node: Node) -> Iterator[Node]:
    """Its leaves, top to bottom."""
    if not node.children:
        yield node
    for child in node.children:
        yield from leaves_of(child)


def depth_of(node: Node) -> int:
    """Questions to its farthest leaf."""
    return 1 + max(map(depth_of, node.children)) if node.children else 0


def draw(axes: Axes, root: Node, columns: int) -> None:
    """From left to right: a bracket for each question, the words of a leaf at its end."""
    deepest, places = depth_of(root), iter(range(len(list(leaves_of(root))) + 1))

    def placed(node: Node, level: int) -> float:
        x = level
        if not node.children:
            y = float(next(places))
            axes.text(deepest + 0.06, y, node.words, fontsize=7, va="center", linespacing=1.15,
                      bbox={"boxstyle": "round,pad=0.25", "facecolor": PALE_BLUE if node.is_prophet else "white",
                            "edgecolor": LIGHT_GREY, "linewidth": 0.5})  # fmt: skip
            axes.plot([x, deepest], [y, y], color=LIGHT_GREY, linewidth=0.7)
        else:
            each = [placed(child, level + 1) for child in node.children]
            y = sum(each) / len(each)
            axes.plot([x, x], [min(each), max(each)], color=GREY, linewidth=0.9)
            for at, child in zip(each, node.children, strict=True):
                axes.plot([x, x + 1], [at, at], color=GREY, linewidth=0.9)
                axes.text(x + 0.04, at - 0.05, child.question, fontsize=7, va="bottom", color=BLACK)
        return y

    placed(root, 0)
    axes.set_ylim(next(places) - 0.4, -0.7)
    axes.set_xlim(-0.05, columns + LEAF_COLUMNS)
    axes.set_axis_off()


if __name__ == "__main__":
    script(main)
