"""A finished run as the entities of an RO-Crate.

The profile is Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance/0.5). It extends Workflow Run Crate and Process Run
Crate 0.5 and Workflow RO-Crate 1.0, all on RO-Crate 1.1. What nobody recorded is left out: see docs/provenance.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prophet_paper.jobs import earliest
from prophet_paper.runs import ENGINE, Run
from prophet_paper.wiring import Kind, Parameter

Entity = dict[str, Any]  # a node of JSON-LD

CRATE_VERSION = "1.1"
TERMS = "https://w3id.org/ro/terms/workflow-run"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    f"{WORKFLOW_CRATE}/1.0": "Workflow RO-Crate",
}
DESCRIPTOR = [f"https://w3id.org/ro/crate/{CRATE_VERSION}", f"{WORKFLOW_CRATE}/1.0"]  # what the metadata file conforms to
LANGUAGE = f"{WORKFLOW_CRATE}#snakemake"
# A file whose kind has no media type of its own is the text that it is.
FORMATS = {
    ".css": "text/css", ".csv": "text/csv", ".gz": "application/gzip", ".html": "text/html", ".js": "text/javascript",
    ".json": "application/json", ".md": "text/markdown", ".parquet": "application/vnd.apache.parquet", ".pdf": "application/pdf",
    ".png": "image/png", ".yaml": "application/yaml",
} | dict.fromkeys(["", ".bib", ".j2", ".lock", ".py", ".smk", ".tex"], "text/plain")  # fmt: skip


def entities(run: Run) -> list[Entity]:
    """Every entity but the metadata file's, the root first; the same for the same run. Who builds adds the root's `hasPart`."""
    parts = [
        *_about(run),
        *_software(run),
        _workflow(run),
        *_run(run),
        *_jobs(run),
        *_steps(run),
        *_parameters(run),
        *_files(run),
    ]
    return [{key: value for key, value in entity.items() if value not in (None, [])} for entity in parts]


def _reference(keys: Iterable[str]) -> Any:  # noqa: ANN401 - JSON
    """References; one alone stands without a list, as RO-Crate 1.1 has it."""
    found = [{"@id": key} for key in dict.fromkeys(keys)]
    return found[0] if len(found) == 1 else found


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _license_key(run: Run) -> str:
    return f"https://spdx.org/licenses/{run.citation.license}"


def _about(run: Run) -> Iterator[Entity]:
    """The root, and what says whose it is."""
    cited, counts = run.citation, f"{len(run.outputs)} outputs, the {len(run.jobs)} jobs of {len(run.rules)} rules"
    commit = f"swh:1:rev:{run.commit}" if run.commit else None  # it follows from the commit alone (SWHID, ISO/IEC 18670)
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": cited.title,
        "description": f"A finished run of the workflow: {counts} by which they came to be, and what these read.",
        "datePublished": cited.released,
        "version": cited.version,
        "license": {"@id": _license_key(run)},
        "author": _reference(author.key for author in cited.authors),
        "conformsTo": _reference(PROFILES),
        "mainEntity": {"@id": run.workflow[0]},
        "isBasedOn": _reference([commit] if commit else []),
        "mentions": _reference(["#run", "#engine", *(f"#job/{job.name}" for job in run.jobs)]),
    }
    for key, name in PROFILES.items():
        yield {"@id": key, "@type": "CreativeWork", "name": name, "version": key.rpartition("/")[2]}
    yield {"@id": _license_key(run), "@type": "CreativeWork", "name": cited.license}
    for author in cited.authors:
        kind = "Person" if author.is_person else "Organization"
        yield {"@id": author.key, "@type": kind, "name": author.name, "url": author.url}
    if commit:
        yield {"@id": commit, "@type": "CreativeWork", "name": f"git commit {run.commit}", "version": run.commit}


def _software(run: Run) -> Iterator[Entity]:
    """Snakemake, its language, Python and the packages."""
    version = run.engine.version if run.engine else None
    yield {"@id": LANGUAGE, "@type": "ComputerLanguage", "name": "Snakemake", "version": version}
    if version is None:
        yield {"@id": f"#{ENGINE}", "@type": "SoftwareApplication", "name": ENGINE}
    named = [(own.key, own.name, own.version, own.url) for own in sorted(run.packages, key=lambda own: own.name)]
    if run.python:
        named.insert(0, (_python_key(run), "Python", run.python, "https://www.python.org"))
    for key, name, number, url in named:
        yield {"@id": key, "@type": "SoftwareApplication", "name": name, "softwareVersion": number, "url": url}


def _python_key(run: Run) -> str:
    return f"pkg:generic/python@{run.python}"


def _workflow(run: Run) -> Entity:
    """The workflow with its steps, its tools and what goes in and out."""
    main, wiring = run.workflow[0], run.wiring
    needs = [*([_python_key(run)] if run.python else []), *sorted(package.key for package in run.packages)]
    return _file(run, main) | {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "version": run.citation.version,
        "url": run.citation.url or {"@id": main},
        "license": {"@id": _license_key(run)},
        "author": _reference(author.key for author in run.citation.authors),
        "programmingLanguage": {"@id": LANGUAGE},
        "softwareRequirements": _reference(needs),
        "step": _reference(f"#step/{rule}" for rule in run.rules),
        "hasPart": _reference(f"#tool/{rule}" for rule in run.rules),
        "input": _reference(own.key for own in wiring.of(None, Kind.READ)),
        "output": _reference(own.key for own in wiring.of(None, Kind.WRITTEN)),
        "connection": _received(run, None),
    }


def _received(run: Run, rule: str | None) -> Any:  # noqa: ANN401 - JSON
    """The connections that a rule receives; with None those to the outputs of the workflow."""
    return _reference(own.key for own in run.wiring.connections if own.target.rule == rule)


def _agent(run: Run) -> Entity | None:
    return {"@id": run.agent.key} if run.agent else None


def _run(run: Run) -> Iterator[Entity]:
    """The run, and the engine that led it."""
    yield {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run of {run.workflow[0]}",
        "description": "From the start of the first job to the end of the last; Snakemake may have been called more than once.",
        "instrument": {"@id": run.workflow[0]},
        "startTime": _time(earliest(job.started for job in run.jobs)),
        "endTime": _time(max(job.ended for job in run.jobs)),
        "object": _reference(map(run.key, [*run.sources, run.configuration])),
        "result": _reference(map(run.key, run.outputs)),
        "agent": _agent(run),
    }
    yield {
        "@id": "#engine",
        "@type": "OrganizeAction",
        "name": "Snakemake leads the jobs",
        "instrument": {"@id": run.engine.key if run.engine else f"#{ENGINE}"},
        "object": _reference(f"#control/{job.name}" for job in run.jobs),
        "result": {"@id": "#run"},
        "agent": _agent(run),
    }


def _jobs(run: Run) -> Iterator[Entity]:
    """Each job, what led it, and the containers that jobs ran in."""
    values: dict[str, list[str]] = {}
    for value in run.wiring.values:
        for job in value.jobs:
            values.setdefault(job.name, []).append(value.key)
    for job in run.jobs:
        rule, image = job.record.rule, job.record.image
        yield {
            "@id": f"#job/{job.name}",
            "@type": "CreateAction",
            "name": f"{rule}: {job.outputs[0]}",
            "description": job.record.command,
            "instrument": {"@id": f"#tool/{rule}"},
            "startTime": _time(job.started),
            "endTime": _time(job.ended),
            "object": _reference([*map(run.key, job.record.inputs), *values.get(job.name, [])]),
            "result": _reference(map(run.key, job.outputs)),
            "agent": _agent(run),
            "containerImage": _reference([_image_key(image)] if image else []),
        }
        yield {
            "@id": f"#control/{job.name}",
            "@type": "ControlAction",
            "name": f"{rule}: Snakemake starts the job of {job.outputs[0]}",
            "instrument": {"@id": f"#step/{rule}"},
            "object": {"@id": f"#job/{job.name}"},
        }
    for image in sorted({job.record.image for job in run.jobs if job.record.image}):
        kind = {"@id": f"{TERMS}#DockerImage"} if image.startswith("docker://") else None
        yield {"@id": _image_key(image), "@type": "ContainerImage", "name": image, "additionalType": kind}


def _image_key(image: str) -> str:
    return f"#image/{quote(image, safe='')}"


def _steps(run: Run) -> Iterator[Entity]:
    """A step and a tool for each rule: two rules may run one script, each with files of its own."""
    for position, (rule, jobs) in enumerate(run.rules.items()):
        script = jobs[0].script
        yield {
            "@id": f"#step/{rule}",
            "@type": "HowToStep",
            "name": rule,
            "position": position,
            "workExample": {"@id": f"#tool/{rule}"},
            "connection": _received(run, rule),
        }
        yield {
            "@id": f"#tool/{rule}",
            "@type": "SoftwareApplication",
            "name": rule,
            "softwareVersion": run.citation.version,
            "url": run.citation.url or ({"@id": quote(script)} if script else None),
            "mainEntity": {"@id": quote(script)} if script else None,
            "input": _reference(own.key for own in run.wiring.of(rule, Kind.READ, Kind.VALUE)),
            "output": _reference(own.key for own in run.wiring.of(rule, Kind.WRITTEN)),
        }


def _parameters(run: Run) -> Iterator[Entity]:
    """Parameters, what was given to them, and their connections."""
    wiring = run.wiring
    for parameter, files in wiring.files.items():
        yield _parameter(parameter, "File", map(run.key, files))
    for parameter in (own for own in wiring.options if own.kind is Kind.VALUE):
        values = [value for value in wiring.values if value.parameter == parameter]
        yield _parameter(
            parameter, "Text" if any(value.words for value in values) else "Boolean", (value.key for value in values)
        )
    for value in wiring.values:
        words: list[str | bool] = [*value.words] or [True]  # a flag that is set
        given = {"name": value.parameter.name, "value": words[0] if len(words) == 1 else words}
        yield {"@id": value.key, "@type": "PropertyValue", "exampleOfWork": {"@id": value.parameter.key}} | given
    for own in wiring.connections:
        ends = {"sourceParameter": {"@id": own.source.key}, "targetParameter": {"@id": own.target.key}}
        yield {"@id": own.key, "@type": "ParameterConnection"} | ends


def _parameter(parameter: Parameter, kind: str, examples: Iterable[str]) -> Entity:
    named = {"name": parameter.name, "additionalType": kind, "workExample": _reference(examples)}
    return {"@id": parameter.key, "@type": "FormalParameter"} | named


def _file(run: Run, file: str) -> Entity:
    """A file; what the crate does not hold has its path as another name."""
    content, key = run.contents.get(file), run.key(file)
    recorded = (job.record.checksums.get(file) for job in run.jobs)
    return {
        "@id": key,
        "@type": "File",
        "name": file,
        "alternateName": file if key.startswith("#") else None,
        "encodingFormat": FORMATS.get(Path(file).suffix),
        "contentSize": str(content.size) if content else None,
        "sha256": content.sha256 if content else next(filter(None, recorded), None),
        "exampleOfWork": _reference(run.stands_for.get(file, [])),
        "isPartOf": {"@id": run.workflow[0]} if file in run.workflow[1:] else None,
        "about": {"@id": "./"} if file == run.readme else None,
    }


def _files(run: Run) -> Iterator[Entity]:
    """Every file but the workflow's main one: sources, outputs, and results on the way."""
    scripts = {job.script for job in run.jobs}
    beside = {*run.workflow[1:], run.configuration, *([run.readme] if run.readme else [])}
    for file in sorted({*run.sources, *run.made, *beside} - {run.workflow[0]}):
        code: Entity = {"@type": ["File", "SoftwareSourceCode"], "version": run.citation.version}
        code |= {"url": run.citation.url or {"@id": run.key(file)}}
        yield _file(run, file) | (code if file in scripts else {})
