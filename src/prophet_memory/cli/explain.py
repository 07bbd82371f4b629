"""`prophet-memory explain`."""

from __future__ import annotations

from dataclasses import asdict

import click

from prophet_memory.cli.description import cache_terms, counted
from prophet_memory.cli.options import MTP, as_json
from prophet_memory.cli.render import print_json, print_table, say
from prophet_memory.cli.said import left_out, say_notes, say_warnings
from prophet_memory.edge.messages import described_by
from prophet_memory.edge.model_files import open_model
from prophet_memory.formats import DEFAULT_FORMAT
from prophet_memory.parameters import count_parameters
from prophet_memory.tensors import COMPONENTS

COUNT_HEADS = (("component", False), ("parameters", True), ("share", True))
CACHE_HEADS = (("cache of a sequence of c tokens, bf16", False), ("numbers", False), ("bytes", True))


@click.command(name="explain")
@click.argument("model")
@MTP
@as_json
def command(*, model: str, mtp: bool, as_json: bool) -> None:
    """Parameters of MODEL by component, and its cache formula with its numbers.

    MODEL is a name of the catalogue, a catalogue file or a Hugging Face config.json.
    """
    opened = open_model(model, stored=DEFAULT_FORMAT, mtp=mtp)  # counts do not depend on the format
    architecture = opened.architecture
    counts = count_parameters(architecture)
    with described_by(opened.file):
        known = counted(architecture)
    components = {name: asdict(counts)[name] for name in COMPONENTS}
    terms = list(cache_terms(architecture))
    if as_json:
        cache = [{"part": what, "formula": product, "bytes": size} for what, product, size in terms]
        said = {"warnings": list(left_out(opened)), "notes": list(opened.notes)}
        print_json({"model": opened.slug} | known | {"components": components, "cache": cache} | said)
        return
    moe = architecture.moe
    rows = [(name.replace("_", " "), f"{n:,}", f"{n / counts.total:.2%}") for name, n in components.items() if n]
    print_table(COUNT_HEADS, [*rows, ("total", f"{counts.total:,}", "")], title=opened.name)
    if architecture.is_dense:
        say("a dense model: every token passes every parameter\n")
    else:
        product = f"{architecture.moe_layer_count} MoE layers x {moe.routed_experts} experts x {counts.per_expert:,} parameters"
        say(f"routed experts: {product}")
        say(f"active for a token (top-{moe.top_k}, both embeddings included): {counts.active_per_token:,}\n")
    print_table(CACHE_HEADS, [(what, product, f"{size:,}") for what, product, size in terms])
    if architecture.max_context_tokens:
        say(f"the model's own maximum: c = {architecture.max_context_tokens:,}")
    say_notes(opened.notes)
    say_warnings(left_out(opened))
