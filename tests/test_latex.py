"""The LaTeX tables: the renderer, and all of them in one document through a real LaTeX."""

import re
import shutil
import subprocess

import pytest
from conftest import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.edge.text import percent, significant, thousands
from prophet_paper.latex import Column, Remark, escape, long_table, table, with_group_rules

TABLES = sorted((REPOSITORY / "paper_tables").glob("table_*.tex"))
NO_LATEX = "no pdflatex with booktabs and siunitx: apt-get install texlive-latex-recommended texlive-science"
DOCUMENT = r"""\documentclass[10pt%s]{article}
\usepackage[letterpaper,margin=0.75in]{geometry}
\usepackage{array,booktabs,longtable,siunitx,xcolor}
\setlength{\LTcapwidth}{\textwidth}
\begin{document}
Tables %s.
%s
\end{document}
"""


def compiled(folder, body: str, references: str = "", options: str = ",twocolumn") -> str:
    """Compile twice, fail on any error; the log of the second run."""
    if (
        shutil.which("pdflatex") is None
        or subprocess.run(["kpsewhich", "siunitx.sty"], capture_output=True, check=False).returncode
    ):
        pytest.skip(NO_LATEX)
    (folder / "all.tex").write_text(DOCUMENT % (options, references, body), encoding="utf-8")
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return (folder / "all.log").read_text(errors="replace")


def test_all_tables_compile_in_one_document(tmp_path):
    assert len(TABLES) == 17
    labels = [label for file in TABLES for label in re.findall(r"\\label\{([\w:-]+)\}", file.read_text())]
    assert len(set(labels)) == len(TABLES)
    long = [file for file in TABLES if "longtable" in file.read_text()]
    assert [file.stem for file in long] == [
        "table_alternatives",
        "table_claims",
        "table_latency_observed",
        "table_model_catalogue",
        "table_workloads",
    ]
    floats, pages = ("\n".join(rf"\input{{{file}}}" for file in some) for some in (sorted(set(TABLES) - set(long)), long))
    body = f"{floats}\n\\onecolumn\n{pages}"
    log = compiled(tmp_path, body, ", ".join(rf"\ref{{{label}}}" for label in labels))
    assert "undefined" not in log
    assert "Overfull \\hbox" not in log
    assert "multiply defined" not in log


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_tables_are_booktabs_with_caption_label_and_aligned_numbers(file):
    text = file.read_text(encoding="utf-8")
    for part in ("\\toprule", "\\midrule", "\\bottomrule", "\\caption{", "\\label{tab:"):
        assert part in text
    assert "S[table-format=" in text or file.stem == "table_claims"
    assert "nan" not in text.lower().replace("\\textit", "").split("\\toprule", 1)[1]
    assert not any(word in text for word in ("None", "inf ", "\\hline"))


def test_no_page_of_a_long_table_begins_or_ends_with_one_row_of_a_group():
    rows = [["one"], None, ["first"], ["second"], ["third"], ["last"], None, ["pair"], ["of two"]]
    text = long_table([Column("Text")], rows, caption="C", label="tab:c")
    ends = {line.split()[0]: line.rstrip()[-1] for row in rows if row for line in text.splitlines() if row[0] in line}
    assert [word for word, end in ends.items() if end == "*"] == ["first", "third", "pair"]


def test_a_remark_stays_on_the_page_of_its_row(tmp_path):
    rows = [["claim", "quote", 1.5], Remark("why & how", "3in"), ["next", "quote", 2.5]]
    text = long_table([Column("Claim"), Column("Printed"), Column("Value", (1, 1))], rows, caption="C", label="tab:c")
    assert next(line for line in text.splitlines() if "claim" in line).endswith(r"\\*")
    assert r"& \multicolumn{2}" in text
    assert "Overfull" not in compiled(tmp_path, text, options="")


def test_hostile_text_compiles_and_prints_as_it_stands(tmp_path):
    rows = [["a_b & 100% #1 {x} ~ ^ \\ $", 1.5], ["plain", None], ["word", "new"]]
    columns = [Column("Text"), Column("Number", (1, 2))]
    log = compiled(tmp_path, table(columns, rows, caption="C", label="tab:c"), options="")
    assert "Overfull" not in log


@given(st.text(alphabet="abc&%$#_{}~^\\ "))
def test_escaped_text_has_no_live_special_character(text: str):
    plain = escape(text)
    for command in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}", *(f"\\{c}" for c in "&%$#_{}")):
        plain = plain.replace(command, "")
    assert not set(plain) & set("&%$#_{}~^\\")


def test_cells():
    number = Column("x", (2, 1))
    assert [number.cell(v) for v in (1.25, 3, None, "0", "12.5", "new")] == ["1.2", "3.0", "{--}", "0", "12.5", "{new}"]
    assert Column("t").cell("a_b") == r"a\_b"


def test_group_rules_stand_between_groups_only():
    rows = [("a", [1]), ("a", [2]), ("b", [3])]
    assert with_group_rules(rows) == [[1], [2], None, [3]]


def test_numbers_as_text():
    assert [percent(v) for v in (0, 1e-6, 0.125, 0.99951, 0.9)] == ["0", "0.0", "12.5", "99.95", "90.0"]
    assert [significant(v) for v in (0.996, 9.996, 99.96, 1234.5, -8.154)] == ["1.00", "10.0", "100", "1234", "-8.15"]
    assert [thousands(v) for v in (999, 1000, 500_123, 2_014_176)] == ["999", "1.00k", "500k", "2.01M"]
