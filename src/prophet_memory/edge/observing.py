"""config/observations, checked against what they refer to, their comparison as rows, and a log as one more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import yaml
from annotated_types import Len

from prophet_memory.architecture import Architecture
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import (
    CONFIG,
    ENGINES_FILE,
    GPUS_FILE,
    MODELS_FOLDER,
    check_known,
    known_models,
    read_engines,
    read_gpus,
    read_model,
)
from prophet_memory.edge.documents import checked, read
from prophet_memory.edge.files import write_text
from prophet_memory.edge.gguf_header import sizes_of_header
from prophet_memory.edge.messages import error, relative
from prophet_memory.edge.places import SHIPPED
from prophet_memory.errors import ModelError
from prophet_memory.fields import Slug
from prophet_memory.formats import OF_CACHE
from prophet_memory.gguf import ERAS, FILE_TYPES
from prophet_memory.logs.reading import LogReading
from prophet_memory.mixers import LatentAttention
from prophet_memory.observations import (
    UNITS,
    Catalogue,
    Comparison,
    GgufFile,
    Observation,
    Source,
    amount,
    compared,
    recipe_file_sizes,
)
from prophet_memory.precision import precision

# What may stand around the catalogue's name in what an engine calls its model: who published it, which of its kind, how stored.
AROUND = re.compile(
    r"meta|mistralai|qwen|deepseek|ai|openai|google|microsoft|unsloth|bartowski|nvidia|redhatai|ibm|granite"
    r"|instruct|chat|it|base|hf|thinking|text|gguf|ud|dynamic|quantized|block|channel|bnb|bf16|fp16|fp8|f16|nvfp4|mxfp4|awq|gptq"
    r"|int[48]|w(?:4|8)a(?:4|8|16)|i?q\d|tq\d|[ksmlx]+|\d|\dbit|v0.\d|\d{4}|imatrix|i1|model|local|path"
)
EDITORS = "# yaml-language-server: $schema=../schemas/observations.schema.json\n"
ROUNDING = 1.001  # of half a unit in the last place
LATENT_WORDS = {"split": "apart", "joint": "as one", "both": "both ways"}
SAME_MEMORY = 0.01  # by which what engines print of the same GPU differs
OBSERVATIONS_FOLDER = CONFIG / "observations"
Observations = Annotated[dict[Slug, Observation], Len(1)]


def catalogue_of(observations: Mapping[str, Observation]) -> Catalogue:
    """The engines and GPUs of config, and the models that observations refer to."""
    names = sorted({own.model for own in observations.values() if own.model})
    models = {name: read_model(MODELS_FOLDER / f"{name}.yaml").architecture for name in names}
    return Catalogue(models, read_engines(), read_gpus())


def read_observations(files: Iterable[Path] | None = None) -> dict[str, Observation]:
    """Observations by run, sorted by file, each reference known.

    Args:
        files: default: those of config/observations.

    Raises:
        ConfigurationError: for a run that stands twice, and a reference to what there is not.
    """
    found: dict[str, Observation] = {}
    known: dict[str, tuple[Iterable[str], str]] = {
        "model": (known_models(), f"the files in {relative(MODELS_FOLDER)}"),
        "profile": (read_engines(), f"the entries of {relative(ENGINES_FILE)}"),
        "gpu": (read_gpus(), f"the entries of {relative(GPUS_FILE)}"),
        "kv": (OF_CACHE, "the formats of a cache"),
    }
    for file in sorted(OBSERVATIONS_FOLDER.glob("*.yaml")) if files is None else files:
        own: dict[str, Observation] = read(Observations, file)
        for run, observation in own.items():
            if run in found:
                raise error(file, run, observation.named, "a run that no other file holds")
            for key, (names, what) in known.items():
                value = getattr(observation, key)
                check_known([] if value is None else [value], f"{run}.{key}", names, what, file)
            found[run] = observation
    return found


def comparison_rows(observations: Mapping[str, Observation]) -> list[dict[str, Any]]:
    """A row for each measured figure."""
    return [_row(observations[one.run], one) for one in compared(observations, catalogue_of(observations))]


def _row(own: Observation, one: Comparison) -> dict[str, Any]:
    left_out = None if one.predicted_left_out is None else one.predicted_left_out / one.measured - 1
    return {
        "run": one.run, "engine": own.engine, "profile": own.profile, "model": own.model, "named": own.named,
        "component": one.component, "measured": one.measured, "predicted": one.predicted,
        "difference": None if one.predicted is None else one.predicted - one.measured, "error_fraction": one.error,
        "error_fraction_left_out": left_out, "in_sample": one.in_sample, "reason": one.reason, "unexplained": one.unexplained,
        "note": own.note, "repository": own.source.repository, "thread": own.source.thread,
    }  # fmt: skip


def observation_of(
    reading: LogReading, *, source: Source, changes: Mapping[str, Any], file: Path, gguf: Path | None = None,
    era: str | None = None,
) -> tuple[Observation, list[str]]:  # fmt: skip
    """A log's reading as an observation, and what a reader should know of it.

    Args:
        reading: what the log says.
        source: where the log is from.
        changes: what options say instead; None leaves what the log says.
        file: the log, for messages.
        gguf: the model's file, whose header says what each tensor takes.
        era: when a file of a recipe was made; default: as its printed size says.

    Raises:
        ConfigurationError: for a setting of the log that no run can have, as a share of the memory above 1, for a GGUF file that
            is none or of another model, and for an era where there is no recipe.
    """
    notes, engines = list(reading.notes), read_engines()
    settings: dict[str, Any] = dict(reading.settings)
    if reading.named is not None and (model := model_named(reading.named)) is not None:
        settings.setdefault("model", model)
    if (profile := _profile(reading.engine, engines)) is not None:
        settings.setdefault("profile", profile)
    settings |= {key: value for key, value in changes.items() if value is not None}
    if "gpu" not in settings and "gpu_memory" in settings and (gpu := _gpu_of(settings["gpu_memory"])) is not None:
        settings["gpu"] = gpu
        notes.append(f"the GPU is taken for {gpu}, the only one of this memory: --gpu names another")
    share = engines[settings["profile"]].usable_fraction if "profile" in settings else None
    if "usable_fraction" not in settings and share not in (None, 1):
        notes.append(
            "the log does not say which share of the memory is used: the default is taken, --usable-fraction names another"
        )
    notes += _take_file(settings, reading.measured.get("model_file"), gguf, era)
    if "weights" in settings and not _is_precision(settings["weights"]):
        notes.append(f"format {settings.pop('weights')} of the weights: not known here, --weights names one")
    if "kv" in settings and settings["kv"] not in OF_CACHE:
        notes.append(f"format {settings.pop('kv')} of the cache: not known here, --kv names one")
    if "model" not in settings:
        notes.append("the model is not one of the catalogue's by its name: --model names one")
    elif changes.get("model") is None:
        notes.append(f"the model is taken for {settings['model']}: --model names another")
    entry = {"source": asdict(source), "named": reading.named or "not named", "engine": reading.engine}
    own = checked(Observation, entry | {"measured": dict(reading.measured)} | settings, file)
    return own, notes


def _take_file(settings: dict[str, Any], printed: str | None, gguf: Path | None, era: str | None) -> list[str]:
    """The file that a log of the llama.cpp family loads, by its header or by its recipe's name and printed size."""
    if era is not None and (gguf is not None or "gguf" not in settings):
        allowed = "none beside --gguf" if gguf is not None else "a log that prints the file type of a GGUF file"
        raise ConfigurationError(f"--era: {json.dumps(era)}; allowed: {allowed}")
    if gguf is not None:
        settings["gguf"] = _header(gguf, settings)
    elif "gguf" in settings and settings["gguf"]["file_type"] not in FILE_TYPES:
        return [f"file type {settings.pop('gguf')['file_type']}: not one whose recipe is known here"]
    elif "gguf" in settings and "model" in settings:
        settings["gguf"], notes = _recipe_by_size(settings, printed, era)
        return notes
    return []


def _header(gguf: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of a file in place of its recipe's."""
    if "model" not in settings:
        raise ConfigurationError(f"--gguf: {gguf}: the log names no model of the catalogue; allowed: beside --model")
    sizes = sizes_of_header(gguf, read_model(MODELS_FOLDER / f"{settings['model']}.yaml").architecture)
    layers = {key: value for key, value in settings.get("gguf", {}).items() if key == "gpu_layers"}
    return {"header": asdict(sizes) | {"layer_bytes": list(sizes.layer_bytes)}, **layers}


def _recipe_by_size(settings: Mapping[str, Any], printed: str | None, era: str | None) -> tuple[dict[str, Any], list[str]]:
    """What a recipe's name does not say of its file, by the printed size, the newest recipe first; and what is said of it."""
    known: dict[str, Any] = settings["gguf"] | ({} if era is None else {"era": era})
    if printed is None:
        return known, []
    architecture = read_model(MODELS_FOLDER / f"{settings['model']}.yaml").architecture
    number, unit = printed.split()
    half = 0.5 * ROUNDING * 10 ** -len(number.partition(".")[2])
    for more in _variants(architecture, known):
        try:
            size_bytes = recipe_file_sizes(architecture, GgufFile(**known | more)).total_bytes
        except ModelError:  # a model that such files do not hold: the comparison says so
            return known, []
        if abs(size_bytes / UNITS[unit] - float(number)) <= half:
            said = f"the file is taken for one {_in_words(known | more)}, which has the printed size"
            return known | more, [said] if more else []
    return known, [f"no recipe of the name {known['file_type']} makes a file of the printed size: --gguf reads what it has"]


def _variants(architecture: Architecture, stated: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a recipe's files can be beside what is stated, as changes of the defaults, the plainest first."""
    is_latent = any(isinstance(layer.mixer, LatentAttention) for layer in architecture.decoder.layers)
    choices: dict[str, Sequence[Any]] = {
        "era": [stated["era"]] if "era" in stated else ERAS[:-2:-1] if is_latent else ERAS[::-1],  # known since May 2024
        "latent": ("split", "joint", "both") if is_latent else ("split",),
        "separate_experts": (False,) if architecture.is_dense else (False, True),
        "has_importance": [stated["has_importance"]] if "has_importance" in stated else (False, True),
    }
    plain = {name: values[0] for name, values in choices.items()}
    for values in product(*choices.values()):
        found = dict(zip(choices, values, strict=True))
        if not (found["separate_experts"] and found["era"] == ERAS[-1]):  # since 2024-04 experts are stacked
            yield {name: value for name, value in found.items() if value != plain[name]}


def _in_words(file: Mapping[str, Any]) -> str:
    """A variant of a recipe."""
    words = [f"of the recipe of {file.get('era', ERAS[-1])}"]
    words += ["with separate experts"] if file.get("separate_experts") else []
    words += ["with an importance matrix"] if file.get("has_importance") else []
    words += [f"with the maps of the latent stored {LATENT_WORDS[file['latent']]}"] if "latent" in file else []
    return ", ".join(words)


def _is_precision(name: str) -> bool:
    try:
        precision(name)
    except ModelError:
        return False
    return True


def model_named(name: str) -> str | None:
    """The catalogue's model whose name stands in what an engine calls its model, the longest such name.

    A word beside it that is not known to leave the architecture as it is (`mini`) makes it another model.
    """
    own = re.sub(r"[^a-z0-9.]+|(?<=quantized)\.", "-", name.lower().rstrip("/").rsplit("/", maxsplit=1)[-1].removesuffix(".gguf"))

    def holds(slug: str) -> bool:
        before, found, after = f"-{own}-".partition(f"-{slug}-")
        return bool(found) and all(AROUND.fullmatch(word) for word in f"{before}-{after}".split("-") if word)

    known = known_models()
    if (found := max(filter(holds, known), key=len, default=None)) is not None:
        return found
    others = {slug: read_model(MODELS_FOLDER / f"{slug}.yaml").also_called for slug in known}
    return next((slug for slug, called in others.items() if any(holds(one.lower()) for one in called)), None)


def _profile(engine: str, engines: Mapping[str, Any]) -> str | None:
    """The profile of an engine's release: `vLLM 0.19.0` has vllm-0.19."""
    name, _, version = engine.lower().partition(" ")
    release = ".".join(version.split(".")[:2])
    return next((slug for slug in (f"{name}-{release}", name) if slug in engines), None)


def _gpu_of(memory: str) -> str | None:
    """The only GPU of the catalogue that has about so much memory."""
    memory_bytes = amount("gpu_memory", memory)
    found = [name for name, gpu in read_gpus().items() if abs(gpu.memory_bytes / memory_bytes - 1) < SAME_MEMORY]
    return found[0] if len(found) == 1 else None


def written_entry(own: Observation) -> dict[str, Any]:
    """An observation as a file has it: without what is not stated."""

    def plain(value: object) -> object:
        if isinstance(value, dict):
            kept = {key: plain(one) for key, one in value.items()}
            return {key: one for key, one in kept.items() if one not in (None, {}, [])}
        return list(value) if isinstance(value, tuple) else value

    defaults = {field.name: field.default for field in fields(Observation)}
    entry = {key: value for key, value in asdict(own).items() if value != defaults.get(key)}
    return {key: value for key, one in entry.items() if (value := plain(one)) not in (None, {}, [])}


def add_observation(run: str, own: Observation, file: Path) -> None:
    """Append a run to a file of observations, checked as a whole before it replaces the file.

    Raises:
        ConfigurationError: for a name that a run has, outside of a checkout, and for what the file would not hold.
    """
    if OBSERVATIONS_FOLDER.is_relative_to(SHIPPED):
        allowed = "a checkout, or prophet-memory --catalogue with a folder like config/"
        raise ConfigurationError(f"observe: {run}: no config of yours to write to; allowed: {allowed}")
    known = read_observations()
    if run in known:
        allowed = f"a name that no run in {relative(OBSERVATIONS_FOLDER)} has (--name gives one)"
        raise ConfigurationError(f"--name: {json.dumps(run)}; allowed: {allowed}")
    entry = yaml.safe_dump({run: written_entry(own)}, sort_keys=False, allow_unicode=True, width=120)
    before = file.read_text(encoding="utf-8").rstrip("\n") + "\n\n" if file.exists() else EDITORS
    checked(Observations, yaml.safe_load(before + entry), file)
    write_text(file, before + entry, receipt=False)
