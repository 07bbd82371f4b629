"""The benchmarks as a figure: cost against size, the kernel against a memory fill, the pipeline and public calculators."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, NullFormatter
from measure import FOLDER
from schedule import fitted

from prophet_memory.edge.tables import Row, read_rows
from prophet_memory.edge.text import thousands
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLUE, GREY, VERMILLION

BAR = 0.62
THOUSAND, MILLION = 1000, 1e6


def plain_numbers(axis: Axis) -> None:
    """10k and 1.00M instead of powers, which would need a mathematics font."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value < THOUSAND else thousands(int(value))))
    axis.set_minor_formatter(NullFormatter())


def size_panel(panel: Axes, rows: list[Row]) -> None:
    """Seconds against rows, with the line of a start and a constant cost a row."""
    sweeps = [row for row in rows if row["step"] == "sweep"]
    sizes, seconds = [row["rows"] for row in sweeps], [row["seconds"] for row in sweeps]
    start, slope = fitted(sizes, seconds)
    line = np.geomspace(sizes[0], sizes[-1], 100)
    panel.loglog(line, start + slope * line, color=GREY, linestyle=(0, (3, 2)), linewidth=0.8)
    panel.loglog(sizes, seconds, color=BLUE, marker="o", linestyle="none")
    panel.annotate(f"{start:.2g} s + {MILLION * slope:.2f} s a million rows", (line[60], start + slope * line[60]), ha="right",
                   xytext=(-2, 10), textcoords="offset points", color=GREY, fontsize=7)  # fmt: skip
    panel.minorticks_off()
    panel.set_ylim(start / 3, max(seconds) * 1.5)
    plain_numbers(panel.xaxis)
    plain_numbers(panel.yaxis)
    panel.set_title("Rows to Parquet, one core")
    panel.set_xlabel("Rows")
    panel.set_ylabel("Seconds, with Python's start")


def bars(panel: Axes, names: list[str], values: list[float], shown: Callable[[float], str], colours: list[str]) -> None:
    """Horizontal bars with their values, the first on top."""
    places = range(len(names))
    panel.barh(places, values, BAR, color=colours)
    for place, value in zip(places, values, strict=True):
        panel.annotate(shown(value), (value, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
    panel.set_yticks(places, names)
    panel.invert_yaxis()
    panel.tick_params(axis="y", length=0)
    panel.grid(visible=False, axis="y")


def main() -> None:
    """Read the tables, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, default=FOLDER, help="folder of the tables")
    parser.add_argument("--output", type=Path, nargs="+", default=[FOLDER / "benchmarks.pdf", FOLDER / "benchmarks.png"])
    args = parser.parse_args()
    tables = {name: read_rows(args.measured / f"{name}.csv") for name in ("scaling", "kernel", "pipeline", "calculators")}
    figure = new_figure(DOUBLE_COLUMN_INCHES, 4.2)
    ((size, kernel), (pipeline, calculators)) = figure.subplots(2, 2)
    size_panel(size, tables["scaling"])
    plain = [row for row in tables["kernel"] if row["cache"] == "plain"]
    shares = [100 * row["fraction_of_fill"] for row in plain]
    names = [f"{row['points']:,} points" for row in plain]
    bars(kernel, names, shares, lambda share: f"{share:.1f} %", [BLUE] * len(plain))
    kernel.set_title("Columns: bytes written, of a memory fill")
    kernel.set_xlabel("Share of the fill's rate (%)")
    kernel.set_xlim(right=1.25 * max(shares))
    runs = [row for row in tables["pipeline"] if not row["run"].startswith("planning")]
    colours, seconds = [GREY] + [BLUE] * (len(runs) - 1), [row["seconds"] for row in runs]
    bars(pipeline, [row["run"] for row in runs], seconds, lambda value: f"{value:.1f} s", colours)
    pipeline.set_title("The paper's pipeline, two cores")
    pipeline.set_xlabel("Seconds")
    pipeline.set_xlim(right=1.2 * max(seconds))
    others = tables["calculators"]
    colours, rates = [BLUE] + [VERMILLION] * (len(others) - 1), [row["configurations_per_s"] for row in others]
    bars(calculators, [row["calculator"] for row in others], rates, lambda rate: thousands(round(rate)), colours)
    calculators.set_xscale("log")
    calculators.minorticks_off()
    plain_numbers(calculators.xaxis)
    calculators.set_xlim(min(rates) / 10, 10 * max(rates))
    calculators.set_title("The same work by public calculators")
    calculators.set_xlabel("Configurations per second, one core")
    save(figure, args.output)


if __name__ == "__main__":
    main()
