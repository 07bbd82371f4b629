"""The documentation's site is built without a warning, is whole without a network, and has a page for each part of the code.

Skipped where .venv-docs is missing (`make docs` builds it).
"""

import html.parser
import json
import os
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import click
import pytest
from conftest import REPOSITORY

from prophet_memory.cli import COMMANDS, program

MKDOCS = REPOSITORY / ".venv-docs" / "bin" / "mkdocs"


class Reading(html.parser.HTMLParser):
    """What a page loads, where it links to, and the places in it."""

    LOADED: ClassVar = {
        ("script", "src"),
        ("img", "src"),
        ("iframe", "src"),
        ("source", "src"),
        ("video", "src"),
        ("object", "data"),
        ("embed", "src"),
    }
    RELATIONS: ClassVar = {"stylesheet", "icon", "preload", "preconnect", "prefetch", "dns-prefetch", "modulepreload", "manifest"}

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.styles = ""
        self._in_style = False

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self._in_style = tag == "style"
        self.styles += given.get("style") or ""
        self.places |= {given[key] for key in ("id", "name") if given.get(key)}
        self.loads += [value for key, value in attrs if (tag, key) in self.LOADED and value]
        self.loads += [part.split()[0] for part in (given.get("srcset") or "").split(",") if part.strip()]
        if tag == "link" and set((given.get("rel") or "").split()) & self.RELATIONS:
            self.loads.append(given["href"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])

    def handle_data(self, data):
        if self._in_style:
            self.styles += data

    def handle_endtag(self, tag):
        self._in_style = self._in_style and tag != "style"


def read_page(file: Path) -> Reading:
    reading = Reading()
    reading.feed(file.read_text(encoding="utf-8"))
    return reading


def loaded_by_styles(text: str) -> Iterator[str]:
    yield from re.findall(r"url\(\s*['\"]?([^'\")]+)", text)
    yield from re.findall(r"@import\s+['\"]([^'\"]+)", text)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built from this checkout."""
    if not MKDOCS.exists():
        pytest.skip("no .venv-docs; make docs builds it")
    if not (REPOSITORY / ".venv" / "bin" / "python").exists():
        pytest.skip("no .venv, which the page of the command line is asked of")
    folder = tmp_path_factory.mktemp("site")
    command = [MKDOCS, "build", "--strict", "--site-dir", folder]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_loads_nothing_from_elsewhere_and_every_link_resolves(site: Path):
    pages = {file: read_page(file) for file in site.rglob("*.html")}
    assert len(pages) > 100
    for file, page in pages.items():
        name = file.relative_to(site)
        for address in [*page.loads, *loaded_by_styles(page.styles)]:
            if not address.startswith(("data:", "#")):
                assert not re.match(r"[a-z]+:|//", address), f"{name} loads {address}"
                if name.name != "404.html":  # a server shows it, with addresses from the server's root
                    assert (file.parent / urllib.parse.unquote(address.partition("?")[0])).exists(), f"{name} loads {address}"
        for link in page.links:
            if name.name == "404.html" or re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (file.parent / urllib.parse.unquote(path)).resolve() if path else file
            assert target.is_file(), f"{name}: {link}"
            if anchor and target in pages and "explorer" not in target.name:  # its fragment is a state
                assert urllib.parse.unquote(anchor) in pages[target].places, f"{name}: {link}"
        # The theme's script would fetch these.
        text = file.read_text(encoding="utf-8")
        assert 'class="mermaid"' not in text, name
        assert 'data-md-component="source"' not in text, name
    for style in site.rglob("*.css"):
        for address in loaded_by_styles(style.read_text(encoding="utf-8")):
            assert address.startswith("data:") or (style.parent / address).exists(), f"{style.name} loads {address}"


def test_every_module_schema_command_and_benchmark_has_its_page(site: Path):
    python = "".join(file.read_text(encoding="utf-8") for file in (site / "reference/python").glob("*.html"))
    for file in (REPOSITORY / "src/prophet_memory").rglob("*.py"):
        parts = file.relative_to(REPOSITORY / "src").with_suffix("").parts
        if not {"cli", "edge", "__init__"} & set(parts):
            assert f'id="{".".join(parts)}"' in python, file
    for schema in (REPOSITORY / "config/schemas").glob("*.schema.json"):
        page = (site / "reference/config" / schema.name.replace(".schema.json", ".html")).read_text(encoding="utf-8")
        keys = {
            key
            for part in json.loads(schema.read_text(encoding="utf-8")).get("$defs", {}).values()
            for key in part.get("properties", {})
        }
        assert [key for key in keys if f">{key}</code>" not in page] == []
    commands = (site / "reference/command-line.html").read_text(encoding="utf-8")
    for name in COMMANDS:
        command = program.get_command(click.Context(program), name)
        assert [
            option.opts for option in command.params if option.opts[0].startswith("-") and option.opts[0] not in commands
        ] == []
    benchmarks = (site / "benchmarks.html").read_text(encoding="utf-8")
    assert (
        benchmarks.count("<table>") == (REPOSITORY / "docs/benchmarks.md").read_text(encoding="utf-8").count("<!-- table: ") > 5
    )
    assert "arithmatex" not in (site / "worked-example.html").read_text(encoding="utf-8")


def test_the_site_opens_from_disk_with_its_search(site: Path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    asked: list[str] = []
    problems: list[str] = []
    with sync_api.sync_playwright() as playwright:
        quiet = [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]
        browser = playwright.chromium.launch(executable_path=chromium, args=quiet)
        for width in (1280, 400):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("request", lambda request: asked.append(request.url))
            page.on("pageerror", lambda problem: problems.append(str(problem)))
            page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
            for name in (
                "index",
                "worked-example",
                "how-to/add-a-model",
                "reference/config/config",
                "reference/python/planning",
                "benchmarks",
            ):
                page.goto(f"file://{site}/{name}.html")
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (name, width)
            page.click("label[for=__search]" if width == 400 else ".md-search__input")
            page.keyboard.type("saturation")  # the search listens to keys
            page.wait_for_selector(".md-search-result__link")
            assert page.locator(".md-search-result__link").count() > 1
            page.close()
        browser.close()
    assert problems == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
