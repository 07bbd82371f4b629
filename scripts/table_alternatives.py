"""LaTeX table over several pages: policies and precisions at equal GPU memory for the cases of the study, and what is claimed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import Row, by_key, catalogued, read_rows
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.provision import PROVISIONS
from prophet_memory.residency import residency_policy
from prophet_paper.alternatives import BASELINE_SIZE, choices, claimed_points, numbers
from prophet_paper.latex import Column, escape, long_table, with_group_rules

Group = tuple[str, list[list[object]]]  # what its first line says, and its rows
GB, MS = 1e9, 1e3
OF_ONE = (Column("GPU", (3, 1)), Column("host", (4, 0)), Column("step", (5, 1)), Column("factor", (4, 2)))
CAPTION = r"""Alternatives at equal GPU memory ({law}, pools for {sized}, {context} tokens of each sequence up to the model's own
    maximum). GPU: GB beside the KV cache of the fullest GPU; host: GB of experts in host memory; step: ms of a decode step
    without the fixed costs of engines; factor: over the step of 16-bit weights that are all resident, whether they fit or not; at
    once: sequences that fit, none where the choice does not. The first group is what the source document claims, of experts
    alone and of a model that it does not name. Caches have as many slots as Prophet's pool; the oracle is a bound that nobody
    can build. What fewer bits cost in accuracy is not judged."""


def main(
    *, alternatives: Path, claims: Path, catalogue: Path, gpu_catalogue: Path, laws: Path, cases: list[Any], routing: str,
    provision: str, context_tokens: int, batch_sizes: list[int], output: Path,
) -> None:  # fmt: skip
    """Read results, write.

    Args:
        alternatives: alternatives.parquet
        claims: claims.csv
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        laws: law_catalogue.csv
        cases: JSON of the cases, each a model, a GPU and how many
        provision: what resident pools are sized for
        context_tokens: of each sequence
        batch_sizes: two of them
        output: .tex file
    """
    models, gpus = catalogued(catalogue, "model"), catalogued(gpu_catalogue, "gpu")
    groups: list[Group] = [("Source document", list(claimed_rows(read_rows(claims), len(batch_sizes))))]
    for case in cases:
        found = by_key(
            alternatives, keys=("precision", "policy", "batch_size"), at=case | {"routing": routing, "provision": provision}
        )
        name = f"{models[case['model']]['name']}, {case['n_gpus']} × {gpus[case['gpu']]['name']}"
        groups.append((name, list(case_rows(found, models[case["model"]]["published_precision"], batch_sizes))))
    caption = CAPTION.format(
        law=escape(catalogued(laws, "routing")[routing]["label"]), context=f"{context_tokens:,}".replace(",", r"\,"),
        sized=PROVISIONS[provision].words,
    )  # fmt: skip
    write_text(output, laid_out(groups, batch_sizes, caption))


def laid_out(groups: list[Group], batch_sizes: list[int], caption: str) -> str:
    """The groups as a table; each begins with a line that names it."""
    width = len(OF_ONE) * len(batch_sizes)
    rows: list[tuple[object, list[object]]] = []
    for name, choices_of in groups:
        heading: list[object] = [name, *[""] * (width + 1)]
        rows += [(name, row) for row in (heading, *choices_of)]
    spans = [(f"batch {batch}", 2 + len(OF_ONE) * i, 1 + len(OF_ONE) * (i + 1)) for i, batch in enumerate(batch_sizes)]
    columns = (Column("Choice"), *OF_ONE * len(batch_sizes), Column("at once", (4, 0)))
    return long_table(
        columns, with_group_rules(rows), caption=caption, label="tab:alternatives", spanning_heads=spans, column_gap_points=5,
        size="scriptsize",
    )  # fmt: skip


def claimed_rows(claims: Sequence[Row], batches: int) -> Iterator[list[object]]:
    """The source document's approaches; it says nothing of the batch beside Prophet's 16, nor of times."""
    (whole,) = numbers(claims, BASELINE_SIZE)
    for point in claimed_points(claims):
        yield [
            indented(point.approach),
            *[""] * (len(OF_ONE) * (batches - 1)),
            point.share * whole,
            "",
            "",
            point.printed_factor,
            "",
        ]


def case_rows(found: Mapping[tuple[Any, ...], Row], published: str, batch_sizes: Sequence[int]) -> Iterator[list[object]]:
    """A line for each choice."""
    for policy, precision in choices(published):
        rows = [found[key] for batch in batch_sizes if (key := (precision, policy, batch)) in found]
        if not rows:  # not swept
            continue
        cells: list[object] = [indented(f"{residency_policy(policy).words.label}, {PRECISION_LABELS[precision]}")]
        for row in rows:
            cells += [row["gpu_bytes"] / GB, row["host_memory_bytes"] / GB, MS * row["step_s"], row["factor_over_16_bit"]]
        yield [*cells, rows[0]["concurrency"]]


def indented(text: str) -> str:
    """A choice under the line of its model."""
    return f"\u2003{text}"


if __name__ == "__main__":
    script(main)
