"""LaTeX table: the models, their exact parameter counts and cache sizes."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import in_paper_order, read_rows
from prophet_memory.edge.text import PRECISION_LABELS, is_below_16_bits, marked_name
from prophet_paper.latex import Column, escape, long_table, with_group_rules

KIB, MIB = 2**10, 2**20
COLUMNS = (
    Column("Model"),
    Column("all", (2, 0)),
    Column("MoE", (2, 0)),
    Column("$E$", (4, 0)),
    Column("$k$", (2, 0)),
    Column("total", (4, 2)),
    Column("routed", (4, 2)),
    Column("other", (2, 2)),
    Column("active", (2, 2)),
    Column("KiB/token", (3, 1)),
    Column("MiB/seq.", (2, 1)),
    Column("Max.\\ context", (7, 0)),
)
CAPTION = r"""Model catalogue. Exact parameter counts in $10^9$: all, routed experts, everything else, and what one token
    passes (both embeddings included). Cache at 16~bit: per token inside every attention window, and constant recurrent state
    per sequence. $\dagger$: published in fewer bits than 16 ({published}), so that bf16 figures are hypothetical."""


def main(*, catalogue: Path, output: Path) -> None:
    """Read results, write.

    Args:
        catalogue: model_catalogue.csv
        output: .tex file
    """
    rows: list[tuple[object, list[object]]] = []
    models = in_paper_order(read_rows(catalogue))
    for m in models:
        params = [m[f"{part}_params"] / 1e9 for part in ("total", "routed_expert", "non_expert")]
        state = m["state_bytes_per_sequence"]
        name = marked_name(m["name"], m["published_precision"], "bf16")
        row = [
            name, m["layers"], m["moe_layers"], m["experts"], m["top_k"], *params,
            m["active_params_per_token"] / 1e9, m["kv_bytes_per_token"] / KIB, state / MIB if state else None,
            m["max_context_tokens"],
        ]  # fmt: skip
        rows.append((m["expert_count_group"], row))
    spans = (("Layers", 2, 3), ("Experts", 4, 5), ("Parameters ($10^9$)", 6, 9), ("Cache", 10, 11))
    hypothetical = [m for m in models if is_below_16_bits(m["published_precision"])]
    published = "; ".join(f"{escape(m['name'])}: {PRECISION_LABELS[m['published_precision']]}" for m in hypothetical)
    caption = CAPTION.format(published=published or "none here")
    text = long_table(COLUMNS, with_group_rules(rows), caption=caption, label="tab:model-catalogue", spanning_heads=spans)
    write_text(output, text)


if __name__ == "__main__":
    script(main)
