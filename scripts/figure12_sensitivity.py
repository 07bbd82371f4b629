"""Figure 12: what each assumption does to the answers, one at a time (tornado) and all together (Sobol' indices)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, catalogued, read_rows
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, SERIES, new_figure, save
from prophet_paper.looks import BLACK, GREY, LIGHT_GREY

FACTORS = {
    "law": "law: Zipf or power", "exponent": "exponent (power law)", "zipf_s": "skew s (Zipf)",
    "activation_factor": "activations", "predictor_bytes": "predictor", "usable_fraction": "usable fraction",
    "engine": "engine", "kv_format": "KV format", "context_tokens": "context",
}  # fmt: skip
RESPONSES = {
    "usable_kv_extension": ("Usable KV extension", 1.0), "concurrency_extension": ("Concurrency extension", 1.0),
    "expert_savings_fraction": ("Expert savings (%)", 100.0),
}  # fmt: skip
SHOWN = 0.01  # below it an index is a line on the axis
GROUP = 0.78  # of a line, for the bars of its cases

Key = tuple[str, str, str]  # model, factor, response


def places(cases: int) -> list[float]:
    """Where the bars of a factor stand around its line."""
    return [GROUP * ((i + 0.5) / cases - 0.5) for i in range(cases)]


def draw_tornado(axes: Axes, found: Mapping[Key, Row], models: Sequence[str], response: str) -> None:
    """A bar from one end of each factor to the other; a stroke where the reference stands."""
    scale, height = RESPONSES[response][1], GROUP / len(models)
    for y, factor in enumerate(FACTORS):
        for model, shift, (colour, _) in zip(models, places(len(models)), SERIES, strict=False):
            row = found[model, factor, response]
            if None in (row["at_from"], row["at_to"], row["at_reference"]):
                continue
            ends = [scale * row[name] for name in ("at_from", "at_to", "at_reference")]
            axes.barh(y + shift, max(ends) - min(ends), height, left=min(ends), color=colour, linewidth=0)
            axes.plot([ends[2]] * 2, [y + shift - height / 2, y + shift + height / 2], color=BLACK, linewidth=0.8)
    axes.use_sticky_edges = False
    axes.margins(x=0.04)
    axes.set_title(RESPONSES[response][0])


def draw_indices(axes: Axes, found: Mapping[Key, Row], models: Sequence[str], response: str) -> None:
    """Total indices, pale, and of them what a factor does by itself."""
    height = GROUP / len(models)
    for model, shift, (colour, _) in zip(models, places(len(models)), SERIES, strict=False):
        for y, factor in enumerate(FACTORS):
            row = found[model, factor, response]
            if row["total"] is None:
                continue
            axes.barh(y + shift, min(row["total"], 1), height, color=colour, alpha=0.4, linewidth=0)
            axes.barh(y + shift, min(max(row["first_order"], 0), 1), height, color=colour, linewidth=0)
            ends = [min(max(row["total"] + sign * row["total_interval"], 0), 1) for sign in (-1, 1)]
            if row["total"] >= SHOWN:
                axes.plot(ends, [y + shift] * 2, color=BLACK, linewidth=0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("Share of the variance")


def shape(axes: Axes, *, heads: bool) -> None:
    """Factors as lines, those at the left named."""
    axes.set_yticks(range(len(FACTORS)), list(FACTORS.values()) if heads else [])
    axes.set_ylim(len(FACTORS) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    for y in range(1, len(FACTORS)):
        axes.axhline(y - 0.5, color=LIGHT_GREY, linewidth=0.4, zorder=0)


def main(*, alone: Path, together: Path, catalogue: Path, gpu_catalogue: Path, output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        alone: one_at_a_time.csv
        together: sobol.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        output: .pdf and .png files
    """
    rows, sobol = read_rows(alone), read_rows(together)
    models = list(dict.fromkeys(row["model"] for row in rows))
    by_one, by_all = ({(row["model"], row["factor"], row["response"]): row for row in each} for each in (rows, sobol))
    names, gpus = catalogued(catalogue, "model"), catalogued(gpu_catalogue, "gpu")
    where = {row["model"]: f"{gpus[row['gpu']]['name']}, batch {row['batch_size']}" for row in rows}
    figure = new_figure(DOUBLE_COLUMN_INCHES, 4.9)
    grid = figure.subplots(2, len(RESPONSES), squeeze=False)
    for column, response in enumerate(RESPONSES):
        draw_tornado(grid[0, column], by_one, models, response)
        draw_indices(grid[1, column], by_all, models, response)
        for line in (0, 1):
            shape(grid[line, column], heads=column == 0)
    handles: list[Any] = [
        Patch(color=colour, label=f"{names[model]['name']}, {where[model]}")
        for model, (colour, _) in zip(models, SERIES, strict=False)
    ]
    handles.append(Line2D([], [], color=BLACK, linewidth=0.8, label="reference"))
    handles.append(Patch(color=GREY, alpha=0.4, label="with others (total, 95 % interval)"))
    handles.append(Patch(color=GREY, label="by itself (first order)"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    save(figure, output)


if __name__ == "__main__":
    script(main)
