"""What is made while a page is rendered: equations as MathML, which browsers show by themselves, and tables."""  # noqa: INP001 - a hook of mkdocs is no package

from __future__ import annotations

import csv
import html
import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
TABLE = re.compile(r"^<!-- table: (\S+?)(?: columns: (\S+))? -->$", re.MULTILINE)
WORD = re.compile(r"<code>(?=[^<>\s]{1,36}</code>)")  # code that fits on a line of a telephone
DIGITS = 3


def as_mathml(match: re.Match[str]) -> str:
    """An equation that needs no script."""
    display = "block" if match[1] == "div" else "inline"
    made = convert(html.unescape(match[2]).strip(), display=display)
    return f'<div class="equation">{made}</div>' if display == "block" else made


def rounded(text: str) -> str:
    """A number as people read it; everything else as it is."""
    try:
        value = float(text)
    except ValueError:
        return text.replace("|", "\\|")
    if text.lstrip("-").isdigit() or abs(value) >= 10**DIGITS:
        return f"{value:,.0f}"
    return f"{value:#.{DIGITS}g}".rstrip(".")


def as_table(match: re.Match[str]) -> str:
    """The rows of a CSV file, numbers with three digits."""
    with (REPOSITORY / match[1]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = match[2].split(",") if match[2] else list(rows[0])
    numeric = {name: all(re.fullmatch(r"-?[\d.e+-]*", row[name]) for row in rows) for name in names}
    lines = [f"| {' | '.join(name.replace('_', ' ') for name in names)} |"]
    lines.append(f"|{'|'.join('---:' if numeric[name] else '---' for name in names)}|")
    lines += [f"| {' | '.join(rounded(row[name]) for name in names)} |" for row in rows]
    return "\n".join(lines)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put tables where comments ask for them; a page without neighbours has no list of them."""
    del config, files
    if page.parent is None:
        page.meta["hide"] = ["navigation"]
    return TABLE.sub(as_table, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace equations, and keep names of code in one piece."""
    del page, config, files
    return WORD.sub('<code class="word">', EQUATION.sub(as_mathml, html))
