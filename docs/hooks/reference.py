"""Reference pages that nobody writes: modules from docstrings, files of config from schemas, the command line from --help."""  # noqa: INP001 - a hook of mkdocs is no package

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "prophet_memory"
SCHEMAS = REPOSITORY / "config" / "schemas"
PYTHON = REPOSITORY / ".venv" / "bin" / "python"
LEFT_OUT = ("cli", "edge")  # the command line has a page of its own, and files are its business
# Where a kind of file does not stand at config/<kind>.yaml.
PLACES = {
    "model": "config/models/*.yaml",
    "observations": "config/observations/*.yaml",
    "routing": "config/routing/sources.yaml",
}
FILES = {
    name: PLACES.get(name, f"config/{name}.yaml")
    for name in sorted(file.name.removesuffix(".schema.json") for file in SCHEMAS.glob("*.schema.json"))
}
HELP = """
import json, click
from prophet_memory.cli import COMMANDS, program
with click.Context(program, info_name="prophet-memory", terminal_width=80) as above:
    said = {"": program.get_help(above)}
    for name in COMMANDS:
        command = program.get_command(above, name)
        parts = [(name, command)]
        if isinstance(command, click.Group):
            parts += [(f"{name} {part}", command.commands[part]) for part in command.commands]
        for words, one in parts:
            own = click.Context(one, info_name=f"prophet-memory {words}", terminal_width=80)
            said[words] = one.get_help(own)
print(json.dumps({"said": said, "about": COMMANDS}))
"""

Schema = Mapping[str, Any]


def first_line(file: Path) -> str:
    """What a module says of itself."""
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def modules() -> dict[str, list[Path]]:
    """The files of each page of the Python reference, by the name of a module or a package."""
    found = {file.stem: [file] for file in sorted(PACKAGE.glob("*.py")) if file.stem != "__init__"}
    for folder in sorted(PACKAGE.iterdir()):
        if (folder / "__init__.py").exists() and folder.name not in LEFT_OUT:
            found[folder.name] = sorted(folder.glob("*.py"), key=lambda file: (file.stem != "__init__", file.stem))
    return dict(sorted(found.items()))


def dotted(file: Path) -> str:
    """The name by which a file is imported."""
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def python_index() -> str:
    """What one imports, and every module in a sentence."""
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    homes = {alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    lines = [
        "# Python",
        "",
        "::: prophet_memory",
        "    options:",
        "      members: false",
        "      show_root_heading: false",
        "      show_root_toc_entry: false",
        "",
    ]
    lines += ["## What to import", "", "| name | module |", "|---|---|"]
    lines += [f"| [`{name}`][{home}.{name}] | `{home}` |" for name, home in homes.items()]
    lines += ["", "## Modules", "", "| module | says |", "|---|---|"]
    lines += [f"| [`{name}`]({name}.md) | {first_line(files[0])} |" for name, files in modules().items()]
    return "\n".join(lines) + "\n"


def python_page(name: str, files: list[Path]) -> str:
    """A module, or a package with its modules; the first has the page's title."""
    parts = ["---", f"title: {name}", "---", ""]
    for level, file in enumerate(files):
        parts += [f"::: {dotted(file)}", "    options:", f"      heading_level: {min(level + 1, 2)}", ""]
    return "\n".join(parts)


def said_of_type(schema: Schema) -> str:
    """A type in words, with links to the parts that have a table of their own."""
    several = schema.get("anyOf") or schema.get("oneOf")
    if "$ref" in schema:
        part = schema["$ref"].rpartition("/")[2]
        said = f"[{part}](#{part.lower()})"
    elif "const" in schema or "enum" in schema:
        said = ", ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    elif several:
        said = " or ".join(dict.fromkeys(said_of_type(one) for one in several))
    elif schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})]
        said = f"list of {', '.join(map(said_of_type, items))}"
    elif schema.get("type") == "object" and not schema.get("properties"):
        values = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
        named = [said_of_type(value) for value in values if isinstance(value, dict)]
        said = f"mapping to {' or '.join(named)}" if named else "mapping"
    else:
        said = str(schema.get("type", "any value"))
    return said


LIMITS = {
    "minimum": "at least {}", "exclusiveMinimum": "more than {}", "maximum": "at most {}", "exclusiveMaximum": "less than {}",
    "minItems": "at least {} entries", "maxItems": "at most {} entries", "minLength": "not empty",
    "minProperties": "at least {} keys", "pattern": "matches `{}`",
}  # fmt: skip
NO_EDGE_SPACE = r"^\S(.*\S)?$"


def said_of_limits(schema: Schema) -> Iterator[str]:
    """The limits of a value, its own and those of the types that it may have."""
    for key, words in LIMITS.items():
        value = schema.get(key)
        if value == NO_EDGE_SPACE:
            yield "no space at its ends"
        elif value is not None:
            escaped = str(value).replace("|", "\\|")
            yield words.format(f"{value:,}" if isinstance(value, int) else escaped)
    if schema.get("uniqueItems"):
        yield "each once"
    for one in schema.get("anyOf", ()):
        yield from said_of_limits(one)
    if isinstance(schema.get("items"), dict):
        yield from (f"each {limit}" for limit in said_of_limits(schema["items"]))


def keys_of(schema: Schema) -> Iterator[str]:
    """A table of an object's keys."""
    if not schema.get("properties"):
        return
    yield from ("| key | value | needed | limits |", "|---|---|---|---|")
    for key, value in schema["properties"].items():
        default = f"default `{json.dumps(value['default'])}`" if "default" in value else ""
        needed = "yes" if key in schema.get("required", ()) else default
        yield f"| `{key}` | {said_of_type(value)} | {needed} | {', '.join(dict.fromkeys(said_of_limits(value)))} |"
    yield ""


def in_order(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The parts of a schema, each where it is first named."""
    parts = dict(schema.get("$defs", {}))
    waiting: list[Schema] = [{key: value for key, value in schema.items() if key != "$defs"}]
    while waiting:
        named = re.findall(r'"#/\$defs/(\w+)"', json.dumps(waiting.pop(0)))
        for name in dict.fromkeys(named):
            if name in parts:
                own = parts.pop(name)
                yield name, own
                waiting.append(own)


def schema_page(name: str) -> str:
    """What a file of config may hold."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    lines = [f"# {FILES[name]}", "", f"An editor that knows YAML schemas takes `config/schemas/{name}.schema.json`.", ""]
    if "description" in schema:
        lines += [schema["description"], ""]
    for entry in schema.get("patternProperties", {}).values():
        lines += [f"Each key is a name of your own, and its value a {said_of_type(entry)}.", ""]
    lines += keys_of(schema)
    for part, own in in_order(schema):
        lines += [f"## {part}", "", own.get("description", ""), "", *keys_of(own)]
        if not own.get("properties"):
            limits = ", ".join(said_of_limits(own))
            lines += [f"{said_of_type(own).capitalize()}{': ' if limits else '.'}{limits}", ""]
    return "\n".join(lines) + "\n"


def schema_index() -> str:
    """The files of config."""
    made = "`scripts/export_schemas.py` writes the schemas from the classes that check the files."
    lines = ["# Config files", "", f"What each file of `config/` may hold, by the schemas of `config/schemas`. {made}", ""]
    lines += ["| file | holds |", "|---|---|"]
    for name, path in FILES.items():
        about = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")).get("description", "")
        lines.append(f"| [`{path}`]({name}.md) | {about.partition(chr(10))[0]} |")
    return "\n".join(lines) + "\n"


def command_line() -> str:
    """Every command's --help, asked of the command itself."""
    if not PYTHON.exists():
        raise PluginError("docs: no .venv to ask for the command line's help; make .venv/prophet-environment builds it")
    asked = subprocess.run([PYTHON, "-c", HELP], cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if asked.returncode:
        raise PluginError(f"docs: the command line gives no help: {asked.stderr.strip().splitlines()[-1]}")
    answer = json.loads(asked.stdout)
    lines = ["# Command line", "", "Each command's own `--help`. [The tutorial](../tutorial.md) uses most of them.", ""]
    for words, text in answer["said"].items():
        about = answer["about"].get(words, "")
        lines += [f"## {words or 'prophet-memory'}", "", *([f"{about[0].upper()}{about[1:]}.", ""] if about else [])]
        lines += ["```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """The generated pages by place."""
    made = {"reference/command-line.md": command_line()}
    made |= {"reference/python/index.md": python_index()}
    made |= {f"reference/python/{name}.md": python_page(name, files) for name, files in modules().items()}
    made |= {"reference/config/index.md": schema_index()}
    return made | {f"reference/config/{name}.md": schema_page(name) for name in FILES}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated pages into the navigation."""
    reference = next(part["Reference"] for part in config.nav or [] if "Reference" in part)
    python = [{name: f"reference/python/{name}.md"} for name in modules()]
    files = [{path: f"reference/config/{name}.md"} for name, path in FILES.items()]
    reference.append({"Config files": ["reference/config/index.md", *files]})
    reference.append({"Python": ["reference/python/index.md", *python]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for place, text in pages().items():
        files.append(File.generated(config, place, content=text))
    return files
