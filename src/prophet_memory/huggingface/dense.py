"""Dense decoders: Llama, Mistral, Qwen2, Qwen3, Gemma 2, Phi-3 and Granite, which engines' measurements are known of."""

from __future__ import annotations

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import attention, dense_decoder, everywhere, windowed
from prophet_memory.huggingface.defaults import DEFAULTS
from prophet_memory.huggingface.families import same_window
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import WINDOWS, Values


@reads("granite", defaults=DEFAULTS["granite"])
@reads("llama", defaults=DEFAULTS["llama"])
def llama(values: Values) -> Architecture:
    """Llama and Granite: one switch for the biases of attention, one for those of the feed-forward blocks."""
    bias = values.flag("attention_bias")
    mixer = attention(values, qkv_bias=bias, output_bias=bias)
    block = Dense(values.size("intermediate_size"), bias=values.flag("mlp_bias"))
    return dense_decoder(values, everywhere(mixer, values.layers()), block)


@reads("phi3", defaults=DEFAULTS["phi3"])
@reads("mistral", defaults=DEFAULTS["mistral"])
def mistral(values: Values) -> Architecture:
    """Mistral and Phi-3: no biases, and a window over all layers where the config has one."""
    mixers = windowed(values, attention(values), same_window(values))
    return dense_decoder(values, mixers, Dense(values.size("intermediate_size")))


def later_windows(values: Values) -> list[str]:
    """The kind of each layer: sliding from `max_window_layers` on, where the config asks for windows (Qwen).

    Raises:
        ArchitectureError: if layers are listed as sliding and windows are switched off.
    """
    layers, sliding = values.layers(), values.flag("use_sliding_window") and values.raw("sliding_window") is not None
    kinds = values.layer_types(layers, WINDOWS)
    if kinds is None:
        first = values.count("max_window_layers")
        kinds = [WINDOWS[sliding and layer >= first] for layer in range(layers)]
    if "sliding_attention" in kinds and not sliding:
        raise values.error("use_sliding_window", "true, with a sliding_window, where layer_types has sliding_attention")
    return kinds


@reads("qwen2", defaults=DEFAULTS["qwen2"])
def qwen2(values: Values) -> Architecture:
    """Qwen2 and Qwen2.5: biases on queries, keys and values."""
    mixers = windowed(values, attention(values, qkv_bias=True), later_windows(values))
    return dense_decoder(values, mixers, Dense(values.size("intermediate_size")))


@reads("qwen3", defaults=DEFAULTS["qwen3"])
def qwen3(values: Values) -> Architecture:
    """Qwen3: queries and keys are normalised by head."""
    bias = values.flag("attention_bias")
    mixer = attention(values, qkv_bias=bias, output_bias=bias, qk_norm="head")
    return dense_decoder(values, windowed(values, mixer, later_windows(values)), Dense(values.size("intermediate_size")))


@reads("gemma2", defaults=DEFAULTS["gemma2"])
def gemma2(values: Values) -> Architecture:
    """Gemma 2: a window in every second layer from the first, and a norm before and one after each sublayer."""
    layers, bias = values.layers(), values.flag("attention_bias")
    kinds = values.layer_types(layers, WINDOWS) or [WINDOWS[layer % 2 == 0] for layer in range(layers)]
    mixers = windowed(values, attention(values, qkv_bias=bias, output_bias=bias), kinds)
    return dense_decoder(values, mixers, Dense(values.size("intermediate_size")), norms_per_sublayer=2)
