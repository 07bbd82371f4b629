"""Figure 4: expert savings of every model at every batch size, under each routing law."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.ticker import PercentFormatter

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import by_key, in_paper_order, read_rows
from prophet_memory.edge.text import percent
from prophet_memory.provision import PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, laws_in_order, new_figure, save


def main(*, curves: Path, catalogue: Path, laws: Path, provision: str, batch_sizes: list[int], output: list[Path]) -> None:
    """Read results, draw, write.

    Args:
        curves: expert_savings_curves.parquet
        catalogue: model_catalogue.csv
        laws: law_catalogue.csv
        provision: what resident pools are sized for
        batch_sizes: to show
        output: .pdf and .png files
    """
    models = in_paper_order(read_rows(catalogue))
    savings = by_key(curves, keys=("model", "routing", "batch_size"), at={"provision": provision})
    batches, order = sorted(batch_sizes), laws_in_order(laws)
    figure = new_figure(DOUBLE_COLUMN_INCHES, 0.55 + 0.16 * len(models))
    panels = figure.subplots(1, len(order), sharey=True, squeeze=False)[0]
    for panel, law in zip(panels, order, strict=True):
        grid = np.array([[savings[m["model"], law.name, batch]["expert_savings_fraction"] for batch in batches] for m in models])
        sns.heatmap(
            grid, ax=panel, cmap="Blues", vmin=0, vmax=1, cbar=False, annot=np.vectorize(percent)(grid), fmt="",
            annot_kws={"fontsize": 7}, xticklabels=False, yticklabels=False,
        )  # fmt: skip
        panel.set_title(law.label)
        panel.set_xticks(np.arange(len(batches)) + 0.5, [str(batch) for batch in batches])
        panel.set_xlabel("Batch size")
        panel.grid(visible=False)
        panel.tick_params(length=0)
        for y in range(1, len(models)):
            if models[y]["expert_count_group"] != models[y - 1]["expert_count_group"]:
                panel.axhline(y, color="white", linewidth=2)
    panels[0].set_yticks(np.arange(len(models)) + 0.5, [f"{m['name']}  ({m['experts']}, top-{m['top_k']})" for m in models])
    bar = figure.colorbar(panels[0].collections[0], ax=panels, fraction=0.025, pad=0.01, aspect=40)
    bar.set_label(f"Expert savings, {PROVISIONS[provision].label} (%)")
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    bar.outline.set_visible(False)
    save(figure, output)


if __name__ == "__main__":
    script(main)
