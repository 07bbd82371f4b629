"""LaTeX table: what Prophet gains on one GPU, as the sweep assumes an engine and under a profile held against engines."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, by_key, catalogued, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name
from prophet_memory.provision import PROVISIONS
from prophet_memory.residency import BASELINE
from prophet_paper.latex import Column, escape, table

OF_ENGINE = (Column("ext.", (1, 2)), Column("all", (2, 0)), Column("Pr.", (2, 0)))
CAPTION = r"""What {policy} gains on one {gpu} in {precision} ({law}, pools for {sized}), as the sweep assumes an engine
    (\emph{{{ideal}}}) and as {profile} holds memory. Ext.: usable KV extension at batch {batch}; \emph{{new}}: fits only with
    {policy}. All, Pr.: sequences of {context} tokens that fit at once with all experts resident and with {policy}. A dash:
    more than the model's own maximum, or an encoder-decoder, on which the profile is silent. Models that fit in neither way are
    left out. $\dagger$: published in fewer bits."""


def extension(row: Row | None) -> object:
    """The usable extension, or why there is none."""
    if row is None:
        return None
    return {"fits": row["usable_kv_extension"], "newly_fits": "new"}.get(row["fit_verdict"], "no")


def main(
    *, data: list[Path], concurrency: list[Path], catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, engines: Path,
    swept: str, profile: str, policy: str, gpu: str, batch_size: int, precision: str, routing: str, provision: str,
    context_tokens: int, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        data: the long table of the sweep, and that under the profile
        concurrency: concurrency.parquet of the sweep, and that under the profile
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        engines: engine_catalogue.csv
        swept: the engine of the sweep
        profile: the other
        context_tokens: of the sequences that are counted
        output: .tex file
    """
    at = {"gpu": gpu, "n_gpus": 1, "routing": routing, "precision": precision, "provision": provision}
    extended = [by_key(file, keys=("model",), at=at | {"batch_size": batch_size, "policy": policy}) for file in data]
    counted = [by_key(file, keys=("model", "policy"), at=at | {"context_tokens": context_tokens}) for file in concurrency]
    models, rows = in_paper_order(read_rows(catalogue)), []
    for model in models:
        cells: list[object] = []
        for gained, held in zip(extended, counted, strict=True):
            pair = [held.get((model["model"], one)) for one in (BASELINE.name, policy)]
            cells += [extension(gained.get((model["model"],))), *(row and row["concurrency"] for row in pair)]
        if isinstance(cells[0], float) or cells[0] == "new":
            rows.append([marked_name(model["name"], model["published_precision"], precision), *cells])
    heads = {row["engine"]: row["label"] for row in read_rows(engines)}
    caption = CAPTION.format(
        policy=escape(catalogued(policies, "policy")[policy]["label"]), gpu=escape(catalogued(gpu_catalogue, "gpu")[gpu]["name"]),
        precision=PRECISION_LABELS[precision], law=escape(catalogued(laws, "routing")[routing]["label"]),
        sized=PROVISIONS[provision].words, ideal=escape(heads[swept]), profile=escape(heads[profile]), batch=batch_size,
        context=f"{context_tokens:,}".replace(",", r"\,"),
    )  # fmt: skip
    spans = [(escape(heads[engine]), 2 + 3 * i, 4 + 3 * i) for i, engine in enumerate((swept, profile))]
    columns = (Column("Model"), *OF_ENGINE * 2)
    write_text(output, table(columns, rows, caption=caption, label="tab:headlines", spanning_heads=spans, column_gap_points=5))


if __name__ == "__main__":
    script(main)
