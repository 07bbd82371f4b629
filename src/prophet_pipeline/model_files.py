"""The one way in for models: a name of the catalogue, a catalogue file, or a Hugging Face `config.json`.

A `config.json` is read as `import-config` reads it, its published precision and the keys that it leaves out included.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prophet_memory.architecture import Architecture
from prophet_memory.hf_config import QuantizationError, published_precision, read
from prophet_memory.hf_config.quantization import BESIDE, states_precision
from prophet_memory.precision import DEFAULT_FORMAT
from prophet_pipeline.command import ConfigurationError
from prophet_pipeline.configuration import (
    MODELS_FOLDER,
    described_by,
    error,
    hint,
    model_architecture,
    read_json,
    read_model,
    validate,
)
from prophet_pipeline.files import sha256

TAKEN_AS = f"--weights with the format to take it as, such as --weights {DEFAULT_FORMAT}"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model: the name that results give it, its catalogue entry, its architecture, and notes on how it was read."""

    slug: str
    file: Path
    entry: Mapping[str, Any]
    architecture: Architecture
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As people read it."""
        return str(self.entry.get("name", self.slug))


def known_models() -> list[str]:
    """The names of the catalogue."""
    return sorted(path.stem for path in MODELS_FOLDER.glob("*.yaml"))


def open_model(name: str, *, stored: str | None = None, remedy: str = TAKEN_AS) -> OpenedModel:
    """A model by its name in the catalogue, by a catalogue file or by a Hugging Face config.json.

    Args:
        name: the name or the path.
        stored: the published precision where a config.json says it in a way that is not understood; None refuses such a file.
        remedy: how a user of the command gives `stored`, for the message.

    Raises:
        ConfigurationError: where there is no such model, or a file describes none.
    """
    file = Path(name)
    if file.suffix == ".json":
        return open_config(file, stored=stored, remedy=remedy)
    if file.suffix != ".yaml":
        file = MODELS_FOLDER / f"{name}.yaml"
        known = known_models()
        if name not in known:
            allowed = f"{', '.join(known)}{hint(name, known)}, or a path to a config.json or a catalogue file"
            raise ConfigurationError(f"model: {json.dumps(name)}; allowed: {allowed}")
    entry = read_model(file)
    return OpenedModel(file.stem, file, entry, model_architecture(entry, file))


def open_config(file: Path, *, name: str | None = None, stored: str | None = None, remedy: str = TAKEN_AS) -> OpenedModel:
    """A model by its config.json, as `open_model`; `name` is what the catalogue shall call it.

    Raises:
        ConfigurationError: for a file that describes no model, and a stored format that is not understood.
    """
    config = read_json(file)
    with described_by(file):
        reading = read(config)
    precision = _stored_precision(file, config, stored, remedy)
    origin = config.get("_name_or_path")
    hub = origin if isinstance(origin, str) and HUB_NAME.fullmatch(origin) else None
    name = name or (hub.split("/")[1] if hub else _named(file))
    entry: dict[str, Any] = {"name": name, "family": str(config["model_type"])}
    entry |= {"hf_id": hub} if hub else {}
    entry["sources"] = [f"{file.name}, SHA-256 {sha256(file)}"]
    notes = []
    defaulted = reading.defaulted | ({} if states_precision(config) else {"dtype": "bfloat16"})
    if defaulted:
        said = ", ".join(f"{key} {json.dumps(value)}" for key, value in defaulted.items())
        notes = [f"{file.name} leaves out, and the defaults of its type stand for: {said}"]
        entry["notes"] = notes
    entry |= {"published_precision": precision} if precision != DEFAULT_FORMAT else {}
    entry |= reading.entry
    validate(entry, "model", file)
    return OpenedModel(slug_of(name), file, entry, model_architecture(entry, file), tuple(notes))


def _named(file: Path) -> str:
    """A config.json is called after its folder, another file by its own name."""
    own = Path(os.path.realpath(file))
    return (own.parent.name if file.stem == "config" else file.stem) or "model"


def slug_of(name: str) -> str:
    """A file name from a model's name: what cannot stand in one becomes a dash."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model"


def _stored_precision(file: Path, config: Mapping[str, Any], stored: str | None, remedy: str) -> str:
    beside = file.parent / BESIDE
    try:
        return published_precision(config, read_json(beside) if beside.is_file() else None)
    except QuantizationError as problem:
        if stored is not None:
            return stored
        raise error(file, problem.key, problem.value, f"{problem.allowed}; or {remedy}") from None
