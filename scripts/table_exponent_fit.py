"""LaTeX table: where the power law holds, by (E, k): fitted exponents and the departure of the source's from each law."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import catalogued, read_rows
from prophet_memory.routing import routing_law
from prophet_paper.latex import Column, escape, table, with_group_rules

FIT = (Column("$\\beta$", (1, 3)), Column("$R^2$", (1, 2), signed=True))
COLUMNS = (
    Column("$E$", (4, 0)), Column("$k$", (2, 0)), Column("$E/k$", (4, 1)), *FIT, *FIT, Column("above from", (2, 0)),
    Column("most (\\%)", (2, 1)), Column("at", (2, 0)), Column("least (\\%)", (2, 1), signed=True), Column("at", (2, 0)),
    Column("Models", width=r"0.33\linewidth"),
)  # fmt: skip
FITTED = ("exponent_16", "r_squared_16", "exponent_64", "r_squared_64")
CAPTION = r"""Where the power law holds. $\beta$: the exponent through $k$ that fits the model's own law over the batches from 1
    to the last one named, by least squares in logarithms, with its $R^2$. Then how far the source's $k B^{{{exponent}}}$, capped
    at $E$, is from that law over batches of 1 to {last}: the first batch at which it is above, and the largest departures on
    either side. Own law: uniform; in the last rows the {measured}."""


def main(*, fits: Path, names: Path, output: Path) -> None:
    """Read results, write one row per (E, k) and law.

    Args:
        fits: exponent_fits.csv
        names: model_catalogue.csv
        output: .tex file
    """
    shown = {slug: row["name"] for slug, row in catalogued(names, "model").items()}
    together: dict[tuple[object, ...], list[str]] = defaultdict(list)
    rows = read_rows(fits)
    for row in rows:
        if row["routing"] == "uniform" and row["model"] not in shown:
            continue
        line = [row["experts"], row["top_k"], row["experts"] / row["top_k"], *(row[name] for name in FITTED)]
        line += [row["power_law_first_above"], 100 * (row["power_law_highest"] - 1), row["power_law_highest_batch"]]
        line += [100 * (row["power_law_lowest"] - 1), row["power_law_lowest_batch"]]
        together[row["routing"] != "uniform", *line].append(str(shown.get(row["model"], row["model"])))
    ordered = sorted(together.items(), key=lambda item: (item[0][0], item[0][3], item[0][1]))
    lines = [(group, [*line, ", ".join(sorted(models))]) for (group, *line), models in ordered]
    spans = [("$B \\le 16$", 4, 5), ("$B \\le 64$", 6, 7), ("The source's law against it", 8, 12)]
    power, measured = routing_law("power_law"), routing_law("frequency").words.label
    caption = CAPTION.format(exponent=power.parameters["exponent"], last=64, measured=escape(measured))
    text = table(COLUMNS, with_group_rules(lines), caption=caption, label="tab:exponents", spanning_heads=spans, wide=True)
    write_text(output, text)


if __name__ == "__main__":
    script(main)
