"""Muse Spark: experts that work at another width than the model's, and gates on what is added to the residual."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.alternating import kinds_of_layers
from prophet_memory.huggingface.building import attention, decoder_only, evenly_split, mixture, where_sparse, windowed
from prophet_memory.huggingface.defaults import DEFAULTS
from prophet_memory.huggingface.families import listed_sparse
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values

EVERY = 4  # of so many layers, from the last back, one has no window


@reads("muse_spark_text", defaults=DEFAULTS["muse_spark_text"])
def muse_spark_text(values: Values) -> Architecture:
    """The language model of Muse Spark; norms that have no weight are none here.

    Raises:
        ArchitectureError: if the heads do not divide the hidden size.
    """
    values.only("tie_word_embeddings", expected=False)
    evenly_split(values)  # the reference refuses the rest, though heads may be of another width
    layers, bias = values.layers(), values.flag("attention_bias")
    kinds = kinds_of_layers(values, [(layers - 1 - layer) % EVERY == 0 for layer in range(layers)])
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias, value_gate=True), kinds)
    moe = mixture(
        values,
        intermediate="moe_intermediate_size",
        latent_size=values.size("moe_hidden_size"),
        latent_norms=2,
        output_norm=True,
    )
    sparse, dense = listed_sparse(values) or [True] * layers, Dense(values.size("intermediate_size"), output_norm=True)
    return decoder_only(values, mixers, where_sparse(moe, dense, sparse), residual_gates=True)
