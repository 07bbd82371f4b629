"""The reviewers' guide, Markdown and HTML: what the source document says, what the results hold, and each verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.messages import error
from prophet_memory.edge.tables import Row, by_key, catalogued, read_rows
from prophet_memory.edge.text import multiplied, percent, thousands
from prophet_memory.residency import BASELINE
from prophet_paper.decision import as_text, learned_tree
from prophet_paper.page import anchor, headings, page_of
from prophet_paper.prose import values_of
from prophet_paper.verdicts import NOT_REPRODUCED, by_claim, is_changed, reason_of

Judged = Mapping[str, Mapping[str, Row]]
WORDS = {"reproduced": "holds", "not_reproduced": "fails", "undefined": "undefined", "not_testable": "not testable here"}
FIRST_PAGE = ("In one page", "Contents")
GAIN = 1.005  # an extension that prints as more than 1.00


def linked(row: Row) -> str:
    """A verdict that leads to the claim's row in the ledger."""
    return f"[{WORDS[row['verdict']]}](#claim-{row['claim']})"


def marker(claims: Judged, laws: Mapping[str, Row]) -> Callable[[str], str]:
    """What the template writes for a claim's verdicts: one where the laws agree, else each."""

    def mark(name: str) -> str:
        own = {law: claims[name][law] for law in laws}
        if len({row["verdict"] for row in own.values()}) == 1:
            return linked(next(iter(own.values())))
        return ", ".join(f"{laws[law]['head']} {linked(row)}" for law, row in own.items())

    return mark


def found(row: Row) -> str:
    """What was computed, in words that follow "we find"."""
    if row["verdict"] in {"undefined", "not_testable"}:
        return "nothing to compare"
    if row["kind"] == "ordering":
        return f"{row['computed']} in agreement"
    return f"{row['computed']} {row['quantity']}" if row["quantity"] else str(row["computed"])


def sayer(claims: Judged, laws: Mapping[str, Row], profile: str) -> Callable[[str], str]:
    """What the template writes for a statement of the source document: what it says, what we find, the verdict."""

    def beside(row: Row) -> str:
        return f"; {profile}: {WORDS[row['profile_verdict']]}" if is_changed(row) else ""

    def say(name: str) -> str:
        own = {law: claims[name][law] for law in laws}
        first = next(iter(own.values()))
        if len({(row["verdict"], row["computed"]) for row in own.values()}) == 1:
            return f"The source says “{first['quote']}”; we find {found(first)} ({linked(first)}{beside(first)})."
        each = ", ".join(f"{found(row)} under the {laws[law]['head']} ({linked(row)}{beside(row)})" for law, row in own.items())
        return f"The source says “{first['quote']}”; we find {each}."

    return say


def extension(row: Row) -> str:
    """A usable KV extension, or why there is none."""
    return multiplied(row["usable_kv_extension"]) if row["fit_verdict"] == "fits" else row["fit_verdict"].replace("_", " ")


def lines_of(files: Mapping[str, Path], laws: Iterable[str]) -> Callable[..., list[list[Row]]]:
    """What the template reads tables by: a line for each value of some keys, a row under each law; other axes are pinned."""

    def by_law(table: str, keys: Sequence[str], **at: object) -> list[list[Row]]:
        known = by_key(files[table], keys=(*keys, "routing"), at=at)
        lines = [[known[*key, law] for law in laws] for key in dict.fromkeys(key[:-1] for key in known)]
        for line in lines:
            for row in line:
                row["sparsity"] = row["experts"] / row["top_k"] if "top_k" in row else None
        return lines

    return by_law


def departures(claims: Judged, prefix: str, law: str) -> list[Row]:
    """Claims of one of the source document's examples that fail under its own law."""
    own = [by_law[law] for name, by_law in claims.items() if name.startswith(f"{prefix}-") and law in by_law]
    return [row for row in own if "Example" in row["section"] and row["verdict"] == NOT_REPRODUCED]


def alternatives_of(file: Path, at: Mapping[str, object]) -> Callable[[str, str, str], Row | None]:
    """What the template reads the study of alternatives by; None for what it leaves out."""
    rows = by_key(file, keys=("model", "precision", "policy"), at=at)

    def alternative(model: str, policy: str, precision: str) -> Row | None:
        row, whole = rows.get((model, precision, policy)), rows.get((model, "bf16", BASELINE.name))
        return row and whole and row | {"share": row["resident_expert_bytes"] / whole["resident_expert_bytes"]}

    return alternative


def gaining(file: Path, at: Mapping[str, object]) -> dict[str, list[Row]]:
    """The models that gain at the reference point, the most first, and those that newly fit."""
    rows = list(by_key(file, keys=("model",), at=at).values())
    fitting = [row for row in rows if row["fit_verdict"] == "fits" and row["usable_kv_extension"] > GAIN]
    fitting.sort(key=lambda row: -row["usable_kv_extension"])
    return {"gainers": fitting, "newly": [row for row in rows if row["fit_verdict"] == "newly_fits"]}


def main(
    *, results: list[Path], numbers: Path, laws: Path, template: Path, style: Path, profile: str, gpu: str, batch_size: int,
    precision: str, routing: str, policy: str, provision: str, output: list[Path],
) -> None:  # fmt: skip
    """Read results and template, render, write.

    Args:
        results: the result tables, claims.csv among them
        numbers: prose_numbers.csv
        laws: law_catalogue.csv
        style: style sheet of the page
        profile: the engine under which claims were judged, too
        provision: what resident pools are sized for
        output: .md and .html file
    """
    files = {file.stem: file for file in results}
    printed = read_rows(numbers)
    claims, known = by_claim(files["claims"]), catalogued(laws, "routing")
    source = template.read_text(encoding="utf-8")
    at = {"gpu": gpu, "batch_size": batch_size, "routing": routing, "provision": provision}
    engine = next(row["label"] for row in read_rows(files["engine_catalogue"]) if row["engine"] == profile)
    given: dict[str, Any] = {
        "n": values_of(printed), "claims": claims, "laws": known, "sized": provision, "words": WORDS, "zip": zip,
        "names": {slug: model["name"] for slug, model in catalogued(files["model_catalogue"], "model").items()},
        "contents": [title for title in headings(source) if title not in FIRST_PAGE], "anchor": anchor,
        "claim": marker(claims, known), "says": sayer(claims, known, engine),
        "one": lambda name: next(iter(claims[name].values())),
        "verdict": lambda name, law: linked(claims[name][law]), "reason": reason_of, "changed": is_changed,
        "departures": lambda prefix: departures(claims, prefix, printed[0]["default_routing"]),
        "by_law": lines_of(files, known), "extension": extension, "thousands": thousands,
        "alternative": alternatives_of(files["alternatives"], at | {"n_gpus": 1}),
        "profile": engine,
        "tree": "\n".join(as_text(learned_tree({row["node"]: row for row in read_rows(files["decision_tree"])}))),
        **gaining(files["kv_extension_at_reference"], at | {"precision": precision, "policy": policy}),
    }  # fmt: skip
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)  # noqa: S701 - Markdown
    environment.filters |= {"percent": percent}
    try:
        text = environment.from_string(source).render(**given)
    except (jinja2.UndefinedError, KeyError) as problem:
        raise error(template, "name", str(problem), "a number of config/numbers.yaml or an id of config/claims.yaml") from None
    write_text(output[0], text)
    write_text(output[1], page_of(text, style.read_text(encoding="utf-8")))


if __name__ == "__main__":
    script(main)
