"""The explorer: one page with every result, its libraries and its charts, that opens without a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.messages import error
from prophet_memory.edge.tables import catalogued, points, read_table
from prophet_memory.formats import FORMATS, NATIVE
from prophet_memory.provision import PROVISIONS
from prophet_memory.residency import BASELINE, residency_policies
from prophet_paper import explorer
from prophet_paper.ledger import read_claims
from prophet_paper.packing import pack
from prophet_paper.prose import read_numbers

BASE = BASELINE.name
# The page holds the first two by another name, and has no room for the others.
LEFT_OUT = ("prophet_kv_extension_data", "claims", "within_target", "workload_weighted")


def with_columns(file: Path, columns: Sequence[str], keys: Sequence[str] = ()) -> pl.DataFrame:
    """A result table that has these columns, by its keys where it has some. Raises ConfigurationError."""
    found = read_table(file)
    for name in (*keys, *columns):
        if name not in found.columns:
            raise error(file, "columns", found.columns, f"a column {name}, which the explorer shows")
    return points(file, keys=keys) if keys else found


def by_engine(
    files: Sequence[Path], keys: Sequence[str], columns: Sequence[str], engines: Sequence[str]
) -> dict[str, pl.DataFrame]:
    """The same table under several engines' profiles."""
    return {engine: with_columns(file, columns, keys) for engine, file in zip(engines, files, strict=True)}


def words_of(models: Path, gpus: Path, laws: Path, engines: Path, policies: list[Any]) -> dict[str, Any]:
    """What the page calls things, and what it has to know of them."""
    formats = {name: own.label for name, own in FORMATS.items()} | {NATIVE: "as published"}
    told = (
        "name",
        "family",
        "experts",
        "top_k",
        "published_precision",
        "max_context_tokens",
        "total_params",
        "kv_bytes_per_token",
    )
    return {
        "models": {name: {key: row[key] for key in told} for name, row in catalogued(models, "model").items()},
        "gpus": {name: row["name"] for name, row in catalogued(gpus, "gpu").items()},
        "laws": {name: {key: row[key] for key in ("label", "dash")} for name, row in catalogued(laws, "routing").items()},
        "policies": {own.name: own.words.label for own in residency_policies(policies)},
        "precisions": formats,
        "provisions": {name: own.label for name, own in PROVISIONS.items()},
        "engines": dict(read_table(engines).select("engine", "label").unique(maintain_order=True).rows()),
    }


def main(
    *, data: list[Path], concurrency: list[Path], engines: list[str], alternatives: Path, observations: Path, results: list[Path],
    claims: Path, numbers: Path, ledger: Path, prose: Path, models: Path, gpus: Path, laws: Path, profiles: Path,
    policies: list[Any], reference: dict[str, Any], context_tokens: int, breakdown_models: list[str], bundle: Path, style: Path,
    template: Path, output: Path,
) -> None:  # fmt: skip
    """Read results, pack, write.

    Args:
        data: the long table under each engine's profile
        concurrency: the most sequences at once, likewise
        engines: these profiles, in that order
        alternatives: alternatives.parquet
        observations: observations.csv
        results: the tables that claims and numbers ask
        claims: claims.csv
        numbers: prose_numbers.csv
        ledger: config/claims.yaml
        prose: config/numbers.yaml
        models: model_catalogue.csv
        gpus: gpu_catalogue.csv
        laws: law_catalogue.csv
        profiles: engine_catalogue.csv
        policies: as config has them
        reference: the point at which the page opens
        context_tokens: likewise
        breakdown_models: likewise
        bundle: JSON of the page's code and of the licences of what it contains
        style: CSS
        template: HTML
        output: .html file
    """
    catalogue = with_columns(models, ["max_context_tokens"], ["model"])
    swept = by_engine(data, explorer.SWEEP_KEYS, explorer.SWEEP_COLUMNS, engines)
    served = by_engine(concurrency, explorer.CONCURRENCY_KEYS, explorer.CONCURRENCY_COLUMNS, engines)
    others = with_columns(alternatives, explorer.ALTERNATIVES_COLUMNS, explorer.ALTERNATIVES_KEYS)
    tables = {f"sweep {name}": explorer.sweep_table(rows, catalogue, BASE) for name, rows in swept.items()}
    tables |= {f"concurrency {name}": explorer.concurrency_table(rows, BASE) for name, rows in served.items()}
    tables["alternatives"] = explorer.alternatives_table(others)
    claimed, said = read_claims(ledger), read_numbers(prose)
    every = [*(own.query for own in claimed.claims), *(own.query for own in said.numbers.values())]
    queries = [query for query in every if query is not None]
    held = {*LEFT_OUT, *(name.partition(" ")[0] for name in tables)}
    for file in sorted(results):
        own = [query for query in queries if query.table == file.stem]
        if own and file.stem not in held:
            tables[f"results {file.stem}"] = explorer.asked_table(read_table(file), own)
    listed = {
        name: explorer.listed(with_columns(file, columns), columns)
        for name, file, columns in (
            ("observations", observations, explorer.OBSERVATION_COLUMNS),
            ("claims", claims, explorer.CLAIM_COLUMNS),
            ("numbers", numbers, explorer.NUMBER_COLUMNS),
        )
    }
    beside = {
        "listed": listed,
        "words": words_of(models, gpus, laws, profiles, policies),
        "baseline": BASE,
        "opens": reference | {"context_tokens": context_tokens, "models": breakdown_models},
        "queries": {
            "claims": explorer.asked((own.id, own.query) for own in claimed.claims),
            "numbers": explorer.asked(
                ((name, own.query) for name, own in said.numbers.items()),
                {name: engines[-1] for name, own in said.numbers.items() if own.under_profile},
            ),
            "defaults": {"claims": dict(claimed.defaults), "numbers": dict(said.defaults)},
        },
    }
    made = json.loads(bundle.read_text(encoding="utf-8"))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=True)
    page = environment.from_string(template.read_text(encoding="utf-8")).render(
        style=style.read_text(encoding="utf-8"),
        code=made["code"].replace("</script", "<\\/script"),
        licences=made["licences"],
        sources=made["sources"],
        packed=base64.b64encode(pack(tables, beside)).decode(),
        rows=sum(len(table.frame) for table in tables.values()),
    )
    write_text(output, page)


if __name__ == "__main__":
    script(main)
