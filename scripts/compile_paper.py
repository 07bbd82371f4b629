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

NEEDED_FILES = ("article.cls", "siunitx.sty", "booktabs.sty", "xspace.sty", "hyperref.sty", "microtype.sty")
INSTALL = (
    "make pdf needs LaTeX: apt-get install latexmk texlive-latex-recommended texlive-science"
    " (or the same packages of another TeX distribution)"
)
UNRESOLVED = re.compile(r"^LaTeX Warning: (?:Reference|Citation|There were undefined).*", re.MULTILINE)
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
    return folder / f"{source.stem}.pdf"


def main(*, check: bool = False, source: Path | None = None, output: Path | None = None) -> None:
    """Check, compile, put in place.

    Args:
        check: only say whether LaTeX is there
        source: .tex file
        output: PDF
    """
    check_latex()
    if check:
        return
    if source is None or output is None:
        raise ConfigurationError("--source, --output: missing; allowed: a .tex file and a PDF")
    with tempfile.TemporaryDirectory() as folder, replacing(output) as temporary:
        shutil.copyfile(compiled(source, Path(folder)), temporary)


if __name__ == "__main__":
    script(main)
