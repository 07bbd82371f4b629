"""The reviewers' guide, Markdown and HTML: every number from the results, every departure marked by its claim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import jinja2
from markdown_it import MarkdownIt

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.messages import error
from prophet_memory.edge.tables import Row, by_key, catalogued, read_rows
from prophet_memory.edge.text import multiplied, percent
from prophet_paper.verdicts import NOT_REPRODUCED, by_claim, reason_of

SPACED_UNITS = {"GiB", "MB", "MiB", "s", "tokens"}
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


def marker(claims: Mapping[str, Mapping[str, Row]], laws: Mapping[str, Row]) -> Callable[[str], str]:
    """What the template writes beside a statement that departs from the source document: the claim and its verdicts."""

    def mark(name: str) -> str:
        verdicts = {law: WORDS[claims[name][law]["verdict"]] for law in laws}
        each = ", ".join(f"{laws[law]['head']} {verdict}" for law, verdict in verdicts.items())
        said = next(iter(verdicts.values())) if len(set(verdicts.values())) == 1 else each
        return f"\\[`{name}`: {said}\\]"

    return mark


def extension(row: Row) -> str:
    """A KV extension, or why there is none."""
    return multiplied(row["kv_extension"]) if row["fit_verdict"] == "fits" else row["fit_verdict"].replace("_", " ")


def lines_of(files: Mapping[str, Path], laws: Iterable[str]) -> Callable[..., list[list[Row]]]:
    """What the template reads tables by: a line for each value of some keys, a row under each law; other axes are pinned."""

    def by_law(table: str, keys: Sequence[str], **at: object) -> list[list[Row]]:
        found = by_key(files[table], keys=(*keys, "routing"), at=at)
        lines = [[found[*key, law] for law in laws] for key in dict.fromkeys(key[:-1] for key in found)]
        for line in lines:
            for row in line:
                row["sparsity"] = row["experts"] / row["top_k"] if "top_k" in row else None
        return lines

    return by_law


def departures(claims: Mapping[str, Mapping[str, Row]], prefix: str, law: str) -> list[Row]:
    """Claims of one of the source document's examples that fail under its own law."""
    found = [by_law[law] for name, by_law in claims.items() if name.startswith(f"{prefix}-") and law in by_law]
    return [row for row in found if "Example" in row["section"] and row["verdict"] == NOT_REPRODUCED]


def main(
    *, results: list[Path], numbers: Path, laws: Path, template: Path, style: Path, provision: str, output: list[Path]
) -> None:
    """Read results and template, render, write.

    Args:
        results: the result tables, claims.csv among them
        numbers: prose_numbers.csv
        laws: law_catalogue.csv
        style: style sheet of the page
        provision: what resident pools are sized for
        output: .md and .html file
    """
    files = {file.stem: file for file in results}
    printed = read_rows(numbers)
    source = printed[0]["default_routing"]
    values = {row["number"]: f"{row['text']}{' ' if row['unit'] in SPACED_UNITS else ''}{row['unit'] or ''}" for row in printed}
    claims, known = by_claim(files["claims"]), catalogued(laws, "routing")
    names = {slug: model["name"] for slug, model in catalogued(files["model_catalogue"], "model").items()}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)  # noqa: S701 - Markdown
    environment.filters |= {"percent": percent}
    environment.globals |= {"zip": zip, "extension": extension, "names": names, "words": WORDS, "reason": reason_of}
    parsed = environment.from_string(template.read_text(encoding="utf-8"))
    try:
        text = parsed.render(
            n=values, claim=marker(claims, known), claims=claims, laws=known, sized=provision, by_law=lines_of(files, known),
            one=lambda name: next(iter(claims[name].values())), departures=lambda prefix: departures(claims, prefix, source),
        )  # fmt: skip
    except (jinja2.UndefinedError, KeyError) as problem:
        raise error(template, "name", str(problem), "a number of config/numbers.yaml or an id of config/claims.yaml") from None
    body = MarkdownIt("commonmark").enable("table").render(text)
    title = text.splitlines()[0].removeprefix("# ")
    write_text(output[0], text)
    write_text(output[1], PAGE.format(title=title, style=style.read_text(encoding="utf-8"), body=body))


if __name__ == "__main__":
    script(main)
