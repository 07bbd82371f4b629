"""LaTeX table: what Prophet gains over the batches of each workload, on average and provided for the 99th percentile."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, catalogued, read_rows
from prophet_memory.edge.traces import WORKLOADS_FILE, Workloads, read_workloads
from prophet_paper.latex import Column, escape, long_table, with_group_rules

CAPTION = r"""What Prophet gains over the batches that requests enter, on {gpu}, bf16, {law}: on average with pools for the mean
    number of distinct experts at each batch (mean), and at the batch that all but one request in a hundred do not exceed, with
    pools for the 99th percentile of distinct experts (p99). Extensions are of
    usable KV tokens, sequences those of {context} tokens that fit at once, times those of a step over the one with every
    expert resident. Loads are the largest at which a sentence of the source document holds; traces run at {step_ms:g}\,ms a
    token. A dash: one side does not fit."""
COLUMNS = (
    Column("Workload"), Column("Model"), Column("mean", (2, 1)), Column("p99", (2, 0)), Column("mean", (2, 0)),
    Column("p99", (2, 0)), Column("mean", (1, 2)), Column("p99", (1, 2)), Column("Prophet", (3, 0)), Column("resident", (3, 0)),
    Column("mean", (2, 1)), Column("p99", (2, 1)),
)  # fmt: skip
SPANNING = (
    ("Batch", 3, 4), (r"Savings (\%)", 5, 6), (r"Extension ($\times$)", 7, 8), ("Sequences", 9, 10),
    (r"Step ($\times$)", 11, 12),
)  # fmt: skip


def main(
    *, weighted: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, workloads: Path = WORKLOADS_FILE, models: list[str],
    gpu: str, step_s: float, context_tokens: int, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        weighted: workload_weighted.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        workloads: config/workloads.yaml
        models: slugs
        gpu: an entry of the catalogue
        laws: law_catalogue.csv
        step_s: time per token of the traces
        context_tokens: of the sequences
        output: .tex file
    """
    known, names = read_workloads(workloads), {name: row["name"] for name, row in catalogued(catalogue, "model").items()}
    rows = [row for row in read_rows(weighted) if row["gpu"] == gpu and row["model"] in models]
    kept = [row for row in rows if row["workload"] in known.classes or row["workload"] in shown_traces(known)]
    grouped = []
    for key in dict.fromkeys((row["workload"], row["replicas"]) for row in kept):
        own = {row["model"]: row for row in kept if (row["workload"], row["replicas"]) == key}
        words = [*said_of(own[models[0]], known), *[""] * len(models)]
        grouped += [(key, line(own[model], names[model], words[place])) for place, model in enumerate(models)]
    context = f"{context_tokens:,}".replace(",", "{,}")
    caption = CAPTION.format(gpu=catalogued(gpu_catalogue, "gpu")[gpu]["name"], context=context, step_ms=1e3 * step_s,
                             law=escape(catalogued(laws, "routing")[rows[0]["routing"]]["label"]))  # fmt: skip
    text = long_table(COLUMNS, with_group_rules(grouped), caption=caption, label="tab:workloads", spanning_heads=SPANNING,
                 column_gap_points=3, size="scriptsize")  # fmt: skip
    write_text(output, text)


def shown_traces(known: Workloads) -> tuple[str, ...]:
    """The first trace of the first class: figures show the others."""
    return next(iter(known.classes.values())).traces[:1]


def said_of(row: Row, known: Workloads) -> list[str]:
    """A workload in two lines."""
    if row["workload"] in known.classes:
        one = known.classes[row["workload"]]
        return [one.name, f"{one.share:.0%} at batch ≤ {one.at_most}: load {row['decode_load']:.3g}"]
    return [known.traces[row["workload"]].name, f"{row['replicas']} replicas: load {row['decode_load']:.2g}"]


def line(row: Row, model: str, words: str) -> list[object]:
    """A model under a workload."""
    shares = [None if row[name] is None else 100 * row[name] for name in ("mean_savings_fraction", "p99_savings_fraction")]
    return [
        words, model, row["mean_batch_size"], row["p99_batch_size"], *shares, row["mean_usable_extension"],
        row["p99_usable_extension"], row["p99_concurrency"], row["baseline_concurrency"], row["mean_latency_factor"],
        row["p99_latency_factor"],
    ]  # fmt: skip


if __name__ == "__main__":
    script(main)
