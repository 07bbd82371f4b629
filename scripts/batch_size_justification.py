"""The reviewers' guide, Markdown and HTML: every number from the results, every departure marked by its claim."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jinja2
from markdown_it import MarkdownIt

from prophet_pipeline.command import run
from prophet_pipeline.configuration import error
from prophet_pipeline.files import write_text
from prophet_pipeline.prose import prose_numbers
from prophet_pipeline.queries import Results
from prophet_pipeline.tables import Row, catalogued, points, read_rows
from prophet_pipeline.text import multiplied, percent

SPACED_UNITS = {"GiB", "MB", "MiB", "tokens"}
WORDS = {"reproduced": "holds", "not_reproduced": "fails", "not_testable": "not testable here"}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


def marker(claims: dict[str, Row]) -> Callable[[str], str]:
    """What the template writes beside a statement that departs from the source document: the claim and its verdicts."""

    def mark(name: str) -> str:
        claim = claims[name]
        verdicts = [WORDS[claim[f"verdict_{law}"]] for law in ("power_law", "uniform")]
        said = verdicts[0] if verdicts[0] == verdicts[1] else f"power law {verdicts[0]}, uniform law {verdicts[1]}"
        return f"\\[`{name}`: {said}\\]"

    return mark


def extension(row: Row) -> str:
    """A KV extension, or why there is none."""
    return multiplied(row["kv_extension"]) if row["fit_verdict"] == "fits" else row["fit_verdict"].replace("_", " ")


def rows_of(files: Mapping[str, Path]) -> Callable[..., list[Row]]:
    """What the template reads tables by: the keys that it keeps, and a value for each axis that it pins."""

    def rows(table: str, keys: Sequence[str], **at: object) -> list[Row]:
        return points(files[table], keys=keys, at=at).to_dicts()

    return rows


def main() -> None:
    """Read results and template, render, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", help="the result tables, claims.csv among them")
    parser.add_argument("--numbers", type=Path, required=True, help="config/numbers.yaml")
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--style", type=Path, required=True, help="style sheet of the page")
    parser.add_argument("--power-law-exponent", required=True)
    parser.add_argument("--output", type=Path, nargs=2, required=True, help=".md and .html file")
    args = parser.parse_args()
    files = {file.stem: file for file in args.results}
    numbers = prose_numbers(args.numbers, Results(args.results))
    values = {name: f"{value} {unit}" if unit in SPACED_UNITS else f"{value}{unit}" for name, (value, unit) in numbers.items()}
    claims = {claim["claim"]: claim for claim in read_rows(files["claims"])}
    names = {slug: model["name"] for slug, model in catalogued(files["model_catalogue"], "model").items()}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)  # noqa: S701 - Markdown
    environment.filters |= {"percent": percent}
    environment.globals |= {"zip": zip, "extension": extension, "name": names.__getitem__, "words": WORDS}
    template = environment.from_string(args.template.read_text(encoding="utf-8"))
    try:
        text = template.render(
            n=values, claim=marker(claims), claims=list(claims.values()), exponent=args.power_law_exponent,
            rows=rows_of(files),
        )  # fmt: skip
    except (jinja2.UndefinedError, KeyError) as problem:
        raise error(
            args.template, "name", str(problem), "a number of config/numbers.yaml or an id of config/claims.yaml"
        ) from None
    body = MarkdownIt("commonmark").enable("table").render(text)
    title = text.splitlines()[0].removeprefix("# ")
    write_text(args.output[0], text)
    write_text(args.output[1], PAGE.format(title=title, style=args.style.read_text(encoding="utf-8"), body=body))


if __name__ == "__main__":
    run(main)
