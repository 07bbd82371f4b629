"""The parameters of a run's rules and which feeds which: what the command lines of its jobs show, and no more.

An option is a parameter of its rule: files that the jobs read, files that they write, or else a value. A file that an option
names and that no job wrote is an input of the workflow; an output of the run that an option names is an output of the workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from urllib.parse import quote

from prophet_paper.jobs import Job


class Kind(Enum):
    """What an option names."""

    READ = "files that jobs read"
    WRITTEN = "files that jobs write"
    VALUE = "a value"


@dataclass(frozen=True)
class Parameter:
    """An option of a rule, or a file of the workflow (no rule)."""

    rule: str | None
    name: str
    kind: Kind

    @property
    def key(self) -> str:
        """Its identifier in the crate."""
        return f"#tool/{self.rule}/{self.name}" if self.rule else f"#parameter/{quote(self.name)}"


@dataclass(frozen=True)
class Value:
    """What jobs of a rule got under an option; no words for a flag that is set."""

    key: str
    parameter: Parameter
    words: tuple[str, ...]
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Connection:
    """One parameter feeds another."""

    source: Parameter
    target: Parameter

    @property
    def key(self) -> str:
        """Its identifier in the crate."""
        return f"#connection/{self.source.key[1:]}/to/{self.target.key[1:]}"


@dataclass(frozen=True)
class Wiring:
    """Parameters, values and connections.

    Attributes:
        rules: the jobs by rule.
        outputs: what the run was for.
    """

    rules: Mapping[str, Sequence[Job]]
    outputs: Collection[str]

    @cached_property
    def options(self) -> dict[Parameter, list[tuple[Job, list[str]]]]:
        """The parameters of the rules, each with the jobs that have it on their command line and what stands there."""
        found = {}
        for rule, jobs in self.rules.items():
            for name in dict.fromkeys(option for job in jobs for option in job.options):
                uses = [(job, job.options[name]) for job in jobs if name in job.options]
                found[Parameter(rule, name, _kind(uses))] = uses
        return found

    @cached_property
    def files(self) -> dict[Parameter, list[str]]:
        """The files that each parameter stood for, those of the workflow last."""
        found = {
            parameter: list(dict.fromkeys(word for _, words in uses for word in words))
            for parameter, uses in self.options.items()
            if parameter.kind is not Kind.VALUE
        }
        made = {output for jobs in self.rules.values() for job in jobs for output in job.outputs}
        read = {file for parameter, files in found.items() if parameter.kind is Kind.READ for file in files}
        named = {file for parameter, files in found.items() if parameter.kind is Kind.WRITTEN for file in files}
        found |= {Parameter(None, file, Kind.READ): [file] for file in sorted(read - made)}
        return found | {Parameter(None, file, Kind.WRITTEN): [file] for file in sorted(named & set(self.outputs))}

    @cached_property
    def connections(self) -> list[Connection]:
        """From what writes a file, or gives it to the workflow, to what reads it, or is the workflow's output."""

        def by_file(gives: Callable[[Parameter], bool]) -> dict[str, list[Parameter]]:
            found: dict[str, list[Parameter]] = {}
            for parameter, files in self.files.items():
                for file in files if gives(parameter) else ():
                    found.setdefault(file, []).append(parameter)
            return found

        # A tool writes for others to read; the workflow gives what it reads, and takes what is its output.
        gives = by_file(lambda own: (own.kind is Kind.WRITTEN) is (own.rule is not None))
        takes = by_file(lambda own: (own.kind is Kind.READ) is (own.rule is not None))
        return list(dict.fromkeys(Connection(a, b) for file, own in gives.items() for a in own for b in takes.get(file, ())))

    @cached_property
    def values(self) -> list[Value]:
        """Every value, once for the jobs of a rule that share it."""
        found = []
        for parameter, uses in self.options.items():
            jobs: dict[tuple[str, ...], list[Job]] = {}
            for job, words in uses if parameter.kind is Kind.VALUE else ():
                jobs.setdefault(tuple(words), []).append(job)
            for number, shared in enumerate(sorted(jobs)):
                key = f"#value/{parameter.rule}/{parameter.name}" + (f"/{number}" if len(jobs) > 1 else "")
                found.append(Value(key, parameter, shared, tuple(jobs[shared])))
        return found

    def of(self, rule: str | None, *kinds: Kind) -> Iterator[Parameter]:
        """The parameters of a rule, or with None of the workflow."""
        every = dict.fromkeys([*self.options, *self.files])
        return (parameter for parameter in every if parameter.rule == rule and parameter.kind in kinds)


def _kind(uses: Sequence[tuple[Job, list[str]]]) -> Kind:
    if all(words and set(words) <= set(job.outputs) for job, words in uses):
        return Kind.WRITTEN
    return Kind.READ if all(words and set(words) <= set(job.record.inputs) for job, words in uses) else Kind.VALUE
