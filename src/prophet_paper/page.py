"""A Markdown text as a page: headings that links can point to, and a list of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

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


def anchor(title: str) -> str:
    """By what a link names a heading, here and where the Markdown is shown: lower case, hyphens, no punctuation."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def headings(text: str, level: int = 2) -> list[str]:
    """The titles of a level, in their order."""
    return re.findall(rf"^{'#' * level} (.+)$", text, re.MULTILINE)


def body_of(text: str) -> str:
    """The text as HTML, in which a picture leads to its file."""
    parser = MarkdownIt("commonmark").enable("table")
    parser.add_render_rule("image", _linked_picture)
    tokens = parser.parse(text)
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor(content.content))
    return str(parser.renderer.render(tokens, parser.options, {}))


def _linked_picture(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return f'<a href="{tokens[index].attrGet("src")}">{renderer.image(tokens, index, options, env)}</a>'


def page_of(text: str, style: str) -> str:
    """The text as a page of its own; its first heading is the title."""
    return PAGE.format(title=headings(text, level=1)[0], style=style, body=body_of(text))
