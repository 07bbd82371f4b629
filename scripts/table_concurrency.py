"""LaTeX table: the most sequences of each context that fit at once, all experts resident and under a policy."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import by_key, catalogued, compared_policies, in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, marked_name
from prophet_memory.provision import PROVISIONS
from prophet_paper.latex import Column, escape, table, with_group_rules

KIBI = 1024
CAPTION = r"""The most sequences of a context that fit at once (concurrency) on one {gpu}, {precision}, {law}: with
    {baseline} (all), with {policy} and pools sized for {sized} (own), and the ratio (ext.). \emph{{new}}: only {policy}
    holds one. A dash: the model takes no such context, or nothing holds one. Models of which no sequence fits are left out.
    $\dagger$: published in fewer than 16~bits, so that bf16 is hypothetical."""


def main(
    *, concurrency: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, policies: Path, gpu: str, precision: str,
    routing: str, policy: str, provision: str, output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        concurrency: concurrency.parquet
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        policies: policy_catalogue.csv
        provision: what resident pools are sized for
        policy: compared with the baseline
        output: .tex file
    """
    baseline, compared = compared_policies(policies, policy)
    at = {"gpu": gpu, "n_gpus": 1, "precision": precision, "routing": routing, "provision": provision}
    found = by_key(concurrency, keys=("model", "policy", "context_tokens"), at=at)
    contexts = sorted({tokens for _, _, tokens in found})
    rows = []
    for model in in_paper_order(read_rows(catalogue)):
        cells: list[object] = []
        for tokens in contexts:
            own = found.get((model["model"], policy, tokens))
            if own is None:
                cells += [None, None, None]
                continue
            everything = found[model["model"], baseline["policy"], tokens]["concurrency"]
            ratio = own["concurrency_extension"] if everything else "new" if own["concurrency"] else None
            cells += [everything, own["concurrency"], ratio]
        if any(cells):
            name = marked_name(model["name"], model["published_precision"], precision)
            rows.append((model["expert_count_group"], [name, *cells]))
    largest = max((cell for _, row in rows for cell in row if isinstance(cell, int)), default=0)
    digits = len(str(largest))
    of_one = (Column("all", (digits, 0)), Column("own", (digits, 0)), Column("ext.", (2, 2)))
    spans = [(f"{tokens / KIBI:.3g}k tokens", 2 + 3 * i, 4 + 3 * i) for i, tokens in enumerate(contexts)]
    caption = CAPTION.format(
        gpu=escape(catalogued(gpu_catalogue, "gpu")[gpu]["name"]), precision=PRECISION_LABELS[precision],
        law=escape(catalogued(laws, "routing")[routing]["label"]), baseline=escape(baseline["label"].lower()),
        policy=escape(compared["label"]), sized=PROVISIONS[provision].words,
    )  # fmt: skip
    columns = (Column("Model"), *of_one * len(contexts))
    text = table(columns, with_group_rules(rows), caption=caption, label="tab:concurrency", spanning_heads=spans, wide=True,
                 column_gap_points=5)  # fmt: skip
    write_text(output, text)


if __name__ == "__main__":
    script(main)
