"""What the commands say beside an answer: how a model was read, what is hypothetical, and what was assumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

from prophet_memory.architecture import Architecture
from prophet_memory.edge.text import PRECISION_LABELS, is_below_16_bits
from prophet_memory.engine import Engine
from prophet_memory.formats import NATIVE
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Model
from prophet_memory.routing import RoutingLaw


def say_notes(notes: Iterable[str]) -> None:
    """What a user should know of how a model was read, beside the answer."""
    for note in notes:
        click.echo(f"note: {note}", err=True)


def say_warnings(warnings: Iterable[str]) -> None:
    """What is no error and should be known."""
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def hypothetical(architecture: Architecture, precision: str) -> Iterator[str]:
    """That weights are counted in a format in which nobody published them."""
    published = architecture.published_precision
    if precision in PRECISION_LABELS and precision not in {NATIVE, published} and is_below_16_bits(published):
        yield f"hypothetical: the model is published in {PRECISION_LABELS[published]} (--weights {NATIVE})"


def unread_gpus(engine: Engine, gpus: Sequence[Gpu]) -> Iterator[str]:
    """That a profile was read and measured on other GPUs."""
    others = [gpu.name for gpu in gpus if engine.read_on and not any(gpu.name.startswith(name) for name in engine.read_on)]
    if others:
        where, own = ", ".join(engine.read_on), ", ".join(others)
        yield f"{engine.name} was read and measured on {where}: on {own} its kernels and its memory beside torch may differ"


def law_in_words(law: RoutingLaw) -> str:
    """A law with the parameters that its label does not name."""
    own = law.parameters.items() if law.name == law.kind else ()  # others stand in the label
    return ", ".join([law.words.label, *(f"{name} {value}" for name, value in own)])


def partly_measured(model: Model) -> Iterator[str]:
    """That routing was not measured in every layer."""
    layers = model.architecture.moe_layer_count
    if model.counts is not None and len(model.counts.layers) < layers:
        yield f"routing was measured in {len(model.counts.layers)} of {layers} MoE layers, which stand for all"
