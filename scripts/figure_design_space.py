"""Where in the design space Prophet at least doubles the KV capacity: by the load of the GPU and by sparsity, over batch size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from prophet_memory.architecture import MoE
from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.files import FLOAT_DECIMALS
from prophet_memory.edge.tables import points
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.residency import residency_policies
from prophet_memory.routing import RoutingLaw
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, Law, laws_in_order, new_figure, save
from prophet_paper.laws import laws_of
from prophet_paper.looks import BLACK

HALF = 0.5
BAND = (1.13, 1.22)  # where the row of models that take more than the GPU has stands, on the axis of the share
DARK = 0.5  # share from which a cell is dark enough for white text


def edges(centres: Sequence[float]) -> list[float]:
    """Borders of cells around centres on a logarithmic axis."""
    logs = np.log2(centres)
    steps = np.diff(logs) if len(logs) > 1 else np.ones(1)
    inner = logs[:-1] + steps / 2 if len(logs) > 1 else logs[:0]
    borders: list[float] = np.exp2([logs[0] - steps[0] / 2, *inner, logs[-1] + steps[-1] / 2]).tolist()
    return borders


def share(table: pl.DataFrame, row: str, rows: Sequence[float], batches: Sequence[int], part: str, whole: pl.Expr) -> np.ndarray:
    """Percentage `part` of `whole` per (row, batch); NaN where there is nothing to be a part of."""
    sums = table.group_by(row, "batch_size").agg(part=pl.col(part).sum(), whole=whole.sum())
    found = {(a, b): part / whole if whole else np.nan for a, b, part, whole in sums.iter_rows()}
    return np.array([[found.get((value, batch), np.nan) for batch in batches] for value in rows])


def ticks(batches: Sequence[int]) -> list[int]:
    """Every second power of two among some batches, which narrow panels have room for."""
    return [batch for batch in batches if batch.bit_count() == 1][::2]


def batch_axis(panel: Axes, batches: Sequence[int]) -> None:
    """Ticks at the powers of two, and no grid behind the cells."""
    panel.set_xscale("log", base=2)
    panel.set_xticks(ticks(batches), [str(batch) for batch in ticks(batches)])
    panel.set_xlim(edges(batches)[0], edges(batches)[-1])
    panel.minorticks_off()
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    panel.tick_params(axis="y", length=0)


def load_panel(panel: Axes, table: pl.DataFrame, batches: Sequence[int], steps: int) -> Any:  # noqa: ANN401 - what a colour bar takes
    """Rows by the share of the memory that all experts would take; the row on top takes more than there is."""
    column = "all_resident_fraction_from"
    below = [round(step / steps, FLOAT_DECIMALS) for step in range(steps)]
    if unknown := set(table[column].unique()) - {*below, 1.0}:
        raise ConfigurationError(f"--by-load: {column}: {min(unknown)}; allowed: {steps} steps from 0 to 1, as --load-steps says")
    doubled = share(table, column, below, batches, "at_least_doubled", pl.col("fits"))
    cells = panel.pcolormesh(edges(batches), [*below, 1.0], doubled, cmap="Blues", vmin=0, vmax=1)
    newly = share(table, column, [1.0], batches, "newly_fits", pl.col("configurations"))
    panel.pcolormesh(edges(batches), BAND, newly, cmap="Oranges", vmin=0, vmax=1)
    for batch, value in zip(batches, newly[0], strict=True):
        if np.isfinite(value) and batch in ticks(batches):
            panel.text(batch, sum(BAND) / 2, f"{100 * value:.0f}", ha="center", va="center_baseline", fontsize=7,
                       color="white" if value > DARK else BLACK)  # fmt: skip
    panel.text(edges(batches)[0], 1.02, "above: newly fits (%)", fontsize=7, va="bottom")
    panel.set_ylim(0, BAND[1])
    panel.set_yticks([0, 0.25, 0.5, 0.75, 1, sum(BAND) / 2], ["0", "25", "50", "75", "100", "> 100"])
    batch_axis(panel, batches)
    return cells


def sparsity_panel(panel: Axes, table: pl.DataFrame, batches: Sequence[int], law: RoutingLaw, look: Law) -> None:
    """Rows by octaves of E/k in which something fits, with the batch at which half the experts are active."""
    table = table.with_columns(octave=(pl.col("experts") / pl.col("top_k")).log(2).floor())
    occupied = table.filter(pl.col("fits") > 0)["octave"].to_list() or [0.0]
    octaves = [float(octave) for octave in range(int(min(occupied)), int(max(occupied)) + 1)]
    cells = share(table, "octave", octaves, batches, "at_least_doubled", pl.col("fits"))
    borders = [2.0 ** (octave + step) for octave, step in [*((o, 0) for o in octaves), (octaves[-1], 1)]]
    panel.pcolormesh(edges(batches), borders, cells, cmap="Blues", vmin=0, vmax=1)
    panel.set_yscale("log", base=2)
    panel.set_yticks(borders, [f"{border:.0f}" for border in borders])
    panel.set_ylim(borders[0], borders[-1])
    batch_axis(panel, batches)
    half_active(panel, set(table.select("experts", "top_k").rows()), batches, law, look)


def half_active(panel: Axes, pools: set[tuple[int, int]], batches: Sequence[int], law: RoutingLaw, look: Law) -> None:
    """A line through the batch sizes at which half of the experts are active, where the law gets there."""
    line = []
    for experts, top_k in sorted(pools, key=lambda pool: pool[0] / pool[1]):
        half = law.bind(MoE(experts, top_k, expert_intermediate_size=1)).batch_for(HALF)
        if half is not None:
            line.append((half, experts / top_k))
    if line:
        middle = math.sqrt(batches[0] * batches[-1])  # of a logarithmic axis
        named = min(line, key=lambda point: abs(math.log(point[0] / middle)))
        panel.plot(*zip(*line, strict=True), color=BLACK, linewidth=1, linestyle=look.dash)
        panel.annotate("half of the\nexperts active", named, xytext=(5, -4), textcoords="offset points",
                       va="top", fontsize=7)  # fmt: skip


def main(
    *, by_load: Path, by_sparsity: Path, precision: str, load_steps: int, laws: Path, policy: list[Any],
    output: list[Path],
) -> None:  # fmt: skip
    """Read the counts, draw, write.

    Args:
        by_load: counts by share of the memory that all experts would take
        by_sparsity: counts by number of experts and top-k
        precision: precision to show
        laws: law_catalogue.csv of the design space
        policy: JSON of the policy as config names it, in a list
        load_steps: steps of the share between 0 and 1
        output: .pdf and .png files
    """
    at, kept = {"precision": precision}, ("routing", "batch_size")
    loads = points(by_load, keys=(*kept, "all_resident_fraction_from"), at=at)
    sparsities = points(by_sparsity, keys=(*kept, "experts", "top_k"), at=at)
    batches = sorted(loads["batch_size"].unique().to_list())
    label = residency_policies(policy)[0].words.label
    looks, objects = laws_in_order(laws), {law.name: law for law in laws_of(laws)}
    looks.sort(key=lambda law: law.name)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.45)
    panels = figure.subplots(1, 2 * len(looks), squeeze=False)[0]
    by_load_panels, by_sparsity_panels = panels[: len(looks)], panels[len(looks) :]
    for law, above, below in zip(looks, by_load_panels, by_sparsity_panels, strict=True):
        cells = load_panel(above, loads.filter(routing=law.name), batches, load_steps)
        sparsity_panel(below, sparsities.filter(routing=law.name), batches, objects[law.name], law)
        for panel in (above, below):
            panel.set_title(law.label, fontsize=7.5)
            panel.set_xlabel("Batch size")
    by_load_panels[0].set_ylabel("GPU memory taken with\nall experts resident (%)")
    by_sparsity_panels[0].set_ylabel("E/k")
    for others in (by_load_panels[1:], by_sparsity_panels[1:]):
        for panel in others:
            panel.tick_params(labelleft=False)
    bar = figure.colorbar(cells, ax=panels, fraction=0.02, pad=0.01, aspect=30)
    shown = PRECISION_LABELS[precision]
    bar.set_label(f"KV capacity doubles\n(% of what fits without {label}, {shown})")
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    bar.outline.set_visible(False)
    save(figure, output)


if __name__ == "__main__":
    script(main)
