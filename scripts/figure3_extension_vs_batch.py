"""Figure 3: the usable KV extension against batch size on the reference GPU, under each routing law, models that gain most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, catalogued, label_of, points
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.provision import PROVISIONS
from prophet_paper.figures import SERIES, SINGLE_COLUMN_INCHES, Law, laws_in_order, log2_batches, new_figure, save
from prophet_paper.looks import BLACK, GREY

SHOWN = 4  # models
BEYOND: dict[str, Any] = {"alpha": 0.45, "linestyle": (0, (1, 1.2)), "linewidth": 0.9, "zorder": 1.5}

Curves = Mapping[tuple[str, str], Sequence[Row]]  # by model and law, along the batch


def draw_model(axes: Axes, model: str, look: Mapping[str, Any], curves: Curves, laws: Sequence[Law]) -> None:
    """A curve a law, the first bold; dotted what sequences beyond the model's own maximum would add under the first."""
    for law in laws:
        rows = [row for row in curves.get((model, law.name), ()) if row["fit_verdict"] == "fits"]
        batches = [row["batch_size"] for row in rows]
        line: dict[str, Any] = {"linestyle": law.dash, "linewidth": 1.3 if law.is_first else 0.9}
        mark: dict[str, Any] = {
            "markerfacecolor": look["color"] if law.is_first else "white",
            "markeredgewidth": 0 if law.is_first else 0.7,
        }
        axes.plot(batches, [row["usable_kv_extension"] for row in rows], **look, **line, **mark, clip_on=False)
        if law.is_first:
            axes.plot(batches, [row["kv_extension"] for row in rows], color=look["color"], **BEYOND, clip_on=False)


def gaining_most(rows: Sequence[Row]) -> list[str]:
    """The models with the largest usable extensions at any batch, the largest first."""
    highest: dict[str, float] = {}
    for row in rows:
        if row["fit_verdict"] == "fits":
            highest[row["model"]] = max(highest.get(row["model"], 0), row["usable_kv_extension"])
    return sorted(highest, key=lambda model: -highest[model])[:SHOWN]


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
    swept = points(data, keys=("model", "routing", "batch_size"), at=at)
    order, rows = laws_in_order(laws), swept.sort("batch_size").to_dicts()
    curves = {
        key: part.to_dicts() for key, part in swept.sort("batch_size").partition_by("model", "routing", as_dict=True).items()
    }
    figure = new_figure(SINGLE_COLUMN_INCHES, 2.75)
    axes = figure.subplots()
    handles = []
    for (colour, marker), model in zip(SERIES, gaining_most(rows), strict=False):
        look: dict[str, Any] = {"color": colour, "marker": marker, "markeredgecolor": colour}
        draw_model(axes, model, look, curves, order)
        handles.append(Line2D([], [], **look, label=names[model]))
    for law in order:
        mark: dict[str, Any] = {"markerfacecolor": BLACK if law.is_first else "white", "markeredgewidth": 0.7}
        handles.append(Line2D([], [], color=BLACK, marker="o", linestyle=law.dash, **mark, label=law.label))
    handles.append(Line2D([], [], color=GREY, **BEYOND | {"alpha": 1}, label="beyond the model's own maximum"))
    axes.axhline(1, color=BLACK, linewidth=0.8, zorder=1)
    log2_batches(axes, sorted({row["batch_size"] for row in rows}))
    axes.set_ylim(bottom=0.9)
    axes.set_xlabel(f"Batch size, {shown}")
    axes.set_ylabel(
        f"Usable KV extension of {label_of(policies, policy)}\n({PROVISIONS[provision].label}, {PRECISION_LABELS[precision]})"
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=2, columnspacing=1.2)
    save(figure, output)


if __name__ == "__main__":
    script(main)
