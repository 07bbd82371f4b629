"""Figure 17: requests a second and GPU in time, by policy and precision: what replicas of each serve of a trace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, catalogued, read_rows
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.edge.traces import WORKLOADS_FILE, read_workloads
from prophet_memory.formats import DEFAULT_FORMAT, NATIVE
from prophet_memory.residency import residency_policy
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, SERIES, new_figure, save
from prophet_paper.looks import GREY

SIZE = 3.6


def main(
    *, goodput: Path, catalogue: Path, gpu_catalogue: Path, workloads: Path = WORKLOADS_FILE, study: dict[str, Any],
    output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        goodput: goodput.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        workloads: config/workloads.yaml
        study: JSON of what is served
        output: .pdf and .png files
    """
    rows, known = read_rows(goodput), read_workloads(workloads).traces
    models, gpus = catalogued(catalogue, "model"), catalogued(gpu_catalogue, "gpu")
    figure = new_figure(DOUBLE_COLUMN_INCHES, 3.3)
    panels = figure.subplots(1, len(study["cases"]), sharex=True, sharey=True, squeeze=False)[0]
    least = min((row["goodput_per_s_per_gpu"] for row in rows if row["goodput_per_s_per_gpu"]), default=1.0) / 3
    for axes, case in zip(panels, study["cases"], strict=True):
        own = [row for row in rows if all(row[key] == value for key, value in case.items())]
        published = NATIVE if any(row["precision"] == NATIVE for row in own) else DEFAULT_FORMAT
        own = [row | {"precision": NATIVE} if row["precision"] == published else row for row in own]
        draw_case(axes, own, study, list(known), least)
        count = f"{case['n_gpus']} × " if case["n_gpus"] > 1 else ""
        axes.set_title(f"{models[case['model']]['name']}\n{count}{gpus[case['gpu']]['name']}", fontsize=7.5)
    name_groups(panels[-1], study)
    words = f"{study['in_time_fraction']:.0%} of all are (first token {study['ttft_s']:g} s)"
    figure.supxlabel(f"Goodput: requests per second and GPU that are in time, where {words}", fontsize=7.5)
    handles = [
        Line2D([], [], linestyle="none", marker=SERIES[list(known).index(name)][1], color=SERIES[list(known).index(name)][0],
               markersize=SIZE + 0.6, label=known[name].name)
        for name in study["traces"]
    ]  # fmt: skip
    targets = [
        Line2D([], [], linestyle="none", marker="o", color=GREY, markerfacecolor=GREY if place == 0 else "none",
               markeredgewidth=0.8, markersize=SIZE + 0.6, label=f"{1e3 * tpot_s:g} ms a token")
        for place, tpot_s in enumerate(study["tpot_s"])
    ]  # fmt: skip
    figure.legend(handles=[*handles, *targets], loc="outside upper center", ncols=5, columnspacing=1.2, handletextpad=0.2)
    save(figure, output)


def draw_case(axes: Axes, rows: Sequence[Row], study: dict[str, Any], traces: Sequence[str], least: float) -> None:
    """A line for each precision and policy, a mark for each trace and target; words where nothing is in time."""
    policies = [one if isinstance(one, str) else next(iter(one)) for one in study["policies"]]
    lines = [(precision, policy) for precision in shown(study) for policy in policies]
    for place, (precision, policy) in enumerate(lines):
        own = [row for row in rows if (row["precision"], row["policy"]) == (precision, policy)]
        if not any(row["fits"] for row in own):
            axes.text(1.3 * least, place, "does not fit", fontsize=7, va="center")
        elif not any(row["goodput_per_s_per_gpu"] for row in own):
            axes.text(1.3 * least, place, "not in time", fontsize=7, va="center")
        for row in own:
            if row["goodput_per_s_per_gpu"]:
                colour, marker = SERIES[traces.index(row["trace"])]
                is_first = row["tpot_target_s"] == study["tpot_s"][0]
                axes.plot(row["goodput_per_s_per_gpu"], place, linestyle="none", marker=marker, color=colour, markersize=SIZE,
                          markerfacecolor=colour if is_first else "none", markeredgewidth=0.8, zorder=3)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(left=least)
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), [short(policy) for _, policy in lines])
    axes.tick_params(axis="y", length=0)
    for place in range(len(policies), len(lines), len(policies)):
        axes.axhline(place - 0.5, color=GREY, linewidth=0.5)


def name_groups(axes: Axes, study: dict[str, Any]) -> None:
    """The precision of each group of lines, at the right."""
    for place, name in enumerate(shown(study)):
        label = "as published" if name == NATIVE else PRECISION_LABELS.get(name, name)
        axes.text(1.02, (place + 0.5) * len(study["policies"]) - 0.5, label, transform=axes.get_yaxis_transform(), rotation=270,
                  fontsize=7, ha="left", va="center")  # fmt: skip


def shown(study: dict[str, Any]) -> list[str]:
    """Precisions: as published, and with fewer bits."""
    return [NATIVE, *(name for name in study["precisions"] if name not in {NATIVE, DEFAULT_FORMAT})]


def short(policy: str) -> str:
    """What a policy is called."""
    return residency_policy(policy).words.label


if __name__ == "__main__":
    script(main)
