"""`prophet-memory import-config`: a Hugging Face config.json becomes a model of the catalogue."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from prophet_memory.cli.description import counted
from prophet_memory.cli.options import PrecisionName, as_json
from prophet_memory.cli.render import print_json, print_table
from prophet_memory.cli.said import left_out, say_notes, say_warnings
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import MODELS_FOLDER
from prophet_memory.edge.documents import read_json
from prophet_memory.edge.files import write_text
from prophet_memory.edge.messages import described_by, relative
from prophet_memory.edge.model_files import OpenedModel, open_config
from prophet_memory.edge.places import SHIPPED
from prophet_memory.edge.settings import SETTINGS_FILE, read_settings_alone
from prophet_memory.huggingface import SUPPORTED_TYPES

EDITORS = "# yaml-language-server: $schema=../schemas/model.schema.json\n"
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
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


def file_name(name: str) -> str:
    """A model's file name from the name that a user gave.

    Raises:
        ConfigurationError: for a name that no file should have.
    """
    slug = name.lower().replace(" ", "-")
    if not SLUG.fullmatch(slug):
        raise ConfigurationError(f"--name: {json.dumps(name)}; allowed: letters, digits, dots, dashes and underscores")
    return slug


def as_yaml(entry: Mapping[str, Any]) -> str:
    """A catalogue file: a layer group on a line."""
    shown = dict(entry)
    for side in ("encoder", "decoder"):
        if side in shown:
            shown[side] = shown[side] | {"layers": [_Flow(layer) for layer in shown[side]["layers"]]}
    return EDITORS + yaml.dump(shown, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def with_model(text: str, slug: str) -> str:
    """The text of config.yaml with one more model at the end of sweep.models, comments and all else kept."""
    entry = slug if yaml.safe_load(slug) == slug else f'"{slug}"'  # 007, yes and null are no text by themselves
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    sweep = next(value for key, value in root.value if key.value == "sweep")
    models = next(value for key, value in sweep.value if key.value == "models")
    end = models.value[-1].end_mark.index
    if models.flow_style:
        return f"{text[:end]}, {entry}{text[end:]}"
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    return f"{text[:line_end]}\n{' ' * models.start_mark.column}- {entry}{text[line_end:]}"


def write_model(slug: str, entry: Mapping[str, Any], *, replace: bool, swept: bool) -> list[Path]:
    """Write the catalogue file and put the model into the sweep, where it shall be swept.

    Returns:
        The files that were written.

    Raises:
        ConfigurationError: where the model is there already, unless it may be replaced, and outside of a checkout.
    """
    if MODELS_FOLDER.is_relative_to(SHIPPED):
        allowed = "a checkout, --dry-run, or prophet-memory --catalogue with a folder like config/"
        raise ConfigurationError(f"import-config: {slug}: no config of yours to write to; allowed: {allowed}")
    if slug == "all" or slug.endswith((".json", ".yaml")):
        allowed = "a name that commands do not take for all models or for a file"
        raise ConfigurationError(f"--name: {slug}; allowed: {allowed}")
    file = MODELS_FOLDER / f"{slug}.yaml"
    if file.exists() and not replace:
        raise ConfigurationError(f"--name: {slug}; allowed: a name that {relative(MODELS_FOLDER)} does not hold, or --replace")
    known = read_settings_alone().sweep.models
    write_text(file, as_yaml(entry))
    if slug in known or not swept:
        return [file]
    write_text(SETTINGS_FILE, with_model(SETTINGS_FILE.read_bytes().decode("utf-8"), slug))
    return [file, SETTINGS_FILE]


@click.command(
    name="import-config",
    epilog=f"Types that are read: {', '.join(SUPPORTED_TYPES)}. Exit status: 0, or 2 for a config that is not read.",
)
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--name", help="of the model; default: that of the hub, or the folder's")
@click.option("--weights", type=PrecisionName(), help="published format, where the config's is not understood")
@click.option("--dry-run", is_flag=True, help="write nothing")
@click.option("--replace", is_flag=True, help="overwrite a model of that name")
@click.option("--via-transformers", is_flag=True, help="count any architecture that transformers knows; writes nothing")
@as_json
def command(
    *, config: Path, name: str | None, weights: str | None, dry_run: bool, replace: bool, via_transformers: bool, as_json: bool
) -> None:
    """Read CONFIG, a Hugging Face config.json, into the catalogue; the next `make paper` sweeps it unless it is dense."""
    if via_transformers:
        others = {"--name": name, "--weights": weights, "--dry-run": dry_run, "--replace": replace}
        if given := [option for option, value in others.items() if value]:
            raise ConfigurationError(f"{given[0]}: beside --via-transformers; allowed: --json alone, for nothing is written")
        from prophet_memory.cli.via_transformers import counted_by_reference  # noqa: PLC0415 - torch takes seconds

        show(counted_by_reference(config, read_json(config)), as_json=as_json)
        return
    opened = with_others(open_config(config, name=name, stored=weights))
    slug, dense = file_name(name) if name else opened.slug, opened.architecture.is_dense
    with described_by(config):
        found = counted(opened.architecture)
    if opened.leaves_out is not None:
        found["other_params"] = opened.other_params
    written = [] if dry_run else write_model(slug, opened.document or {}, replace=replace, swept=not dense)
    show({"model": slug} | found if as_json else found, as_json=as_json)
    say_notes([f"published in {opened.architecture.published_precision} (--weights native)", *opened.notes])
    say_warnings(left_out(opened))
    for file in written:
        click.echo(f"wrote {relative(file)}", err=True)


def with_others(opened: OpenedModel) -> OpenedModel:
    """The model with the number of parameters of what it is counted without, where `transformers` is there to say it."""
    if opened.leaves_out is None:
        return opened
    from prophet_memory.cli.via_transformers import others_by_reference  # noqa: PLC0415 - torch takes seconds

    others, reason = others_by_reference(opened.file, read_json(opened.file))
    if others is None:
        return dataclasses.replace(opened, notes=(*opened.notes, f"{opened.leaves_out}: {reason}"))
    document: dict[str, Any] = {}
    for key, value in (opened.document or {}).items():
        document |= {key: value} | ({"other_params": others} if key == "leaves_out" else {})
    return dataclasses.replace(opened, other_params=others, document=document)


def show(found: Mapping[str, Any], *, as_json: bool) -> None:
    """The counts, for people or for programs."""
    if as_json:
        print_json(dict(found))
        return
    counts = {key: value for key, value in found.items() if key != "reasons"}
    shown = {
        key: "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value) for key, value in counts.items()
    }
    print_table(HEADS, [(key.replace("_", " "), text) for key, text in shown.items()])
    say_notes(f"{key.replace('_', ' ')}: {reason}" for key, reason in found.get("reasons", {}).items())
