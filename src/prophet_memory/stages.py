"""Pipeline parallelism: a model's layers in stages, each on GPUs of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from prophet_memory.architecture import Architecture
from prophet_memory.grid import Model
from prophet_memory.measured import counts_of_layers
from prophet_memory.parallelism import Parallelism, ParallelismError


def layers_of_stages(layers: int, stages: int) -> list[int]:
    """Layers of each stage: as many in each, what remains one by one from the second-last on backwards (vLLM's rule)."""
    each, rest = divmod(layers, stages)
    counts = [each] * stages
    for stage in range(rest):
        counts[-2 - stage] += 1
    return counts


def pipeline_stages(architecture: Architecture, stages: int) -> list[Architecture]:
    """The model as stages: the first holds the embedding, the last the head.

    Raises:
        ParallelismError: for more stages than layers, and for an encoder-decoder.
    """
    if stages == 1:
        return [architecture]
    if architecture.encoder is not None:
        raise ParallelismError("pp", stages, "1 for an encoder-decoder: stages share the layers of a decoder alone")
    further = architecture.counted_next_token_layers  # with the last stage, whatever it has beside them
    own_layers = architecture.layer_count - further
    if stages > own_layers:
        raise ParallelismError("pp", stages, f"at most one stage for each of {own_layers} layers")
    kinds, order = architecture.decoder.layers, architecture.decoder.order
    counts = layers_of_stages(own_layers, stages)
    counts[-1] += further
    found, start = [], 0
    for stage, count in enumerate(counts):
        is_last = stage == stages - 1
        own = Counter(order[start : start + count])
        layers = tuple(replace(kinds[kind], count=number) for kind, number in sorted(own.items()))
        part = replace(architecture.decoder, layers=layers, pattern=())
        whole = replace(architecture, decoder=part, holds_embedding=stage == 0, holds_head=is_last)
        found.append(replace(whole, counted_next_token_layers=further if is_last else 0))
        start += count
    return found


def models_in_order(model: Model, spread: Parallelism) -> list[Model]:
    """Every stage as a model of its name with the counts of its own MoE layers; one that is such a stage already stands alone."""
    whole = model.architecture
    if spread.pipeline == 1 or not (whole.holds_embedding and whole.holds_head):
        return [model]
    found, start = list[Model](), 0
    for stage in pipeline_stages(whole, spread.pipeline):
        stop = start + stage.moe_layer_count
        counts = counts_of_layers(model.counts, start, stop) if model.counts is not None and stop > start else model.counts
        found.append(model._replace(architecture=stage, counts=counts))
        start = stop
    return found


def stage_models(model: Model, spread: Parallelism) -> list[Model]:
    """The different stages of a model, each once."""
    return list(dict.fromkeys(models_in_order(model, spread)))
