"""Concurrency: the most sequences that fit at once against their context, all experts resident and under a policy, by model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, compared_policies, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name, multiplied
from prophet_memory.provision import PROVISIONS
from prophet_paper.figures import DOUBLE_COLUMN_INCHES, new_figure, save
from prophet_paper.looks import BLUE, GREY, LIGHT_GREY

COLUMNS = 6
BASELINE: dict[str, Any] = {
    "color": GREY,
    "marker": "s",
    "markerfacecolor": "white",
    "markeredgewidth": 0.8,
    "markeredgecolor": GREY,
}
POLICY: dict[str, Any] = {"color": BLUE, "marker": "o"}
KIBI = 1024


def draw_model(axes: Axes, name: str, own: Sequence[Row], baseline: Sequence[Row]) -> None:
    """A panel: two lines over the contexts, and where they differ most."""
    contexts = [row["context_tokens"] for row in own]
    for rows, look in ((baseline, BASELINE), (own, POLICY)):
        axes.plot(contexts, [row["concurrency"] for row in rows], clip_on=False, zorder=2.5, **look)
    lower, upper = ([row["concurrency"] for row in rows] for rows in (baseline, own))
    axes.fill_between(contexts, lower, upper, color=LIGHT_GREY, alpha=0.5, linewidth=0)
    axes.set_title(name, fontsize=7)
    defined = [row for row in own if row["concurrency_extension"] is not None]
    most = max(defined, key=lambda row: row["concurrency_extension"], default=None)
    words = "newly fits" if most is None else multiplied(most["concurrency_extension"])
    if most is not None and most["concurrency_extension"] > 1:
        words += f" at {in_kibi(most['context_tokens'])}"
    axes.text(0.98, 0.99, words, transform=axes.transAxes, ha="right", va="top", fontsize=7)


def shape(axes: Axes, contexts: Sequence[int], most: int) -> None:
    """The same scales in every panel."""
    axes.set_xscale("log", base=2)
    axes.set_yscale("symlog", linthresh=1, linscale=0.6)  # a log that has a zero
    axes.set_xticks(contexts, list(map(in_kibi, contexts)))
    axes.set_xlim(contexts[0] / 1.5, contexts[-1] * 1.5)
    axes.set_ylim(0, 5 * most)
    axes.set_yticks([0, *(10**power for power in range(math.ceil(math.log10(5 * most))))])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())


def in_kibi(tokens: int) -> str:
    """8,192 tokens as 8k."""
    return f"{tokens / KIBI:.3g}k"


def shown_models(models: Sequence[Row], found: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Those of which a sequence fits."""
    return [model for model in models if any(row["concurrency"] for row in found.get(model["model"], ()))]


def main(
    *, concurrency: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, gpu: str, precision: str,
    routing: str, policy: str, provision: str, output: list[Path],
) -> None:  # fmt: skip
    """Read results, draw, write.

    Args:
        concurrency: concurrency.parquet
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        policy: compared with the baseline
        output: .pdf and .png files
    """
    baseline, compared = compared_policies(policies, policy)
    at = {"gpu": gpu, "n_gpus": 1, "precision": precision, "routing": routing, "provision": provision}
    rows = by_key(concurrency, keys=("model", "policy", "context_tokens"), at=at)
    contexts = sorted({tokens for _, _, tokens in rows})
    by_policy: dict[str, dict[str, list[Row]]] = {one["policy"]: {} for one in (baseline, compared)}
    for (model, name, _), row in sorted(rows.items(), key=lambda item: item[0][2]):
        if name in by_policy:
            by_policy[name].setdefault(model, []).append(row)
    own, all_resident = by_policy[policy], by_policy[baseline["policy"]]
    swept = [row for row in in_paper_order(read_rows(catalogue)) if row["model"] in own]
    models = shown_models(swept, own)
    without = [row["name"] for row in swept if row not in models]
    lines = max(1, -(-len(models) // COLUMNS))
    figure = new_figure(DOUBLE_COLUMN_INCHES, 0.45 + 1.05 * lines)
    grid = figure.subplots(lines, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    most = max(1, *(row["concurrency"] for row in rows.values()))
    for axes, model in zip(grid, models, strict=False):
        slug = model["model"]
        draw_model(axes, marked_name(model["name"], model["published_precision"], precision), own[slug], all_resident[slug])
    for place, axes in enumerate(grid):
        shape(axes, contexts, most)
        axes.set_visible(place < len(models))
        axes.tick_params(labelbottom=place + COLUMNS >= len(models), labelleft=place % COLUMNS == 0)
    shown, law = catalogued(gpu_catalogue, "gpu")[gpu]["name"], catalogued(laws, "routing")[routing]["label"]
    left_out = f"\nNot one of {in_kibi(contexts[0])} fits: {', '.join(without)}" if without else ""
    figure.supxlabel(f"Tokens of each sequence{left_out}", fontsize=7.5)
    figure.supylabel(
        f"Sequences at once, {shown}, {PRECISION_LABELS[precision]}, {law}, {PROVISIONS[provision].label}", fontsize=7.5
    )
    handles = [Line2D([], [], **look, label=one["label"]) for one, look in ((compared, POLICY), (baseline, BASELINE))]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    save(figure, output)


if __name__ == "__main__":
    script(main)
