"""Figure 5: how the usable KV extension spreads over GPUs and batch sizes, by number of experts; and what has no ratio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import catalogued, label_of, points
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.provision import PROVISIONS
from prophet_memory.sweeps import FIT_VERDICTS
from prophet_paper.figures import SINGLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLACK, BLUE, GREY, LIGHT_GREY

POINTS_BELOW_AXIS, POINTS_PER_LINE = 27, 9
BOX: dict[str, Any] = {
    "width": 0.62, "showfliers": False, "whis": (5, 95), "linewidth": 0.8, "linecolor": BLACK, "color": LIGHT_GREY, "zorder": 1,
}  # fmt: skip
DOTS: dict[str, Any] = {"size": 1.5, "jitter": 0.22, "color": BLUE, "alpha": 0.5, "linewidth": 0, "zorder": 2}


def count_configurations(axes: Axes, verdicts: pl.DataFrame, counts: Sequence[int]) -> None:
    """Under the axis: how many configurations a box shows, and how many have no ratio."""
    for line, verdict in enumerate(FIT_VERDICTS):
        down = POINTS_BELOW_AXIS + POINTS_PER_LINE * line
        look: dict[str, Any] = {
            "textcoords": "offset points", "va": "top", "fontsize": 7, "color": BLACK if line == 0 else GREY,
        }  # fmt: skip
        axes.annotate(verdict.replace("_", " "), (0, 0), (-2, -down), xycoords="axes fraction", ha="right", **look)
        for x, count in enumerate(counts):
            number = verdicts.filter(experts=count, fit_verdict=verdict).height
            axes.annotate(str(number), (x, 0), (0, -down), xycoords=("data", "axes fraction"), ha="center", **look)


def main(
    *, data: Path, catalogue: Path, laws: Path, policies: Path, policy: str, provision: str, routing: str, precision: str,
    output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        data: the long table, Parquet
        catalogue: model_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        policy: compared with the baseline
        routing: the law whose configurations are shown
        output: .pdf and .png files
    """
    models = catalogued(catalogue, "model")
    at = {"n_gpus": 1, "precision": precision, "policy": policy, "provision": provision, "routing": routing}
    found = points(data, keys=("model", "gpu", "batch_size"), at=at).with_columns(
        pl.col("model").replace_strict({slug: row["experts"] for slug, row in models.items()}).alias("experts")
    )
    counts, fitting = sorted(found["experts"].unique()), found.filter(fit_verdict="fits")
    x, y = fitting["experts"].to_list(), fitting["usable_kv_extension"].to_list()
    figure = new_figure(SINGLE_COLUMN_INCHES, 2.5)
    axes = figure.subplots()
    np.random.seed(0)  # noqa: NPY002 - seaborn's jitter takes the global generator
    sns.boxplot(x=x, y=y, order=counts, ax=axes, **BOX)
    sns.stripplot(x=x, y=y, order=counts, ax=axes, **DOTS)
    axes.axhline(1, color=BLACK, linewidth=0.8, zorder=0)
    axes.set_yscale("log", base=2)
    ticks = [2**n for n in range(10) if 2**n <= max(y, default=1) * 1.1]
    axes.set_yticks(ticks, [f"{tick}×" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("Routed experts per layer E")
    sized, law = PROVISIONS[provision].label, catalogued(laws, "routing")[routing]["label"]
    axes.set_ylabel(f"Usable KV extension of {label_of(policies, policy)}\n({law}, {sized}, {PRECISION_LABELS[precision]})")
    count_configurations(axes, found, counts)
    save(figure, output)


if __name__ == "__main__":
    script(main)
