"""Figure 6: expert savings against batch size, by group of expert counts, under each routing law."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import cycle
from operator import itemgetter
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, in_paper_order, points, read_rows
from prophet_memory.provision import PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, SERIES, Law, laws_in_order, log2_batches, new_figure, save
from prophet_paper.looks import BLACK

COLUMNS = 3
POINTS_BELOW_AXIS = 27  # room for tick labels and axis label
LABEL_CHARACTERS = 34
SAME_SAVINGS = 1e-6
SHARED = "Savings depend on E/k alone, so models that share it share a curve."
NOTE_CHARACTERS = 49
LINE_OF_LEGEND = 0.13  # of a panel's height


def wrapped(text: str) -> str:
    """A label on as many lines as the width of a panel needs, model names unbroken."""
    return fill(text, LABEL_CHARACTERS, break_on_hyphens=False)


def line_look(law: Law, colour: str) -> dict[str, Any]:
    """Line of a law: the first bold with filled markers."""
    return {
        "linestyle": law.dash, "linewidth": 1.3 if law.is_first else 0.9, "markerfacecolor": colour if law.is_first else "white",
        "markeredgecolor": colour, "markeredgewidth": 0 if law.is_first else 0.7,
    }  # fmt: skip


def sharing(
    models: Sequence[Row], curves: dict[tuple[str, str], list[Row]], laws: Sequence[Law]
) -> list[tuple[Fraction, list[Row]]]:
    """Models of one E/k whose curves agree under every law: where savings depend on E/k alone, all of that ratio."""
    found: list[tuple[Fraction, list[float], list[Row]]] = []
    for model in models:
        ratio = Fraction(model["experts"], model["top_k"])
        own = [row["expert_savings_fraction"] for law in laws for row in curves[model["model"], law.name]]
        for other, drawn, members in found:
            if other == ratio and max(abs(a - b) for a, b in zip(own, drawn, strict=True)) < SAME_SAVINGS:
                members.append(model)
                break
        else:
            found.append((ratio, own, [model]))
    return sorted(((ratio, members) for ratio, _, members in found), key=itemgetter(0))


def draw_group(
    axes: Axes, models: Sequence[Row], curves: dict[tuple[str, str], list[Row]], batches: Sequence[int], laws: Sequence[Law]
) -> None:
    """One panel: a curve per ratio E/k, named after every model that lies on it."""
    handles = []
    for (colour, marker), (ratio, members) in zip(cycle(SERIES), sharing(models, curves, laws), strict=False):
        for law in laws:
            points = curves[members[0]["model"], law.name]
            x = [p["batch_size"] for p in points]
            y = [100 * p["expert_savings_fraction"] for p in points]
            swept = [i for i, batch in enumerate(x) if batch in batches]
            axes.plot(
                x, y, color=colour, marker=marker, markevery=swept, markersize=3.4 if law.is_first else 2.6,
                **line_look(law, colour), clip_on=False, zorder=3,
            )  # fmt: skip
        label = wrapped(", ".join(model["name"] for model in members) + f" (E/k\u00a0=\u00a0{float(ratio):.4g})")
        handles.append(Line2D([], [], color=colour, marker=marker, label=label))
    axes.set_ylim(0, 100)
    axes.set_yticks(range(0, 101, 25))
    log2_batches(axes, batches)
    below = axes.transAxes + ScaledTranslation(0, -POINTS_BELOW_AXIS / 72, axes.figure.dpi_scale_trans)
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0,
                borderpad=0, fontsize=7, labelspacing=0.4, handlelength=1.6)  # fmt: skip


def main(*, catalogue: Path, curves: Path, laws: Path, provision: str, batch_sizes: list[int], output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        catalogue: model_catalogue.csv
        curves: expert_savings_curves.parquet
        laws: law_catalogue.csv
        provision: what resident pools are sized for
        batch_sizes: of the sweep: ticks and markers
        output: .pdf and .png files
    """
    models, order = in_paper_order(read_rows(catalogue)), laws_in_order(laws)
    frame = points(curves, keys=("model", "routing", "batch_size"), at={"provision": provision})
    drawn = {key: part.to_dicts() for key, part in frame.partition_by(["model", "routing"], as_dict=True).items()}
    groups: dict[str, list[Row]] = defaultdict(list)
    for model in models:
        groups[model["expert_count_group"]].append(model)

    rows = -(-(len(groups) + 1) // COLUMNS)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.45 * rows)
    panels = figure.subplots(rows, COLUMNS, sharey=True).ravel()
    for panel, (label, members) in zip(panels, groups.items(), strict=False):
        draw_group(panel, members, drawn, batch_sizes, order)
        panel.set_title(f"{label.replace('-', '–')} experts per layer")
        panel.set_xlabel("Batch size (tokens per decode step)")
        panel.tick_params(labelleft=True)
    for panel in panels[::COLUMNS]:
        panel.set_ylabel(f"Expert savings, {PROVISIONS[provision].label} (%)")
    for panel in panels[len(groups) :]:
        panel.axis("off")
    handles = [Line2D([], [], color=BLACK, marker="o", **line_look(law, BLACK), label=law.label) for law in order]
    key = panels[len(groups)]
    key.legend(handles=handles, loc="upper left", fontsize=8, handlelength=3.2)
    curves_drawn = sharing(models, drawn, order)
    depends_on_ratio_alone = len(curves_drawn) == len({ratio for ratio, _ in curves_drawn})
    notes = [SHARED] * depends_on_ratio_alone + [law.note for law in order if law.note]
    top = 0.82 - LINE_OF_LEGEND * len(order)
    key.text(0.02, top, fill(" ".join(notes), NOTE_CHARACTERS), transform=key.transAxes, va="top", fontsize=7, linespacing=1.35)
    save(figure, output)


if __name__ == "__main__":
    script(main)
