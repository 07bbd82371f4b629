"""Figure 8: what the memory model predicts against what engines printed, a panel for each quantity, the worst runs by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, read_rows
from prophet_memory.edge.text import COMPONENT_LABELS
from prophet_memory.observations import COMPONENTS, NO_PROFILE
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, SERIES, new_figure, save
from prophet_paper.looks import GREY

GIB, KIB = 2**30, 2**10
# What a panel's axes count in, and how that is called.
SCALES = {"kv_bytes_per_token": (KIB, "KiB"), "kv_tokens": (1e3, "thousand tokens")}
IN_GIB = (GIB, "GiB")
LEAST_FIGURES = 2  # for a panel: the table has the others
NAMED = 2  # worst runs with a name in a panel
COLUMNS = 3
TITLE_PAD = 11
LEGEND_LINES = 2
WIDE = 100  # times the least value: from here a tick at each power of ten is enough
LEAST_SHOWN = 1e-4  # of a median
HOLLOW: Literal["none"] = "none"
HALF: Literal["left"] = "left"
WITHOUT = "as counted, without a profile"
EXACT = 5e-6  # fraction below which an error prints as none


def shown_error(fraction: float) -> str:
    """A signed error in percent."""
    return "±0 %" if abs(fraction) < EXACT else f"{100 * fraction:+.2g} %".replace("-", "\u2212")


def shown_size(fraction: float) -> str:
    """The size of an error in percent; what two decimals do not show is said to be less."""
    return f"{100 * fraction:.2f} %" if fraction >= LEAST_SHOWN else f"<{100 * LEAST_SHOWN:g} %"


def draw_panel(axes: Axes, component: str, rows: Sequence[Row], looks: Mapping[str, tuple[str, str]]) -> None:
    """Points about the identity line; hollow where the cause of a difference is known, half where there is none."""
    scale, unit = SCALES.get(component, IN_GIB)
    for row in rows:
        colour, marker = looks[row["profile"] or NO_PROFILE]
        face, style = "none" if row["reason"] else colour, HALF if row["unexplained"] else "full"
        axes.plot(row["measured"] / scale, row["predicted"] / scale, marker, color=colour, markerfacecolor=face, fillstyle=style,
                  markeredgecolor=colour, markerfacecoloralt="white", markeredgewidth=0.7, markersize=3)  # fmt: skip
    values = [row[key] / scale for row in rows for key in ("measured", "predicted")]
    ends = min(values) / 1.6, max(values) * 1.6
    axes.plot(ends, ends, color=GREY, linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if ends[1] < WIDE * ends[0] else (1,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_locator(NullLocator())
    plain = [row["error_fraction"] for row in rows if not row["reason"]]
    axes.set_title(f"{COMPONENT_LABELS[component]} ({unit})", fontsize=7.5, pad=TITLE_PAD)
    if plain:
        worst = shown_error(max(plain, key=abs))
        middle = shown_size(median(map(abs, plain))).removesuffix(" %")
        words = f"{len(plain)}: median {middle}, worst {worst}"
        axes.annotate(words, (0, 1), (0, 2), xycoords="axes fraction", textcoords="offset points", va="bottom", fontsize=7)
    name_worst(axes, rows, scale)


def name_worst(axes: Axes, rows: Sequence[Row], scale: float) -> None:
    """Letters at the worst points, and below the panel what they are."""
    worst, said = sorted(rows, key=lambda row: -abs(row["error_fraction"]))[:NAMED], []
    for place, row in enumerate(worst):
        at, letter = (row["measured"] / scale, row["predicted"] / scale), "abcdef"[place]
        axes.annotate(letter, at, xytext=(3, -6), textcoords="offset points", fontsize=7, style="italic")
        said.append(f"{letter} {row['run']} {shown_error(row['error_fraction'])}")
    axes.set_xlabel("\n".join(said), loc="left", fontsize=7)


def main(*, observations: Path, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        observations: observations.csv
        output: .pdf and .png files
    """
    known = [row for row in read_rows(observations) if row["predicted"] is not None]
    known.sort(key=lambda row: COMPONENTS.index(row["component"]))
    panels = [(name, list(rows)) for name, rows in groupby(known, key=lambda row: row["component"])]
    panels = [(name, rows) for name, rows in panels if len(rows) >= LEAST_FIGURES]
    profiles = sorted(
        {row["profile"] or NO_PROFILE for _, rows in panels for row in rows}, key=lambda name: (name == NO_PROFILE, name)
    )
    looks = {profile: SERIES[i % len(SERIES)] for i, profile in enumerate(profiles)}
    lines = -(-len(panels) // COLUMNS)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 0.2 + 0.15 * LEGEND_LINES + 1.85 * lines)
    grid = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axes, (component, rows) in zip(grid, panels, strict=False):
        draw_panel(axes, component, rows, looks)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("measured by the engine (and below each panel: its worst runs)", fontsize=7.5)
    figure.supylabel("predicted", fontsize=7.5)
    handles = [
        Line2D([], [], color=c, marker=m, linestyle="none", label=WITHOUT if profile == NO_PROFILE else profile)
        for profile, (c, m) in looks.items()
    ]
    for style, label in ((HOLLOW, "hollow: the cause is known"), (HALF, "half: the cause is not known")):
        handles.append(Line2D([], [], color=GREY, marker="o", fillstyle=style, markerfacecoloralt="white", markeredgewidth=0.8,
                              linestyle="none", label=label))  # fmt: skip
    figure.legend(handles=handles, loc="outside upper right", ncols=-(-len(handles) // LEGEND_LINES))
    save(figure, output)


if __name__ == "__main__":
    script(main)
