"""Caches and weights of the catalogue's models by public calculators beside ours, from the published configs and with no help.

Each difference must come to what its explanation says it comes to, or the program stops.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from measure import FOLDER, REPOSITORY, report

from prophet_memory.architecture import Architecture
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import read_rows
from prophet_memory.edge.text import thousands
from prophet_memory.formats import FORMATS
from prophet_memory.huggingface import read
from prophet_memory.kv_cache import CacheFormats, bytes_per_sequence, kv_growth
from prophet_memory.mixers import GatedDeltaNet, LatentAttention
from prophet_memory.parameters import count_parameters

TOKENS, BF16_BYTES = (1, 100_000), 2
Config = Mapping[str, Any]
Answer = Callable[[Config], Iterator[tuple[str, int]]]
NONE, CONV, NORMS = "", "without the newest input of each short convolution", "norms are not counted"


def cached_bytes(architecture: Architecture, tokens: int) -> int:
    """Our cache and state of a sequence, the state in fp32 as engines keep it."""
    cache = CacheFormats(kv=FORMATS["bf16"], state=FORMATS["fp32"], conv=FORMATS["bf16"])
    return int(bytes_per_sequence(kv_growth(architecture, cache, source_tokens=0), tokens))


def explained(calculator: str, quantity: str, architecture: Architecture) -> tuple[int, str]:
    """What the calculator leaves out, and why."""
    layers = architecture.decoder.layers
    if calculator == "llm-mem-planner" and quantity == "weight_params":
        latent = [(layer.count, layer.mixer) for layer in layers if isinstance(layer.mixer, LatentAttention)]
        inner = sum(count * ((mixer.q_lora_rank or 0) + mixer.kv_lora_rank) for count, mixer in latent)
        return count_parameters(architecture).norm + inner, NORMS
    if calculator == "kvfit":
        newest = sum(layer.count * layer.mixer.conv_size for layer in layers if isinstance(layer.mixer, GatedDeltaNet))
        return newest * BF16_BYTES, CONV if newest else NONE
    return 0, NONE


def kvfit(config: Config) -> Iterator[tuple[str, int]]:
    """Cache and state of a sequence."""
    from kvfit import estimate_cache  # noqa: PLC0415

    for tokens in TOKENS:
        estimate = estimate_cache(dict(config), context_tokens=tokens, kv_bytes=BF16_BYTES)
        yield f"cache_bytes_of_{tokens}_tokens", sum(part.bytes for part in estimate.components)


def llm_mem_planner(config: Config) -> Iterator[tuple[str, int]]:
    """Cache of a token, parameters, and their bf16 bytes; models with MLA only."""
    from llm_mem_planner import cli  # noqa: PLC0415

    dims = cli.load_dims(dict(config))
    for tokens in TOKENS:
        size = cli.estimate_kv_cache_gib(dims, batch=1, seq_len=tokens, kv_dtype_bytes=BF16_BYTES) * 2**30
        yield f"cache_bytes_of_{tokens}_tokens", round(size)
    yield "weight_params", cli.estimate_params(dims).total


def ours(quantity: str, architecture: Architecture) -> int:
    """The same quantity."""
    if quantity == "weight_params":
        return count_parameters(architecture).total
    return cached_bytes(architecture, int(quantity.split("_")[3]))


def compared(configs: Mapping[str, Config]) -> Iterator[dict[str, Any]]:
    """A row for each answer of each installed calculator; those that refuse a model have none."""
    calculators: dict[str, Answer] = {"kvfit": kvfit, "llm-mem-planner": llm_mem_planner}
    for calculator, answer in calculators.items():
        version = importlib.metadata.version(calculator)
        for model, config in configs.items():
            architecture = read(config).architecture
            with contextlib.suppress(Exception):  # an unknown type, in words of its own
                for quantity, theirs in list(answer({"torch_dtype": "bfloat16"} | dict(config))):
                    missing, reason = explained(calculator, quantity, architecture)
                    own = ours(quantity, architecture)
                    row = {"calculator": calculator, "version": version, "model": model, "quantity": quantity}
                    yield row | {"theirs": theirs, "ours": own, "explained": missing, "explanation": reason}


def page(rows: list[dict[str, Any]], template: Path) -> str:
    """docs/calculators.md."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - Markdown
    environment.filters["thousands"] = thousands
    return environment.from_string(template.read_text(encoding="utf-8")).render(rows=rows) + "\n"


def main() -> None:
    """Ask, compare, write table and page; with --recorded only the page, from the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--configs", type=Path, default=REPOSITORY / "tests" / "data", help="folder of hf_configs, imported_configs"
    )
    parser.add_argument("--template", type=Path, default=REPOSITORY / "workflow" / "templates" / "calculators.md.j2")
    parser.add_argument("--recorded", action="store_true", help="take the answers from --output, ask nobody")
    parser.add_argument("--output", type=Path, default=FOLDER / "outsiders.csv", help="CSV file")
    parser.add_argument("--page", type=Path, default=REPOSITORY / "docs" / "calculators.md")
    args = parser.parse_args()
    if not args.recorded:
        files = sorted(args.configs.glob("*_configs/*.json"), key=lambda file: file.stem)
        rows = list(compared({file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}))
        wrong = [row for row in rows if row["theirs"] + row["explained"] != row["ours"]]
        if wrong:
            parser.error(f"unexplained: {wrong[0]}")
        report(rows, args.output)
    write_text(args.page, page(read_rows(args.output), args.template))


if __name__ == "__main__":
    main()
