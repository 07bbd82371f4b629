"""Reading config/: strict YAML, JSON Schema, and the checks that a schema cannot express.

Every failure is a `ConfigurationError`, one line that names the file, the key, the value and what is allowed.
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from prophet_memory.architecture import Architecture, architecture_from_mapping
from prophet_memory.errors import ArchitectureError
from prophet_pipeline.command import ConfigurationError
from prophet_pipeline.files import REPOSITORY
from prophet_pipeline.places import IS_CHECKOUT, SCHEMAS, SHIPPED, config_folder

CONFIG = config_folder()
GPUS_FILE = CONFIG / "gpus.yaml"
ENGINES_FILE = CONFIG / "engines.yaml"
CLUSTER_FILE = CONFIG / "cluster.yaml"
MODELS_FOLDER = CONFIG / "models"
SCHEMAS_FOLDER = SCHEMAS
SHOWN_VALUE_CHARACTERS = 80
SHOWN_HINTS = 3


def error(file: Path, key: str, value: object, allowed: str) -> ConfigurationError:
    """The error in its one form."""
    shown = json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    if len(shown) > SHOWN_VALUE_CHARACTERS:
        shown = shown[:SHOWN_VALUE_CHARACTERS] + "..."
    return ConfigurationError(f"{relative(file)}: {key}: {shown}; allowed: {allowed}")


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


def _refuse_aliases_and_tags(text: str) -> None:
    """An alias can make a document without end, or a few lines unfold to gigabytes; a tag forces a kind on a value."""
    for token in yaml.scan(text, Loader=_Loader):
        if isinstance(token, yaml.AliasToken):
            raise yaml.constructor.ConstructorError(None, None, f"an alias, *{token.value}", token.start_mark)
        if isinstance(token, yaml.TagToken):
            raise yaml.constructor.ConstructorError(None, None, f"a tag, {''.join(filter(None, token.value))}", token.start_mark)


_StrictLoader.add_constructor("tag:yaml.org,2002:float", _finite_float)
_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_of_unique_keys)


def read_yaml(file: Path) -> Any:
    """The document in a YAML file."""
    try:
        text = file.read_text(encoding="utf-8")
        if "*" in text or "!" in text:
            _refuse_aliases_and_tags(text)
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise error(file, "file", "missing", "an existing YAML file") from None
    except UnicodeDecodeError:
        raise error(file, "file", "not UTF-8", "YAML in UTF-8") from None
    except OSError as problem:
        raise error(file, "file", problem.strerror, "a readable YAML file") from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
        raise error(file, where, problem.problem, "valid YAML with text as keys, each once, without aliases and tags") from None
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise error(file, "file", str(problem).splitlines()[0], "valid YAML") from None


def _special_float(mapping: dict[str, Any]) -> object:
    """What transformers writes for a float that JSON does not have, as that float."""
    word = mapping.get("__float__")
    special = len(mapping) == 1 and isinstance(word, str) and word in {"Infinity", "-Infinity", "NaN"}
    return float(str(word)) if special else mapping


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; infinities and NaN are read, for published configs have them where they do no harm."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"), object_hook=_special_float)
    except FileNotFoundError:
        raise error(file, "file", "missing", "an existing JSON file") from None
    except UnicodeDecodeError:
        raise error(file, "file", "not UTF-8", "JSON in UTF-8") from None
    except OSError as problem:
        raise error(file, "file", problem.strerror, "a readable JSON file") from None
    except json.JSONDecodeError as problem:
        raise error(file, f"line {problem.lineno}, column {problem.colno}", problem.msg, "valid JSON, whole") from None
    except (ValueError, RecursionError) as problem:
        raise error(file, "file", str(problem).splitlines()[0], "valid JSON") from None
    if not isinstance(document, dict):
        raise error(file, "file", document, "a JSON object")
    return document


def _is_integer(_checker: TypeChecker, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# JSON Schema takes 16.0 for an integer; a count written so is a mistake.
_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
)


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema of workflow/schemas by its name."""
    document = read_yaml(SCHEMAS_FOLDER / f"{name}.schema.yaml")
    assert isinstance(document, dict)  # noqa: S101 - a file of ours
    return document


def validate(document: Any, schema_name: str, file: Path) -> None:
    """Raise a ConfigurationError unless the document satisfies the schema."""
    found = best_match(_Validator(schema(schema_name)).iter_errors(document))
    if found is not None:
        raise _schema_error(found, file)


def read_models(folder: Path = MODELS_FOLDER) -> dict[str, dict[str, Any]]:
    """The catalogue: entries by slug, sorted."""
    return {file.stem: read_model(file) for file in sorted(folder.glob("*.yaml"))}


def read_model(file: Path) -> dict[str, Any]:
    """One catalogue entry, checked against its schema and by building its architecture."""
    entry = read_yaml(file)
    validate(entry, "model", file)
    model_architecture(entry, file)
    assert isinstance(entry, dict)  # noqa: S101 - the schema says so
    return entry


@contextmanager
def described_by(file: Path) -> Iterator[None]:
    """What the library finds wrong with a model is said of the file that describes it.

    Raises:
        ConfigurationError: one line.
    """
    try:
        yield
    except ArchitectureError as problem:
        raise error(file, problem.key, problem.value, problem.allowed) from None


def model_architecture(entry: Mapping[str, Any], file: Path) -> Architecture:
    """The architecture of a catalogue entry."""
    with described_by(file):
        return architecture_from_mapping(entry)


def read_gpus(file: Path = GPUS_FILE) -> dict[str, dict[str, Any]]:
    """The GPUs by slug."""
    entries = read_yaml(file)
    validate(entries, "gpus", file)
    assert isinstance(entries, dict)  # noqa: S101 - the schema says so
    return entries


def read_engines(file: Path = ENGINES_FILE) -> dict[str, dict[str, Any]]:
    """The engines by slug."""
    entries = read_yaml(file)
    validate(entries, "engines", file)
    assert isinstance(entries, dict)  # noqa: S101 - the schema says so
    return entries


KINDS_OF_CLAIM = ("value", "range", "at_least", "at_most", "above", "below", "order", "external")


def read_claims(file: Path) -> dict[str, Any]:
    """The claims ledger, config/claims.yaml: each claim of one kind, with a query and pinned verdicts unless external."""
    ledger = read_yaml(file)
    validate(ledger, "claims", file)
    assert isinstance(ledger, dict)  # noqa: S101 - the schema says so
    seen: set[str] = set()
    for position, entry in enumerate(ledger["claims"]):
        key, claim = f"claims[{position}]", entry["claim"]
        if entry["id"] in seen:
            raise error(file, f"{key}.id", entry["id"], "an id that no other claim has")
        seen.add(entry["id"])
        kinds = [kind for kind in KINDS_OF_CLAIM if kind in claim]
        if len(kinds) != 1:
            raise error(file, f"{key}.claim", claim, f"exactly one of {', '.join(KINDS_OF_CLAIM)}")
        needed, optional = {"external": (set(), set()), "order": ({"along"}, {"within"})}.get(
            kinds[0], ({"unit"}, {"quantifier"})
        )
        if not needed <= set(claim) - {kinds[0]} <= needed | optional:
            raise error(file, f"{key}.claim", claim, f"{kinds[0]} with {', '.join(sorted(needed | optional)) or 'nothing else'}")
        wanted = set() if "external" in claim else {"query", "expected"}
        if wanted != {"query", "expected"} & set(entry):
            raise error(file, f"{key}", entry["id"], "query and expected, and neither of them for an external claim")
        if "range" in claim and float(claim["range"][0]) > float(claim["range"][1]):
            raise error(file, f"{key}.claim.range", claim["range"], "the lower end first")
    return ledger


def read_cluster(file: Path = CLUSTER_FILE) -> dict[str, Any]:
    """config/cluster.yaml: where jobs run on a cluster, null where its own defaults decide."""
    place = read_yaml(file)
    validate(place, "cluster", file)
    assert isinstance(place, dict)  # noqa: S101 - the schema says so
    return place


def read_numbers(file: Path) -> dict[str, Any]:
    """The numbers of the prose, config/numbers.yaml."""
    numbers = read_yaml(file)
    validate(numbers, "numbers", file)
    assert isinstance(numbers, dict)  # noqa: S101 - the schema says so
    return numbers


def check_known(values: Iterable[object], key: str, known: Iterable[object], what: str, file: Path) -> None:
    """Raise a ConfigurationError unless every value is known; `what` says which there are."""
    names = [str(name) for name in known]
    for value in values:
        if str(value) not in names:
            raise error(file, key, value, f"{what}: {', '.join(names)}{hint(str(value), names)}")


def _schema_error(found: ValidationError, file: Path) -> ConfigurationError:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found.absolute_path).lstrip(".")
    limit: Any = found.validator_value
    value: Any = found.instance
    rule = found.schema if isinstance(found.schema, dict) else {}
    if found.validator == "additionalProperties":
        known = sorted(rule["properties"])
        unknown = min(set(value) - set(known), key=str)
        allowed = f"the keys {', '.join(known)}{hint(str(unknown), known)}"
        return error(file, f"{key}.{unknown}".lstrip("."), value[unknown], allowed)
    if found.validator == "required":
        missing = next(name for name in limit if name not in value)
        return error(file, f"{key}.{missing}".lstrip("."), None, "this key is required")
    kind = rule.get("type", "value")
    kind = kind if isinstance(kind, str) else " or ".join(kind)
    allowed = {
        "type": kind,
        "enum": ", ".join(map(str, rule.get("enum", ()))),
        "const": str(limit),
        "pattern": f"text that matches {limit}",
        "minimum": f"{kind} of at least {limit}",
        "exclusiveMinimum": f"{kind} above {limit}",
        "maximum": f"{kind} of at most {limit}",
        "minItems": f"a list of at least {limit}",
        "minProperties": f"at least {limit} entry",
        "uniqueItems": "each entry once",
    }.get(str(found.validator), f"what the schema says: {found.validator} {limit}")
    return error(file, key or "file", value, allowed)


def hint(name: str, known: Iterable[str]) -> str:
    """The known names that were probably meant, in parentheses, or nothing: those that begin so, else the one most like it."""
    small = {word.lower(): word for word in known}
    near = [word for key, word in small.items() if name and key.startswith(name.lower())]
    near = near or [small[key] for key in difflib.get_close_matches(name.lower(), small, n=1)]
    return f" (did you mean {' or '.join(near[:SHOWN_HINTS])}?)" if near else ""


def relative(file: Path) -> str:
    """A file as messages name it: from the checkout where it stands there."""
    real = Path(os.path.realpath(file))  # unlike Path.resolve, at peace with links that lead in a circle
    home = REPOSITORY if IS_CHECKOUT else SHIPPED
    return str(real.relative_to(home) if real.is_relative_to(home) else file)
