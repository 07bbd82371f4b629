"""The table of model types (docs/model-types.md): how each type with experts is counted, and against what that is checked.

Everything comes from the readers and from the tables of the tests; `python3 tests/model_types.py` writes the page. Needs the
extra `[reference]` (torch and transformers).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import test_huggingface_reference as reference
import test_real_cache as real_cache
import test_via_every_type as every_type
from small_configs import DRAWN, SMALL, VARIANTS

from prophet_memory.edge.files import write_text
from prophet_memory.huggingface import SUPPORTED_TYPES
from prophet_memory.huggingface.registry import READERS
from prophet_memory.huggingface.unread import UNREAD

PAGE = Path(__file__).parents[1] / "docs" / "model-types.md"
NATIVE, VIA, REFUSED = "native", "via transformers", "refused"
NO_CLASS = "no class: closed form and published totals"
DENSE = sorted(set(SUPPORTED_TYPES) - set(every_type.KINDS) - reference.WITHOUT_CLASS - set(reference.CLASS_OF))
KINDS = sorted({*every_type.KINDS, *SUPPORTED_TYPES} - set(DENSE))

HEAD = """# Model types

This page is written by `tests/model_types.py`, from the readers and from the tables of the tests, which compare it with them.

Every type of `config.json` with experts that `transformers` {version} knows is here, and those that this project reads where
`transformers` has no class: {native} native, {via} via transformers, {refused} refused.

- native: every command takes the config. `plan`, `fit` and the others count it with the project's own formulas.
- via transformers: `import-config --via-transformers` counts it, and no other command takes it. The last column says what
  the formulas lack.
- refused: neither way counts it.

Of a native type parameters by component, layer by layer, and caches equal those of `transformers` on the meta device, for these
configs:

- default: the type's own defaults.
- small (n): one small config with each key that matters, and n - 1 changes of it.
- fuzzed: random values of keys.
- inside: the small configs of a language model, inside a multimodal one.
- published: those configs as they were published.
- class of: the same code under another name.

Beside them stand: cache, the tensors in the cache of a small model that ran on the CPU; shapes, the counts of
`--via-transformers`, which tell experts from the rest by shapes alone. {no_class}.

Of longcat_flash the rows that the class has for experts that compute nothing are taken off: no checkpoint has them.
Where a multimodal config does not say whether its head is the embedding and the config of its language model does, that
one is believed. The class takes the default of the outer type, which is one embedding more or less.

Dense models of these types are read, too, and checked alike: {dense}. So are dense models of
types that may have experts, as Gemma 4 and Nemotron-H.

| type | how | checked against | left out, or missing |
|---|---|---|---|
"""


def how(kind: str) -> str:
    """Which way counts a type."""
    if kind in READERS:
        return NATIVE
    return REFUSED if kind in every_type.REFUSED else VIA


def published(kind: str) -> str:
    """The published configs of a type that are compared."""
    names = [file.stem for file in reference.REAL if json.loads(file.read_text(encoding="utf-8"))["model_type"] == kind]
    return f"published ({', '.join(sorted(names))})" if names else ""


def checks(kind: str) -> Iterator[str]:
    """What the counts of a type are compared with; empty strings among them."""
    if kind in reference.WITHOUT_CLASS:
        yield NO_CLASS
        return
    if kind in READERS:
        if kind in SMALL or kind in reference.AROUND.keys() - reference.MULTIMODAL_WITHOUT_DEFAULTS:
            yield "default"
        if kind in SMALL:
            yield f"small ({1 + len(VARIANTS[kind])})"
        yield "fuzzed" if kind in DRAWN else ""
        if kind in reference.AROUND:
            yield f"inside ({reference.AROUND[kind]})"
        if kind in reference.CLASS_OF:
            yield f"class of {reference.CLASS_OF[kind]}"
        yield published(kind)
        yield "cache" if kind in {case for case, _ in real_cache.CASES} else ""
    if kind in every_type.KINDS and kind not in every_type.REFUSED.keys() | every_type.OTHERWISE:
        yield "shapes"


def missing(kind: str) -> str:
    """What is left out of a native type, what the formulas lack for another, and what stays unknown via `transformers`."""
    if kind in READERS:
        return " and ".join(READERS[kind].leaves_out)
    unknown = every_type.UNKNOWN.get(kind)
    return UNREAD[kind] + (f"; {unknown[0]} is null: {unknown[1]}" if unknown else "")


def page() -> str:
    """The page."""
    counts = [how(kind) for kind in KINDS]
    head = HEAD.format(
        version=every_type.transformers.__version__,
        native=counts.count(NATIVE),
        via=counts.count(VIA),
        refused=counts.count(REFUSED),
        no_class=f"{NO_CLASS[0].upper()}{NO_CLASS[1:]} stand in for `transformers`",
        dense=", ".join(DENSE),
    )
    cells = [(kind, how(kind), ", ".join(filter(None, checks(kind))) or "nothing", missing(kind)) for kind in KINDS]
    return head + "".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in row)}|\n" for row in cells)


if __name__ == "__main__":
    write_text(PAGE, page(), receipt=False)
