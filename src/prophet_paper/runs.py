"""A finished run: its jobs, its files, and what is known of where it ran and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from prophet_paper.jobs import Content, Job
from prophet_paper.wiring import Wiring

ENGINE = "snakemake"


@dataclass(frozen=True)
class Package:
    """A distribution that is installed where the jobs ran."""

    name: str
    version: str
    url: str | None

    @property
    def key(self) -> str:
        """Its package URL (https://github.com/package-url/purl-spec)."""
        return f"pkg:pypi/{self.name}@{quote(self.version)}"


@dataclass(frozen=True)
class Author:
    """An author of CITATION.cff."""

    name: str
    is_person: bool
    orcid: str | None = None
    url: str | None = None

    @property
    def key(self) -> str:
        """Its identifier in the crate."""
        return self.orcid or f"#author/{quote(self.name)}"


@dataclass(frozen=True)
class Citation:
    """What CITATION.cff says of the project; `released` is a date, `license` a name of SPDX."""

    title: str
    version: str
    released: str
    license: str
    authors: tuple[Author, ...]
    url: str | None = None


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        jobs: every job by which the outputs came to be.
        outputs: the files that the run was for.
        contents: every file of jobs and workflow that is there.
        workflow: the files of the workflow's definition, the main one first.
        configuration: the workflow's config file.
        citation: title, authors, licence.
        packages: what is installed where the jobs ran; empty where that is not known.
        python: the version of the Python there.
        commit: the git commit whose files these are.
        agent: who ran it.
        readme: the file that says what all this is.
    """

    jobs: tuple[Job, ...]
    outputs: tuple[str, ...]
    contents: Mapping[str, Content]
    workflow: tuple[str, ...]
    configuration: str
    citation: Citation
    packages: tuple[Package, ...] = ()
    python: str | None = None
    commit: str | None = None
    agent: Author | None = None
    readme: str | None = None

    @cached_property
    def made(self) -> frozenset[str]:
        """What jobs wrote."""
        return frozenset(output for job in self.jobs for output in job.outputs)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """What jobs read and none of them wrote."""
        return tuple(sorted({file for job in self.jobs for file in job.record.inputs} - self.made))

    @cached_property
    def rules(self) -> dict[str, list[Job]]:
        """The jobs by rule, in the order in which the first of each began."""
        by_time = sorted(self.jobs, key=lambda job: (job.started or job.ended, job.name))
        return {
            name: [job for job in self.jobs if job.record.rule == name] for name in dict.fromkeys(j.record.rule for j in by_time)
        }

    @cached_property
    def wiring(self) -> Wiring:
        """Which parameter feeds which."""
        return Wiring(self.rules, self.outputs)

    @cached_property
    def stands_for(self) -> dict[str, list[str]]:
        """The parameters, by identifier, that each file was given to."""
        found: dict[str, list[str]] = {}
        for parameter, files in self.wiring.files.items():
            for file in files:
                found.setdefault(file, []).append(parameter.key)
        return found

    def key(self, file: str) -> str:
        """The identifier of a file: its path, or one of the crate's own for a result that is not kept with the outputs."""
        return f"#file/{quote(file)}" if file in self.made and file not in self.outputs else quote(file)

    @property
    def engine(self) -> Package | None:
        """Snakemake as it is installed."""
        return next((package for package in self.packages if package.name == ENGINE), None)
