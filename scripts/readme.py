"""README.md: the template with the numbers of the results and the figures' numbers in the paper put in."""

from __future__ import annotations

from pathlib import Path

import jinja2

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.messages import error
from prophet_memory.edge.tables import read_rows
from prophet_paper.manuscript import figure_numbers
from prophet_paper.prose import values_of


def main(*, numbers: Path, paper: Path, template: Path, output: Path) -> None:
    """Read numbers and template, render, write.

    Args:
        numbers: prose_numbers.csv
        paper: .tex file of the paper
        output: README.md
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701 - Markdown
    try:
        figures = figure_numbers(paper.read_text(encoding="utf-8"))
        text = environment.from_string(template.read_text(encoding="utf-8")).render(
            n=values_of(read_rows(numbers)), figures=figures
        )
    except jinja2.UndefinedError as problem:
        raise error(template, "name", str(problem), "a number of config/numbers.yaml, a figure of the paper") from None
    write_text(output, text)


if __name__ == "__main__":
    script(main)
