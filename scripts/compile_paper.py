"""The paper as PDF: latexmk in a folder of its own, the same bytes each time with one TeX."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.files import replacing
from prophet_paper.manuscript import coverage, names_in, read_allowed, uncited

NEEDED_FILES = (
    "article.cls",
    "longtable.sty",
    "siunitx.sty",
    "booktabs.sty",
    "caption.sty",
    "xspace.sty",
    "hyperref.sty",
    "microtype.sty",
)
INSTALL = (
    "make pdf needs LaTeX: apt-get install latexmk texlive-latex-recommended texlive-science"
    " (or the same packages of another TeX distribution)"
)
UNRESOLVED = re.compile(r"^LaTeX Warning: (?:Reference|Citation|There were undefined).*", re.MULTILINE)
OVERFULL = re.compile(r"^Overfull \\[hv]box \(([0-9.]+)pt too (?:wide|high)\).*", re.MULTILINE)
MOST_OVERFULL_POINTS = 1.0
MACRO_DEFINED = re.compile(r"\\newcommand\*\{\\([A-Za-z]+)\}")
SAME_DATE = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}


def check_latex() -> None:
    """Raise a ConfigurationError that says what to install."""
    if any(shutil.which(program) is None for program in ("latexmk", "pdflatex", "bibtex")):
        raise ConfigurationError(INSTALL)
    for name in NEEDED_FILES:
        if subprocess.run(["kpsewhich", name], capture_output=True, check=False).returncode:  # noqa: S603, S607
            message = f"{INSTALL}; {name} is missing"
            raise ConfigurationError(message)


def compiled(source: Path, folder: Path) -> Path:
    """Compile; an error, an unknown macro or an unresolved reference is one line."""
    command = ["latexmk", "-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error", f"-outdir={folder}", source.name]
    done = subprocess.run(  # noqa: S603
        command, cwd=source.parent, env=os.environ | SAME_DATE, capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    log_file = folder / f"{source.stem}.log"
    log = log_file.read_text(encoding="utf-8", errors="replace") if log_file.exists() else done.stdout.decode(errors="replace")
    if done.returncode:
        found = re.search(r"^! (.*)\n(?:.*\n)*?l\.(\d+) (.*)", log, re.MULTILINE)
        what = f"line {found[2]}: {found[1]} {found[3]}" if found else "latexmk failed: see its log"
        message = f"{source}: {what}; allowed: LaTeX that compiles, with macros of paper_tables/numbers.tex"
        raise ConfigurationError(message)
    if unresolved := UNRESOLVED.search(log):
        message = f"{source}: {unresolved[0]}; allowed: references and citations that exist"
        raise ConfigurationError(message)
    for found in OVERFULL.finditer(log):
        if float(found[1]) > MOST_OVERFULL_POINTS:
            message = f"{source}: {found[0].strip()}; allowed: boxes at most {MOST_OVERFULL_POINTS:g} pt too wide or too high"
            raise ConfigurationError(message)
    return folder / f"{source.stem}.pdf"


def check_text(source: Path, macros: Path, tables: list[Path], allowed: Path, names: list[Path]) -> None:
    """Raise a ConfigurationError for a number that is no macro, and for a figure or table that the text does not point to."""
    text = source.read_text(encoding="utf-8")
    known = MACRO_DEFINED.findall(macros.read_text(encoding="utf-8"))
    found = coverage(source.name, text, "latex", macros=known, allowed=read_allowed(allowed), names=names_in(names))
    if found.bare:
        message = f'{source}: "{found.bare[0]}"; allowed: numbers as macros of {macros}, and those of {allowed}'
        raise ConfigurationError(message)
    if lonely := uncited(text, [table.read_text(encoding="utf-8") for table in tables]):
        message = f"{source}: {lonely[0]}; allowed: figures and tables that the text refers to"
        raise ConfigurationError(message)


def main(
    *, check: bool = False, source: Path | None = None, macros: Path | None = None, tables: list[Path] = [],  # noqa: B006
    allowed: Path | None = None, catalogues: list[Path] = [], output: Path | None = None,  # noqa: B006
) -> None:  # fmt: skip
    """Check, compile, put in place.

    Args:
        check: only say whether LaTeX is there
        source: .tex file
        macros: .tex file of the numbers
        tables: .tex files that the source takes in
        allowed: config/bare_numbers.yaml
        catalogues: of models, GPUs and engines, whose names hold digits
        output: PDF
    """
    check_latex()
    if check:
        return
    if source is None or output is None:
        raise ConfigurationError("--source, --output: missing; allowed: a .tex file and a PDF")
    if macros is not None and allowed is not None:
        check_text(source, macros, tables, allowed, catalogues)
    with tempfile.TemporaryDirectory() as folder, replacing(output) as temporary:
        shutil.copyfile(compiled(source, Path(folder)), temporary)


if __name__ == "__main__":
    script(main)
