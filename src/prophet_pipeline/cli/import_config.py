"""`prophet-memory import-config`: a Hugging Face config.json becomes a model of the catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from prophet_memory.architecture import ArchitectureError
from prophet_memory.hf_config import catalogue_entry, quantization
from prophet_memory.parameters import count_parameters
from prophet_memory.precision import DEFAULT_FORMAT
from prophet_pipeline.cli.description import counted
from prophet_pipeline.cli.options import as_json
from prophet_pipeline.cli.render import console, print_json, table
from prophet_pipeline.command import ConfigurationError
from prophet_pipeline.configuration import (
    MODELS_FOLDER,
    SETTINGS_FILE,
    error,
    model_architecture,
    read_json,
    read_settings_alone,
    relative,
    validate,
)
from prophet_pipeline.files import sha256, write_text

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
DTYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": DEFAULT_FORMAT}
FP8_BLOCK, GROUP = [128, 128], 128
HEADS = (("in bf16", False), ("", True))


class _Flow(dict[str, Any]):
    """A mapping that stands on one line."""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key, as the catalogue does."""
        del indentless
        super().increase_indent(flow, indentless=False)


_Dumper.add_representer(
    _Flow, lambda dumper, mapping: dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items(), flow_style=True)
)


def published_precision(config: Mapping[str, Any]) -> tuple[str, str | None]:
    """The precision of the checkpoint as the config states it, and what of it is not understood."""
    stored = quantization(config)
    if stored is None:
        nested = config.get("text_config")
        places = [config, nested] if isinstance(nested, Mapping) else [config]
        named = next((place[key] for place in places for key in ("dtype", "torch_dtype") if key in place), None)
        return DTYPES.get(str(named), DEFAULT_FORMAT), None
    method, bits = stored.get("quant_method"), stored.get("bits")
    if method == "mxfp4":
        return "mxfp4_experts", None
    if method == "fp8":
        return ("fp8_blocks" if stored.get("weight_block_size") == FP8_BLOCK else "fp8"), None
    if method in {"awq", "gptq"} and bits == 4 and stored.get("group_size") == GROUP:  # noqa: PLR2004 - int4
        return "int4", None
    return (
        DEFAULT_FORMAT,
        f"quantization_config {method!r} is not one of mxfp4, fp8, awq and gptq in groups of {GROUP}: taken as bf16",
    )


def slug_of(name: str) -> str:
    """A file name from a model's name."""
    slug = name.lower().replace(" ", "-")
    if not SLUG.fullmatch(slug):
        raise ConfigurationError(f"--name: {json.dumps(name)}; allowed: letters, digits, dots, dashes and underscores")
    return slug


def entry_of(file: Path, config: Mapping[str, Any], name: str | None) -> tuple[str, dict[str, Any], str | None]:
    """Slug and catalogue entry of a config, and what to warn of."""
    origin = config.get("_name_or_path")
    hub = origin if isinstance(origin, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", origin) else None
    name = name or (hub.split("/")[1] if hub else file.resolve().parent.name or file.stem)
    slug = slug_of(name)
    try:
        architecture = catalogue_entry(config)
    except ArchitectureError as problem:
        raise error(file, problem.key, problem.value, problem.allowed) from None
    stored, warning = published_precision(config)
    entry: dict[str, Any] = {"name": name, "family": str(config["model_type"])}
    entry |= {"hf_id": hub} if hub else {}
    entry["sources"] = [f"{file.name}, SHA-256 {sha256(file)}"]
    entry |= {"published_precision": stored} if stored != DEFAULT_FORMAT else {}
    return slug, entry | architecture, warning


def as_yaml(entry: Mapping[str, Any]) -> str:
    """A catalogue file: a layer group on a line."""
    shown = dict(entry)
    for side in ("encoder", "decoder"):
        if side in shown:
            shown[side] = shown[side] | {"layers": [_Flow(layer) for layer in shown[side]["layers"]]}
    return yaml.dump(shown, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def with_model(text: str, slug: str) -> str:
    """The text of config.yaml with one more model at the end of sweep.models, comments and all else kept."""
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    sweep = next(value for key, value in root.value if key.value == "sweep")
    models = next(value for key, value in sweep.value if key.value == "models")
    end = models.value[-1].end_mark.index
    if models.flow_style:
        return f"{text[:end]}, {slug}{text[end:]}"
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    return f"{text[:line_end]}\n{' ' * models.start_mark.column}- {slug}{text[line_end:]}"


def write_model(slug: str, entry: Mapping[str, Any], *, replace: bool) -> list[Path]:
    """Write the catalogue file and put the model into the sweep.

    Returns:
        The files that were written.

    Raises:
        ConfigurationError: where the model is there already, unless it may be replaced.
    """
    file = MODELS_FOLDER / f"{slug}.yaml"
    if file.exists() and not replace:
        raise ConfigurationError(f"--name: {slug}; allowed: a name that {relative(MODELS_FOLDER)} does not hold, or --replace")
    swept = read_settings_alone()["sweep"]["models"]
    write_text(file, as_yaml(entry))
    if slug in swept:
        return [file]
    write_text(SETTINGS_FILE, with_model(SETTINGS_FILE.read_text(encoding="utf-8"), slug))
    return [file, SETTINGS_FILE]


@click.command(name="import-config")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--name", help="of the model; default: that of the hub, or the folder's")
@click.option("--dry-run", is_flag=True, help="write nothing")
@click.option("--replace", is_flag=True, help="overwrite a model of that name")
@click.option("--via-transformers", is_flag=True, help="count any architecture that transformers knows; writes nothing")
@as_json
def command(*, config: Path, name: str | None, dry_run: bool, replace: bool, via_transformers: bool, as_json: bool) -> None:
    """Read CONFIG, a Hugging Face config.json, into the catalogue and the sweep; the next `make paper` includes it."""
    document = read_json(config)
    if via_transformers:
        from prophet_pipeline.cli.via_transformers import counted_by_reference  # noqa: PLC0415 - torch takes seconds

        show(counted_by_reference(config, document), as_json=as_json)
        return
    slug, entry, warning = entry_of(config, document, name)
    validate(entry, "model", config)
    architecture = model_architecture(entry, config)
    found = counted(architecture, count_parameters(architecture))
    written = [] if dry_run else write_model(slug, entry, replace=replace)
    show({"model": slug} | found if as_json else found, as_json=as_json)
    if warning:
        click.echo(f"warning: {warning}", err=True)
    for file in written:
        click.echo(f"wrote {relative(file)}", err=True)


def show(found: Mapping[str, Any], *, as_json: bool) -> None:
    """The counts, for people or for programs."""
    if as_json:
        print_json(dict(found))
        return
    rows = [(key.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value)) for key, value in found.items()]
    console().print(table(HEADS, rows))
