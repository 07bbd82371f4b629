"""What Snakemake recorded of the jobs behind some outputs, and what a run lacks to be finished."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast
from urllib.parse import quote

ENDS_OF_A_COMMAND = {"2>", ">", "&&", "|"}
SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Record:
    """What Snakemake keeps of the job that made an output (`.snakemake/metadata`, format 6); times in seconds of the epoch.

    Attributes:
        rule: the job's rule.
        command: its shell command.
        inputs: the files that it read.
        logs: the files of its log.
        started: None where it is not known.
        ended: when the output was written.
        checksums: SHA-256 of inputs as the job found them; Snakemake has none of files above a megabyte.
        image: the container that it ran in, if it did.
    """

    rule: str
    command: str
    inputs: tuple[str, ...]
    logs: tuple[str, ...]
    started: float | None
    ended: float
    checksums: Mapping[str, str]
    image: str | None = None

    @staticmethod
    def of(plain: object) -> Record | None:
        """A record as its file has it; None where it is cut short, or of a job that did not finish."""
        match plain:
            case {"rule": str(rule), "shellcmd": str(command), "input": list(inputs), "endtime": int() | float() as end, **rest}:
                start, sums = rest.get("starttime"), cast("dict[str, str]", rest.get("input_checksums") or {})
                logs = cast("list[str]", rest.get("log") or [])
                # Where Snakemake lost the start, it writes down when it looked: after the end.
                known = float(start) if isinstance(start, int | float) and start <= end else None
                image = _used_image(rest.get("container_img_url"), rest.get("software_stack_hash"))
                found = {file: said.removeprefix("sha256:") for file, said in sums.items() if said.startswith("sha256:")}
                record = Record(rule, command, tuple(inputs), tuple(logs), known, float(end), found, image)
                return None if rest.get("incomplete") else record
        return None


def _used_image(image: object, stack: object) -> str | None:
    """The container that a job ran in: Snakemake names the workflow's in every record, and hashes the one that was used."""
    used = isinstance(image, str) and hashlib.md5(image.encode(), usedforsecurity=False).hexdigest() == stack
    return str(image) if used else None


@dataclass(frozen=True)
class Content:
    """A file that is there."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Job:
    """One run of a rule: the records of its outputs, taken together."""

    record: Record
    outputs: tuple[str, ...]
    started: float | None
    ended: float

    @property
    def name(self) -> str:
        """What tells it from every other: its first output."""
        return quote(self.outputs[0])

    @cached_property
    def words(self) -> list[str]:
        """Its command up to where the shell redirects or goes on."""
        words = shlex.split(self.record.command)
        return words[: next((place for place, word in enumerate(words) if word in ENDS_OF_A_COMMAND), len(words))]

    @property
    def script(self) -> str | None:
        """The script that it ran, where that is one of its inputs."""
        return next((word for word in self.words if word in self.record.inputs and word.endswith(".py")), None)

    @cached_property
    def options(self) -> dict[str, list[str]]:
        """The options on its command line with their values."""
        found: dict[str, list[str]] = {}
        for word in self.words:
            if word.startswith("--"):
                found[word[2:]] = values = []
            elif found:
                values.append(word)
        return found


def jobs_of(outputs: Iterable[str], records: Mapping[str, Record | None]) -> tuple[Job, ...]:
    """Every job behind some outputs, by its first output. One job left a record for each of its outputs."""
    found: set[str] = set()
    waiting = list(outputs)
    while waiting:
        file = waiting.pop()
        if file not in found and (record := records.get(file)):
            found.add(file)
            waiting += record.inputs
    together: dict[tuple[str, str, tuple[str, ...]], dict[str, Record]] = {}
    for file, record in sorted(records.items(), key=lambda item: item[0]):
        if record:
            together.setdefault((record.rule, record.command, record.logs), {})[file] = record
    jobs = (_job(own) for own in together.values() if found & set(own))
    return tuple(sorted(jobs, key=lambda job: job.name))


def _job(records: Mapping[str, Record]) -> Job:
    """The job of some records, by output: from the first start to the last end."""
    start = earliest(record.started for record in records.values())
    return Job(next(iter(records.values())), tuple(records), start, max(record.ended for record in records.values()))


def earliest(starts: Iterable[float | None]) -> float | None:
    """The first of some times; None where one is not known."""
    known = list(starts)
    return None if None in known else min(start for start in known if start is not None)


def missing(
    listed: Mapping[str, str | None],
    records: Mapping[str, Record | None],
    incomplete: Iterable[str],
    contents: Mapping[str, Content],
) -> Iterator[str]:
    """What a run lacks to be finished, a line each.

    Args:
        listed: the outputs with the SHA-256 that each shall have, None for any.
        records: by output; None for a record that is not whole.
        incomplete: the outputs of jobs that Snakemake saw begin and not end.
        contents: the files that are there.
    """
    jobs = jobs_of(listed, records)
    began = set(incomplete)
    read = {file for job in jobs for file in job.record.inputs}
    for file in sorted({*listed, *(output for job in jobs for output in job.outputs), *(read & ({*records} | began))}):
        if file in began:
            yield f"{file}: job: not finished; allowed: an output whose job ended"
        elif records.get(file) is None:
            said = "cut short" if file in records else "missing"
            yield f"{file}: Snakemake's record: {said}; allowed: the record of the job that wrote it"
        elif file in listed:
            yield from _not_as_listed(file, listed[file], contents.get(file))
    yield from _changed(jobs, records, contents)


def _not_as_listed(file: str, wanted: str | None, content: Content | None) -> Iterator[str]:
    if content is None:
        yield f"{file}: file: missing; allowed: what its job wrote"
    elif wanted not in {None, content.sha256}:
        yield f"{file}: sha256: {_shown(content.sha256)}; allowed: {_shown(wanted)}, as the list of the outputs says"


def _changed(jobs: Iterable[Job], records: Mapping[str, Record | None], contents: Mapping[str, Content]) -> Iterator[str]:
    """A line for each file that a job read and that is gone, or another, since."""
    wrong: dict[str, str] = {}
    for record in (job.record for job in jobs):
        for file in record.inputs:
            now, then = contents.get(file), record.checksums.get(file)
            if now is None and file not in records:
                wrong[file] = f"{file}: file: missing; allowed: what rule {record.rule} read"
            elif now and then not in {None, now.sha256}:
                wrong[file] = f"{file}: sha256: {_shown(now.sha256)}; allowed: {_shown(then)}, as rule {record.rule} read it"
    yield from (line for _, line in sorted(wrong.items()))


def _shown(digest: str | None) -> str:
    return f"{digest[:SHOWN_DIGITS]}..." if digest else ""
