"""Figure 3: KV extension against batch size on the reference GPU, for every model that fits there, under each routing law."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, catalogued, label_of, points
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, SERIES, laws_in_order, log2_batches, new_figure, save
from prophet_paper.looks import BLACK

BEYOND: dict[str, Any] = {"alpha": 0.35, "linestyle": (0, (2, 1.5)), "linewidth": 0.9, "zorder": 1.5}


def draw_law(axes: Axes, curves: dict[str, list[Row]], names: dict[str, str], looks: dict[str, dict[str, Any]]) -> None:
    """One panel: a curve per model."""
    for model, look in looks.items():
        if rows := curves.get(model):
            x = [r["batch_size"] for r in rows]
            axes.plot(x, [r["kv_extension"] for r in rows], color=look["color"], clip_on=False, **BEYOND)
            axes.plot(x, [r["usable_kv_extension"] for r in rows], label=names[model], clip_on=False, **look)
    axes.axhline(1, color=BLACK, linewidth=0.8, zorder=1)


def curve_looks(by_height: list[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each model; past the last colour, hollow markers on a thinner line."""
    looks = {}
    for i, model in enumerate(by_height):
        colour, marker = SERIES[i % len(SERIES)]
        again = {} if i < len(SERIES) else {"markerfacecolor": "white", "markeredgewidth": 0.8, "linewidth": 0.9}
        looks[model] = {"color": colour, "marker": marker, "markeredgecolor": colour} | again
    return looks


def main(
    *, data: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, gpu: str, precision: str, policy: str,
    output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        data: the long table, Parquet
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        policy: compared with the baseline
        output: .pdf and .png files
    """
    names = {slug: row["name"] for slug, row in catalogued(catalogue, "model").items()}
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    at = {"gpu": gpu, "n_gpus": 1, "precision": precision, "policy": policy}
    swept = points(data, keys=("model", "routing", "batch_size"), at=at).to_dicts()
    batches, order = sorted({row["batch_size"] for row in swept}), laws_in_order(laws)
    rows = [row for row in swept if row["fit_verdict"] == "fits"]
    curves: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda row: row["batch_size"]):
        curves[row["routing"]][row["model"]].append(row)
    highest: dict[str, float] = defaultdict(float)
    for row in rows:
        highest[row["model"]] = max(highest[row["model"]], row["kv_extension"])
    looks = curve_looks(sorted(highest, key=lambda model: -highest[model]))
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.7)
    panels = figure.subplots(1, len(order), sharey=True, squeeze=False)[0]
    for panel, law in zip(panels, order, strict=True):
        panel.set_ylim(0.9, 1.06 * max(highest.values(), default=1))
        log2_batches(panel, batches)
        draw_law(panel, curves[law.name], names, looks)
        panel.set_title(law.label)
        panel.set_xlabel("Batch size")
    title = f"{'Models that fit' if rows else 'No model fits'}\non one {shown}"
    handles, labels = panels[-1].get_legend_handles_labels()
    if rows:
        handles.append(Line2D([], [], color=BLACK, **BEYOND))
        labels.append("beyond the model's\nown maximum")
    figure.legend(handles, labels, loc="outside right upper", title=title, title_fontsize=7, alignment="left")
    panels[0].set_ylabel(f"Usable KV extension of {label_of(policies, policy)}, {PRECISION_LABELS[precision]}")
    save(figure, output)


if __name__ == "__main__":
    script(main)
