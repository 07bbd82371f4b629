"""What a `config.json` is read as, against what `transformers` builds from it on the meta device.

Needs the extra `[reference]` (torch and transformers); `.ci/run` installs it.
"""

import copy
import json
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_configs import DRAWN, NEEDED, SMALL, VARIANTS

from prophet_memory.architecture import Architecture, Layer
from prophet_memory.cli.via_transformers import others_by_reference
from prophet_memory.errors import ArchitectureError
from prophet_memory.huggingface import SUPPORTED_TYPES, read
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.unread import UNREAD
from prophet_memory.parameters import count_parameters

REASON = "the extra [reference] is not installed (torch, transformers): pip install torch, then pip install -e '.[reference]'"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

DATA = Path(__file__).parent / "data"
WITHOUT_CLASS = {"arctic", "deepseek", "grok-1"}
# The class of another type that reads this one's configs: the code published with Kimi K2 is DeepSeek-V3's, and MiniMax-M3 is
# published with its vision tower, too, around the same keys and numbers.
CLASS_OF = {"kimi_k2": "deepseek_v3", "minimax_m3": "minimax_m3_vl_text"}
# Keys that a class looks up without declaring them.
UNDECLARED = {
    "axk2": {"first_k_dense_replace", "moe_layer_freq"},
    "dots3_note_text": {key for key in DEFAULTS["dots3_note_text"] if key.startswith("swa_")}
    | {"first_k_dense_replace", "moe_layer_freq", "use_dsa", "use_sliding_window", "sliding_window_size"},
    "mistral_large4_text": {"no_rope_layer_interval", "index_topk_freq", "index_skip_topk_offset"},
    "muse_spark": {"tie_word_embeddings"},
    "unlimited_ocr_text": {"first_k_dense_replace"},
    "axk1": {"first_k_dense_replace", "moe_layer_freq"},
    "cohere2_moe": {"first_k_dense_replace"},
    "glm5_next_text": {"index_topk_freq", "index_skip_topk_offset"},
    "gemma4_text": {"global_head_dim"},
    "glm_moe_dsa": {"index_topk_freq", "index_skip_topk_offset"},
    "kimi_linear": {"first_k_dense_replace"},
    "longcat_flash": {"router_bias"},
    "qwen3_5_moe_text": {"full_attention_interval"},
    "qwen3_next": {"full_attention_interval"},
    "qwen3_omni_moe_text": {"tie_word_embeddings"},
    "step3p5": {"num_nextn_predict_layers"},
    "step3p7": {"tie_word_embeddings"},
}
# Multimodal types and that of the language model inside.
AROUND = {
    "dots3_note": "dots3_note_text",
    "glm5_next": "glm5_next_text",
    "hy_v4_vl": "hy_v4_vl_text",
    "minimax_m3_vl": "minimax_m3_vl_text",
    "mistral_large4": "mistral_large4_text",
    "nemo_speechlm": "nemotron_h",
    "nemotron_h_omni": "nemotron_h",
    "muse_spark": "muse_spark_text",
    "unlimited_ocr": "unlimited_ocr_text",
    "aria": "aria_text",
    "deepseek_ocr2": "deepseek_ocr2_text",
    "ernie4_5_vl_moe": "ernie4_5_vl_moe_text",
    "gemma4": "gemma4_text",
    "glm4v_moe": "glm4v_moe_text",
    "kimi_k25": "deepseek_v3",
    "llama4": "llama4_text",
    "mistral3": "mistral4",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen3_omni_moe": "qwen3_omni_moe_text",
    "qwen3_omni_moe_thinker": "qwen3_omni_moe_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text",
    "step3p7": "step3p5",
}
# Language models that have a head in a multimodal model alone.
WITHOUT_HEAD = (
    *("deepseek_ocr2", "ernie4_5_vl_moe", "glm4v_moe", "glm5_next", "hy_v4_vl", "mistral_large4", "muse_spark"),
    *("qwen3_omni_moe_thinker", "qwen3_vl_moe", "step3p7", "unlimited_ocr"),
)
INSIDE = {AROUND[kind]: kind for kind in WITHOUT_HEAD}
HEAD = "tie_word_embeddings"
# Their default is no mixture of experts.
MULTIMODAL_WITHOUT_DEFAULTS = {"deepseek_ocr2", "mistral3"}
# Types whose model is found among those that see.
SEEING = {*AROUND, "mistral4"}
APART = {*INSIDE, "mistral4"}


def with_a_head(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config that a model with a head is built of: of some language models, a multimodal one around them."""
    kind = config["model_type"]
    if kind == "qwen3_omni_moe":
        return dict(config.get("thinker_config") or {}) | {"model_type": "qwen3_omni_moe_thinker"}
    if kind not in INSIDE:
        return dict(config)
    text = {key: value for key, value in config.items() if key != "model_type"}
    return {"model_type": INSIDE[kind], "text_config": text, HEAD: config.get(HEAD, DEFAULTS[kind][HEAD])}


def as_wide(kind: str, hidden_size: int) -> dict[str, Any]:
    """The towers of a multimodal model that has to be told the width of its language model."""
    if kind == "muse_spark":
        return {"audio_config": {"out_hidden_size": hidden_size}}
    return {f"{tower}_config": {"adapter_out_dim": hidden_size} for tower in ("vision", "audio") if kind == "dots3_note"}


def class_config(config: Mapping[str, Any]) -> Any:
    """A config as the class of `transformers` that its model has."""
    values = with_a_head(config)
    kind = values.pop("model_type")
    values.pop("quantization_config", None)
    if "hidden_size" in (values.get("text_config") or {}):
        values |= as_wide(kind, values["text_config"]["hidden_size"])
    if kind == "dbrx":  # its class cannot do without, and it is no matter of sizes
        values["attn_config"] = {"rope_theta": 10000.0} | (values.get("attn_config") or {})
    return transformers.AutoConfig.for_model(CLASS_OF.get(kind, kind), **copy.deepcopy(values))


def model_of(described: Any, device: str = "meta") -> Any:
    """The model of a class's config, with any weights."""
    makers = {True: transformers.AutoModelForSeq2SeqLM, False: transformers.AutoModelForCausalLM}
    maker = transformers.AutoModelForMultimodalLM if described.model_type in SEEING else makers[described.is_encoder_decoder]
    with torch.device(device), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # a shared expert of width 0
        return maker.from_config(described, experts_implementation="eager")


@cache
def _built(config: str) -> tuple[Any, dict[str, tuple[int, ...]]]:
    described = class_config(json.loads(config))
    named = model_of(described).named_parameters()  # a tied tensor comes once
    if described.model_type not in AROUND:
        return described, {name: tuple(value.shape) for name, value in named}
    own = re.compile(r"(^|\.)language_model\.(?!.*\.vision_moe\.)|^lm_head\.")
    return described.get_text_config(), {name: tuple(value.shape) for name, value in named if own.search(name)}


def total(shapes: Mapping[str, tuple[int, ...]], having: str = "", *, without: str = "\n") -> int:
    return sum(int(torch.Size(shape).numel()) for name, shape in shapes.items() if having in name and without not in name)


def decoder_cache(shapes: Mapping[str, tuple[int, ...]], kind: str) -> int:
    """What the decoder's own projections put into a cache per token: keys and values, or latents, and an indexer's keys."""
    if kind == "deepseek_v4":
        return entries_cache(shapes)
    names = tuple(
        f"{name}.weight"
        for name in (".k_proj", ".v_proj", ".SelfAttention.k", ".SelfAttention.v", ".kv_a_proj_with_mqa", ".indexer.wk")
    )
    apart = ("encoder.", "model.encoder.")
    own = {n: s for n, s in shapes.items() if not n.startswith(apart) and "cross_attention" not in n}
    # What a convolution takes goes into a state.
    own = {n: s for n, s in own.items() if f"{n.rpartition('.')[0].rpartition('.')[0]}.conv1d.weight" not in shapes}
    joint = ("Wqkv.weight", "qkv_proj.weight")[: 2 if kind == "phi3" else 1]  # DBRX and Phi-3: beside the queries
    fused = sum(shape[0] - shape[1] for name, shape in own.items() if name.endswith(joint))
    keys = [name for name in own if name.endswith(".self_attn.k_proj.weight")]
    both = sum(own[name][0] for name in keys if name.replace(".k_proj", ".v_proj") not in own)  # keys are values, too
    pooled = sum(shape[0] + 1 for name, shape in own.items() if name.endswith(".index_kpool_compress_gate"))  # weights, a flag
    return fused + sum(shape[0] for name, shape in own.items() if name.endswith(names)) + both + pooled


def entries_cache(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """DeepSeek-V4: a key for each token, and entries of several, of the compressor and of its indexer."""
    keys = sum(shape[0] for name, shape in shapes.items() if name.endswith(".self_attn.kv_proj.weight"))
    tokens = {name.removesuffix(".position_bias"): shape[0] for name, shape in shapes.items() if name.endswith(".position_bias")}
    return keys + sum(shapes[f"{place}.kv_norm.weight"][0] // entry for place, entry in tokens.items())


def windows(config: Any) -> list[int]:
    """The windows of the reference's own cache, one for each layer that has one, in order."""
    if config.model_type == "unlimited_ocr_text":  # of generated tokens alone
        return []
    layers = transformers.DynamicCache(config=config).layers
    return [layer.sliding_window for layer in layers if getattr(layer, "is_sliding", False)]


def own_windows(architecture: Architecture) -> list[int]:
    layers = [architecture.decoder.layers[kind] for kind in architecture.decoder.order]
    return [layer.mixer.window_tokens for layer in layers if layer.mixer.window_tokens and layer.mixer.cached_vectors()]


LAYER = re.compile(r"(?<!\w)(?:layers|blocks?|h)\.(\d+)\.")


def parameters_of_layers(shapes: Mapping[str, tuple[int, ...]]) -> list[int]:
    """Of each layer of the decoder, from the first to the last; T5's table of relative positions belongs to the stack."""
    own: Counter[int] = Counter()
    for name, shape in shapes.items():
        place = LAYER.search(name)
        if place and not name.startswith(("encoder.", "model.encoder.")) and "relative_attention_bias" not in name:
            own[int(place[1])] += int(torch.Size(shape).numel())
    return [own[place] for place in range(len(own))]


def own_parameters_of_layers(architecture: Architecture) -> list[int]:
    def of(kind: Layer, count: int) -> int:
        stack = replace(architecture.decoder, layers=(replace(kind, count=count),), pattern=(), relative_attention_buckets=0)
        return count_parameters(replace(architecture, decoder=stack, max_context_tokens=1)).total

    sizes = [of(kind, 2) - of(kind, 1) for kind in architecture.decoder.layers]
    return [sizes[kind] for kind in architecture.decoder.order]


def beyond_the_checkpoint(config: Any) -> int:
    """The parameters by which the class exceeds the checkpoint."""
    if config.is_encoder_decoder and not config.tie_word_embeddings:  # it does not share its input embeddings
        return 2 * int(config.vocab_size) * int(config.d_model)
    return int(idle_experts(config) * getattr(config, "num_layers", 0))


def idle_experts(config: Any) -> int:
    """LongCat-Flash, in each layer: gate and up projections of experts that compute nothing."""
    experts = getattr(config, "zero_expert_num", None) or 0
    return int(experts * 2 * config.expert_ffn_hidden_size * config.hidden_size) if experts else 0


def own_layers_as_the_class_has_them(architecture: Architecture, config: Any) -> list[int]:
    """Ours, where the class counts otherwise: two of LongCat-Flash are one, and Gemma 4 takes inputs of all layers at once."""
    own = own_parameters_of_layers(architecture)
    if config.model_type == "longcat_flash":
        return [sum(pair) + idle_experts(config) for pair in zip(own[::2], own[1::2], strict=True)]
    size = architecture.per_layer_input_size
    return [each - size * (architecture.hidden_size + architecture.per_layer_vocabulary_size) for each in own]


def check(config: Mapping[str, Any]) -> None:
    """Compare everything that both sides know of a model."""
    reference, shapes = _built(json.dumps(config))
    architecture = read(config).architecture
    counts = count_parameters(architecture)
    beyond = beyond_the_checkpoint(reference)
    assert counts.total == total(shapes) - beyond
    matrices = {name: shape for name, shape in shapes.items() if not name.endswith("norm.weight")}
    of_experts = ".experts." if reference.model_type != "doge" else "_embed.weight"  # a row of each of two tables
    routed = total(matrices, of_experts, without="shared")
    assert counts.routed_expert == routed - (0 if reference.is_encoder_decoder else beyond)
    assert own_layers_as_the_class_has_them(architecture, reference) == parameters_of_layers(shapes)
    layers = architecture.decoder.layers
    assert decoder_cache(shapes, reference.model_type) == sum(
        layer.count * sum(n * values for n, values in layer.mixer.cached_vectors()) for layer in layers
    )
    if not reference.is_encoder_decoder:
        assert own_windows(architecture) == windows(reference)
    assert architecture.max_context_tokens == getattr(reference, "max_position_embeddings", None)
    top_k = [getattr(reference, key, None) for key in ("num_experts_per_tok", "moe_topk", "moe_k")]
    fixed = {"switch_transformers": 1, "nllb-moe": 2, "dbrx": None}.get(reference.model_type, next(filter(None, top_k), None))
    assert architecture.is_dense or fixed in (None, architecture.moe.top_k, [architecture.moe.top_k] * architecture.layer_count)


ALL_SMALL = [(kind, change) for kind in SMALL for change in ({}, *VARIANTS[kind])]


@pytest.mark.parametrize(("kind", "change"), ALL_SMALL, ids=[f"{kind}-{json.dumps(change)}" for kind, change in ALL_SMALL])
def test_small_configs(kind, change):
    check({"model_type": kind} | SMALL[kind] | change)


def saved(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config as the class of `transformers` writes it."""
    values = dict(config)
    kind = values.pop("model_type")
    return json.loads(transformers.AutoConfig.for_model(CLASS_OF.get(kind, kind), **copy.deepcopy(values)).to_json_string())


@pytest.mark.parametrize(("kind", "change"), ALL_SMALL, ids=[f"{kind}-{json.dumps(change)}" for kind, change in ALL_SMALL])
def test_a_config_that_the_reference_saved_is_read_alike(kind, change):
    config = {"model_type": kind} | SMALL[kind] | change
    assert read_without_predictors(saved(config)) == read_without_predictors(config)


def read_without_predictors(config: Mapping[str, Any]) -> Architecture:
    """The model; a class writes how many layers predict further tokens where a config leaves that out."""
    return replace(read(config).architecture, next_token_layers=0)


def multimodal(kind: str, text: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    """The config of a multimodal model around that of a language model."""
    if kind == "qwen3_omni_moe":
        return {"model_type": kind, "thinker_config": {"text_config": text} | others}
    return {"model_type": kind, "text_config": text} | others


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", sorted(AROUND))
def test_language_models_inside_multimodal_ones(kind, tied):
    tied = tied and kind != "muse_spark"  # whose head its class never ties
    whole = kind in {"llama4", "nemotron_h_omni"}  # the language model has the head
    small = {key: value for key, value in SMALL[AROUND[kind]].items() if key != HEAD or whole}
    others = {} if whole else {HEAD: tied}
    check(multimodal(kind, small | {"model_type": AROUND[kind]}, **others))


@pytest.mark.parametrize("kind", sorted({*AROUND} - {"mistral3"}))
def test_a_language_model_whose_keys_stand_beside_those_of_a_multimodal_one(kind):
    small = {key: value for key, value in SMALL[AROUND[kind]].items() if key != HEAD}
    tied = {} if kind == "muse_spark" else {HEAD: False}
    assert read({"model_type": kind} | small | tied).architecture == read(multimodal(kind, small | tied, **tied)).architecture


@pytest.mark.parametrize("kind", sorted(AROUND))
def test_a_multimodal_config_that_the_reference_saved_is_read_alike(kind):
    text = SMALL[AROUND[kind]] | {"model_type": AROUND[kind]}
    tied = {} if kind in {"llama4", "nemotron_h_omni"} else {HEAD: False}
    config = multimodal(kind, text, **tied) | as_wide(kind, text["hidden_size"])
    assert read_without_predictors(saved(config)) == read_without_predictors(config)


@pytest.mark.parametrize("kind", sorted({*AROUND} - MULTIMODAL_WITHOUT_DEFAULTS))
def test_multimodal_models_of_their_defaults(kind):
    check({"model_type": kind})


@pytest.mark.parametrize(
    "config",
    [
        # A talker of its defaults cannot be built.
        *({"model_type": kind} for kind in sorted({*AROUND} - MULTIMODAL_WITHOUT_DEFAULTS - {"qwen3_omni_moe"})),
        {"model_type": "gemma4", "vision_config": {}},
        {"model_type": "gemma4", "audio_config": {}},
    ],
    ids=json.dumps,
)
def test_something_is_said_to_be_left_out_where_the_class_has_more(config):
    others, reason = others_by_reference(Path("config.json"), config)
    assert others is not None, reason
    assert (read(config).leaves_out is not None) is (others > 0)


def test_a_language_model_that_says_that_its_head_is_the_embedding():
    # Of GLM-4.5V that is enough; of others it counts where the config around says nothing.
    for kind in ("glm4v_moe", "qwen3_vl_moe"):
        small = SMALL[AROUND[kind]] | {HEAD: True}
        assert read(multimodal(kind, small)).architecture.tied_embeddings
        assert read(multimodal(kind, small, **{HEAD: False})).architecture.tied_embeddings is (kind == "glm4v_moe")
    check(multimodal("glm4v_moe", SMALL["glm4v_moe_text"] | {HEAD: True}, **{HEAD: False}))


def test_another_name_for_the_config_of_a_language_model():
    small = SMALL["nemotron_h"] | {"model_type": "nemotron_h"}
    check({"model_type": "nemotron_h_omni", "llm_config": small})
    check({"model_type": "nemotron_h_omni", "llm_config": {"model_type": "nemotron_h"}, "text_config": small})


def test_a_dense_language_model_inside():
    check(multimodal("mistral3", SMALL["mistral"] | {"model_type": "mistral"}, **{HEAD: False}))


def test_a_second_name_of_deepseek_v3():
    check({"model_type": "kimi_k2"} | SMALL["deepseek_v3"])
    kimi = multimodal("kimi_k25", SMALL["deepseek_v3"] | {"model_type": "kimi_k2"}, **{HEAD: False})
    assert read(kimi).architecture == read({"model_type": "kimi_k2"} | SMALL["deepseek_v3"]).architecture


def test_a_second_name_of_the_language_model_of_minimax_m3():
    check({"model_type": "minimax_m3"})
    check({"model_type": "minimax_m3"} | SMALL["minimax_m3_vl_text"])


def test_every_type_is_compared_or_named():
    # Fails for a type that is added without small configs and variants.
    assert set(SMALL) == set(VARIANTS) == set(SUPPORTED_TYPES) - WITHOUT_CLASS - set(CLASS_OF) - set(AROUND)
    assert not set(SUPPORTED_TYPES) & set(UNREAD)
    assert set(UNREAD) <= set(transformers.CONFIG_MAPPING)


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_small_configs_leave_nothing_at_its_default(kind):
    # Otherwise a key that is not read at all could pass.
    alike = {key for key, value in SMALL[kind].items() if value == DEFAULTS[kind].get(key)}
    varied = {key for change in VARIANTS[kind] for key in change}
    assert alike <= varied | {"decoder_sparse_step", "tie_word_embeddings"}
    assert set(DEFAULTS[kind]) <= set(SMALL[kind]) | varied | ({"tie_word_embeddings"} if kind == "dbrx" else set())


# Switch models but the smallest are left to tests/test_reference.py: a module for each expert takes seconds to build.
SLOW = {"switch-base-64", "switch-base-128", "switch-base-256", "switch-large-128", "switch-c-2048", "switch-xxl-128"}
REAL = [
    file
    for file in sorted([*(DATA / "hf_configs").glob("*.json"), *(DATA / "imported_configs").glob("*.json")])
    if file.stem not in SLOW and json.loads(file.read_text(encoding="utf-8"))["model_type"] not in WITHOUT_CLASS
]


@pytest.mark.parametrize("file", REAL, ids=[file.stem for file in REAL])
def test_published_configs(file):
    check(json.loads(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_empty_configs_have_the_defaults_of_the_reference(kind):
    check({"model_type": kind} | NEEDED.get(kind, {}))


def declared_defaults(kind: str) -> dict[str, Any]:
    fields = type(transformers.AutoConfig.for_model(CLASS_OF.get(kind, kind))).__dataclass_fields__
    return {name: field.default for name, field in fields.items()}


@pytest.mark.parametrize("kind", sorted({*SMALL, *AROUND, "kimi_k2"}))
def test_every_default_is_the_one_of_the_class(kind):
    declared = declared_defaults(kind)
    own = {key: value for key, value in DEFAULTS[kind].items() if key not in UNDECLARED.get(kind, set())}
    assert own == {key: declared[key] for key in own}
    assert {key: type(value) for key, value in own.items()} == {key: type(declared[key]) for key in own}


@pytest.mark.parametrize("nested", ["attn_config", "ffn_config"])
def test_every_default_of_a_nested_config(nested):
    config = getattr(transformers.AutoConfig.for_model("dbrx"), nested)
    own = DEFAULTS[f"dbrx.{nested}"]
    assert own == {key: getattr(config, key) for key in own}


@pytest.mark.parametrize("kind", sorted({*SMALL, *AROUND, "kimi_k2"}))
def test_every_second_spelling_is_one_of_the_class(kind):
    mapped = type(transformers.AutoConfig.for_model(CLASS_OF.get(kind, kind))).attribute_map
    known = set(DEFAULTS[kind])
    pairs = {(alias, field) for alias, field in mapped.items() if {alias, field} & known}
    own = {(alias, field) for alias, field in ALIASES.get(kind, {}).items()}
    assert {frozenset(pair) for pair in own} == {frozenset(pair) for pair in pairs}


# Their classes read these second spellings only after they have derived other sizes from the first one's default.
LATE = {
    ("dbrx", "hidden_size"),
    ("switch_transformers", "num_hidden_layers"),
    ("step3p5", "num_local_experts"),
    ("step3p5", "num_mtp_layers"),
}
SPELLINGS = [(kind, alias) for kind in sorted(SMALL) for alias in ALIASES.get(kind, {}) if (kind, alias) not in LATE]


@pytest.mark.parametrize(("kind", "alias"), SPELLINGS)
def test_second_spellings_alone(kind, alias):
    config = {"model_type": kind} | SMALL[kind]
    config[alias] = config.pop(ALIASES[kind][alias])
    check(config)


@pytest.mark.parametrize("kind", sorted(DRAWN))
@settings(max_examples=12)
@given(data=st.data())
def test_random_small_configs(kind, data):
    drawn = {key: data.draw(values, label=key) for key, values in DRAWN[kind].items()}
    tied = {"tie_word_embeddings": data.draw(st.booleans())} | drawn
    config = {"model_type": kind} | SMALL[kind] | tied
    try:
        read(config)
    except ArchitectureError as error:
        assert error.key == "model_type"
        assert not total(_built(json.dumps(config))[1], ".experts.")  # a dense model there too
    else:
        check(config)
