"""LaTeX table: what a chunk of a prompt activates and fetches, by model."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import by_key, catalogued, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name
from prophet_memory.provision import PROVISIONS
from prophet_paper.latex import Column, escape, table, with_group_rules

GIB, GB = 2**30, 1e9
OF_ONE_CHUNK = (Column("active (\\%)", (3, 1)), Column("GiB", (4, 1)), Column("s", (3, 2)))
CAPTION = r"""What a prefill chunk does: the experts of a layer that its tokens activate ({law}), what of them must be
    fetched because the pool has no slot for it (GiB over all layers, {precision}), and the seconds that this takes over the
    host link of one {gpu} at {link} GB/s, whatever a predictor says. The pool of {policy} is sized for {sized} at batch
    {batch}; \emph{{pool}}: its slots a layer. $\dagger$: published in fewer than 16~bits, so that bf16 is hypothetical.
    Models with an encoder are left out: it reads a prompt as a whole."""


def main(
    *, chunks: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        chunks: prefill_chunks.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        output: .tex file
    """
    found = by_key(chunks, keys=("model", "chunk_tokens"), at=one_point(read_rows(chunks)[0]))
    tokens = sorted({chunk for _, chunk in found})
    point = next(iter(found.values()))
    rows = []
    for model in in_paper_order(read_rows(catalogue)):
        own = [found[key] for chunk in tokens if (key := (model["model"], chunk)) in found]
        if not own:
            continue
        cells: list[object] = [marked_name(model["name"], model["published_precision"], point["precision"])]
        cells += [model["experts"], own[0]["resident_experts_per_layer"]]
        for row in own:
            cells += [100 * row["activated_fraction"], row["fetched_bytes"] / GIB, row["fetch_s"]]
        rows.append((model["expert_count_group"], cells))
    spans = [(f"{chunk:,} tokens", 4 + 3 * i, 6 + 3 * i) for i, chunk in enumerate(tokens)]
    caption = CAPTION.format(
        law=escape(catalogued(laws, "routing")[point["routing"]]["label"]), precision=PRECISION_LABELS[point["precision"]],
        gpu=escape(catalogued(gpu_catalogue, "gpu")[point["gpu"]]["name"]), link=f"{point['host_link_bytes_per_s'] / GB:g}",
        policy=escape(catalogued(policies, "policy")[point["policy"]]["label"]), sized=PROVISIONS[point["provision"]].words,
        batch=point["batch_size"],
    )  # fmt: skip
    columns = (Column("Model"), Column("$E$", (4, 0)), Column("pool", (4, 1)), *OF_ONE_CHUNK * len(tokens))
    write_text(
        output, table(columns, with_group_rules(rows), caption=caption, label="tab:prefill", spanning_heads=spans, wide=True)
    )


def one_point(row: dict[str, object]) -> dict[str, object]:
    """The point at which the table was made."""
    names = ("gpu", "n_gpus", "batch_size", "routing", "precision", "policy", "provision")
    return {name: row[name] for name in names}


if __name__ == "__main__":
    script(main)
