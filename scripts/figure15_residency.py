"""Figure 15: the latency of a step against what of its experts is resident, for predictors of several recalls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, catalogued, read_rows
from prophet_memory.edge.text import percent
from prophet_paper.alternatives import claimed_points
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, SERIES, new_figure, save
from prophet_paper.looks import GREY, VERMILLION

DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.4, 1.2, 1.4)))
APPROACH, CODE = "Prophet", "github:cyanmishra92/specMoE"  # in the source document, and its authors' public code


def draw_case(axes: Axes, curves: Sequence[Row], needed: Sequence[Row]) -> None:
    """A panel: a curve for each recall over what is missing, on a log scale, so that the last percent can be read."""
    for place, recall in enumerate(sorted({row["recall"] for row in curves})):
        own = [row for row in curves if row["recall"] == recall]
        colour, _ = SERIES[place]
        axes.plot(
            [1 - row["residency"] for row in own], [row["latency_factor"] for row in own], color=colour, linestyle=DASHES[place]
        )
    (bearable,) = {row["latency_factor"] for row in needed}
    axes.axhline(bearable, color=GREY, linewidth=0.6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, min(1 - row["residency"] for row in curves))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda left, _: percent(1 - left)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())


def main(
    *, curves: Path, needed: Path, hits: Path, claims: Path, catalogue: Path, gpu_catalogue: Path, cases: list[Any],
    batch_size: int, output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        curves: residency_curves.parquet
        needed: residency_needed.csv
        hits: cache_hits.csv
        claims: claims.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        cases: JSON of the cases, each a model, a GPU and how many
        output: .pdf and .png files
    """
    models, gpus = catalogued(catalogue, "model"), catalogued(gpu_catalogue, "gpu")
    (claimed,) = (point for point in claimed_points(read_rows(claims)) if point.approach == APPROACH)
    (stated,) = (row["hit_rate"] for row in read_rows(hits) if str(row["source"]).startswith(CODE))
    all_curves, all_needed = read_rows(curves), read_rows(needed)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.2)
    panels = figure.subplots(1, len(cases), sharey=True, squeeze=False)[0]
    for axes, case in zip(panels, cases, strict=True):
        at = case | {"batch_size": batch_size}
        own, least = (
            [row for row in rows if all(row[key] == value for key, value in at.items())] for rows in (all_curves, all_needed)
        )
        draw_case(axes, own, least)
        axes.plot(1 - stated, claimed.factors[0], marker="*", color=VERMILLION, markersize=7, linestyle="none", zorder=4)
        shares = [percent(row["residency"]) for row in sorted(least, key=lambda row: row["recall"])]
        axes.set_title(f"{models[case['model']]['name']}, {gpus[case['gpu']]['name']}", fontsize=7)
        words = f"{least[0]['latency_factor']:g}× takes {shares[0]}%,\n{shares[-1]}% if all is foreseen"
        axes.text(0.97, 0.96, words, transform=axes.transAxes, fontsize=7, ha="right", va="top")
    panels[0].set_ylim(0.9, 1.3 * max(row["latency_factor"] for row in all_curves if row["batch_size"] == batch_size))
    panels[0].set_ylabel(f"Times the resident step, batch {batch_size}")
    figure.supxlabel("Of the experts that a step activates, what is resident when it begins (%)", fontsize=7.5)
    recalls = sorted({row["recall"] for row in all_curves})
    handles = [
        Line2D([], [], color=SERIES[i][0], linestyle=DASHES[i], label=f"recall {recall:.0%}") for i, recall in enumerate(recalls)
    ]
    star = Line2D([], [], linestyle="none", marker="*", color=VERMILLION, markersize=7,
                  label=f"claimed: {claimed.factors[0]:g}× with hits of {percent(stated)}%")  # fmt: skip
    figure.legend(handles=[*handles, star], loc="outside upper center", ncols=len(handles) + 1)
    save(figure, output)


if __name__ == "__main__":
    script(main)
