"""The JSON Schemas of config's files for editors, made of the classes that check them (config/schemas)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prophet_memory.edge.command import script
from prophet_memory.edge.configuration import Cluster, EngineEntries, GpuEntries, ModelEntry
from prophet_memory.edge.counting import RoutingSources
from prophet_memory.edge.documents import adapter
from prophet_memory.edge.files import REPOSITORY, write_text
from prophet_memory.edge.observing import Observations
from prophet_memory.edge.settings import DesignSettings, Settings
from prophet_memory.edge.traces import Workloads
from prophet_paper.artifact import Artifact
from prophet_paper.ledger import Ledger
from prophet_paper.manuscript import AllowList
from prophet_paper.prose import Numbers

FOLDER = REPOSITORY / "config" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DOCUMENTS: dict[str, Any] = {
    "config": Settings,
    "design_space": DesignSettings,
    "gpus": GpuEntries,
    "engines": EngineEntries,
    "observations": Observations,
    "model": ModelEntry,
    "claims": Ledger,
    "numbers": Numbers,
    "bare_numbers": AllowList,
    "artifact": Artifact,
    "cluster": Cluster,
    "routing": RoutingSources,
    "workloads": Workloads,
}


def schema(name: str) -> dict[str, Any]:
    """The schema of a kind of file."""
    made = {"$schema": DIALECT} | adapter(DOCUMENTS[name]).json_schema()
    for part in _objects(made):
        if "const" in part.get("properties", {}).get("kind", {}):  # by which a file says which of several it means
            part["required"] = ["kind", *part.get("required", [])]
        if "patternProperties" in part:
            part["additionalProperties"] = False
    return made


def _objects(node: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any part of a schema
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _objects(part)


def main(*, folder: Path = FOLDER) -> None:
    """Describe each kind of file, write.

    Args:
        folder: where the schemas stand
    """
    for name in DOCUMENTS:
        write_text(folder / f"{name}.schema.json", json.dumps(schema(name), indent=1) + "\n", receipt=False)


if __name__ == "__main__":
    script(main)
