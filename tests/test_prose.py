"""The paper and the guide: no number by hand, everything referenced, a real LaTeX."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import REPOSITORY, RESULTS

from prophet_memory.edge.tables import read_rows
from prophet_paper.manuscript import Coverage, coverage, figure_numbers, names_in, read_allowed
from prophet_paper.page import anchor, body_of, headings, page_of

TEMPLATES = REPOSITORY / "workflow" / "templates"
PAPER = REPOSITORY / "paper" / "prophet-memory.tex"
GUIDE = REPOSITORY / "evaluation" / "reports" / "batch_size_justification.md"
COMPILE = [sys.executable, REPOSITORY / "scripts/compile_paper.py"]
NO_LATEX = subprocess.run([*COMPILE, "--check"], capture_output=True, check=False).returncode != 0
latex = pytest.mark.skipif(NO_LATEX, reason="no LaTeX: apt-get install latexmk texlive-latex-recommended texlive-science")


CATALOGUES = [RESULTS / f"{name}_catalogue.csv" for name in ("model", "gpu", "engine")]
CATALOGUES.append(Path("evaluation/memory_results/routing/distinct_experts.csv"))
NAMES = names_in([REPOSITORY / file for file in CATALOGUES])
ALLOWED = REPOSITORY / "config" / "bare_numbers.yaml"
MACROS = REPOSITORY / "paper_tables" / "numbers.tex"
TEXTS = {
    "paper": (PAPER, "latex"), "guide": (TEMPLATES / "batch_size_justification.md.j2", "markdown"),
    "README": (TEMPLATES / "README.md.j2", "markdown"),
}  # fmt: skip


def covered(name: str, text: str, kind: str) -> Coverage:
    macros = re.findall(r"\\newcommand\*\{\\([A-Za-z]+)\}", MACROS.read_text(encoding="utf-8"))
    return coverage(name, text, kind, macros=macros, allowed=read_allowed(ALLOWED), names=NAMES)


@pytest.mark.parametrize("name", TEXTS)
def test_every_number_comes_from_the_results_or_has_a_reason(name: str):
    """`pytest -s` prints the coverage."""
    file, kind = TEXTS[name]
    found = covered(name, file.read_text(encoding="utf-8"), kind)
    sys.stdout.write(f"{found}\n")
    assert found.bare == ()
    assert found.fraction == 1
    assert found.from_results > 10
    wrong = covered(name, file.read_text(encoding="utf-8") + "\nAnd 12.5 more.\n", kind)
    assert len(wrong.bare) == 1
    assert wrong.fraction < 1


def test_what_is_allowed_by_hand_is_written_somewhere():
    text = "".join(file.read_text(encoding="utf-8") for file, _ in TEXTS.values())
    assert [word for word in read_allowed(ALLOWED) if word not in text] == []


@pytest.mark.parametrize(
    ("text", "kind", "bare"),
    [
        ("3.14 GiB", "markdown", 1), ("`16` and {{ n.Some }} and [4](x4)", "markdown", 1), ("```\n5\n```", "markdown", 0),
        ("\\begin{document}\\ref{fig:1} Qwen3-30B-A3B \\ModelCount{} models, 7 of them % 8", "latex", 1),
        ("12 \\begin{document} none", "latex", 0), ("batch 160", "markdown", 1), ("at batch 16.", "markdown", 0),
    ],
)  # fmt: skip
def test_numbers_are_found_in_text_and_nowhere_else(text: str, kind: str, bare: int):
    assert len(covered("text", text, kind).bare) == bare


def test_the_lowest_python_of_the_readme_is_that_of_the_package():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"Python {project['requires-python'].removeprefix('>=')} or later" in (REPOSITORY / "README.md").read_text(
        encoding="utf-8"
    )


def test_every_number_of_the_prose_is_defined():
    text = (REPOSITORY / "paper_tables/numbers.tex").read_text(encoding="utf-8")
    assert text.count("newcommand") > 50
    assert "undefined" not in text
    assert "not swept" not in text


def test_the_paper_includes_and_references_every_figure_and_table():
    text = PAPER.read_text(encoding="utf-8")
    for folder in ("prophet_kv_extension", "design_space"):
        for file in (REPOSITORY / "evaluation/figures" / folder).glob("*.pdf"):
            assert f"\\includegraphics{{{file.stem}}}" in text
    labels = set(re.findall(r"\\label\{((?:fig|tab):[\w-]+)\}", text))
    for file in (REPOSITORY / "paper_tables").glob("table_*.tex"):
        assert f"paper_tables/{file.name}}}" in text
        labels |= set(re.findall(r"\\label\{(tab:[\w-]+)\}", file.read_text(encoding="utf-8")))
    assert {label for label in labels if f"\\ref{{{label}}}" not in text} == set()
    for section in ("Introduction", "Batch Size Sensitivity", "Comparison with Alternatives", "Limitations"):
        assert f"\\section{{{section}}}" in text


def copied(folder):
    for name in ("paper", "paper_tables", "evaluation/figures"):
        shutil.copytree(REPOSITORY / name, folder / name)
    return folder / "paper" / PAPER.name


def compile_in(folder, source):
    tables = sorted((folder / "paper_tables").glob("table_*.tex"))
    catalogues = [REPOSITORY / file for file in CATALOGUES]
    given = {
        "source": [source], "macros": [folder / "paper_tables/numbers.tex"], "tables": tables, "allowed": [ALLOWED],
        "catalogues": catalogues, "output": [folder / "out.pdf"],
    }  # fmt: skip
    command = [*COMPILE, *(word for name, files in given.items() for word in (f"--{name}", *files))]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@latex
def test_the_paper_compiles_to_the_same_bytes_each_time(tmp_path):
    source = copied(tmp_path)
    contents = []
    for _ in range(2):
        done = compile_in(tmp_path, source)
        assert done.returncode == 0, done.stderr
        contents.append((tmp_path / "out.pdf").read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].startswith(b"%PDF")


@latex
def test_the_readme_numbers_figures_as_the_paper_does(tmp_path):
    source = copied(tmp_path)
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", f"-output-directory={tmp_path}", source.name]
    subprocess.run(command, cwd=source.parent, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    printed = dict(
        re.findall(r"\\newlabel\{(fig:[\w-]+)\}\{\{(\d+)\}", (tmp_path / f"{source.stem}.aux").read_text(encoding="utf-8"))
    )
    text = source.read_text(encoding="utf-8")
    labels = re.findall(r"\\includegraphics\{(\w+)\}.*?\\label\{(fig:[\w-]+)\}", text, re.DOTALL)
    numbers = figure_numbers(text)
    assert numbers == {name: int(printed[label]) for name, label in labels}
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for name in numbers.keys() - {"figure_design_space"}:
        assert re.search(rf"^\| `{name}` \| .* \| {numbers[name]} \|$", readme, re.MULTILINE), name


@latex
@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("\\FineModelsFit{}", "\\FineModelsFits{}", "FineModelsFits"),
        ("\\ref{sec:workloads}", "\\ref{sec:nowhere}", "sec:nowhere"),
        ("\\cite{vllm}", "\\cite{nobody}", "nobody"),
        ("\\FineModelsFit{}", "7", "7 fit one"),
        ("(Figure~\\ref{fig:workloads})", "", "fig:workloads"),
        ("\\maketitle", "\\maketitle\\noindent\\rule{\\paperwidth}{\\fboxrule}", "Overfull"),
    ],
)
def test_what_a_text_must_not_do_fails_in_one_line(tmp_path, right, wrong, named):
    source = copied(tmp_path)
    text = source.read_text(encoding="utf-8")
    assert right in text
    source.write_text(text.replace(right, wrong), encoding="utf-8")
    done = compile_in(tmp_path, source)
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out.pdf").exists()


def test_without_latex_one_line_says_what_to_install(tmp_path):
    done = subprocess.run(
        [*COMPILE, "--check"], env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "apt-get install latexmk" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_guide_answers_every_question_of_the_source_with_verdicts():
    text = GUIDE.read_text(encoding="utf-8")
    claims = {row["claim"]: row for row in read_rows(REPOSITORY / RESULTS / "claims.csv")}
    ledger = text.partition("## Every claim")[2]
    said = set(re.findall(r"\(#claim-([a-z0-9-]+)\)", text))
    assert len(said) > 60
    assert said <= set(claims)
    for name, row in claims.items():
        assert f'<a id="claim-{name}"></a>`{name}`' in ledger
        assert row["reason"].replace("|", "\\|") in ledger
    for part in (
        "In one page", "Contents", "Examples", "Saturation", "Workloads", "Compatibility", "Alternatives", "Questions",
        "Decision tree", "Summary statistics", "Every claim",
    ):  # fmt: skip
        assert f"## {part}" in text
    for asked in (
        "0% savings at batch 64", "limit Prophet", "CPU offloading", "Which models benefit most", "large batches",
        "expert granularity", "mean overhead", "adapt the batch size",
    ):  # fmt: skip
        assert re.search(rf"### .*{asked}", text), asked


def test_every_link_of_the_guide_leads_somewhere():
    page = GUIDE.with_suffix(".html").read_text(encoding="utf-8")
    there = set(re.findall(r'id="([^"]+)"', page))
    links = re.findall(r'href="#([^"]+)"', page)
    assert len(links) > 100
    assert set(links) <= there
    pictures = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', page)
    assert len(pictures) >= 6
    assert all((GUIDE.parent / file).is_file() for file, _ in pictures)


def test_the_page_is_the_guide():
    page = GUIDE.with_suffix(".html").read_text(encoding="utf-8")
    style = (TEMPLATES / "guide.css").read_text(encoding="utf-8")
    assert page == page_of(GUIDE.read_text(encoding="utf-8"), style)
    assert "@media print" in page
    assert "http" not in page.split("<main>")[0]


def test_headings_and_their_links_agree():
    text = "# A\n\n## One page: what, and *why*?\n\nWords.\n"
    (title,) = headings(text)
    assert f'<h2 id="{anchor(title)}">' in body_of(text)
    assert anchor(title) == "one-page-what-and-why"
