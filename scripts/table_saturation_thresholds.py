"""LaTeX table: the batch size at which every expert is needed, by (E, k) and routing law."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import by_key, catalogued, in_paper_order, read_rows
from prophet_paper.latex import Column, escape, head, table, with_group_rules

FACTS = (Column("$E$", (4, 0)), Column("$k$", (2, 0)))
CAPTION = r"""Saturation batches. {laws} \emph{{First swept}}: the first swept batch size past saturation; 99\,\%: where the law
    reaches 99\,\% of $E$."""


def main(*, saturation: Path, catalogue: Path, laws: Path, output: Path) -> None:
    """Read results, write one row per (E, k).

    Args:
        saturation: saturation_batches.csv
        catalogue: model_catalogue.csv
        laws: law_catalogue.csv
        output: .tex file
    """
    found, known = by_key(saturation, keys=("model", "routing")), catalogued(laws, "routing")
    shown: list[tuple[str, str]] = []  # law and column; a law that never saturates has no saturation batch to show
    columns, spans = list(FACTS), []
    for law, words in known.items():
        own = {
            "saturation_batch": Column(f"${words['saturation']}$" if words["saturation"] else "all", (4, 1)),
            "first_swept_saturated_batch": Column("first swept", (3, 0)),
            "batch_99_percent": Column("99\\,\\%", (4, 1)),
        }
        kept = [name for name in own if any(row[name] is not None for (_, of), row in found.items() if of == law)]
        kept = kept or ["batch_99_percent"]  # dashes: a law that never comes near
        spans.append((head(words["head"]), len(columns) + 1, len(columns) + len(kept)))
        columns += [own[name] for name in kept]
        shown += [(law, name) for name in kept]
    together: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for model in in_paper_order(read_rows(catalogue)):
        line = [found[model["model"], law][name] for law, name in shown]
        together[model["expert_count_group"], model["experts"], model["top_k"], *line].append(model["name"])
    rows = [(group, [*line, ", ".join(sorted(names))]) for (group, *line), names in together.items()]
    caption = CAPTION.format(laws=" ".join(f"The {escape(words['head'])} {words['saturates']}." for words in known.values()))
    columns.append(Column("Models"))
    text = table(columns, with_group_rules(rows), caption=caption, label="tab:saturation", spanning_heads=spans, wide=True)
    write_text(output, text)


if __name__ == "__main__":
    script(main)
