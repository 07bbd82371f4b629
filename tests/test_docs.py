"""The examples of the documentation do what they say, and its links lead somewhere.

The rule for each fenced block of README.md, CONTRIBUTING.md and docs/:

- `sh`: each command is run in a copy of the project and must succeed, or is checked where it takes minutes or another machine
  (`make`, `squeue`). A `text` block right after it is what it prints; a line `...` stands for any lines.
- a block with a title is a file: a `diff` is applied to it, YAML for a file that is there is added at its end, anything else is
  written.
- `python` without a title is run.
"""

import contextlib
import dataclasses
import io
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from conftest import MODELS, REPOSITORY, RESULTS, copy_project, known_files

from prophet_memory.cli import COMMANDS, program
from prophet_memory.parameters import count_parameters

PAGES = [name for name in known_files() if name in {"README.md", "CONTRIBUTING.md"} or re.fullmatch(r"docs/.*\.md", name)]
FENCE = re.compile(r"^( *)```(\w+)?(?: title=\"([^\"]+)\")?.*\n((?:.*\n)*?)\1```$", re.MULTILINE)
LANGUAGES = {"sh", "text", "python", "json", "yaml", "csv", "rst", "diff"}
ELSEWHERE = {"squeue", ".venv-crate/bin/rocrate-validator"}  # programs of a cluster
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
# Several commands in one process, which takes a third of the time.
PROGRAM = """
import contextlib, io, json, sys
from prophet_memory.cli import main

answers = []
for words in json.loads(sys.argv[1]):
    sys.argv, said, status = ["prophet-memory", *words], (io.StringIO(), io.StringIO()), 0
    with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    answers.append([status, *(text.getvalue() for text in said)])
print(json.dumps(answers))
"""
OURS = {".venv/bin/prophet-memory", "prophet-memory"}
WRITES = {"import-config"}  # what a later command in the same process would not see
# Files of the reader's, by the names that examples give them.
GIVEN = {
    "path/to/config.json": "tests/data/hf_configs/qwen3-30b-a3b.json",
    "server.log": "tests/data/logs/vllm-0.19.log",
    "my_trace.csv": "arrival_s,prompt_tokens,output_tokens\n0,900,120\n1.5,300,80\n4,1200,200\n",
}


@dataclasses.dataclass(frozen=True)
class Block:
    line: int
    language: str
    title: str | None
    text: str
    said: str | None = None  # of commands: what they print

    @property
    def commands(self) -> list[list[str]]:
        """Words of each command, comments left out."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, what is printed with the commands that print it."""
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(text):
        indent, language, title, body = match.groups()
        body = "".join(line.removeprefix(indent) for line in body.splitlines(keepends=True))
        line = text.count("\n", 0, match.start()) + 1
        if language == "text" and found and found[-1].language == "sh" and not text[end : match.start()].strip():
            found[-1] = dataclasses.replace(found[-1], said=body)
        else:
            found.append(Block(line, language or "", title, body))
        end = match.end()
    return found


def is_said(expected: str, printed: str) -> bool:
    """Whether an output is what a block says, `...` for any lines; empty lines around it do not count."""
    lines = ["(?:.*\n)*?" if line == "..." else f"{re.escape(line.rstrip())}\n" for line in expected.strip("\n").splitlines()]
    text = "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())
    return re.fullmatch("".join(lines), text) is not None


def check_make(words: list[str]) -> None:
    """That target, variables and profile are the Makefile's."""
    for word in words:
        name, is_variable, value = word.partition("=")
        if is_variable:
            assert f"$({name})" in MAKEFILE or f"$(if $({name})" in MAKEFILE, f"make has no variable {name}"
            assert name != "PROFILE" or (REPOSITORY / "profiles" / value / "config.yaml").exists(), f"no profile {value}"
        elif not (word.startswith(".venv") and word.endswith("/prophet-environment")):
            assert re.search(rf"^{re.escape(word)}:", MAKEFILE, re.MULTILINE), f"make has no target {word}"


@dataclasses.dataclass(frozen=True)
class Done:
    words: list[str]
    status: int
    printed: str
    problems: str


def asked(folder: Path, *commands: list[str]) -> list[Done]:
    """Commands of our command line, words after its name, in a copy of the project."""
    call = [sys.executable, "-c", PROGRAM, json.dumps(commands)]
    done = subprocess.run(call, cwd=folder, env=environment_of(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Done(words, *answer) for words, answer in zip(commands, json.loads(done.stdout), strict=True)]


def environment_of(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(folder / "src")}


def ran(folder: Path, words: list[str]) -> list[Done]:
    """A command of another program; nothing where it was checked and not run."""
    name, *rest = words
    if name == "make":
        check_make(rest)
        return []
    if name in ELSEWHERE:
        return []
    if name == ".venv/bin/python":
        command = [sys.executable, *rest]
    elif name == ".venv/bin/snakemake":
        assert "--dry-run" in rest, "an example of Snakemake without --dry-run would compute everything: write make"
        command = [sys.executable, "-m", "snakemake", *rest]
    elif name == "sha256sum":
        command = words
    else:
        raise AssertionError(f"{name}: no rule of tests/test_docs.py says how to check it")
    done = subprocess.run(command, cwd=folder, env=environment_of(folder), capture_output=True, text=True, check=False)
    return [Done(words, done.returncode, done.stdout, done.stderr)]


def ran_all(folder: Path, commands: list[list[str]]) -> Iterator[Done]:
    """The commands of a block, neighbours that belong to one process together."""
    for is_ours, group in itertools.groupby(commands, key=lambda words: words[0] in OURS and words[1] not in WRITES):
        if is_ours:
            yield from asked(folder, *(words[1:] for words in group))
        else:
            for words in group:
                yield from asked(folder, words[1:]) if words[0] in OURS else ran(folder, words)


def edit(folder: Path, block: Block) -> None:
    """Write, append or change the file that a block names."""
    file = folder / block.title
    if block.language == "diff":
        lines = block.text.splitlines(keepends=True)
        before, after = ("".join(line[1:] or "\n" for line in lines if line[0] in kept) for kept in (" -\n", " +\n"))
        text = file.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{block.title} has not exactly one place like this:\n{before}"
        file.write_text(text.replace(before, after), encoding="utf-8")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    is_added = block.language == "yaml" and file.exists()
    parted = "\n" if is_added and not block.text.startswith(" ") else ""  # entries of the whole file stand apart
    with file.open("a" if is_added else "w", encoding="utf-8") as writing:
        writing.write(parted + block.text)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A checkout with the catalogues of the results, and the compiled loop of replicas where this one has it."""
    folder = copy_project(tmp_path_factory.mktemp("docs") / "project")
    (folder / RESULTS).mkdir(parents=True)
    for file in (REPOSITORY / RESULTS).glob("*_catalogue.csv"):
        shutil.copy(file, folder / RESULTS)
    loop = Path("src/prophet_memory/workload")
    shutil.copytree(REPOSITORY / loop, folder / loop, dirs_exist_ok=True)
    for name, content in GIVEN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        known = REPOSITORY / content if "\n" not in content else None
        (folder / name).write_text(known.read_text(encoding="utf-8") if known else content, encoding="utf-8")
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(text_of(page))])
def test_examples_do_what_they_say(page: str, pristine: Path, tmp_path: Path):
    folder = tmp_path / "project"
    shutil.copytree(pristine, folder)
    names: dict = {"config": json.loads((folder / "path/to/config.json").read_text(encoding="utf-8"))}
    for block in blocks(text_of(page)):
        where = f"{page}:{block.line}"
        assert block.language in LANGUAGES, f"{where}: {block.language or 'no language'}; allowed: {', '.join(sorted(LANGUAGES))}"
        if block.title:
            edit(folder, block)
        elif block.language == "python":
            with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
                exec(block.text, names)  # noqa: S102 - our own
        elif block.language == "sh":
            printed = ""
            for done in ran_all(folder, block.commands):
                assert done.status == 0, f"{where}: {shlex.join(done.words)}\n{done.problems}"
                printed += done.printed
            assert block.said is None or is_said(block.said, printed), f"{where}: prints\n{printed}"


def test_what_an_example_gets_wrong_is_found(pristine):
    wrong, right = asked(pristine, ["plan", "--modell", "dbrx", "--gpu", "b200"], ["plan", "--model", "dbrx", "--gpu", "b200"])
    assert (wrong.status, right.status) == (2, 0)
    for words in (["papers"], ["paper", "PROFIL=slurm"], ["paper", "PROFILE=slurmy"]):
        with pytest.raises(AssertionError, match=r"make has no|no profile"):
            ran(pristine, ["make", *words])
    with pytest.raises(AssertionError, match="no rule"):
        ran(pristine, ["curl", "anything"])
    assert is_said("a\n...\nd\n", "a\nb\nc\nd  \n")
    assert not is_said("a\n...\n", "b\na\n")


CODE = re.compile(r"^ *```.*?^ *```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
# Pages that name options of other programs by themselves.
OF_OTHERS = {"docs/engines.md", "docs/cluster.md", "docs/scaling.md", "docs/how-to/run-on-slurm.md"}


def options_of_commands() -> dict[str, set[str]]:
    context = click.Context(program)
    found: dict[str, set[str]] = {}
    for name in COMMANDS:
        command = program.get_command(context, name)
        parts = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
        found[name] = {
            "--help",
            *(word for part in parts for option in part.params for word in (*option.opts, *option.secondary_opts)),
        }
    return found


def test_options_in_the_text_exist():
    known = options_of_commands()
    every = {"--help", "--catalogue"}.union(*known.values())
    for page in PAGES:
        for match in CODE.finditer(text_of(page)):
            code = match[1] or ""
            words = code.removeprefix("prophet-memory ").split()
            named = re.findall(r"(?<![\w-])--[a-z][\w-]*", code)
            if words and (words[0] in known or (words[0].startswith("--") and page not in OF_OTHERS)):
                wrong = [option for option in named if option not in known.get(words[0], every)]
                assert wrong == [], f"{page}: {code}: {wrong[0]} is no option of ours"


LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors_on_github(text: str) -> set[str]:
    heads = re.findall(r"^#+ +(.*?) *$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere_on_github(page: str):
    for target in LINK.findall(CODE.sub("", text_of(page))):
        if not target.startswith(("http:", "https:", "mailto:")):
            path, _, anchor = target.partition("#")
            file = (REPOSITORY / page).parent / path if path else REPOSITORY / page
            assert file.exists(), f"{page}: {target}"
            assert not anchor or anchor in anchors_on_github(file.read_text(encoding="utf-8")), f"{page}: {target}"


def test_the_worked_example_is_the_librarys():
    text = text_of("docs/worked-example.md")
    words = next(words[1:] for block in blocks(text) for words in block.commands)
    both = asked(REPOSITORY, [*words, "--json"], [*words, "--json", "--policy", "all_resident"])
    row, baseline = (json.loads(done.printed) for done in both)
    numbers = set(re.findall(r"[\d,.]*\d", text))
    shown = re.findall(r"^\|[^|]*\| `(\w+)` \|.*\| ([\d,]+) \|$", text, re.MULTILINE)
    assert len(shown) == 9
    assert {name: int(value.replace(",", "")) for name, value in shown} == {name: row[name] for name, _ in shown}
    assert {f"{row['distinct_experts']}", f"{row['kv_extension']:.4f}"} <= numbers
    columns = (
        "resident_expert_bytes",
        "free_for_kv_bytes",
        "max_context_tokens",
        "kv_capacity_tokens",
        "usable_kv_capacity_tokens",
    )
    assert {f"{baseline[name]:,}" for name in columns} <= numbers
    counts = dataclasses.asdict(count_parameters(MODELS["mixtral-8x7b"]))
    assert {f"{counts[name]:,}" for name in ("attention", "router", "norm", "routed_expert", "per_expert")} <= numbers
    # Products of whole numbers come to what stands beside them.
    products = re.findall(r"\| ([\d,x+() ]+) \| ([\d,]+) \|$", text, re.MULTILINE)
    assert len(products) > 8
    for product, value in products:
        assert eval(product.replace(",", "").replace("x", "*")) == int(value.replace(",", "")), product  # noqa: S307 - digits, signs
