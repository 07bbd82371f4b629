"""Pages of the site that stand elsewhere in the repository, and links to its files.

Pages of docs/ and README.md link to files as GitHub resolves them. Here such a link leads to a page of the site that shows the
file, or to a copy of it where a browser shows the file itself, so that the site is whole without the repository and a network.
"""  # noqa: INP001 - a hook of mkdocs is no package

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = "repository"  # of the site, for what stands elsewhere
PAGES = {
    "README.md": f"{FOLDER}/overview.md",  # a README would become the folder's index
    "CONTRIBUTING.md": f"{FOLDER}/contributing.md",
    "CHANGELOG.md": f"{FOLDER}/changelog.md",
}
UNSEARCHED = {"CHANGELOG.md"}  # it has every word once
SHOWN_BY_BROWSERS = {".html", ".png", ".pdf", ".svg"}
LANGUAGES = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".py": "python",
    ".smk": "python",
    ".toml": "toml",
    ".tex": "latex",
}
CODE = re.compile(r"(^ *```.*?^ *```[^\n]*$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=[)\s])")
SHOWN = re.compile(r'(?<=src="|ref=")(?P<target>[^":#?]+)(?P<anchor>#[^"]*)?(?=")')  # in HTML
ITEM = re.compile(r"[-*] |\d+\. ")


def as_html(path: str) -> str:
    """A report that is there as HTML, too, is shown so."""
    page = Path(path).with_suffix(".html")
    return str(page) if path.endswith(".md") and path not in PAGES and (REPOSITORY / page).exists() else path


def in_site(path: str) -> str:
    """Where the site has a file of the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path in PAGES:
        return PAGES[path]
    file = as_html(path)
    return f"{FOLDER}/{file}" if Path(file).suffix in SHOWN_BY_BROWSERS else f"{FOLDER}/{file}.md"


def source_of(uri: str) -> str:
    """The path in the repository of a page of the site."""
    return next((path for path, place in PAGES.items() if place == uri), f"docs/{uri}")


def shown(path: str) -> str:
    """A page that shows a file as it is."""
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    head = "---\nsearch: {exclude: true}\nhide: [toc]\n---\n"
    return f"{head}# {path}\n\n`````{LANGUAGES.get(Path(path).suffix, 'text')}\n{text.rstrip()}\n`````\n"


def targets(text: str, source: str, pattern: re.Pattern[str]) -> set[str]:
    """The files of the repository outside of docs/ that a page links to."""
    found = {normpath(join(dirname(source), match["target"])) for match in pattern.finditer(text) if ":" not in match["target"]}
    return {as_html(path) for path in found if not path.startswith("docs/") and path not in PAGES}


def rewritten(source: str, place: str, ending: str) -> Callable[[re.Match[str]], str]:
    """What replaces the target of a link on a page that stands at a place of the site; `ending` is that of other pages."""

    def replace(match: re.Match[str]) -> str:
        if ":" in match["target"]:
            return match[0]
        target = re.sub(r"\.md$", ending, in_site(normpath(join(dirname(source), match["target"]))))
        return relpath(target, dirname(place) or ".") + (match["anchor"] or "")

    return replace


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of PAGES and every file that a page links to."""
    for path, place in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(REPOSITORY / path)))
    wanted: set[str] = set()
    for page in files.documentation_pages():
        prose = "".join(CODE.split(page.content_string)[::2])
        wanted |= targets(prose, source_of(page.src_uri), LINK)
    for report in [path for path in wanted if path.endswith(".html")]:
        wanted |= targets((REPOSITORY / report).read_text(encoding="utf-8"), report, SHOWN)
    for path in sorted(wanted):
        place, file = in_site(path), REPOSITORY / path
        if not file.is_file():
            raise PluginError(f"{path}: a page links to it; allowed: files of the repository")
        if place.endswith(".md"):
            files.append(File.generated(config, place, content=shown(path)))
        elif place.endswith(".html"):
            text = SHOWN.sub(rewritten(path, place, ".html"), file.read_text(encoding="utf-8"))
            files.append(File.generated(config, place, content=text))
        else:
            files.append(File.generated(config, place, abs_src_path=str(file)))
    return files


def separated(text: str) -> str:
    """Lists as GitHub reads them, for Python-Markdown: it wants a blank line before a list, and four spaces inside of an item."""
    lines: list[str] = []
    in_list = in_code = False
    for line in text.splitlines():
        before = lines[-1].strip() if lines else ""
        if line.strip().startswith("```"):
            in_code = not in_code
        elif in_code:
            pass
        elif ITEM.match(line):
            if not in_list and before:
                lines.append("")
            in_list = True
        elif line.strip() and not line.startswith(" ") and not before:
            in_list = False
        lines.append(f"  {line}" if in_list and line.startswith("  ") else line)
    return "\n".join(lines) + "\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to the site, and lists be lists."""
    del config, files
    if source_of(page.file.src_uri) in UNSEARCHED:
        page.meta["search"] = {"exclude": True}
    parts = CODE.split(markdown)
    place = page.file.src_uri
    parts[::2] = [LINK.sub(rewritten(source_of(place), place, ".md"), part) for part in parts[::2]]
    return separated("".join(parts))
