"""Describe a finished run as an RO-Crate, from what Snakemake recorded: jobs with their times, files, checksums, software."""

from __future__ import annotations

import base64
import binascii
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import ConfigurationError, script
from prophet_memory.edge.files import sha256, write_text
from prophet_memory.edge.messages import error
from prophet_paper.checksums import read_sums
from prophet_paper.crate import CRATE_VERSION, DESCRIPTOR, TERMS, entities
from prophet_paper.jobs import Content, Record, jobs_of, missing
from prophet_paper.runs import Author, Citation, Package, Run

README = "README.md"
INCLUDED = re.compile(r'^include: "([^"]+)"', re.MULTILINE)
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
# What of its links a package calls its own place, the best first.
HOMES = ("homepage", "home", "home page", "repository", "source", "source code", "github", "documentation")


def main(
    *,
    output: Path,
    sums: Path = Path("evaluation/SHA256SUMS"),
    records: Path = Path(".snakemake"),
    workflow: Path = Path("Snakefile"),
    configuration: Path = Path("config/config.yaml"),
    citation: Path = Path("CITATION.cff"),
    lock: Path = Path("requirements.lock"),
    environment: Path | None = None,
    agent: str = "",
) -> None:
    """Read the records, hash, describe, write; from the folder of the checkout, for paths in the crate start there.

    Args:
        output: ro-crate-metadata.json
        sums: SHA256SUMS with the outputs of the run
        records: Snakemake's folder
        workflow: the main Snakefile
        configuration: the workflow's config file
        citation: CITATION.cff, for title, authors and licence
        lock: the pinned packages
        environment: virtual environment in which the jobs ran; without it their software is left out
        agent: who ran it, an author of the citation by name; default: left out
    """
    cited = _citation(citation)
    who = next((author for author in cited.authors if author.name == agent), None)
    if agent and who is None:
        raise error(citation, "authors", agent, f"--agent is one of {', '.join(author.name for author in cited.authors)}")
    found, began = dict(_records(records / "metadata")), {file for file, _ in _entries(records / "incomplete")}
    if not sums.is_file():
        raise ConfigurationError(f"{sums}: file: missing; allowed: the checksums of a run's outputs; make paper writes them")
    listed: dict[str, str | None] = {str(file): digest for file, digest in read_sums(sums).items()} | {str(sums): None}
    jobs, parts = jobs_of(listed, found), tuple(_definition(workflow))
    files = {*listed, *parts, str(configuration), README, *(file for job in jobs for file in (*job.record.inputs, *job.outputs))}
    contents = {file: Content(sha256(Path(file)), Path(file).stat().st_size) for file in sorted(files) if Path(file).is_file()}
    if str(configuration) not in contents:
        raise ConfigurationError(f"{configuration}: file: missing; allowed: the workflow's config file")
    if lacking := list(missing(listed, found, began, contents)):
        more = f" ({len(lacking) - 1} more of the kind)" if len(lacking) > 1 else ""
        raise ConfigurationError(f"{lacking[0]}; make paper finishes the run{more}")
    packages, python = _software(environment, lock) if environment else ((), None)
    readme = README if README in contents else None
    run = Run(jobs, tuple(sorted(listed)), contents, parts, str(configuration), cited, packages, python, _commit(), who, readme)
    write_text(output, _crate(entities(run)), receipt=False)
    print(f"{output}: {len(run.outputs)} outputs, {len(jobs)} jobs of {len(run.rules)} rules")


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """The outputs that Snakemake keeps a file for: their names in base64, cut into folders with an @ where they are long."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            encoded = "".join(part.removeprefix("@") for part in file.relative_to(folder).parts)
            try:
                yield base64.b64decode(encoded, altchars=b"-_", validate=True).decode(), file
            except (binascii.Error, UnicodeDecodeError):
                continue  # not of Snakemake's


def _records(folder: Path) -> Iterator[tuple[str, Record | None]]:
    for name, file in _entries(folder):
        try:
            yield name, Record.of(json.loads(file.read_text(encoding="utf-8")))
        except ValueError:
            yield name, None


def _definition(snakefile: Path) -> Iterator[str]:
    """A Snakefile and what it includes."""
    yield str(snakefile)
    for name in INCLUDED.findall(snakefile.read_text(encoding="utf-8")):
        yield from _definition(snakefile.parent / name)


def _citation(file: Path) -> Citation:
    """What a citation file says. Raises ConfigurationError where it lacks what a crate has to say."""
    import yaml  # noqa: PLC0415 - `--help` needs none

    try:
        said = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - text alone, so dates stay text
    except yaml.YAMLError as problem:
        raise error(file, "file", str(problem), "YAML, as the Citation File Format has it") from None
    for key in ("title", "version", "date-released", "license", "authors"):
        if not said.get(key):
            raise error(file, key, said.get(key), "what RO-Crate requires of its root")
    authors = tuple(_author(author) for author in said["authors"])
    url = said.get("repository-code") or said.get("url")
    return Citation(said["title"], str(said["version"]), str(said["date-released"]), said["license"], authors, url)


def _author(said: dict[str, Any]) -> Author:
    names = [said[key] for key in ("given-names", "family-names") if key in said]
    return Author(said.get("name") or " ".join(names), bool(names), said.get("orcid"), said.get("website"))


def _software(environment: Path, lock: Path) -> tuple[tuple[Package, ...], str | None]:
    """The pinned packages that an environment has, and its Python; ConfigurationError where it is not what the lock says."""
    settings = environment / "pyvenv.cfg"
    if not settings.is_file():
        raise ConfigurationError(f"{environment}: environment: missing; allowed: the virtual environment in which the jobs ran")
    versions = dict(re.findall(r"^(\w+) *= *(\S+)", settings.read_text(encoding="utf-8"), re.MULTILINE))
    pinned = {_normal(name): version for name, version in PINNED.findall(lock.read_text(encoding="utf-8"))}
    installed = {}
    for one in distributions(path=[str(folder) for folder in environment.glob("lib/python*/site-packages")]):
        name = _normal(one.metadata["Name"])
        if name in pinned and one.version != pinned[name]:
            raise ConfigurationError(f"{environment}: {name}: {one.version}; allowed: {pinned[name]}, as {lock} pins it")
        if name in pinned:
            installed[name] = Package(name, one.version, _home(one))
    return tuple(installed[name] for name in sorted(installed)), versions.get("version_info") or versions.get("version")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _home(package: Distribution) -> str | None:
    """Where a package says that it is at home."""
    links = {}
    for line in package.metadata.get_all("Project-URL") or []:
        label, _, link = line.partition(", ")
        links[label.lower()] = link
    named = (links[label] for label in HOMES if label in links)
    return next(named, None) or next(iter(package.metadata.get_all("Home-page") or []), None) or next(iter(links.values()), None)


def _commit() -> str | None:
    """The git commit of this folder; None without one, and where a tracked file differs from it."""
    git = shutil.which("git")

    def ask(*words: str) -> str | None:
        done = subprocess.run([str(git), *words], capture_output=True, text=True, check=False)  # noqa: S603 - git's own
        return done.stdout.strip() if done.returncode == 0 else None

    if git is None or ask("rev-parse", "--show-prefix") != "":
        return None
    return ask("rev-parse", "HEAD") if ask("status", "--porcelain", "--untracked-files=no") == "" else None


def _crate(parts: Iterable[dict[str, Any]]) -> str:
    """The metadata file, through ro-crate-py."""
    try:
        from rocrate.model import ContextEntity, DataEntity  # noqa: PLC0415 - as above
        from rocrate.rocrate import ROCrate  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ConfigurationError("rocrate: package: missing; allowed: an environment with it; make crate builds one") from None
    crate = ROCrate(version=CRATE_VERSION)
    crate.metadata.extra_contexts.append(f"{TERMS}/context")
    crate.metadata["conformsTo"] = [{"@id": key} for key in DESCRIPTOR]
    for part in parts:
        own = {key: value for key, value in part.items() if key != "@id"}
        if part["@id"] == "./":
            crate.root_dataset.properties().update(own)
        else:
            kept = "File" in part["@type"] and not part["@id"].startswith("#")
            crate.add((DataEntity if kept else ContextEntity)(crate, part["@id"], own))
    return json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    script(main)
