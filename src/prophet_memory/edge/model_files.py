"""The one way in for models: a name of the catalogue, a catalogue file, or a Hugging Face `config.json`.

A `config.json` is read as `import-config` reads it, its published precision and the keys that it leaves out included.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from prophet_memory.architecture import Architecture, FeedForward
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import MODELS_FOLDER, ModelEntry, known_models, read_model
from prophet_memory.edge.files import sha256
from prophet_memory.edge.messages import described_by, error, hint
from prophet_memory.formats import DEFAULT_FORMAT
from prophet_memory.mixers import Mixer
from prophet_memory.next_tokens import with_next_token_layers

Block = TypeVar("Block", bound=Mixer | FeedForward)
TAKEN_AS = f"--weights with the format to take it as, such as --weights {DEFAULT_FORMAT}"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model: the name that results give it, its file, and how it was read.

    `document` is what a catalogue file would say of it, as plain values; None for a model that has one.
    """

    slug: str
    file: Path
    name: str  # as people read it
    architecture: Architecture
    notes: tuple[str, ...] = ()
    document: Mapping[str, Any] | None = None
    leaves_out: str | None = None  # a part that is not counted
    other_params: int | None = None  # of that part, where it was counted
    unread_next_tokens: tuple[str, int] | None = None  # key and value of layers to predict further tokens, if not described


def open_model(name: str, *, stored: str | None = None, remedy: str = TAKEN_AS, mtp: bool = False) -> OpenedModel:
    """A model by its name in the catalogue or on the hub, by a catalogue file or by a Hugging Face config.json.

    Args:
        name: the name or the path.
        stored: the published precision where a config.json says it in a way that is not understood; None refuses such a file.
        remedy: how a user of the command gives `stored`, for the message.
        mtp: with the layers that were published beside it to predict further tokens.

    Raises:
        ConfigurationError: where there is no such model, a file describes none, or no such layers are known.
    """
    opened = _opened(name, stored=stored, remedy=remedy)
    return with_next_tokens(opened) if mtp else opened


def _opened(name: str, *, stored: str | None, remedy: str) -> OpenedModel:
    file = Path(name)
    if file.suffix == ".json":
        return open_config(file, stored=stored, remedy=remedy)
    if file.suffix != ".yaml":
        known = known_models()
        slug = _slug_in(known, name)
        if slug is None:
            allowed = f"{', '.join(known)}{hint(name, known)}, or a path to a config.json or a catalogue file"
            raise ConfigurationError(f"model: {json.dumps(name)}; allowed: {allowed}")
        file = MODELS_FOLDER / f"{slug}.yaml"
    entry = read_model(file)
    return OpenedModel(
        file.stem, file, entry.name, entry.architecture, leaves_out=entry.leaves_out, other_params=entry.other_params
    )


def _slug_in(known: Iterable[str], name: str) -> str | None:
    """A model of the catalogue by its name, whatever the case, or by its repository on the Hugging Face hub."""
    if HUB_NAME.fullmatch(name):
        hubs = {str(read_model(MODELS_FOLDER / f"{slug}.yaml").hf_id).lower(): slug for slug in known}
        return hubs.get(name.lower())
    return name.lower() if name.lower() in known else None


def open_config(file: Path, *, name: str | None = None, stored: str | None = None, remedy: str = TAKEN_AS) -> OpenedModel:
    """A model by its config.json, as `open_model`; `name` is what the catalogue shall call it.

    Raises:
        ConfigurationError: for a file that describes no model, and a stored format that is not understood.
    """
    from prophet_memory.edge.documents import checked, read_json  # noqa: PLC0415 - as below
    from prophet_memory.huggingface import read  # noqa: PLC0415 - two dozen readers that a catalogue's model does not need
    from prophet_memory.huggingface.quantization import BESIDE, states_precision  # noqa: PLC0415 - as above

    config, neighbour = read_json(file), file.parent / BESIDE
    with described_by(file):
        reading = read(config)
    beside = read_json(neighbour) if neighbour.is_file() else None
    architecture = _as_published(file, (config, beside), reading.architecture, stored, remedy)
    origin = config.get("_name_or_path")
    hub = origin if isinstance(origin, str) and HUB_NAME.fullmatch(origin) else None
    name = name or (hub.split("/")[1] if hub else _named(file))
    document: dict[str, Any] = {"name": name, "family": str(config["model_type"])}
    document |= {"hf_id": hub} if hub else {}
    document["sources"] = [f"{file.name}, SHA-256 {sha256(file)}"]
    notes = [*_stated_cache(config, beside)]
    stated = states_precision(config) or beside is not None
    defaulted = reading.defaulted | ({} if stated else {"dtype": "bfloat16"})
    if defaulted:
        said = ", ".join(f"{key} {json.dumps(value)}" for key, value in defaulted.items())
        notes.append(f"{file.name} leaves out, and the defaults of its type stand for: {said}")
    document |= {"notes": notes} if notes else {}
    document |= {"leaves_out": reading.leaves_out} if reading.leaves_out else {}
    document |= document_of(architecture)
    checked(ModelEntry, document, file)
    opened = OpenedModel(slug_of(name), file, name, architecture, tuple(notes), document, reading.leaves_out)
    return replace(opened, unread_next_tokens=reading.unread_next_tokens)


def with_next_tokens(opened: OpenedModel) -> OpenedModel:
    """The model with the layers that were published beside it to predict further tokens.

    Raises:
        ConfigurationError: where none are known, or what stands in them is not.
    """
    if opened.unread_next_tokens is not None:
        key, number = opened.unread_next_tokens
        allowed = "0 beside --mtp: what stands in such layers of this type is not described"
        raise error(opened.file, key, number, allowed)
    with described_by(opened.file):
        found = with_next_token_layers(opened.architecture)
    layers = found.counted_next_token_layers
    note = f"counted with {layers} layer{'s' if layers > 1 else ''} to predict further tokens, beside one embedding and one head"
    return replace(opened, architecture=found, notes=(*opened.notes, note))


def document_of(architecture: Architecture) -> dict[str, Any]:
    """The keys of a catalogue file that describe an architecture, without those that say their default."""
    stacks = {side: stack for side in ("encoder", "decoder") if (stack := getattr(architecture, side)) is not None}
    layers = [layer for stack in stacks.values() for layer in stack.layers]
    crossing = [stack.cross_attention for stack in stacks.values() if stack.cross_attention is not None]
    mixers = _block_names([*(layer.mixer for layer in layers), *crossing])
    blocks = _block_names([layer.feed_forward for layer in layers])
    own = {key: value for key, value in _told(architecture).items() if key not in {"encoder", "decoder"}}
    own["mixers"] = {name: {"kind": block.kind} | _told(block) for block, name in mixers.items()}
    own["feed_forwards"] = {name: {"kind": block.kind} | _told(block) for block, name in blocks.items()}
    for side, stack in stacks.items():
        told = {key: value for key, value in _told(stack).items() if key != "layers"}
        told |= {"cross_attention": mixers[stack.cross_attention]} if stack.cross_attention is not None else {}
        told["layers"] = [
            _told(layer) | {"mixer": mixers[layer.mixer], "feed_forward": blocks[layer.feed_forward]} for layer in stack.layers
        ]
        own[side] = told
    return own


def _told(described: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Values by field, without those that are the default."""
    values = {field.name: (getattr(described, field.name), field.default) for field in fields(described)}
    return {name: value for name, (value, default) in values.items() if value != default}


def _block_names(blocks: Iterable[Block]) -> dict[Block, str]:
    """A name for each block: its kind, said to be windowed where it is, and numbered from the second."""
    names: dict[Block, str] = {}
    for block in dict.fromkeys(blocks):
        base = f"windowed_{block.kind}" if getattr(block, "window_tokens", None) else block.kind
        number = 1 + sum(name.startswith(base) for name in names.values())
        names[block] = base if number == 1 else f"{base}_{number}"
    return names


def _named(file: Path) -> str:
    """A config.json is called after its folder, another file by its own name."""
    own = Path(os.path.realpath(file))
    return (own.parent.name if file.stem == "config" else file.stem) or "model"


def slug_of(name: str) -> str:
    """A file name from a model's name: what cannot stand in one becomes a dash."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model"


def _stated_cache(config: Mapping[str, Any], beside: Mapping[str, Any] | None) -> Iterator[str]:
    """That the checkpoint states a format for the cache, which engines may take by default."""
    from prophet_memory.huggingface.quantization import QuantizationError, stated_cache  # noqa: PLC0415 - as above

    try:
        found = stated_cache(config, beside)
    except QuantizationError:  # which is said where the weights are read
        return
    if found is not None:
        key, value = found
        yield f"the checkpoint states how it is cached ({key} {json.dumps(value)}), which vLLM then does; here --kv says it"


def _as_published(
    file: Path,
    said: tuple[Mapping[str, Any], Mapping[str, Any] | None],
    architecture: Architecture,
    stored: str | None,
    remedy: str,
) -> Architecture:
    """The model as its config and the file beside it say that it is stored, or as the user says where that is not understood."""
    from prophet_memory.huggingface.quantization import QuantizationError, as_published  # noqa: PLC0415 - as above

    config, beside = said
    try:
        return as_published(config, architecture, beside)
    except QuantizationError as problem:
        if stored is not None:
            return replace(architecture, published_precision=stored)
        raise error(file, problem.key, problem.value, f"{problem.allowed}; or {remedy}") from None
