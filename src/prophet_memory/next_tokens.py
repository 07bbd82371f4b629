"""Layers that predict further tokens (multi-token prediction, MTP), counted where they are asked for.

Such a layer is a decoder layer like the model's last one. It reads a token's embedding and the model's last hidden state: each
has a norm, and a map takes both to the model's width. A norm stands before the head. Embedding and head are the model's own.

Sources: DeepSeek-V3's README_WEIGHTS.md; vLLM 0.19's deepseek_mtp.py, glm4_moe_mtp.py, glm4_moe_lite_mtp.py, qwen3_next_mtp.py
and qwen3_5_mtp.py; its v1/spec_decode/eagle.py, which shares embedding and head where a checkpoint holds copies of them.
"""

from __future__ import annotations

from dataclasses import replace

from prophet_memory.architecture import Architecture
from prophet_memory.errors import ArchitectureError


def with_next_token_layers(architecture: Architecture) -> Architecture:
    """The model with the layers that were published beside it.

    Raises:
        ArchitectureError: if there are none.
    """
    further, decoder = architecture.next_token_layers, architecture.decoder
    if not further:
        raise ArchitectureError(
            "next_token_layers", further, "1 or more beside --mtp: no layer of it that predicts further tokens is described"
        )
    last = decoder.order[-1]
    layers = tuple(
        replace(layer, count=layer.count + (further if place == last else 0)) for place, layer in enumerate(decoder.layers)
    )
    pattern = (*decoder.order, *[last] * further) if decoder.pattern else ()
    return replace(architecture, decoder=replace(decoder, layers=layers, pattern=pattern), counted_next_token_layers=further)
