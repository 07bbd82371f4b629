"""`prophet-memory observe`: the start-up log of an engine beside what the memory model says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from prophet_memory.cli.observations import HEADS, figure_line
from prophet_memory.cli.options import CACHE, GPUS, Among, Number, as_json, open_gpu
from prophet_memory.cli.render import print_json, print_table, say
from prophet_memory.cli.said import say_notes
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import ENGINES_FILE, check_known, known_models, read_engines
from prophet_memory.edge.files import sha256
from prophet_memory.edge.messages import hint, relative
from prophet_memory.edge.observing import (
    OBSERVATIONS_FOLDER,
    add_observation,
    comparison_rows,
    observation_of,
    written_entry,
)
from prophet_memory.edge.text import COMPONENT_LABELS
from prophet_memory.errors import ModelError
from prophet_memory.gguf import ERAS
from prophet_memory.logs import LogError, LogReading, read_log
from prophet_memory.observations import Observation, Source
from prophet_memory.precision import precision

RUN = re.compile(r"[a-z0-9][a-z0-9._-]*")
MOST_BYTES = 2**28  # of a log
# What a figure rests on, and how far it may be off before that is said.
REST = "the sum of weights, activations and what stands beside torch, and the usable share of the memory"
ASSUMPTIONS = {
    "weights": (0.003, "their format or layout, or a part of the model that is not counted; SGLang's is a drop in free memory"),
    "kv_bytes_per_token": (0.003, "the format of the cache, or which layers share it"),
    "kv_tokens": (0.01, REST),
    "kv_cache": (0.01, REST),
    "kv_cache_of_windows": (0.01, "the largest step, or the cells of a window"),
    "activation_peak": (0.03, "the largest step: its tokens and sequences"),
    "non_torch": (0.1, "another GPU, another communication library, or other processes"),
    "beside_cache": (0.01, "weights, activations, or what stands beside torch"),
    "max_concurrency": (0.01, "the tokens of the cache"),
    "compute_buffer": (0.03, "the release, flash attention, or tensors that stand with the host"),
    "model_file": (0.003, "the mix of formats: made by hand, or by another recipe than its name says"),
}


@click.command(name="observe")
@click.option("--log", "file", type=click.Path(path_type=Path), required=True, help="start-up log of vLLM, SGLang or llama.cpp")
@click.option("--model", help="name of the catalogue, where the log's name does not say it")
@click.option("--gpu", help="name of the catalogue (prophet-memory gpus)")
@click.option("--engine", help="profile of config/engines.yaml; default: that of the log's release")
@click.option("--tp", type=GPUS, help="GPUs that share each layer, where the log does not say")
@click.option("--weights", help="precision of the weights, where the log does not say: bf16, fp8, mxfp4_experts, native")
@click.option("--gguf", type=click.Path(path_type=Path), help="the model's file, whose header says what each tensor takes")
@click.option("--era", type=Among(list(ERAS)), help="when a GGUF file was made; default: that whose recipe has the printed size")
@click.option("--kv", type=CACHE, help="format of the cache, where the log does not say")
@click.option("--usable-fraction", type=Number(fraction=True), help="of the GPU's memory, where the log does not say")
@click.option("--add", is_flag=True, help="write it into config/observations")
@click.option("--name", help="of the run that is added; default: model and engine")
@click.option("--repository", default="local", show_default=True, help="where the log was published: owner/name")
@click.option("--thread", help="issue, pull request or path there; default: the file and its SHA-256")
@as_json
def command(  # noqa: PLR0913 - one argument an option
    *, file: Path, model: str | None, gpu: str | None, engine: str | None, tp: int | None, weights: str | None,
    gguf: Path | None, era: str | None, kv: str | None, usable_fraction: float | None, add: bool, name: str | None,
    repository: str, thread: str | None, as_json: bool,
) -> None:  # fmt: skip
    """What a log says of an engine's memory beside what the memory model predicts, and which assumption is off.

    Exit status: 0 with an answer, 2 for a log that is not read and for wrong input.
    """
    reading = _read(file)
    _check(model, gpu, engine, weights)
    source = Source(repository, thread or f"{file.name}, SHA-256 {sha256(file)}")
    changes: dict[str, Any] = {"model": model, "gpu": gpu, "profile": engine, "tensor": tp, "weights": weights, "kv": kv}
    changes["usable_fraction"] = usable_fraction
    own, notes = observation_of(reading, source=source, changes=changes, file=file, gguf=gguf, era=era)
    run = _run_name(name, own)
    rows = comparison_rows({run: own})
    off = list(assumptions_off(rows))
    if add:
        target = OBSERVATIONS_FOLDER / "own.yaml"
        add_observation(run, own, target)
        click.echo(f"wrote {relative(target)}: {run}", err=True)
    if as_json:
        print_json({"run": run, "observation": written_entry(own), "figures": rows, "off": off, "notes": notes})
    else:
        say(f"{own.named} in {own.engine}", bold=True)
        print_table(HEADS[1:], [figure_line(row)[1:] for row in rows])
        for line in off or [nothing_off(rows)]:
            say(line)
        say_notes(notes)


def _read(file: Path) -> LogReading:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ConfigurationError(f"--log: {file}; allowed: a file of at most {MOST_BYTES // 2**20} MiB")
        return read_log(file.read_text(encoding="utf-8", errors="replace"))
    except OSError as problem:
        raise ConfigurationError(f"--log: {file}: {problem.strerror}; allowed: a file that can be read") from None
    except LogError as problem:
        raise ConfigurationError(f"--log: {file}: {json.dumps(problem.value)}; allowed: {problem.allowed}") from None


def _check(model: str | None, gpu: str | None, engine: str | None, weights: str | None) -> None:
    if model is not None and model not in (known := known_models()):
        raise ConfigurationError(f"--model: {json.dumps(model)}; allowed: {', '.join(known)}{hint(model, known)}")
    if gpu is not None:
        open_gpu(gpu)
    if engine is not None:
        check_known([engine], "--engine", read_engines(), "the entries", ENGINES_FILE)
    if weights is not None:
        try:
            precision(weights)
        except ModelError as problem:
            raise ConfigurationError(f"--weights: {json.dumps(weights)}; allowed: {problem.allowed}") from None


def _run_name(name: str | None, own: Observation) -> str:
    run = name or re.sub(r"[^a-z0-9.]+", "-", f"{own.model or own.named} {own.engine}".lower()).strip("-.")
    if not RUN.fullmatch(run):
        raise ConfigurationError(f"--name: {json.dumps(run)}; allowed: lower-case letters, digits, dots, dashes and underscores")
    return run


def nothing_off(rows: Sequence[Mapping[str, Any]]) -> str:
    """What there is to say without an assumption that is off."""
    compared = sum(row["error_fraction"] is not None for row in rows)
    if not compared:
        return "nothing was compared: the reasons above say what is missing"
    return f"no assumption is off by more than engines' own rounding and margins, in {compared} of {len(rows)} figures"


def assumptions_off(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What does not hold of an engine, from the figures that are off, the largest difference first."""
    found = [
        (abs(row["difference"]), row)
        for row in rows
        if row["error_fraction"] is not None
        and not row["reason"]  # it says what is off
        and row["component"] in ASSUMPTIONS
        and abs(row["error_fraction"]) > ASSUMPTIONS[row["component"]][0]
    ]
    for _, row in sorted(found, key=lambda item: -item[0]):
        more = row["measured"] / row["predicted"] - 1
        words = f"{abs(more):.1%} {'more' if more > 0 else 'less'} than predicted"
        yield f"off: {COMPONENT_LABELS[row['component']]}, {words}: {ASSUMPTIONS[row['component']][1]}"
