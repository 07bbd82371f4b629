"""Reading what people write: strict YAML and JSON, checked against the class that describes it.

Every failure is a `ConfigurationError`, one line that names the file, the key, the value and what is allowed.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # none is used, and to look for them takes time

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.messages import error, hint
from prophet_memory.errors import ModelError
from prophet_memory.fields import kinds_in

DECIMAL, LONGEST_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)"), 4000  # Python refuses to read 4300 digits
Kind = TypeVar("Kind")


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times faster where libyaml is built in


class _StrictLoader(_Loader):  # type: ignore[misc]
    """Safe YAML in which a key is text and stands once in a mapping, and nothing stands for something written elsewhere."""


def _mapping_of_unique_keys(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    mapping: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str) or key in mapping:
            problem = f"the key {key!r} stands twice" if isinstance(key, str) else f"the key {key!r} is not text"
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


def _finite_float(loader: _StrictLoader, node: yaml.ScalarNode) -> float:
    value = float(loader.construct_yaml_float(node))
    if not math.isfinite(value):
        raise yaml.constructor.ConstructorError(None, None, f"{node.value} is not a finite number", node.start_mark)
    return value


def _decimal_integer(loader: _StrictLoader, node: yaml.ScalarNode) -> int:
    """No other base: 0755 and 190:20:30 are integers to YAML 1.1, and hardly to who wrote them."""
    if not DECIMAL.fullmatch(node.value) or len(node.value) > LONGEST_INTEGER:
        raise yaml.constructor.ConstructorError(None, None, f"{node.value[:40]} is no decimal integer", node.start_mark)
    return int(loader.construct_yaml_int(node))


def _no_date(loader: _StrictLoader, node: yaml.ScalarNode) -> object:
    del loader
    raise yaml.constructor.ConstructorError(None, None, f"{node.value} is a date, and text only in quotes", node.start_mark)


def _refuse_aliases_and_tags(text: str) -> None:
    """An alias can make a document without end, or a few lines unfold to gigabytes; a tag forces a kind on a value."""
    for token in yaml.scan(text, Loader=_Loader):
        if isinstance(token, yaml.AliasToken):
            raise yaml.constructor.ConstructorError(None, None, f"an alias, *{token.value}", token.start_mark)
        if isinstance(token, yaml.TagToken):
            raise yaml.constructor.ConstructorError(None, None, f"a tag, {''.join(filter(None, token.value))}", token.start_mark)


_StrictLoader.add_constructor("tag:yaml.org,2002:float", _finite_float)
_StrictLoader.add_constructor("tag:yaml.org,2002:int", _decimal_integer)
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _no_date)
_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_of_unique_keys)


@contextmanager
def _reading(file: Path, language: str) -> Iterator[None]:
    """What keeps a file from being read is said of it in one line."""
    try:
        yield
    except FileNotFoundError:
        raise error(file, "file", "missing", f"an existing {language} file") from None
    except UnicodeDecodeError:
        raise error(file, "file", "not UTF-8", f"{language} in UTF-8") from None
    except OSError as problem:
        raise error(file, "file", problem.strerror, f"a readable {language} file") from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
        raise error(file, where, problem.problem, "valid YAML with text as keys, each once, without aliases and tags") from None
    except json.JSONDecodeError as problem:
        raise error(file, f"line {problem.lineno}, column {problem.colno}", problem.msg, "valid JSON, whole") from None
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise error(file, "file", str(problem).splitlines()[0], f"valid {language}") from None


def read_yaml(file: Path) -> Any:
    """The document in a YAML file."""
    with _reading(file, "YAML"):
        text = file.read_text(encoding="utf-8")
        if "*" in text or "!" in text:
            _refuse_aliases_and_tags(text)
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader


def _json_object(pairs: list[tuple[str, Any]]) -> object:
    """Each key once; and what transformers writes for a float that JSON does not have, as that float."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    word = mapping.get("__float__")
    special = len(mapping) == 1 and isinstance(word, str) and word in {"Infinity", "-Infinity", "NaN"}
    return float(str(word)) if special else mapping


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; infinities and NaN are read, for published configs have them where they do no harm."""
    with _reading(file, "JSON"):
        document = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_json_object)
    if not isinstance(document, dict):
        raise error(file, "file", document, "a JSON object")
    return document


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """What checks documents of a kind."""
    return TypeAdapter(kind)


def checked(kind: type[Kind], document: object, file: Path) -> Kind:
    """What a document describes.

    Args:
        kind: a dataclass under `prophet_memory.fields.Described`, or a mapping of names to one.
        document: plain values.
        file: where it was read, for the message.

    Raises:
        ConfigurationError: for the first thing that is wrong, keys that nobody knows before all else.
    """
    try:
        text = json.dumps(document)
    except (TypeError, ValueError, RecursionError) as problem:
        raise error(file, "file", str(problem).splitlines()[0], "what JSON can hold") from None
    try:
        # As JSON, in which a list can be a tuple and a mapping an object; Python's own would have to be them already.
        found: Kind = adapter(cast("Any", kind)).validate_json(text, strict=True)
    except ValidationError as problem:
        wrong = problem.errors(include_url=False)
        raise _line(min(wrong, key=lambda one: one["type"] != UNKNOWN_KEY), kind, document, file) from None
    return found


def read(kind: type[Kind], file: Path) -> Kind:
    """What a YAML file describes; as `checked`."""
    return checked(kind, read_yaml(file), file)


UNKNOWN_KEY = "unexpected_keyword_argument"
SHAPES = {"tuple": "list", "list": "list", "data": "mapping", "dict": "mapping"}
WORDS = {int: "integer", float: "number", str: "string", bool: "boolean"}


def _line(found: ErrorDetails, kind: Any, document: Any, file: Path) -> ConfigurationError:
    """A finding of pydantic in the form of ours."""
    what, limits, loc = found["type"], found.get("ctx", {}), found["loc"]
    key, kind, value = _at(kind, document, loc[:-1] if what in {"missing", UNKNOWN_KEY} else loc)
    if what in {"missing", UNKNOWN_KEY}:
        known = sorted(field.name for field in fields(kind))
        key, value = f"{key}.{loc[-1]}".lstrip("."), None if what == "missing" else found["input"]
        wanted = "this key is required" if what == "missing" else f"the keys {', '.join(known)}{hint(str(loc[-1]), known)}"
        return error(file, key, value, wanted)
    if isinstance(problem := limits.get("error"), ModelError):
        key += problem.key if not key or not problem.key or problem.key.startswith("[") else f".{problem.key}"
        words = problem.allowed.removeprefix("one of ").split(", ") if problem.allowed.startswith("one of ") else []
        near = hint(problem.value, words) if isinstance(problem.value, str) else ""
        return error(file, key or "file", problem.value if problem.key else value, f"{problem.allowed}{near}")
    if loc[-1:] == ("[key]",):
        value = found["input"]
    if what.startswith("union_tag"):
        key, value = f"{key}.kind", value.get("kind")
    word = next((word for start, word in SHAPES.items() if what.startswith(start)), WORDS.get(kind, "text"))
    allowed = {
        "json_invalid": "fewer levels",
        "string_too_short": "text that is not empty",
        "literal_error": _listed(limits.get("expected", "")),
        "union_tag_invalid": _listed(limits.get("expected_tags", "")),
        "union_tag_not_found": "this key is required",
        "string_pattern_mismatch": f"text that matches {limits.get('pattern')}",
        "greater_than_equal": f"{word} of at least {limits.get('ge')}",
        "greater_than": f"{word} above {limits.get('gt')}",
        "less_than_equal": f"{word} of at most {limits.get('le')}",
        "too_short": "at least 1 entry" if limits.get("min_length") == 1 else f"at least {limits.get('min_length')} entries",
        "too_long": f"at most {limits.get('max_length')} entries",
    }
    return error(file, key or "file", value, allowed.get(what, word))


def _listed(words: str) -> str:
    return words.replace("'", "").replace(" or ", ", ")


def _at(kind: Any, document: Any, loc: Sequence[int | str]) -> tuple[str, Any, Any]:
    """Key, type and value of a place; the kind of a block, which pydantic names behind it, is left out."""
    key, parts = "", list(loc)
    kind = _plain(kind)
    while parts:
        part = parts.pop(0)
        is_key = isinstance(document, dict) and part in document
        if not is_key and not (isinstance(document, list) and isinstance(part, int)):
            continue
        key += f"[{part}]" if isinstance(part, int) else f".{part}"
        document = cast("Any", document)[part]
        inside = [one for one in get_args(kind) if one is not Ellipsis][-1:] or [None]
        kind = _plain(get_type_hints(kind).get(str(part)) if is_dataclass(kind) else inside[0])
        if parts and (chosen := kinds_in(kind).get(str(parts[0]))):
            kind = chosen
            parts.pop(0)
    return key.lstrip("."), kind, document


def _plain(kind: Any) -> Any:
    """A type without what is said of it, and without the null that may stand for it."""
    while hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    parts = [part for part in get_args(kind) if part is not NoneType] if get_origin(kind) in {Union, UnionType} else []
    return parts[0] if len(parts) == 1 else kind
