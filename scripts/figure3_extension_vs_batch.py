"""Figure 3: KV extension against batch size on the reference GPU, for every model that fits there, under both routing laws."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from prophet_pipeline.command import script
from prophet_pipeline.figures import (
    BLACK,
    DOUBLE_COLUMN_INCHES,
    LAW_LABELS,
    SERIES,
    log2_batches,
    new_figure,
    save,
)
from prophet_pipeline.tables import Row, catalogued, laws_present, points
from prophet_pipeline.text import PRECISION_LABELS


def draw_law(axes: Axes, curves: dict[str, list[Row]], names: dict[str, str], looks: dict[str, dict[str, Any]]) -> None:
    """One panel: a curve per model."""
    for model, look in looks.items():
        if rows := curves.get(model):
            x, y = [r["batch_size"] for r in rows], [r["kv_extension"] for r in rows]
            axes.plot(x, y, label=names[model], clip_on=False, **look)
    axes.axhline(1, color=BLACK, linewidth=0.8, zorder=1)


def curve_looks(by_height: list[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each model; past the last colour, hollow markers on a thinner line."""
    looks = {}
    for i, model in enumerate(by_height):
        colour, marker = SERIES[i % len(SERIES)]
        again = {} if i < len(SERIES) else {"markerfacecolor": "white", "markeredgewidth": 0.8, "linewidth": 0.9}
        looks[model] = {"color": colour, "marker": marker, "markeredgecolor": colour} | again
    return looks


def main(*, data: Path, catalogue: Path, gpu_catalogue: Path, gpu: str, precision: str, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        data: the long table, Parquet
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        output: .pdf and .png files
    """
    names = {slug: row["name"] for slug, row in catalogued(catalogue, "model").items()}
    shown = catalogued(gpu_catalogue, "gpu")[gpu]["name"]
    at = {"gpu": gpu, "n_gpus": 1, "precision": precision, "policy": "prophet"}
    swept = points(data, keys=("model", "routing", "batch_size"), at=at).to_dicts()
    batches, shown_laws = sorted({row["batch_size"] for row in swept}), laws_present(swept)[::-1]
    rows = [row for row in swept if row["fit_verdict"] == "fits"]
    laws: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda row: row["batch_size"]):
        laws[row["routing"]][row["model"]].append(row)
    highest: dict[str, float] = defaultdict(float)
    for row in rows:
        highest[row["model"]] = max(highest[row["model"]], row["kv_extension"])
    looks = curve_looks(sorted(highest, key=lambda model: -highest[model]))
    figure = new_figure(DOUBLE_COLUMN_INCHES, 2.7)
    panels = figure.subplots(1, len(shown_laws), sharey=True, squeeze=False)[0]
    for panel, law in zip(panels, shown_laws, strict=True):
        panel.set_ylim(0.9, 1.06 * max(highest.values(), default=1))
        log2_batches(panel, batches)
        draw_law(panel, laws[law], names, looks)
        panel.set_title(LAW_LABELS[law])
        panel.set_xlabel("Batch size")
    title = f"{'Models that fit' if rows else 'No model fits'}\non one {shown}"
    handles_and_labels = panels[-1].get_legend_handles_labels()
    figure.legend(*handles_and_labels, loc="outside right upper", title=title, title_fontsize=7, alignment="left")
    panels[0].set_ylabel(f"KV extension, {shown}, {PRECISION_LABELS[precision]}")
    save(figure, output)


if __name__ == "__main__":
    script(main)
