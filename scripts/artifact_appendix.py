"""docs/ARTIFACT.md: what an artifact evaluation asks for, with claims, measured times and what is not supported put in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from prophet_memory.edge.command import script
from prophet_memory.edge.files import write_text
from prophet_memory.edge.messages import error
from prophet_memory.edge.tables import Row, catalogued, read_rows
from prophet_paper.artifact import Artifact, read_artifact, verdicts
from prophet_paper.manuscript import figure_numbers
from prophet_paper.prose import values_of
from prophet_paper.verdicts import NOT_REPRODUCED, REPRODUCED, by_claim


def where(claim_shows: tuple[str, ...], figures: dict[str, int]) -> str:
    """The paper's figures by their number and their file, its tables by their file."""
    return ", ".join(f"Figure {figures[name]} (`{name}`)" if name in figures else f"`{name}`" for name in claim_shows)


def own_claims(artifact: Artifact, judged: Path, figures: dict[str, int]) -> list[Row]:
    """A row for each claim of the paper."""
    found = verdicts(judged)
    return [
        {
            "id": claim.id,
            "says": found[claim.id][1][0]["says"],
            "shown": where(claim.shown_in, figures),
            "experiments": ", ".join(claim.experiments),
            "decided": claim.tested_by and f"`{claim.tested_by}`",
            "expected": [(row["number"], row["expected"]) for row in found[claim.id][1] if row["number"]],
        }
        for claim in artifact.claims
    ]


def unsupported(claims: Path, laws: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Heads of the laws, and the source document's claims that hold under none of them; what repeats another is left out."""
    heads = {law: str(row["head"]) for law, row in catalogued(laws, "routing").items()}
    rows = []
    for claim, by_law in by_claim(claims).items():
        found = [by_law[law] for law in heads]
        given = {row["verdict"] for row in found}
        if NOT_REPRODUCED in given and REPRODUCED not in given and not found[0]["repeats"]:
            computed = [row["computed"] if row["verdict"] == NOT_REPRODUCED and row["computed"] else "–" for row in found]
            rows.append({"claim": claim, "quote": found[0]["quote"], "claimed": found[0]["claimed"], "computed": computed})
    return list(heads.values()), rows


def main(
    *,
    artifact: Path,
    judged: Path,
    numbers: Path,
    claims: Path,
    laws: Path,
    measured: Path,
    paper: Path,
    template: Path,
    output: Path,
) -> None:
    """Read, put in, write.

    Args:
        artifact: config/artifact.yaml
        judged: paper_claims.csv
        numbers: prose_numbers.csv
        claims: claims.csv
        laws: law_catalogue.csv
        measured: config/artifact_measured.csv, which benchmarks/artifact.py writes
        paper: .tex file of the paper
        output: Markdown file
    """
    asked, figures = read_artifact(artifact), figure_numbers(paper.read_text(encoding="utf-8"))
    heads, refused = unsupported(claims, laws)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701 - Markdown
    try:
        text = environment.from_string(template.read_text(encoding="utf-8")).render(
            n=values_of(read_rows(numbers)),
            claims=own_claims(asked, judged, figures),
            experiments=asked.experiments,
            measured={row["experiment"]: row for row in read_rows(measured)},
            heads=heads,
            unsupported=refused,
        )
    except jinja2.UndefinedError as problem:
        raise error(template, "name", str(problem), "a number of config/numbers.yaml, a measured experiment") from None
    write_text(output, text)


if __name__ == "__main__":
    script(main)
