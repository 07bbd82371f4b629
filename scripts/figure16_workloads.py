"""Figure 16: the batches that requests enter, by load, by trace and number of replicas, and by time per token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, read_rows
from prophet_memory.edge.traces import WORKLOADS_FILE, Workloads, read_workloads
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, SERIES, new_figure, save
from prophet_paper.looks import BLACK, GREY

MOST = 64  # batch size that is shown
BELOW: dict[str, Any] = {
    "loc": "upper center",
    "bbox_to_anchor": (0.5, -0.24),
    "labelspacing": 0.3,
    "borderaxespad": 0,
    "columnspacing": 0.8,
    "handlelength": 2.0,
}
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.4, 1.2, 1.4)))


def main(
    *, loads: Path, by_replicas: Path, batches: Path, workloads: Path = WORKLOADS_FILE, step_s: float, replicas: list[int],
    output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        loads: loads.csv
        by_replicas: trace_batches.csv
        batches: batch_distributions.csv
        workloads: config/workloads.yaml
        step_s: time per token of the middle panel
        replicas: of the middle panel
        output: .pdf and .png files
    """
    known, classes = read_workloads(workloads), {row["workload"]: row for row in read_rows(loads)}
    each = {key: list(own) for key, own in groupby(read_rows(batches), lambda row: (row["workload"], row["replicas"]))}
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.75)
    first, second, third = figure.subplots(1, 3)
    by_load(first, classes, each)
    by_trace(second, known, each, replicas)
    second.set_title(f"Traces by replicas, {1e3 * step_s:g} ms a token")
    reached(third, known, read_rows(by_replicas))
    for axes in (first, second):
        axes.set_xscale("log", base=2)
        axes.set_xlim(1 / 1.1, MOST)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("Batch size that a request enters")
    for axes in (first, second, third):
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(0, 103)
        axes.set_yticks(range(0, 101, 20))
    first.set_ylabel("Requests at most there (%)")
    save(figure, output)


def steps(axes: Axes, rows: Sequence[Row], **look: Any) -> None:  # noqa: ANN401 - as matplotlib has them
    """The share of the requests that enter a batch of at most so many."""
    sizes, shares = [row["batch_size"] for row in rows], np.cumsum([row["fraction"] for row in rows])
    axes.step([1, *sizes, MOST], [0, *(100 * shares), 100 * shares[-1]], where="post", **look)


def by_load(axes: Axes, classes: dict[str, Row], each: dict[tuple[str, int | None], list[Row]]) -> None:
    """A curve for each percentage of the source document, at the load that makes it true, and the point that it states."""
    handles = []
    for (name, one), (colour, marker), dash in zip(classes.items(), SERIES, DASHES, strict=False):
        steps(axes, each[name, None], color=colour, linestyle=dash)
        axes.plot(
            one["batch_size_at_most"], 100 * one["claimed_fraction"], marker=marker, color=colour, markersize=6, clip_on=False
        )
        busy = f"busy {100 * one['busy_fraction']:.0f}%"
        label = f"{one['name']}: load {one['load']:.3g}, {busy}"
        handles.append(Line2D([], [], color=colour, linestyle=dash, marker=marker, label=label))
    axes.set_title("Loads that make the claims true")
    axes.legend(handles=handles, **BELOW)


def by_trace(axes: Axes, known: Workloads, each: dict[tuple[str, int | None], list[Row]], replicas: Iterable[int]) -> None:
    """A colour and mark for each trace of a class, a dash for each number of replicas."""
    classed = {name for one in known.classes.values() for name in one.traces}
    looks = {name: look for name, look in zip(known.traces, SERIES, strict=False) if name in classed}
    for name, (colour, marker) in looks.items():
        for count, dash in zip(replicas, DASHES, strict=False):
            steps(axes, each[name, count], color=colour, linestyle=dash, marker=marker, markersize=2.8)
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", label=known.traces[name].name)
        for name, (colour, marker) in looks.items()
    ]
    handles += [
        Line2D([], [], color=BLACK, linestyle=dash, label=f"{count} replicas")
        for count, dash in zip(replicas, DASHES, strict=False)
    ]
    axes.legend(handles=handles, ncols=2, **BELOW)


def reached(axes: Axes, known: Workloads, rows: Sequence[Row]) -> None:
    """For the traces of chats, marked as in the middle: the share of the requests in small batches, by number of replicas."""
    chat = next(iter(known.classes.values()))
    times = sorted({row["step_s"] for row in rows})
    for name, (colour, marker) in zip(known.traces, SERIES, strict=False):
        if name not in chat.traces:
            continue
        for step_s, dash in zip(times, DASHES, strict=False):
            own = sorted(
                (row for row in rows if (row["trace"], row["step_s"]) == (name, step_s)), key=lambda row: row["replicas"]
            )
            axes.plot(
                [row["replicas"] for row in own], [100 * row[f"fraction_at_most_{chat.at_most}"] for row in own], color=colour,
                linestyle=dash, marker=marker, markersize=2.5,
            )  # fmt: skip
    axes.axhline(100 * chat.share, color=GREY, linewidth=0.6)
    axes.text(1.05, 100 * chat.share - 1.5, f"claimed: {chat.share:.0%}", fontsize=7, va="top")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("Replicas that share the trace")
    axes.set_title(f"Conversations at batch {chat.at_most} or less")
    handles = [Line2D([], [], color=BLACK, linestyle=dash, label=f"{1e3 * step_s:g} ms a token")
               for step_s, dash in zip(times, DASHES, strict=False)]  # fmt: skip
    axes.legend(handles=handles, **BELOW)


if __name__ == "__main__":
    script(main)
