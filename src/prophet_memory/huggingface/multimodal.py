"""Multimodal models: the language model inside, as the type of its own that it is; what else there is, is left out by name."""

from __future__ import annotations

from typing import Any

from prophet_memory.architecture import Architecture
from prophet_memory.huggingface.defaults import DEFAULTS
from prophet_memory.huggingface.registry import READERS, read_as, reads
from prophet_memory.huggingface.values import Values

TIED = "tie_word_embeddings"
SIZES = ("hidden_size", "num_hidden_layers")
VISION = "its vision tower"
SPEECH = "its audio and vision encoders, its talker and the decoder of its speech"


def language_model(values: Values, *types: str, key: str = "text_config", **given: Any) -> Architecture:  # noqa: ANN401 - JSON
    """The model whose config stands under a key, or is left out and has its keys in the config around it.

    Args:
        values: the config around it.
        types: what its type may be; the first where it says none.
        key: where its config stands.
        given: values of it that the config around it decides.

    Raises:
        ArchitectureError: for another type, and as the function of the type.
    """
    reader = READERS[types[0]]
    if is_flat(values, types[0], key):
        return read_as(types[0], values.as_of(reader.defaults, reader.aliases).with_values(given))
    stated = values.nested(key, {})
    kind = types[0] if stated.raw("model_type") is None else stated.raw("model_type")
    if kind not in types:
        raise stated.error("model_type", " or ".join(types))
    reader = READERS[kind]
    return read_as(kind, values.nested(key, reader.defaults, reader.aliases, given))


def is_flat(values: Values, kind: str, key: str = "text_config") -> bool:
    """Whether a config has the keys of its language model, which is of some type, among its own."""
    own = {*SIZES, *READERS[kind].defaults} - {TIED}
    return values.optional_mapping(key) is None and any(map(values.states, own))


def tied(values: Values) -> bool:
    """Whether the head is the embedding: as the config around the language model says, or else that inside, or else by default.

    The reference takes the default before what stands inside; then the head that a checkpoint has is counted by nobody.
    """
    within = values.nested("text_config", {})
    says = within if within.states(TIED) and not values.states(TIED) else values
    return says.flag(TIED)


def inside(values: Values, *types: str) -> Architecture:
    """The language model under `text_config`, whose head the config around it ties."""
    return language_model(values, *types, tie_word_embeddings=tied(values))


@reads("llama4", defaults=DEFAULTS["llama4"], leaves_out=VISION)
def llama4(values: Values) -> Architecture:
    """Llama 4, whose language model is a whole one with a head."""
    return language_model(values, "llama4_text")


@reads("aria", defaults=DEFAULTS["aria"], leaves_out=VISION)
def aria(values: Values) -> Architecture:
    """Aria."""
    return inside(values, "aria_text")


@reads("deepseek_ocr2", defaults=DEFAULTS["deepseek_ocr2"], leaves_out="its vision encoders")
def deepseek_ocr2(values: Values) -> Architecture:
    """DeepSeek-OCR-2."""
    return inside(values, "deepseek_ocr2_text")


@reads("ernie4_5_vl_moe", defaults=DEFAULTS["ernie4_5_vl_moe"], leaves_out="its vision tower and its vision experts")
def ernie4_5_vl_moe(values: Values) -> Architecture:
    """ERNIE 4.5 VL."""
    return inside(values, "ernie4_5_vl_moe_text")


@reads(
    "gemma4",
    defaults=DEFAULTS["gemma4"],
    leaves_out={VISION: ("vision_config",), "its audio tower": ("audio_config",)},
)
def gemma4(values: Values) -> Architecture:
    """Gemma 4."""
    return inside(values, "gemma4_text")


def tied_in_either(values: Values, kind: str) -> Architecture:
    """The language model under `text_config`, whose head is tied where either config says so."""
    within = values.nested("text_config", DEFAULTS[kind])
    return language_model(values, kind, tie_word_embeddings=values.flag(TIED) or within.flag(TIED))


@reads("glm4v_moe", defaults=DEFAULTS["glm4v_moe"], leaves_out=VISION)
def glm4v_moe(values: Values) -> Architecture:
    """GLM-4.5V."""
    return tied_in_either(values, "glm4v_moe_text")


@reads("minimax_m3_vl", defaults=DEFAULTS["minimax_m3_vl"], leaves_out=VISION)
def minimax_m3_vl(values: Values) -> Architecture:
    """MiniMax-M3."""
    return tied_in_either(values, "minimax_m3_vl_text")


@reads("glm5_next", defaults=DEFAULTS["glm5_next"], leaves_out=VISION)
def glm5_next(values: Values) -> Architecture:
    """GLM-5.3, whose published configs may have the language model's keys among their own."""
    return inside(values, "glm5_next_text")


@reads("hy_v4_vl", defaults=DEFAULTS["hy_v4_vl"], leaves_out=VISION)
def hy_v4_vl(values: Values) -> Architecture:
    """Hunyuan 4 VL."""
    return inside(values, "hy_v4_vl_text")


@reads("mistral_large4", defaults=DEFAULTS["mistral_large4"], leaves_out=VISION)
def mistral_large4(values: Values) -> Architecture:
    """Mistral Large 4."""
    return inside(values, "mistral_large4_text")


@reads("nemo_speechlm", defaults=DEFAULTS["nemo_speechlm"], leaves_out="its audio encoders and what times its words")
def nemo_speechlm(values: Values) -> Architecture:
    """Nemotron 3.5 Transcribe, around a Nemotron-H that is another than its type's default where none is stated."""
    stated = values.optional_mapping("text_config") is not None or is_flat(values, "nemotron_h")
    return language_model(values, "nemotron_h", **({} if stated else DEFAULTS["nemo_speechlm.text_config"]))


@reads(
    "nemotron_h_omni",
    defaults=DEFAULTS["nemotron_h_omni"],
    leaves_out={"its vision encoder": (), "its audio encoder": ("audio_config", "sound_config")},
)
def nemotron_h_omni(values: Values) -> Architecture:
    """Nemotron 3 Nano Omni, whose released configs have another name for that of its language model, a whole one with a head."""
    stated = values.optional_mapping("text_config") is not None or values.optional_mapping("llm_config") is None
    return language_model(values, "nemotron_h", key="text_config" if stated else "llm_config")


@reads("muse_spark", defaults=DEFAULTS["muse_spark"], leaves_out="its vision and audio encoders")
def muse_spark(values: Values) -> Architecture:
    """Muse Spark."""
    return inside(values, "muse_spark_text")


@reads("dots3_note", defaults=DEFAULTS["dots3_note"], leaves_out="its vision and audio encoders", by_layer=True)
def dots3_note(values: Values) -> Architecture:
    """Dots 3, whose published configs have the language model's keys among their own."""
    return inside(values, "dots3_note_text")


@reads("unlimited_ocr", defaults=DEFAULTS["unlimited_ocr"], leaves_out="its vision encoders")
def unlimited_ocr(values: Values) -> Architecture:
    """Unlimited-OCR, whose published config has another name for that of its language model, and the window beside it."""
    if values.optional_mapping("text_config") is not None or values.optional_mapping("language_config") is None:
        return inside(values, "unlimited_ocr_text")
    window = {"sliding_window": values.raw("sliding_window")} if values.states("sliding_window") else {}
    given = {TIED: values.flag(TIED)} | window
    return language_model(values, "unlimited_ocr_text", "deepseek_v2", key="language_config", **given)


@reads("kimi_k25", defaults=DEFAULTS["kimi_k25"], leaves_out=VISION)
def kimi_k25(values: Values) -> Architecture:
    """Kimi K2.5."""
    return inside(values, "deepseek_v3", "kimi_k2")


@reads("mistral3", defaults=DEFAULTS["mistral3"], leaves_out=VISION)
def mistral3(values: Values) -> Architecture:
    """Mistral Small since 3.1: a dense language model or, since 4, a mixture of experts.

    Raises:
        ArchitectureError: where the language model's config is left out: its defaults here are those of no type.
    """
    if values.optional_mapping("text_config") is None:
        raise values.error("text_config", "a mapping")
    return inside(values, "mistral", "mistral4")


@reads("step3p7", defaults=DEFAULTS["step3p7"], leaves_out=VISION)
def step3p7(values: Values) -> Architecture:
    """Step 3.7."""
    return inside(values, "step3p5")


@reads("qwen3_5_moe", defaults=DEFAULTS["qwen3_5_moe"], leaves_out=VISION)
def qwen3_5_moe(values: Values) -> Architecture:
    """Qwen3.5-MoE."""
    return inside(values, "qwen3_5_moe_text")


@reads("qwen3_vl_moe", defaults=DEFAULTS["qwen3_vl_moe"], leaves_out=VISION)
def qwen3_vl_moe(values: Values) -> Architecture:
    """Qwen3-VL-MoE."""
    return inside(values, "qwen3_vl_moe_text")


@reads("qwen3_omni_moe_thinker", defaults=DEFAULTS["qwen3_omni_moe_thinker"], leaves_out="its audio and vision encoders")
def qwen3_omni_moe_thinker(values: Values) -> Architecture:
    """The part of Qwen3-Omni-MoE that writes text."""
    return inside(values, "qwen3_omni_moe_text")


@reads("qwen3_omni_moe", defaults=DEFAULTS["qwen3_omni_moe"], leaves_out=SPEECH)
def qwen3_omni_moe(values: Values) -> Architecture:
    """Qwen3-Omni-MoE: its thinker's language model."""
    return language_model(values, "qwen3_omni_moe_thinker", key="thinker_config")
