"""Reading a model's `config.json`: what comes out, what a catalogue file says of it, and what is refused how."""

import copy
import json
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st
from small_configs import NEEDED

from prophet_memory.architecture import Architecture, Dense, MoE, Stack
from prophet_memory.edge.configuration import ModelEntry, read_models
from prophet_memory.edge.documents import checked
from prophet_memory.edge.model_files import document_of
from prophet_memory.errors import ArchitectureError
from prophet_memory.huggingface import SUPPORTED_TYPES
from prophet_memory.huggingface import read as read_config
from prophet_memory.huggingface.building import shortest_pattern
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.huggingface.unread import UNREAD
from prophet_memory.mixers import MIXERS, Attention
from prophet_memory.parameters import count_parameters

DATA = REPOSITORY / "tests" / "data"


def read(folder: str) -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted((DATA / folder).glob("*.json"))}


PUBLISHED, IMPORTED = read("hf_configs"), read("imported_configs")
OF_KIND = {config["model_type"]: config for config in (IMPORTED | PUBLISHED).values()}
# A type of which no published config is at hand has its defaults for an example.
OF_DEFAULTS = {kind: {"model_type": kind} | NEEDED.get(kind, {}) for kind in SUPPORTED_TYPES if kind not in OF_KIND}
CONFIGS = PUBLISHED | IMPORTED | OF_DEFAULTS
CATALOGUE = read_models()
HEAD = {"name": "a model", "family": "a family", "sources": ["its config.json"]}
KINDS_OF_BLOCKS = {next(f.default for f in fields(kind) if f.name == "kind"): kind for kind in (*MIXERS, Dense, MoE)}


def layer_by_layer(architecture: Architecture) -> Architecture:
    """The same model with every layer written out, whichever of its kinds stands first in a file."""

    def ordered(stack: Stack) -> Stack:
        return replace(stack, layers=tuple(replace(stack.layers[kind], count=1) for kind in stack.order), pattern=())

    encoder = architecture.encoder
    return replace(architecture, decoder=ordered(architecture.decoder), encoder=None if encoder is None else ordered(encoder))


def architecture_of(config: dict[str, Any]) -> Architecture:
    return read_config(config).architecture


def entry_of(config: dict[str, Any]) -> dict[str, Any]:
    return document_of(architecture_of(config))


def accepted(config: dict[str, Any]) -> dict[str, Any]:
    """What a catalogue file says of the model of a config; that file describes the same model."""
    architecture = architecture_of(config)
    document = document_of(architecture)
    assert checked(ModelEntry, HEAD | document, Path("a.yaml")).architecture == architecture
    assert (count_parameters(architecture).routed_expert == 0) == architecture.is_dense
    return document


@pytest.mark.parametrize("slug", sorted(CATALOGUE))
def test_the_catalogue_is_what_the_published_configs_say(slug):
    # In what precision a checkpoint is published is no matter of its shapes: `published_precision` has it.
    by_hand = replace(CATALOGUE[slug].architecture, published_precision="bf16")
    assert accepted(PUBLISHED[slug])
    assert layer_by_layer(architecture_of(PUBLISHED[slug])) == layer_by_layer(by_hand)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.integers(1, 4), st.integers(0, 11))
def test_the_shortest_pattern_gives_the_whole_and_none_shorter_does(period: list[int], times: int, more: int):
    order = (period * (times + 1))[: len(period) * times + more]
    pattern = shortest_pattern(order)
    given_back = [n for n in range(1, len(order) + 1) if (order[:n] * len(order))[: len(order)] == order]
    assert len(pattern) == given_back[0]
    assert list(pattern) == order[: len(pattern)]


# Parameters in thousands of millions as the models' cards state them; of multimodal models those of the language model.
CARDS: dict[str, float] = {
    "deepseek-v3.2": 671.9,  # without the layer that predicts a further token
    "deepseek-v4-flash": 284.3,
    "gemma-4-26b-a4b": 25.2,
    "glm-5": 743.9,
    "glm-5.2": 743.4,
    "granite-4.0-h-small": 32.2,
    "kimi-linear-48b-a3b": 49.1,
    "lfm2-8b-a1b": 8.3,
    "ling-3.0-flash": 124.4,
    "longcat-flash": 560.7,
    "mimo-v2-flash": 308.8,
    "nemotron-3-nano-30b-a3b": 31.6,
    "nemotron-3-super-120b-a12b": 120.7,
    "step-3.5-flash": 197.0,
    "step-3.7-flash": 197.0,
    "ernie-4.5-21b-a3b": 21.8,
    "glm-4.5-air": 106.9,
    "granite-3.1-3b-a800m": 3.3,
    "hunyuan-a13b": 80.4,
    "kimi-k2": 1026.4,
    "kimi-k2.5": 1026.4,
    "laguna-xs.2": 33,
    "llama-4-scout": 107.8,
    "minimax-m2.5": 229,
    "minimax-text-01": 456.1,
    "mistral-7b-v0.3": 7.2,
    "nllb-moe-54b": 54.5,
    "phi-3.5-moe": 41.9,
    "qwen3-8b": 8.2,
    "qwen3-vl-235b-a22b": 235,
    "qwen3.5-397b-a17b": 396,  # 397 with its vision tower
}


@pytest.mark.parametrize("name", sorted(CARDS))
def test_totals_are_those_of_the_cards(name):
    assert accepted(CONFIGS[name])
    total = count_parameters(architecture_of(CONFIGS[name])).total
    assert round(total / 1e9, 1 if isinstance(CARDS[name], float) else None) == CARDS[name]


def test_every_type_has_an_example():
    assert {config["model_type"] for config in CONFIGS.values()} == set(SUPPORTED_TYPES)
    assert list(SUPPORTED_TYPES) == sorted(SUPPORTED_TYPES)


@pytest.mark.parametrize("kind", sorted(OF_DEFAULTS))
def test_models_of_their_defaults(kind):
    assert accepted(OF_DEFAULTS[kind])


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [
        ("llama4", "its vision tower"),
        ("ernie4_5_vl_moe", "its vision tower and its vision experts"),
        ("ernie4_5_vl_moe_text", "its vision experts"),
        ("qwen3_omni_moe_thinker", "its audio and vision encoders"),
        ("mixtral", None),
    ],
)
def test_what_is_left_out_of_a_multimodal_model_is_named(kind, left_out):
    assert read_config({"model_type": kind}).leaves_out == left_out


@pytest.mark.parametrize(
    ("kind", "stated", "left_out"),
    [
        ("gemma4", {}, None),
        ("gemma4", {"vision_config": {}, "audio_config": None}, "its vision tower"),
        ("gemma4", {"vision_config": {}, "audio_config": {}}, "its vision tower and its audio tower"),
        ("nemotron_h_omni", {}, "its vision encoder"),
        ("nemotron_h_omni", {"sound_config": {}}, "its vision encoder and its audio encoder"),
    ],
)
def test_only_parts_that_a_model_has_are_left_out_of_its_counts(kind, stated, left_out):
    assert read_config({"model_type": kind} | stated).leaves_out == left_out


@pytest.mark.parametrize("kind", sorted(UNREAD))
def test_a_type_that_is_known_and_not_read_is_told_what_it_lacks(kind):
    with pytest.raises(ArchitectureError) as refused:
        entry_of({"model_type": kind})
    assert (refused.value.key, refused.value.value) == ("model_type", kind)
    assert UNREAD[kind] in refused.value.allowed


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_entries_do_not_say_defaults(name):
    entry = entry_of(CONFIGS[name])
    for spec in [*entry["mixers"].values(), *entry["feed_forwards"].values()]:
        kind = KINDS_OF_BLOCKS[spec["kind"]]
        defaults = {field.name: field.default for field in fields(kind) if field.default is not MISSING and field.name != "kind"}
        assert not {key for key, value in spec.items() if key in defaults and value == defaults[key]}
    for field in fields(Architecture):
        assert field.name not in entry or field.default is MISSING or entry[field.name] != field.default


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_configs_are_left_alone(name):
    config = copy.deepcopy(CONFIGS[name])
    entry_of(config)
    assert config == CONFIGS[name]


def test_layers_are_merged_in_the_order_in_which_they_first_come():
    entry = entry_of(PUBLISHED["jamba-1.5-large"])
    assert entry["decoder"]["layers"] == [
        {"count": 27, "mixer": "mamba", "feed_forward": "dense"},
        {"count": 36, "mixer": "mamba", "feed_forward": "moe"},
        {"count": 9, "mixer": "attention", "feed_forward": "dense"},
    ]


def test_a_bias_of_a_gate_stands_beside_a_gate():
    with pytest.raises(ArchitectureError, match="gate_bias: True; allowed: false without head_gate or value_gate"):
        Attention(4, 2, 8, gate_bias=True)


def test_windows():
    mixtral = entry_of(PUBLISHED["mixtral-8x7b"] | {"sliding_window": 4096})
    assert mixtral["mixers"]["windowed_attention"]["window_tokens"] == 4096
    assert mixtral["decoder"]["layers"] == [{"count": 32, "mixer": "windowed_attention", "feed_forward": "moe"}]
    qwen = entry_of(PUBLISHED["qwen2-57b-a14b"] | {"use_sliding_window": True, "max_window_layers": 6})
    assert [(layer["count"], layer["mixer"]) for layer in qwen["decoder"]["layers"]] == [
        (3, "windowed_attention"),
        (25, "attention"),
    ]


def test_types_without_a_class_in_the_reference():
    # Arctic's second default is that every second layer is dense, and that no dense branch stands beside the experts.
    arctic = accepted({"model_type": "arctic"})
    assert {(layer["count"], layer["feed_forward"]) for layer in arctic["decoder"]["layers"]} == {(16, "dense"), (16, "moe")}
    assert arctic["feed_forwards"]["moe"] == {"kind": "moe", "routed_experts": 8, "top_k": 1, "expert_intermediate_size": 14336}
    deepseek = accepted(
        PUBLISHED["deepseek-moe-16b"] | {"moe_layer_freq": 2, "first_k_dense_replace": 3, "n_shared_experts": None}
    )
    # Sparse are the layers 4, 6, ... 26.
    assert {(layer["count"], layer["feed_forward"]) for layer in deepseek["decoder"]["layers"]} == {(16, "dense"), (12, "moe")}
    assert "shared_intermediate_size" not in deepseek["feed_forwards"]["moe"]


def test_encoder_decoders_whose_stacks_differ():
    config = IMPORTED["nllb-moe-54b"] | {"decoder_attention_heads": 32, "encoder_sparse_step": 0, "decoder_ffn_dim": 4096}
    entry = accepted(config)
    assert entry["decoder"]["cross_attention"] == "attention_2"
    assert entry["encoder"]["layers"] == [{"count": 24, "mixer": "attention", "feed_forward": "dense"}]
    assert {layer["feed_forward"] for layer in entry["decoder"]["layers"]} == {"dense_2", "moe"}


@pytest.mark.parametrize(
    ("keys", "gated"),
    [
        ({}, False),
        ({"feed_forward_proj": "relu"}, False),
        ({"feed_forward_proj": "gated-gelu"}, True),
        ({"is_gated_act": True}, True),
        ({"is_gated_act": None, "feed_forward_proj": "gated-silu"}, True),
    ],
)
def test_gated_switch(keys, gated):
    moe = entry_of(PUBLISHED["switch-base-8"] | keys)["feed_forwards"]["moe"]
    assert moe.get("gated", True) is gated


@pytest.mark.parametrize("kind", sorted(ALIASES))
def test_second_spellings(kind):
    config = next(config for config in CONFIGS.values() if config["model_type"] == kind)
    assert set(ALIASES[kind].values()) <= set(DEFAULTS[kind])
    for alias, field in ALIASES[kind].items():
        value = config.get(field, DEFAULTS[kind][field])
        plain = {key: other for key, other in config.items() if key not in (alias, field)}
        assert entry_of(plain | {alias: value}) == entry_of(plain | {field: value})
        assert entry_of(plain | {alias: value, field: value}) == entry_of(plain | {field: value})
        another = 2 if value == 1 else 1
        with pytest.raises(ArchitectureError) as refused:
            entry_of(plain | {field: value, alias: another})
        assert (refused.value.key, refused.value.value) == (alias, another)


ONE_OF_THE_TYPES = "one of afmoe, arctic, aria, "
NOT_A_MIXTURE = "a mixture of experts"
REFUSED: list[tuple[str, dict[str, Any], str, Any, str]] = [
    # A type that is none, and types of mixtures without one.
    ("mixtral-8x7b", {"model_type": "bert"}, "model_type", "bert", ONE_OF_THE_TYPES),
    ("mixtral-8x7b", {"model_type": None}, "model_type", None, ONE_OF_THE_TYPES),
    ("mixtral-8x7b", {"model_type": ["mixtral"]}, "model_type", ["mixtral"], ONE_OF_THE_TYPES),
    ("mixtral-8x7b", {"num_local_experts": 1}, "num_local_experts", 1, NOT_A_MIXTURE),
    ("jamba-1.5-large", {"num_experts": 1}, "num_experts", 1, NOT_A_MIXTURE),
    ("hunyuan-a13b", {"num_experts": 1}, "num_experts", 1, NOT_A_MIXTURE),
    ("qwen3-30b-a3b", {"decoder_sparse_step": 99}, "model_type", "qwen3_moe", NOT_A_MIXTURE),
    ("deepseek-v3", {"first_k_dense_replace": 61}, "model_type", "deepseek_v3", NOT_A_MIXTURE),
    # Wrong types.
    ("mixtral-8x7b", {"hidden_size": 4096.0}, "hidden_size", 4096.0, "an integer from 1 to 100000000"),
    ("mixtral-8x7b", {"hidden_size": "4096"}, "hidden_size", "4096", "an integer from 1"),
    ("mixtral-8x7b", {"hidden_size": True}, "hidden_size", True, "an integer from 1"),
    ("mixtral-8x7b", {"hidden_size": None}, "hidden_size", None, "an integer from 1"),
    ("mixtral-8x7b", {"tie_word_embeddings": 0}, "tie_word_embeddings", 0, "true or false"),
    ("gpt-oss-120b", {"layer_types": "full_attention"}, "layer_types", "full_attention", "a list of 36"),
    ("gpt-oss-120b", {"layer_types": ["full_attention"] * 35}, "layer_types", ["full_attention"] * 35, "a list of 36"),
    ("gpt-oss-120b", {"layer_types": ["linear_attention"] * 36}, "layer_types", ["linear_attention"] * 36, "sliding_attention"),
    ("gpt-oss-120b", {"layer_types": [{}] * 36}, "layer_types", [{}] * 36, "a list of 36"),
    ("qwen3-30b-a3b", {"mlp_only_layers": 0}, "mlp_only_layers", 0, "a list of integers"),
    ("qwen3-30b-a3b", {"mlp_only_layers": [True]}, "mlp_only_layers", [True], "a list of integers"),
    ("dbrx", {"attn_config": []}, "attn_config", [], "a mapping"),
    ("llama-4-scout", {"text_config": 1}, "text_config", 1, "a mapping"),
    ("switch-base-8", {"feed_forward_proj": 1}, "feed_forward_proj", 1, "a string"),
    # Wrong sizes.
    ("mixtral-8x7b", {"vocab_size": 0}, "vocab_size", 0, "an integer from 1"),
    ("mixtral-8x7b", {"vocab_size": 100_000_001}, "vocab_size", 100_000_001, "to 100000000"),
    ("mixtral-8x7b", {"num_hidden_layers": -1}, "num_hidden_layers", -1, "from 1 to 10000"),
    ("mixtral-8x7b", {"num_hidden_layers": 10_001}, "num_hidden_layers", 10_001, "from 1 to 10000"),
    ("mixtral-8x7b", {"num_key_value_heads": 5}, "num_key_value_heads", 5, "a divisor of the attention heads (32)"),
    ("mixtral-8x7b", {"num_attention_heads": 8192}, "num_attention_heads", 8192, "at most the hidden size (4096)"),
    ("mixtral-8x7b", {"num_experts_per_tok": 9}, "num_experts_per_tok", 9, "at most the number of routed experts (8)"),
    ("mixtral-8x7b", {"sliding_window": 0}, "sliding_window", 0, "an integer from 1"),
    ("dbrx", {"ffn_config": {"moe_num_experts": 0}}, "ffn_config.moe_num_experts", 0, "at least 2"),
    ("dbrx", {"attn_config": {"kv_n_heads": 7}}, "attn_config.kv_n_heads", 7, "a divisor of the attention heads (48)"),
    ("dbrx", {"d_model": 6145}, "n_heads", 48, "a divisor of the hidden size (6145)"),
    ("deepseek-v3", {"n_shared_experts": 99_999}, "n_shared_experts", 99_999, "beyond 100000000"),
    ("jamba-1.5-large", {"mamba_expand": 99_999}, "mamba_expand", 99_999, "beyond 100000000"),
    ("jamba-1.5-large", {"mamba_dt_rank": "automatic"}, "mamba_dt_rank", "automatic", "an integer from 1"),
    ("jamba-1.5-large", {"attn_layer_offset": 8}, "attn_layer_offset", 8, "less than attn_layer_period (8)"),
    ("llama-4-scout", {"text_config": {"num_hidden_layers": "48"}}, "text_config.num_hidden_layers", "48", "an integer from 1"),
    ("olmoe-1b-7b", {"head_dim": 64}, "head_dim", 64, "the hidden size over the heads (128)"),
    # Keys without a default.
    ("deepseek-v2", {"num_experts_per_tok": ...}, "num_experts_per_tok", None, "this key is required"),
    ("grok-1", {"hidden_size": ...}, "hidden_size", None, "this key is required"),
    ("grok-1", {"tie_word_embeddings": ...}, "tie_word_embeddings", None, "this key is required"),
    ("deepseek-moe-16b", {"n_routed_experts": ...}, "n_routed_experts", None, "this key is required"),
    # Keys that contradict each other, or ask for what cannot be described.
    ("mixtral-8x7b", {"per_layer_config": {"0": {}}}, "per_layer_config", {"0": {}}, "left out"),
    ("hunyuan-a13b", {"moe_topk": [8] * 31 + [4]}, "moe_topk", [8] * 31 + [4], "the same one for each of 32 layers"),
    ("hunyuan-a13b", {"moe_topk": []}, "moe_topk", [], "the same one for each of 32 layers"),
    ("hunyuan-a13b", {"num_shared_expert": 2}, "num_shared_expert", 2, "1 in every layer"),
    ("hunyuan-a13b", {"moe_intermediate_size": 8}, "moe_intermediate_size", 8, "3072 in every layer"),
    ("hunyuan-a13b", {"use_qk_norm": False}, "use_qk_norm", False, "what the reference implementation builds"),
    ("ernie-4.5-21b-a3b", {"moe_num_experts": [64, 64]}, "moe_num_experts", [64, 64], "an integer from 0"),
    ("ernie-4.5-21b-a3b", {"moe_k": [6] * 28}, "moe_k", [6] * 28, "an integer from 1"),
    ("deepseek-v2", {"mlp_bias": True, "n_shared_experts": 0}, "mlp_bias", True, "false without shared experts"),
    ("deepseek-v3", {"moe_layer_freq": 2}, "moe_layer_freq", 2, "what the reference implementation builds"),
    ("qwen2-57b-a14b", {"shared_expert_intermediate_size": 0}, "shared_expert_intermediate_size", 0, "an integer from 1"),
    ("qwen2.5-7b", {"layer_types": ["sliding_attention"] * 28}, "use_sliding_window", False, "true, with a sliding_window"),
    ("qwen2-57b-a14b", {"layer_types": ["sliding_attention"] * 28}, "use_sliding_window", False, "true where layer_types"),
    ("gpt-oss-120b", {"sliding_window": None}, "sliding_window", None, "an integer from 1"),
    ("llama-4-scout", {"text_config": {"no_rope_layers": [1]}}, "text_config.no_rope_layers", [1], "a list of 48"),
    ("llama-4-scout", {"text_config": {"model_type": "mixtral"}}, "text_config.model_type", "mixtral", "llama4_text"),
    ("nllb-moe-54b", {"decoder_ffn_dim": 4096}, "decoder_ffn_dim", 4096, "encoder_ffn_dim (8192)"),
    ("switch-xxl-128", {"is_gated_act": False}, "is_gated_act", False, "what feed_forward_proj says (gated-gelu)"),
    ("switch-base-8", {"num_selected_experts": 2}, "num_selected_experts", 2, "what the reference implementation builds"),
    ("snowflake-arctic", {"use_residual": False}, "use_residual", False, "True"),
    ("dbrx", {"tie_word_embeddings": True}, "tie_word_embeddings", True, "False"),
    # Types that were read later.
    ("qwen3-vl-235b-a22b", {"text_config": {"model_type": "qwen3_moe"}}, "text_config.model_type", "qwen3_moe", "qwen3_vl_"),
    (
        "qwen3-vl-235b-a22b",
        {"text_config": {"per_layer_config": {"0": {}}}},
        "text_config.per_layer_config",
        {"0": {}},
        "left out",
    ),
    ("kimi-k2.5", {"text_config": {"model_type": "llama"}}, "text_config.model_type", "llama", "deepseek_v3 or kimi_k2"),
    ("qwen3_omni_moe", {"thinker_config": {"text_config": {"vocab_size": 0}}}, "thinker_config.text_config.vocab_size", 0, ""),
    ("mistral3", {"text_config": None}, "text_config", None, "a mapping"),
    ("mistral3", {"tie_word_embeddings": ...}, "tie_word_embeddings", None, "this key is required"),
    ("minimax-m2.5", {"use_qk_norm": False}, "use_qk_norm", False, "what the reference implementation builds"),
    ("minimax-m2.5", {"shared_intermediate_size": 1536}, "shared_intermediate_size", 1536, "0"),
    ("dots1", {"n_shared_experts": ...}, "n_shared_experts", None, "this key is required"),
    ("exaone_moe", {"sliding_window_pattern": "LLLG"}, "sliding_window_pattern", "LLLG", "an integer from 1"),
    ("mellum", {"mlp_layer_types": ["moe"] * 28}, "mlp_layer_types", ["moe"] * 28, "each one of dense, sparse"),
    ("glm4_moe_lite", {"first_k_dense_replace": 2}, "first_k_dense_replace", 2, "1"),
    ("axk1", {"q_lora_rank": None}, "q_lora_rank", None, "an integer from 1"),
    ("aria_text", {"mlp_bias": True, "moe_num_shared_experts": 0}, "mlp_bias", True, "false without shared experts"),
    ("aria_text", {"hidden_size": 4097}, "num_attention_heads", 32, "a divisor of the hidden size (4097)"),
    ("deepseek_ocr2_text", {"mlp_layer_types": ...}, "mlp_layer_types", None, "this key is required"),
    ("ernie4_5_vl_moe_text", {"moe_intermediate_size": [9]}, "moe_intermediate_size", [9], "the width of text"),
    ("laguna-xs.2", {"gating": 1}, "gating", 1, "true, false, per-head or per-element"),
    ("laguna-xs.2", {"num_attention_heads_per_layer": [9] * 40}, "num_attention_heads_per_layer", [9] * 40, "a multiple"),
    ("cohere2_moe", {"first_k_dense_replace": 40}, "model_type", "cohere2_moe", NOT_A_MIXTURE),
    ("hy_v3", {"num_experts": 1}, "num_experts", 1, NOT_A_MIXTURE),
    # Types with blocks of their own.
    ("mistral_large4_text", {"kv_source_layers": [1] * 72}, "kv_source_layers", [1] * 72, "a list of 72"),
    ("mistral_large4_text", {"no_rope_layers": [1]}, "no_rope_layers", [1], "at least 72"),
    ("muse_spark_text", {"tie_word_embeddings": True}, "tie_word_embeddings", True, "False"),
    ("dots3_note_text", {"moe_layer_freq": [1]}, "moe_layer_freq", [1], "at least 46"),
    ("dots3_note_text", {"swa_qk_rope_head_dim": 65}, "swa_head_dim", 256, "and a rotary part together"),
    ("gemma4_text", {"per_layer_config": [1]}, "per_layer_config", [1], "a mapping"),
    ("gemma4_text", {"per_layer_config": {"x": {}}}, "per_layer_config", {"x": {}}, "a mapping from layers to head_dim"),
    (
        "gemma4_text",
        {"per_layer_config": {"5": {"hidden_size": 2}}},
        "per_layer_config",
        {"5": {"hidden_size": 2}},
        "to head_dim",
    ),
    (
        "gemma4_text",
        {"per_layer_config": {"0": {"head_dim": 2}}},
        "per_layer_config",
        {"0": {"head_dim": 2}},
        "of full_attention",
    ),
    ("gemma4_text", {"per_layer_config": {"5": {"head_dim": 2}}}, "per_layer_config", {"5": {"head_dim": 2}}, "the same of each"),
    ("mistral_large4_text", {"qk_rope_head_dim": 33}, "qk_rope_head_dim", 33, "an even number"),
    ("minimax_m3_vl_text", {"moe_layer_freq": [1]}, "moe_layer_freq", [1], "a list of 60"),
    ("hy_v4", {"indexer_types": ["shared"] * 34}, "indexer_types", ["shared"] * 34, "begins with full"),
    (
        "qwen3-next-80b-a3b",
        {"linear_num_value_heads": 24},
        "linear_num_value_heads",
        24,
        "a multiple of linear_num_key_heads (16)",
    ),
    ("glm5_next_text", {"index_kpool": 3}, "index_topk", 2048, "a multiple of index_kpool (3)"),
    ("glm5_next", {"hidden_size": 1024, "qk_rope_head_dim": 64}, "qk_rope_head_dim", 64, "0"),
    ("nemo_speechlm", {"text_config": {"model_type": "llama"}}, "text_config.model_type", "llama", "nemotron_h"),
    ("axk2", {"gated_norm_rank": 0}, "gated_norm_rank", 0, "an integer from 1"),
    ("unlimited_ocr", {"text_config": {"sliding_window": None}}, "text_config.sliding_window", None, "an integer from 1"),
    ("deepseek-v3.2", {"q_lora_rank": None}, "q_lora_rank", None, "an integer from 1"),
    ("deepseek-v3.2", {"layer_types": ["full_attention"] * 61}, "layer_types", ["full_attention"] * 61, "indexed_attention"),
    ("glm-5", {"indexer_types": ["shared"] * 78}, "indexer_types", ["shared"] * 78, "begins with full"),
    ("glm-5", {"index_topk_pattern": "FX" * 39}, "index_topk_pattern", "FX" * 39, "78 letters"),
    ("nemotron-3-nano-30b-a3b", {"hybrid_override_pattern": "MX"}, "hybrid_override_pattern", "MX", "each one of M E"),
    ("nemotron-3-nano-30b-a3b", {"num_hidden_layers": 51}, "num_hidden_layers", 51, "52"),
    ("nemotron-3-nano-30b-a3b", {"n_groups": 5}, "n_groups", 5, "a divisor of the heads (64)"),
    ("nemotron-3-nano-30b-a3b", {"tie_word_embeddings": True}, "tie_word_embeddings", True, "False"),
    ("granite-4.0-h-small", {"mamba_d_head": 63}, "mamba_d_head", 63, "auto, or mamba_expand"),
    ("granite-4.0-h-small", {"mamba_n_heads": 100}, "mamba_n_heads", 100, "a divisor of mamba_expand"),
    ("gemma-4-26b-a4b", {"text_config": {"num_kv_shared_layers": 29}}, "text_config.num_kv_shared_layers", 29, "so few"),
    ("gemma-4-26b-a4b", {"text_config": {"enable_moe_block": True}}, "text_config.num_experts", None, "required"),
    ("gemma-4-26b-a4b", {"text_config": {"model_type": "gemma3"}}, "text_config.model_type", "gemma3", "gemma4_text"),
    ("mimo-v2-flash", {"hybrid_layer_pattern": [0] * 48}, "hybrid_layer_pattern", [0] * 48, "what the reference"),
    ("mimo-v2-flash", {"swa_num_key_value_heads": 4}, "swa_num_key_value_heads", 4, "8"),
    ("mimo-v2-flash", {"num_key_value_heads": 64}, "num_key_value_heads", 64, "128 key-value heads divide 64"),
    ("step-3.5-flash", {"moe_layers_enum": "3,x"}, "moe_layers_enum", "3,x", "integers from 0"),
    ("step-3.5-flash", {"num_sliding_attention_heads": 60}, "num_sliding_attention_heads", 60, "8 key-value heads divide 60"),
    ("step-3.7-flash", {"text_config": {"model_type": "llama"}}, "text_config.model_type", "llama", "step3p5"),
    ("kimi-linear-48b-a3b", {"mla_use_output_gate": True}, "mla_use_output_gate", True, "Kimi K3"),
    (
        "kimi-linear-48b-a3b",
        {"linear_attn_config": {"use_full_rank_gate": True}},
        "linear_attn_config.use_full_rank_gate",
        True,
        "K3",
    ),
    ("ling-3.0-flash", {"architectures": ["BailingMoeV2_5ForCausalLM"]}, "architectures", ["BailingMoeV2_5ForCausalLM"], "2.5"),
    ("ling-3.0-flash", {"no_kda_lora": False}, "no_kda_lora", False, "True"),
    ("lfm2-8b-a1b", {"layer_types": ...}, "layer_types", None, "a list of 24"),
    ("longcat-flash", {"num_hidden_layers": 28}, "num_hidden_layers", 28, "56"),
    ("longcat-flash", {"qk_head_dim": 128}, "qk_head_dim", 128, "192"),
    ("deepseek-v4-flash", {"head_dim": 514}, "head_dim", 514, "a multiple of the tokens of an entry"),
    ("deepseek-v4-flash", {"compress_ratios": [0, 4]}, "compress_ratios", [0, 4], "at least 43"),
    ("deepseek-v4-flash", {"hc_mult": 1}, "hc_mult", 1, "an integer from 2"),
    ("deepseek-v4-flash", {"o_groups": 7}, "o_groups", 7, "a divisor of the attention heads (64)"),
]


@pytest.mark.parametrize(("name", "change", "key", "value", "allowed"), REFUSED, ids=[f"{r[0]}-{r[2]}" for r in REFUSED])
def test_wrong_values_are_named(name, change, key, value, allowed):
    config = {k: v for k, v in (CONFIGS[name] | change).items() if v is not ...}
    with pytest.raises(ArchitectureError) as refused:
        entry_of(config)
    assert (refused.value.key, refused.value.value) == (key, value)
    assert allowed in refused.value.allowed


def test_a_config_without_a_type():
    with pytest.raises(ArchitectureError, match=f"model_type: None; allowed: {ONE_OF_THE_TYPES}"):
        entry_of({})


def test_keys_that_a_config_leaves_out_are_named_with_their_defaults():
    assert read_config({"model_type": "mixtral"}).defaulted["hidden_size"] == 4096
    whole = PUBLISHED["mixtral-8x7b"]
    assert set(read_config(whole).defaulted) <= set(DEFAULTS["mixtral"]) - set(whole)
    shorter = {key: value for key, value in whole.items() if key != "num_local_experts"}
    assert set(read_config(shorter).defaulted) - set(read_config(whole).defaulted) == {"num_local_experts"}
    assert "text_config.num_local_experts" in read_config({"model_type": "llama4"}).defaulted


NUMBERS = st.integers(-3, 70) | st.integers() | st.sampled_from([100_000_000, 100_000_001, 10_000, 10_001, 10**30]) | st.floats()
KINDS = st.sampled_from(["full_attention", "sliding_attention", "chunked_attention", "linear_attention", "mamba", "conv"])
LAYERS = st.lists(KINDS, max_size=3) | st.builds(lambda kind, count: [kind] * count, KINDS, st.sampled_from([24, 28, 36, 48, 80]))
SCALARS = (
    st.none() | st.booleans() | NUMBERS | st.text(max_size=3) | st.sampled_from(["auto", "relu", "gated-gelu", *SUPPORTED_TYPES])
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3))
# Keys that no config here spells out are changed too.
KNOWN = sorted({key for table in (*DEFAULTS.values(), *ALIASES.values()) for key in table} | {"per_layer_config", "is_gated_act"})


@settings(max_examples=400)
@given(data=st.data())
def test_a_config_is_read_or_refused_and_nothing_else(data):
    config = copy.deepcopy(CONFIGS[data.draw(st.sampled_from(sorted(CONFIGS)))])
    for _ in range(data.draw(st.integers(1, 4))):
        inner = data.draw(st.sampled_from([config, *(value for value in config.values() if isinstance(value, dict))]))
        key = data.draw(st.sampled_from(sorted(inner) or KNOWN) | st.sampled_from(KNOWN))
        if data.draw(st.booleans()):
            inner.pop(key, None)
        else:
            inner[key] = data.draw(LAYERS | JSON)
    try:
        accepted(config)
    except ArchitectureError as error:
        assert error.key
        assert error.allowed
