"""The reviewers' guide, Markdown and HTML: every number from the results, every departure marked by its claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jinja2
from markdown_it import MarkdownIt

from prophet_pipeline.command import script
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


def main(*, results: list[Path], numbers: Path, template: Path, style: Path, power_law_exponent: str, output: list[Path]) -> None:
    """Read results and template, render, write.

    Args:
        results: the result tables, claims.csv among them
        numbers: config/numbers.yaml
        style: style sheet of the page
        output: .md and .html file
    """
    files = {file.stem: file for file in results}
    printed = prose_numbers(numbers, Results(results))
    values = {name: f"{value} {unit}" if unit in SPACED_UNITS else f"{value}{unit}" for name, (value, unit) in printed.items()}
    claims = {claim["claim"]: claim for claim in read_rows(files["claims"])}
    names = {slug: model["name"] for slug, model in catalogued(files["model_catalogue"], "model").items()}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)  # noqa: S701 - Markdown
    environment.filters |= {"percent": percent}
    environment.globals |= {"zip": zip, "extension": extension, "name": names.__getitem__, "words": WORDS}
    parsed = environment.from_string(template.read_text(encoding="utf-8"))
    try:
        text = parsed.render(
            n=values, claim=marker(claims), claims=list(claims.values()), exponent=power_law_exponent,
            rows=rows_of(files),
        )  # fmt: skip
    except (jinja2.UndefinedError, KeyError) as problem:
        raise error(template, "name", str(problem), "a number of config/numbers.yaml or an id of config/claims.yaml") from None
    body = MarkdownIt("commonmark").enable("table").render(text)
    title = text.splitlines()[0].removeprefix("# ")
    write_text(output[0], text)
    write_text(output[1], PAGE.format(title=title, style=style.read_text(encoding="utf-8"), body=body))


if __name__ == "__main__":
    script(main)
