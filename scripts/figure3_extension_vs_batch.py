"""Figure 3: KV extension against batch size on the reference GPU, for every model that fits there, under each routing law."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, catalogued, label_of, points
from prophet_memory.edge.text import PRECISION_LABELS, multiplied
from prophet_memory.provision import PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, SERIES, laws_in_order, log2_batches, new_figure, save
from prophet_paper.looks import BLACK

BEYOND: dict[str, Any] = {"alpha": 0.6, "linestyle": (0, (2, 1.5)), "linewidth": 0.9, "zorder": 1.5}
LEVEL = 1.02  # an extension below it is a line on the line at 1


def draw_law(axes: Axes, curves: dict[str, list[Row]], looks: dict[str, dict[str, Any]], level: set[str]) -> None:
    """One panel: a curve per model; the usable extension of level ones is the line at 1, so only what lies beyond is drawn."""
    for model, look in looks.items():
        if rows := curves.get(model):
            x = [r["batch_size"] for r in rows]
            beyond = look | BEYOND if model in level else {"color": look["color"]} | BEYOND
            axes.plot(x, [r["kv_extension"] for r in rows], clip_on=False, **beyond)
            if model not in level:
                axes.plot(x, [r["usable_kv_extension"] for r in rows], clip_on=False, **look)
    axes.axhline(1, color=BLACK, linewidth=0.8, zorder=1)


def level_models(rows: list[Row]) -> set[str]:
    """Those whose usable extension nowhere leaves the line at 1, where what lies beyond does."""
    higher = {row["model"] for row in rows if row["usable_kv_extension"] >= LEVEL}
    return {row["model"] for row in rows if row["kv_extension"] != row["usable_kv_extension"]} - higher


def draw_legends(figure: Figure, looks: dict[str, dict[str, Any]], names: dict[str, str], level: set[str], where: str) -> None:
    """The curves; below them the models that stay level, by the dashes of what lies beyond their maximum."""
    drawn = [Line2D([], [], label=names[model], **look) for model, look in looks.items() if model not in level]
    dashed = [Line2D([], [], label=names[model], **look | BEYOND) for model, look in looks.items() if model in level]
    title = f"{'Models that fit' if looks else 'No model fits'}\non one {where}"
    beyond = f"Usable stays below {multiplied(LEVEL)}.\nDashed (all models): beyond\nthe model's own maximum"
    common: dict[str, Any] = {"title_fontsize": 7, "alignment": "left"}
    figure.legend(handles=drawn, loc="outside right upper", title=title, **common)
    if dashed:
        figure.legend(handles=dashed, loc="outside right lower", title=beyond, **common)


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
    provision: str, output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        data: the long table, Parquet
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        policy: compared with the baseline
        output: .pdf and .png files
    """
    names = {slug: row["name"] for slug, row in catalogued(catalogue, "model").items()}
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    at = {"gpu": gpu, "n_gpus": 1, "precision": precision, "policy": policy, "provision": provision}
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
    level = level_models(rows)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.7)
    panels = figure.subplots(1, len(order), sharey=True, squeeze=False)[0]
    for panel, law in zip(panels, order, strict=True):
        panel.set_ylim(0.9, 1.06 * max(highest.values(), default=1))
        log2_batches(panel, batches)
        draw_law(panel, curves[law.name], looks, level)
        panel.set_title(law.label)
        panel.set_xlabel("Batch size")
    draw_legends(figure, looks, names, level, shown)
    sized = PROVISIONS[provision].label
    panels[0].set_ylabel(f"Usable KV extension of {label_of(policies, policy)} ({sized}), {PRECISION_LABELS[precision]}")
    save(figure, output)


if __name__ == "__main__":
    script(main)
