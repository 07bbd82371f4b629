"""How checkpoints say in which formats they are stored: by method, by module, against a count module by module, and refused."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from conftest import MODELS, REPOSITORY
from hypothesis import given
from hypothesis import strategies as st
from small_configs import SMALL

from prophet_memory import tensors
from prophet_memory.architecture import Architecture
from prophet_memory.errors import ModelError
from prophet_memory.formats import WEIGHT_FORMATS
from prophet_memory.huggingface import QuantizationError, as_published, read
from prophet_memory.huggingface.module_names import PARTS, SEVERAL
from prophet_memory.huggingface.quantization import stated_cache
from prophet_memory.huggingface.schemes import SCHEMES
from prophet_memory.parameters import count_parameters
from prophet_memory.precision import non_expert_bytes, precision, routed_expert_bytes
from prophet_memory.stages import pipeline_stages
from prophet_memory.weights import model_weights

MODELOPT = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "group_size": 16}}
QWEN, DEEPSEEK, MIXTRAL = MODELS["qwen3-30b-a3b"], MODELS["deepseek-v3"], MODELS["mixtral-8x7b"]
NEXT, GPT_OSS = MODELS["qwen3-next-80b-a3b"], MODELS["gpt-oss-120b"]
GEMMA, NANO = MODELS["gemma-4-26b-a4b"], MODELS["nemotron-3-nano-30b-a3b"]
CONVERTED = {"quant_method": "fp8", "weight_block_size": [128, 128], "moe_quant_algo": "NVFP4"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "desc_act": False}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
EXPERTS_ALONE = ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"]


LATENT_MAPS = ("kv_a_proj_with_mqa", "kv_b_proj", "q_a_proj", "q_b_proj")


def packed(ignore: Iterable[str] = ("lm_head",), **weights: object) -> dict:
    """A statement of compressed-tensors with one group for every linear map."""
    group = {"targets": ["Linear"], "weights": {"type": "int", "num_bits": 4, "symmetric": True} | weights}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, "ignore": [*ignore]}


def layers(model: Architecture, *names: str) -> list[str]:
    """Names under each layer, as tools write their lists."""
    return [f"model.layers.{layer}.{name}" for layer in range(model.layer_count) for name in names]


def inside(model: Architecture, *names: str) -> list[str]:
    """The same where the language model is a part of another."""
    return [name.replace("model.", "model.language_model.") for name in layers(model, *names)]


def said(config: dict, model: Architecture = MIXTRAL, **others: object) -> str:
    return as_published({"quantization_config": config} | others, model).published_precision


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "bf16"), ({"torch_dtype": "float32"}, "fp32"), ({"dtype": "bfloat16"}, "bf16"), ({"dtype": "torch.float16"}, "fp16"),
        ({"text_config": {"torch_dtype": "float16"}}, "fp16"), ({"quantization_config": None}, "bf16"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4_experts"),
        ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}, "fp8_blocks"),
        ({"quantization_config": {"quant_method": "fp8"}, "dtype": "bfloat16"}, "fp8"),
        ({"quantization_config": {"quant_method": "fp8"}, "dtype": "float16"}, "fp8"),
        ({"text_config": {"quantization_config": {"quant_method": "fp8"}}}, "fp8"),
        ({"quantization_config": {"quant_method": "fbgemm_fp8"}}, "fp8_channel"),
    ],
)  # fmt: skip
def test_the_published_precision_is_read_from_the_config(config: dict, expected: str):
    assert as_published(config, MIXTRAL).published_precision == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "int4"), ({"desc_act": True}, "int4_order"), ({"sym": False}, "int4"), ({"group_size": 32}, "int4_g32_zp"),
        ({"bits": 8}, "int8_g128_zp"), ({"bits": 8, "group_size": 64, "desc_act": True}, "int8_g64_zp_order"),
        ({"lm_head": True}, "int4/int4/lm_head=int4"), ({"dynamic": {r"-:.*self_attn.*": {}}}, "int4_experts"),
        ({"dynamic": {r"+:.*self_attn.*": {"bits": 8, "group_size": 32}}}, "int4/int8_g32_zp"),
        ({"dynamic": {r"-:.*o_proj": {}, r".*self_attn.*": {"desc_act": True}}}, "int4/int4_order/attention.o=bf16"),
        ({"lm_head": True, "dynamic": {"lm_head": {"bits": 8}}}, "int4/int4/lm_head=int8_g128_zp"),
        ({"dynamic": {"+:.*gate$": {"bits": 8}}}, "int4"),  # a router is never stored so
    ],
)  # fmt: skip
def test_gptq(changes: dict, expected: str):
    assert said(GPTQ | changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "int4"), ({"group_size": 64}, "int4_g64_zp"), ({"zero_point": False}, "int4"),
        ({"modules_to_not_convert": ["gate"]}, "int4"), ({"modules_to_not_convert": ["self_attn"]}, "int4_experts"),
        ({"modules_to_not_convert": [".v_proj", "lm_head"]}, "int4/int4/attention.v=bf16"),
        ({"modules_to_not_convert": ["block_sparse_moe.experts"]}, "bf16/int4"),
        ({"bits": None, "group_size": None, "w_bit": 4, "q_group_size": 32}, "int4_g32_zp"),
    ],
)  # fmt: skip
def test_awq(changes: dict, expected: str):
    assert said(AWQ | changes, model_type="mixtral") == expected  # whose experts have no gate_proj


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"strategy": "group", "group_size": 32}, "int4_g32"), ({"strategy": "group", "group_size": 64}, "int4_g64"),
        ({"group_size": 128}, "int4_g128"), ({"group_size": 128, "symmetric": False}, "int4"),
        ({"group_size": 128, "actorder": "group"}, "int4_g128_order"), ({"group_size": 128, "actorder": "static"}, "int4_g128"),
        ({"strategy": "channel"}, "int4_channel"), ({"num_bits": 8, "strategy": "channel"}, "int8"),
        ({"num_bits": 8, "group_size": 128}, "int8_g128"), ({"num_bits": 8, "type": "float", "strategy": "tensor"}, "fp8"),
        ({"num_bits": 8, "type": "float"}, "fp8"), ({"num_bits": 8, "type": "float", "strategy": "channel"}, "fp8_channel"),
        ({"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}, "fp8_blocks"),
        ({"num_bits": 8, "type": "float", "strategy": "block", "block_structure": "128x128"}, "fp8_blocks"),
        ({"num_bits": 8, "type": "float", "strategy": "group", "group_size": 32}, "mxfp8"),
        ({"type": "float", "strategy": "tensor_group", "group_size": 16}, "nvfp4"),
        ({"type": "float", "strategy": "group", "group_size": 32}, "mxfp4"),
    ],
)  # fmt: skip
def test_compressed_tensors(weights: dict, expected: str):
    assert said(packed(**weights)) == expected
    assert said(packed([], **weights)) == f"{expected}/{expected}/lm_head={expected}"  # the head is a linear map too


def test_compressed_tensors_with_several_groups():
    groups = {
        "experts": {"targets": [r"re:.*experts\..*"], "weights": {"type": "float", "num_bits": 4, "group_size": 16}},
        "rest": {"targets": ["Linear"], "weights": {"type": "float", "num_bits": 8, "strategy": "channel"}},
        "values": {"targets": layers(MIXTRAL, "self_attn.v_proj"), "weights": {"type": "int", "num_bits": 4, "group_size": 32}},
        "query": {"targets": [r"re:.*q_proj"], "weights": None},
    }
    config = {"quant_method": "compressed-tensors", "format": "mixed-precision", "config_groups": groups, "ignore": ["lm_head"]}
    assert said(config) == "nvfp4/fp8_channel/attention.q=bf16/attention.v=int4_g32"
    assert said(config | {"ignore": ["lm_head", "re:.*attn.*"]}) == "nvfp4_experts"


INT = {"type": "int", "num_bits": 4, "group_size": 32}
FLOAT = {"type": "float", "num_bits": 8, "strategy": "channel"}
NVFP4 = {"type": "float", "num_bits": 4, "group_size": 16}


def in_groups(*groups: tuple[list[str], dict], **others: object) -> dict:
    """A statement of compressed-tensors by the targets and the weights of its groups."""
    told = {str(number): {"targets": targets, "weights": weights} for number, (targets, weights) in enumerate(groups)}
    return {"quant_method": "compressed-tensors", "config_groups": told, "ignore": ["lm_head"]} | others


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        # A name before a pattern, patterns by the alphabet, classes last; of one target the last group.
        ([(["re:.*self_attn.*"], FLOAT), (layers(MIXTRAL, "self_attn.q_proj"), NVFP4)], "bf16/fp8_channel/attention.q=nvfp4"),
        ([(["re:.*v_proj"], FLOAT), (["re:.*self_attn.*"], NVFP4)], "bf16/nvfp4"),
        ([(["Linear"], NVFP4), (["re:.*self_attn.*"], FLOAT)], "nvfp4/fp8_channel"),
        ([(["Linear"], FLOAT), (["Linear"], NVFP4)], "nvfp4"),
        ([(["re:.*experts.*"], FLOAT), (["re:.*experts.*"], NVFP4)], "nvfp4_experts"),
    ],
)  # fmt: skip
def test_which_of_several_groups_a_module_is_of(groups: list[tuple[list[str], dict]], expected: str):
    assert said(in_groups(*groups), model_type="mixtral") == expected


@pytest.mark.parametrize("targets", [["FusedMoE"], ["linear"], ["re:.*exprets.*"], ["Qwen3MoeExperts", "re:.*no_such"]])
def test_a_group_that_means_nothing_that_is_counted_is_refused(targets: list[str]):
    with pytest.raises(QuantizationError, match=r"0\.targets: .*; allowed: Linear, .*or modules that the model is"):
        said(in_groups((targets, NVFP4)))
    with pytest.raises(QuantizationError, match=r"1\.targets: "):
        said(in_groups((["Linear"], FLOAT), (targets, NVFP4)))
    assert said(in_groups((["Linear"], FLOAT), (targets, None))) == "fp8_channel"  # which leaves weights as they are
    for others in (["re:.*visual.*"], ["re:model.layers.32.*"], ["Conv1d"], ["re:.*linear_attn.*"]):  # what it has not
        assert said(in_groups((["Linear"], FLOAT), (others, NVFP4))) == "fp8_channel"


def test_what_contains_a_module_is_not_the_module_in_compressed_tensors():
    assert said(packed(["lm_head", r"re:.*mlp\.shared_expert$", "re:.*self_attn$"], **INT), NEXT) == said(packed(**INT), NEXT)
    with pytest.raises(QuantizationError, match=r"ignore: .*shared_expert.*; allowed: modules that the model is counted with"):
        said(packed([r"re:.*shared_expert\.x$"], **INT), NEXT)


@pytest.mark.parametrize(
    ("entry", "left_out"),
    [
        (r"re:model\.language_model\..*(self_attn|linear_attn|mlp\.gate$).*", "attention=bf16/recurrent=bf16"),
        (r"re:model\.(visual|language_model\..*attn).*", "attention=bf16/recurrent=bf16"),
        (r"re:.*language_model.*self_attn\.(q|k|v)_proj$", "attention.k=bf16/attention.q=bf16/attention.v=bf16"),
        (r"re:model\.language_model\..*(in_proj_[ab]|mlp\.gate)$", "recurrent.ba=bf16"),
        (r"re:thinker\.model\.layers\.\d+\.self_attn\.o.*", "attention.o=bf16"),
        (r"re:(model\.)?visual\..*", ""),
    ],
)  # fmt: skip
def test_patterns_that_begin_with_what_contains_the_layers(entry: str, left_out: str):
    model_type = {"model_type": "qwen3_5_moe"}
    whole = said(packed(**FLOAT), NEXT, **model_type)
    expected = f"{whole}/{whole}/{left_out}" if left_out else whole
    assert parsed_alike(said(packed(["lm_head", entry], **FLOAT), NEXT, **model_type), expected)
    dynamic = {"-:" + entry.removeprefix("re:"): {}}
    expected = f"int4/int4/{left_out}" if left_out else "int4"
    assert parsed_alike(said(GPTQ | {"dynamic": dynamic}, NEXT, **model_type), expected)


def parsed_alike(name: str, other: str) -> bool:
    """Whether two names of precisions say the same of all modules of a model with two kinds of layers."""
    keys = [weight for weight in model_weights(NEXT) if weight.linear]
    first, second = precision(name), precision(other)
    return all(first.format_of(w.component, w.part) == second.format_of(w.component, w.part) for w in keys)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (r"re:.*experts\.\d+\.w[123]$", "bf16/fp8_channel"), (r"re:.*experts\.\d+\.w[1-3]", "bf16/fp8_channel"),
        (r"re:.*experts\.\d+\.w(?:1|2|3)", "bf16/fp8_channel"),
        (r"re:.*self_attn\.w[qk]$", "fp8_channel/fp8_channel/attention.k=bf16/attention.q=bf16"),
        (r"re:.*self_attn\.((w(q|k))|k_proj)$", "fp8_channel/fp8_channel/attention.k=bf16/attention.q=bf16"),
    ],
)  # fmt: skip
def test_names_that_a_pattern_has_as_a_choice(entry: str, expected: str):
    assert said(packed(["lm_head", entry], **FLOAT)) == expected


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("llama-4-maverick", ["re:.*fc1", "re:.*fc2"]), ("qwen2.5-7b", ["re:.*dense$", "re:.*output$"]),
        ("qwen3.5-35b-a3b", ["re:.*in_proj$", "re:.*transformer.blocks.*", r"re:.*\.blocks\..*", "re:.*backbone.*"]),
    ],
)  # fmt: skip
def test_words_that_other_types_have_mean_nothing(name: str, entries: list[str]):
    kind = {"model_type": {"qwen3.5-35b-a3b": "qwen3_5_moe", "llama-4-maverick": "llama4"}.get(name, "qwen2")}
    assert said(packed(["lm_head", *entries], **FLOAT), MODELS[name], **kind) == "fp8_channel"


def test_digits_of_experts_tell_them_apart():
    with pytest.raises(QuantizationError, match="one format for the routed experts"):
        said(packed(["lm_head", r"re:.*experts\.\d\..*"], **FLOAT), QWEN)
    for every in (r"\d+", r"\d{1,3}", r"\d*", "[0-9]+"):
        assert said(packed(["lm_head", rf"re:.*experts\.{every}\..*"], **FLOAT), QWEN) == "bf16/fp8_channel"
    assert said(packed(["lm_head", r"re:^(?!.*experts\.\d+).*"], **FLOAT), QWEN) == "fp8_channel_experts"


def test_each_choice_of_a_pattern_that_means_nothing_is_held_against_the_model():
    assert said(packed(["lm_head", r"re:model\.(visual|vision_tower)\.attn.*"], **FLOAT), QWEN) == "fp8_channel"
    with pytest.raises(QuantizationError, match="allowed: modules that the model is counted with"):
        said(packed(["lm_head", r"re:model\.(visual|text)\.attn.*"], **FLOAT), QWEN)


def test_the_modules_that_gptq_stores_in_each_layer():
    attention = [["self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj"], ["self_attn.o_proj"]]
    experts = [[f"block_sparse_moe.experts.{expert}.{name}" for expert in range(8) for name in ("w1", "w3")]]
    experts += [[f"block_sparse_moe.experts.{expert}.w2" for expert in range(8)]]
    key = "modules_in_block_to_quantize"
    assert said(GPTQ | {key: attention + experts}, model_type="mixtral") == "int4"
    assert said(GPTQ | {key: attention + experts, "lm_head": True}, model_type="mixtral") == "int4/int4/lm_head=int4"
    assert said(GPTQ | {key: experts}, model_type="mixtral") == "int4_experts"
    assert said(GPTQ | {key: attention[0] + attention[1]}, model_type="mixtral") == "bf16/int4"
    assert said(GPTQ | {key: attention[1:] + experts}, model_type="mixtral") == "int4/bf16/attention.o=int4"
    assert said(GPTQ | {key: [*attention, *experts, ["mlp.shared_expert_gate"]]}, model_type="mixtral") == "int4"  # never so
    for wrong in ([], "self_attn", [1], [[1]], [["self_attn.x_proj"]], [*attention, *experts, ["self_attn.W_pack"]]):
        with pytest.raises(QuantizationError, match=f"{key}"):
            said(GPTQ | {key: wrong}, model_type="mixtral")


# What public checkpoints state, as their files have it; lists of names are made from the layers.
PUBLISHED = {
    "Qwen/Qwen3-30B-A3B-FP8": (
        QWEN, "qwen3_moe",
        {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
        | {"modules_to_not_convert": ["lm_head", *layers(QWEN, "input_layernorm", "mlp.gate", "post_attention_layernorm")]},
        "fp8_blocks",
    ),
    "MiniMaxAI/MiniMax-M2.5": (
        MIXTRAL, "minimax_m2",
        {"quant_method": "fp8", "weight_block_size": [128, 128]}
        | {"modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head"]},
        "fp8_blocks",
    ),
    "openai/gpt-oss-120b": (
        GPT_OSS, "gpt_oss",
        {"quant_method": "mxfp4"}
        | {"modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]},
        "mxfp4_experts",
    ),
    "moonshotai/Kimi-K2.5": (DEEPSEEK, "kimi_k25", packed(EXPERTS_ALONE, strategy="group", group_size=32), "int4_g32_experts"),
    "nvidia/Qwen3-235B-A22B-NVFP4": (
        QWEN, "qwen3_moe",
        {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16, "quant_method": "modelopt"}
        | {"ignore": [*layers(QWEN, "mlp.gate"), "lm_head"]},
        "nvfp4",
    ),
    "nvidia/DeepSeek-V3.1-NVFP4": (
        DEEPSEEK, "deepseek_v3",
        {"quant_algo": "NVFP4", "group_size": 16}
        | {"exclude_modules": ["lm_head", "model.layers.61*", *layers(DEEPSEEK, *(f"self_attn.{name}" for name in LATENT_MAPS))]},
        "nvfp4/nvfp4/attention=bf16/attention.o=nvfp4",
    ),
    "nvidia/Qwen3.5-397B-A17B-NVFP4": (
        NEXT, "qwen3_5_moe",
        {"quant_algo": "NVFP4", "quant_method": "modelopt"}
        | {"ignore": ["lm_head", "*.mlp.shared_expert.*", "model.visual*", "mtp*", *inside(NEXT, "linear_attn*", "self_attn*")]},
        "nvfp4_experts",
    ),
    "nvidia/Qwen3.6-35B-A3B-NVFP4": (
        NEXT, "qwen3_5_moe",
        {"quant_algo": "MIXED_PRECISION", "exclude_modules": ["mtp.layers.0*", "mtp*"], "quantized_layers": {
            name: {"quant_algo": "FP8" if "attn" in name else "W4A16_NVFP4"}
            for name in inside(NEXT, "mlp.experts", *(f"mlp.shared_expert.{own}_proj" for own in ("gate", "up", "down")))
            + [name for name in inside(NEXT, *(f"linear_attn.{own}" for own in ("in_proj_qkv", "in_proj_z", "out_proj")))
               if int(name.split(".")[3]) % 4 != 3]
            + [name for name in inside(NEXT, *(f"self_attn.{own}_proj" for own in "qkvo")) if int(name.split(".")[3]) % 4 == 3]
        } | {"lm_head": {"quant_algo": "W4A16_NVFP4", "group_size": 16}}},
        "nvfp4/fp8/shared_expert=nvfp4/recurrent.ba=bf16/lm_head=nvfp4",
    ),
    "nvidia/Gemma-4-26B-A4B-NVFP4": (
        GEMMA, "gemma4",
        {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16}
        | {"exclude_modules": ["lm_head", "model.vision_tower*", *inside(GEMMA, "mlp*", "router*", "self_attn*")]},
        "nvfp4_experts",
    ),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4": (
        NANO, "nemotron_h",
        {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16, "exclude_modules": [
            "lm_head",
            *(f"backbone.layers.{layer}.mixer.{name}_proj" for layer in (4, 11, 18, 25, 32, 41) for name in ("in", "out")),
            *(f"backbone.layers.{layer}.mixer.{name}_proj" for layer in (5, 12, 19, 26, 33, 42) for name in "qkvo"),
            *(f"backbone.layers.{layer}.mixer.conv1d" for layer, kind in enumerate(NANO.decoder.order) if kind == 0),
        ]},
        "nvfp4/nvfp4/attention=bf16/recurrent@1=bf16",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_public_checkpoints_state(name: str):
    model, kind, config, expected = PUBLISHED[name]
    assert said(config, model, model_type=kind) == expected
    beside = {"quantization": {key: value for key, value in config.items() if key != "quant_method"}}
    if "quant_algo" in config:
        for alone in ({"model_type": kind}, {"model_type": kind, "quantization_config": config}):
            assert as_published(alone, model, beside).published_precision == expected


@pytest.mark.parametrize(
    ("config", "beside", "line"),
    [
        ({"compression_config": {"quant_method": "compressed-tensors"}}, None, "compression_config.config_groups: .*groups with"),
        ({"text_config": {"quantization_config": {"quant_method": "bitsandbytes"}}}, None, "^text_config.quantization_config: "),
        ({"quantization": {"group_size": 64, "bits": 4}}, None, "^quantization: .*quant_method mxfp4, fp8"),
        ({"quantization_config": {"quant_method": ["fp8"]}}, None, "^quantization_config: .*quant_method mxfp4"),
        ({"quantization_config": {"quant_method": "quark"}}, None, "'quark'.*; allowed: quant_method mxfp4"),
        ({"quantization_config": "fp8"}, None, 'quantization_config: "fp8"; allowed: a mapping'),
        ({"dtype": "float8_e4m3fn"}, None, 'dtype: "float8_e4m3fn"'),
        ({}, {"quantization": {"quant_algo": "W4A8_AWQ"}}, '.json: quantization.quant_algo: "W4A8_AWQ"; allowed: FP8'),
        ({}, {"quantization": {"quant_algo": "NVFP4", "group_size": 32}}, "quantization.group_size: 32; allowed: 16"),
        ({}, {"quantization": None}, "hf_quant_config.json: quantization: "),
        ({}, {"quantization": [1]}, "allowed: a mapping"),
        ({}, {"quantization": {"quant_algo": "MIXED_PRECISION"}}, "quantized_layers: None; allowed: this key is required"),
        ({}, {"quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": {"x": 1}}}, "layers.x: 1; allowed: a map"),
        (
            {"quantization_config": {"quant_method": "fp8"}, "text_config": {"quantization_config": {"quant_method": "mxfp4"}}},
            None,
            "text_config.quantization_config: .*'mxfp4'.; allowed: fp8, as quantization_config has it; this one says",
        ),
        (
            {"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}},
            {"quantization": {"quant_algo": "NVFP4", "exclude_modules": ["lm_head", "*self_attn*"]}},
            "quantization_config: .*'NVFP4'.; allowed: nvfp4_experts, as hf_quant_config.json: .*; this one says nvfp4$",
        ),
    ],
)  # fmt: skip
def test_what_is_not_understood_or_contradicts_itself_is_one_line(config: dict, beside: dict | None, line: str):
    with pytest.raises(QuantizationError, match=line) as refused:
        as_published(config, MIXTRAL, beside)
    assert "\n" not in str(refused.value)


PACKED_EXPERTS = {"quant_method": "fp8", "weight_block_size": [128, 128], "scale_fmt": "ue8m0", "fmt": "e4m3"}


@pytest.mark.parametrize("config", [
    {"expert_dtype": "fp4", "quantization_config": PACKED_EXPERTS},  # DeepSeek-V4-Flash and -Pro
    {"quantization_config": PACKED_EXPERTS | {"expert_dtype": "fp4"}},
    {"text_config": {"expert_dtype": "fp4"}, "quantization_config": PACKED_EXPERTS},
])  # fmt: skip
def test_experts_in_four_bits_beside_fp8(config: dict):
    assert as_published(config, DEEPSEEK).published_precision == "mxfp4/fp8_blocks"
    assert (
        as_published({"quantization_config": PACKED_EXPERTS, "expert_dtype": "fp8"}, DEEPSEEK).published_precision == "fp8_blocks"
    )
    with pytest.raises(QuantizationError, match='expert_dtype: "fp4"; allowed: none without a statement on the other weights'):
        as_published({"expert_dtype": "fp4"}, DEEPSEEK)
    with pytest.raises(QuantizationError, match='expert_dtype: "fp4"; allowed: none beside quantization_config, whose'):
        said({"quant_method": "mxfp4", "expert_dtype": "fp4"})


def test_a_statement_on_the_cache_alone_leaves_the_weights_as_they_are():
    beside = {"quantization": {"quant_algo": None, "kv_cache_quant_algo": "FP8"}}
    assert as_published({"dtype": "bfloat16"}, MIXTRAL, beside).published_precision == "bf16"
    assert stated_cache({}, beside) == ("hf_quant_config.json: quantization.kv_cache_quant_algo", "FP8")
    scheme = {"num_bits": 8, "type": "float"}
    found = stated_cache({"text_config": {"quantization_config": packed() | {"kv_cache_scheme": scheme}}})
    assert found == ("text_config.quantization_config.kv_cache_scheme", scheme)
    assert stated_cache({"quantization_config": packed() | {"kv_cache_scheme": None}}) is None


def test_the_compressors_of_deepseek_v4_stay_at_16_bit():
    config = json.loads((REPOSITORY / "tests/data/imported_configs/deepseek-v4-flash.json").read_text(encoding="utf-8"))
    stated = config | {"expert_dtype": "fp4", "quantization_config": PACKED_EXPERTS}
    found = as_published(stated, read(config).architecture)
    assert found.published_precision == "mxfp4/fp8_blocks/attention.compressor=bf16"


def test_experts_that_modelopt_converted_in_an_fp8_checkpoint():
    # nvidia/DeepSeek-V4-Flash-NVFP4: what its list ignores stays FP8, and the file beside it repeats the list.
    config = json.loads((REPOSITORY / "tests/data/imported_configs/deepseek-v4-flash.json").read_text(encoding="utf-8"))
    model = read(config).architecture
    listed = {f"layers.{layer}.ffn.experts": {"quant_algo": "NVFP4", "group_size": 16} for layer in range(model.layer_count)}
    mixed = {"quant_algo": "MIXED_PRECISION", "quantized_layers": listed, "group_size": 16}
    ignored = ["*.attn.*", "*.ffn.shared_experts.*", "head", "mtp.*"]
    stated = PACKED_EXPERTS | mixed | {"moe_quant_algo": "NVFP4", "ignore": ignored}
    own = config | {"expert_dtype": "fp4", "quantization_config": stated}
    for beside in (None, {"quantization": mixed}):
        assert as_published(own, model, beside).published_precision == "nvfp4/fp8_blocks/attention.compressor=bf16"
    with pytest.raises(QuantizationError, match=r"hf_quant_config.json: quantization.quant_algo: \"FP8\""):
        as_published(own, model, {"quantization": {"quant_algo": "FP8"}})
    with pytest.raises(QuantizationError, match=r"moe_quant_algo: .*allowed: left out for a model without routed experts"):
        as_published({"quantization_config": CONVERTED}, MODELS["qwen2.5-7b"])
    del listed["layers.7.ffn.experts"]
    with pytest.raises(QuantizationError, match="one format for the routed experts in all layers"):
        as_published(own, model)


def test_a_statement_stands_beside_the_language_model_however_deep():
    stated = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    for inner in ({"quantization_config": stated}, {"text_config": {"quantization_config": stated}}):
        assert as_published({"thinker_config": inner}, QWEN).published_precision == "fp8_blocks"
    assert as_published({"thinker_config": {"text_config": {"dtype": "float32"}}}, QWEN).published_precision == "fp32"


ODD = st.sampled_from([None, True, 0, -1, 3, 2**70, 0.5, "", "x", [], [1], ["x"], {}, {"a": 1}, [[]], float("nan")])


@given(st.data())
def test_any_value_in_a_statement_is_read_or_refused_in_one_line(data):
    """A value anywhere inside, replaced or added."""
    model, kind, statement, _ = PUBLISHED[data.draw(st.sampled_from(sorted(PUBLISHED)))]
    changed = json.loads(json.dumps(statement))
    place = changed
    while isinstance(place, dict):
        inside = place
        key = data.draw(st.sampled_from([*sorted(place), "ignore", "strategy", "num_bits", "expert_dtype"]))
        place = place.get(key)
        if not data.draw(st.booleans()):
            break
    inside[key] = data.draw(ODD)
    try:
        precision(said(changed, model, model_type=kind))
    except QuantizationError as refused:
        assert "\n" not in str(refused)


FP8 = {"quant_method": "fp8"}


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        (FP8 | {"weight_block_size": [64, 64]}, r"weight_block_size: \[64, 64\]; allowed: null"),
        (FP8 | {"quant_algo": "MIXED_PRECISION"}, "quant_algo: .*allowed: left out beside quant_method fp8, or MIXED_"),
        (FP8 | {"moe_quant_algo": "NVFP3"}, 'moe_quant_algo: "NVFP3"; allowed: .*W4A16_NVFP4, MXFP8$'),
        (CONVERTED | {"quantized_layers": {"model.layers.3.self_attn": {"quant_algo": "NVFP4"}}}, "routed experts alone, in the"),
        (CONVERTED | {"quantized_layers": {"model.layers.3.mlp.experts": {"quant_algo": "FP8"}}}, "routed experts alone, in the"),
        (CONVERTED | {"quantized_layers": {"model.layers.3.mlp.experts": {"quant_algo": "NVFP4"}}}, "one format for the routed"),
        (CONVERTED | {"quantized_layers": {"model.layers.3.x": {"quant_algo": "NVFP4"}}}, "routed experts alone, in the format"),
        (CONVERTED | {"quantized_layers": {}}, "quantized_layers: .*; allowed: a mapping from modules"),
        (CONVERTED | {"quant_algo": "INT4_AWQ"}, 'quant_algo: "INT4_AWQ"; allowed: left out beside'),
        (CONVERTED | {"expert_dtype": "int8"}, 'expert_dtype: "int8"; allowed: fp8 or fp4'),
        (AWQ | {"q_group_size": 64}, "q_group_size: 64; allowed: 128, as group_size has it"),
        (FP8 | {"expert_dtype": "fp6"}, 'expert_dtype: "fp6"; allowed: fp8 or fp4'),
        (FP8 | {"expert_dtype": "fp4"}, "scale_fmt: "),
        ({"quant_method": "modelopt", "quant_algo": "FP8", "moe_quant_algo": "NVFP4"}, "moe_quant_algo: "),
        (GPTQ | {"checkpoint_format": "marlin"}, 'checkpoint_format: "marlin"; allowed: gptq or gptq_v2'),
        (packed(type="float", num_bits=[8], strategy="channel"), r"'num_bits': \[8\]"),
        (packed(type="float", num_bits=8, strategy=["channel"]), r"'strategy': \['channel'\]"),
        (packed(["re:" + 3000 * "("], **INT), r"allowed: names or regular expressions"),
        (packed(["re:a{99999999999}"], **INT), r"allowed: names or regular expressions"),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": {"targets": ["Linear"], "format": "marlin-24",
          "weights": INT}}}, 'config_groups.a.format: "marlin-24"; allowed: pack-quantized'),
        (FP8 | {"modules_to_not_convert": "lm_head"}, 'modules_to_not_convert: "lm_head"; allowed: a list of names'),
        (FP8 | {"ignored_layers": [1]}, r"ignored_layers: \[1\]; allowed: a list of names"),
        (FP8 | {"ignored_layers": ["*attn"]}, r'ignored_layers: "\*attn"; allowed: names or regular expressions'),
        (
            FP8 | {"modules_to_not_convert": ["lm_head", "model.layers.0.mlp.experts"]},
            '"model.layers.0.mlp.experts"; allowed: one format for the routed experts in all layers, of which others have fp8',
        ),
        (FP8 | {"modules_to_not_convert": ["model.layers.3.mlp.experts.7"]}, "the routed experts"),
        (FP8 | {"modules_to_not_convert": ["model.layers.3"]}, '"model.layers.3"; .*format for the routed experts in all layers'),
        (FP8 | {"modules_to_not_convert": ["model.layers.0.self_attn.g_proj"]}, "g_proj.*modules that the model is counted with"),
        (GPTQ | {"bits": 3}, "bits: 3; allowed: 4 or 8"), (GPTQ | {"bits": True}, "bits: True; allowed: 4 or 8"),
        (GPTQ | {"group_size": 256}, "group_size: 256; allowed: 32, 64, 128"), (GPTQ | {"group_size": -1}, "group_size: -1"),
        (GPTQ | {"desc_act": 1}, "desc_act: 1; allowed: true or false"), (GPTQ | {"lm_head": "x"}, 'lm_head: "x"'),
        (GPTQ | {"dynamic": ["-:.*"]}, "dynamic: .*allowed: a mapping"), (GPTQ | {"dynamic": {"+:x": 1}}, "dynamic.*a mapping"),
        (GPTQ | {"dynamic": {"-:(": {}}}, 'dynamic: "-:\\("; allowed: names or regular'),
        (GPTQ | {"modules_in_block_to_quantize": [["x"]]}, "modules_in_block_to_quantize"),
        (AWQ | {"bits": 8}, "bits: 8; allowed: 4"), (AWQ | {"group_size": 16}, "group_size: 16"),
        (packed(strategy="tensor", num_bits=4), "group_0.weights: .*'strategy': 'tensor'.*; allowed: float of 8 bits by tensor"),
        (packed(strategy="attn_head"), "group_0.weights: .*attn_head"), (packed(group_size=32, num_bits=3), "'num_bits': 3"),
        (packed(group_size=48), "weights.group_size: 48; allowed: 32, 64, 128"), (packed(type="nf"), "'type': 'nf'"),
        (packed(group_size=32, actorder="best"), 'actorder: "best"'), (packed(group_size=32, symmetric=1), "symmetric: 1"),
        (packed(type="float", strategy="group", group_size=24), "'group_size': 24"),
        (packed(["re:("], **INT), r'ignore: "re:\("; allowed: names or regular expressions'),
        (packed(**INT) | {"format": "dense"}, 'format: "dense"; allowed: pack-quantized'),
        (packed(**INT) | {"sparsity_config": {"format": "sparse-24-bitmask"}}, "sparsity_config"),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": INT}}}, "config_groups.a.targets: "),
        ({"quant_method": "compressed-tensors", "config_groups": [1]}, r"config_groups: \[1\]; allowed: a mapping"),
    ],
)  # fmt: skip
def test_a_statement_that_is_wrong_or_cannot_be_told_is_one_line(statement: dict, line: str):
    with pytest.raises(QuantizationError, match=line) as refused:
        said(statement, QWEN)
    assert str(refused.value).startswith("quantization_config.")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_every_linear_map_of_every_type_has_a_name(kind: str):
    weights = model_weights(read({"model_type": kind} | SMALL[kind]).architecture)
    assert {weight.part for weight in weights if weight.linear} <= set(tensors.PARTS)


def test_a_precision_names_the_parts_that_modules_have():
    assert set(tensors.PARTS) == {key.rpartition(".")[2] for key in PARTS} | set(SEVERAL)
    with pytest.raises(ModelError, match="precision: "):
        precision("nvfp4/nvfp4/attention.oo=bf16")


def test_a_module_that_is_excluded_and_listed_is_left_out():
    listed = {"lm_head": {"quant_algo": "FP8"}, "model.layers": {"quant_algo": "NVFP4", "group_size": 16}}
    statement = {"quant_algo": "MIXED_PRECISION", "quantized_layers": listed}
    assert said(statement) == "nvfp4/nvfp4/router=nvfp4/lm_head=fp8"  # a router that is listed
    assert said(statement | {"exclude_modules": ["lm_head", "*.gate"]}) == "nvfp4"


def test_every_model_of_the_catalogue_is_stored_as_one_statement_says(architecture: Architecture):
    assert said(packed(group_size=64), architecture) == "int4_g64"
    assert said(packed(group_size=64), replace(architecture, tied_embeddings=True)) == "int4_g64"
    assert said(packed([], group_size=64), replace(architecture, tied_embeddings=True)) == "int4_g64"  # there is no head
    assert said(packed(EXPERTS_ALONE, group_size=64), MIXTRAL) == "int4_g64_experts"
    left_out = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["*attn*", "*mixer*", "*mamba*", "lm_head"]}
    found = precision(said(left_out, architecture))
    assert found.routed_expert == WEIGHT_FORMATS["nvfp4"]
    assert architecture.is_dense or found.format_of("attention", "o") == WEIGHT_FORMATS["bf16"]


def test_attention_and_recurrent_mixers_are_told_apart():
    left_out = {"quant_method": "modelopt", "quant_algo": "NVFP4"}
    assert said(left_out | {"ignore": ["lm_head", "*.self_attn.*"]}, NEXT) == "nvfp4/nvfp4/attention=bf16"
    assert said(left_out | {"ignore": ["lm_head", "*.linear_attn.*"]}, NEXT) == "nvfp4/nvfp4/recurrent=bf16"
    jamba = MODELS["jamba-1.5-large"]
    assert said(left_out | {"ignore": ["lm_head", "*.mamba.*"]}, jamba, model_type="jamba") == "nvfp4/nvfp4/recurrent=bf16"
    minimax = read({"model_type": "minimax", "num_hidden_layers": 4}).architecture  # whose lightning attention is self_attn too
    assert said(left_out | {"ignore": ["lm_head", "*.self_attn.*"]}, minimax, model_type="minimax") == "nvfp4_experts"
    own = {"ignore": ["lm_head", "*feed_forward.[gud]*"]}
    assert said(left_out | own, jamba, model_type="jamba") == "nvfp4/nvfp4/dense_feed_forward=bf16"


def test_a_method_has_one_reader():
    assert {"fp8", "gptq", "awq", "modelopt", "compressed-tensors", "mxfp4", "fbgemm_fp8"} <= SCHEMES.keys()


# --- against a count module by module

TINY = {
    "model_type": "deepseek_v3", "num_hidden_layers": 3, "first_k_dense_replace": 1, "hidden_size": 256, "vocab_size": 384,
    "num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": 128, "kv_lora_rank": 128, "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 64, "v_head_dim": 64, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 128,
    "n_shared_experts": 1, "intermediate_size": 384, "moe_layer_freq": 1, "tie_word_embeddings": False,
}  # fmt: skip
PROJECTIONS = {"gate_proj": (128, 256), "up_proj": (128, 256), "down_proj": (256, 128)}
KINDS = ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj", "mlp", "shared_experts", "experts", "lm_head")
STORED = {
    "int4_g64": ("int", "group", 64, 4),
    "nvfp4": ("float", "tensor_group", 16, 4),
    "fp8_channel": ("float", "channel", None, 8),
}


def maps() -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Each linear map of the tiny model by its name, with its kind and its sides, as transformers builds DeepSeek-V3."""
    for layer in range(3):
        root = f"model.layers.{layer}"
        attention = {
            "q_a_proj": (128, 256),
            "q_b_proj": (4 * 128, 128),
            "kv_a_proj_with_mqa": (192, 256),
            "kv_b_proj": (512, 128),
        }
        for name, sides in (attention | {"o_proj": (256, 256)}).items():
            yield f"{root}.self_attn.{name}", name, sides
        if layer == 0:
            for name, (rows, columns) in PROJECTIONS.items():
                yield f"{root}.mlp.{name}", "mlp", (384 if rows == 128 else rows, 384 if columns == 128 else columns)
            continue
        for name, sides in PROJECTIONS.items():
            yield f"{root}.mlp.shared_experts.{name}", "shared_experts", sides
            yield from ((f"{root}.mlp.experts.{expert}.{name}", "experts", sides) for expert in range(4))
    yield "lm_head", "lm_head", (384, 256)


def stated_as(method: str, form: str, left_out: set[str]) -> dict:
    """A statement that leaves kinds of maps out, as a tool would write it."""
    names = [name for name, kind, _ in maps() if kind in left_out]
    if method == "compressed-tensors":
        kind, strategy, group, bits = STORED[form]
        entries = [f"re:.*{name.rsplit('.', 2)[-2]}[.]{name.rsplit('.', 1)[-1]}$" if "." in name else name for name in names]
        return packed(dict.fromkeys(entries), type=kind, strategy=strategy, group_size=group, num_bits=bits) if not (
            left_out & {"mlp", "shared_experts", "experts"}
        ) else packed(names, type=kind, strategy=strategy, group_size=group, num_bits=bits)  # fmt: skip
    algorithm = {"nvfp4": "NVFP4", "fp8_channel": "FP8_PER_CHANNEL_PER_TOKEN"}[form]
    if method == "mixed":
        kept = [name for name, kind, _ in maps() if kind not in left_out] or ["mtp.x"]
        return {"quant_algo": "MIXED_PRECISION", "quantized_layers": {name: {"quant_algo": algorithm} for name in kept}}
    return {"quant_method": "modelopt", "quant_algo": algorithm, "exclude_modules": names}


@given(
    st.sampled_from([("compressed-tensors", "int4_g64"), ("compressed-tensors", "nvfp4"), ("compressed-tensors", "fp8_channel")]
    + [(method, form) for method in ("modelopt", "mixed") for form in ("nvfp4", "fp8_channel")]),
    st.sets(st.sampled_from(KINDS)),
)  # fmt: skip
def test_bytes_are_those_of_a_sum_over_modules(how: tuple[str, str], left_out: set[str]):
    model = read(TINY).architecture
    method, form = how
    name = said(stated_as(method, form, left_out), model)
    stored = precision(name)
    found = 2 * 4 * routed_expert_bytes(model, stored) + non_expert_bytes(model, stored)
    sides = [(kind, rows, columns) for _, kind, (rows, columns) in maps()]
    in_form = [(rows, columns) for kind, rows, columns in sides if kind not in left_out]
    plain = count_parameters(model).total - sum(rows * columns for rows, columns in in_form)
    assert found == 2 * plain + sum(WEIGHT_FORMATS[form].matrix_bytes(rows, columns) for rows, columns in in_form)


ALONE = sorted(name for name, kind, _ in maps() if kind != "experts")


@given(st.sets(st.sampled_from(ALONE)))
def test_bytes_are_those_of_a_sum_over_modules_layer_by_layer(left_out: set[str]):
    model = read(TINY).architecture
    statement = {"quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": sorted(left_out)}
    found = as_published({"quantization_config": statement}, model)
    stored = precision(found.published_precision)
    in_form = [sides for name, _, sides in maps() if name not in left_out]
    plain = count_parameters(model).total - sum(rows * columns for rows, columns in in_form)
    expected = 2 * plain + sum(WEIGHT_FORMATS["nvfp4"].matrix_bytes(*sides) for sides in in_form)
    assert 2 * 4 * routed_expert_bytes(found, stored) + non_expert_bytes(found, stored) == expected
    stages = sum(non_expert_bytes(stage, stored) for stage in pipeline_stages(found, 3))
    assert stages == non_expert_bytes(found, stored) + 2 * 2 * model.hidden_size  # each stage has a norm at its end
    own = [replace(found.decoder.layers[kind], count=1, format_group=0) for kind in found.decoder.order]
    assert own == [replace(model.decoder.layers[kind], count=1) for kind in model.decoder.order]


@given(st.sampled_from(sorted(name for name, kind, _ in maps() if kind == "experts")))
def test_no_expert_is_left_out_alone(name: str):
    model = read(TINY).architecture
    with pytest.raises(QuantizationError, match=f'exclude_modules: "{name}"; allowed: one format for the routed experts'):
        said({"quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": [name, "lm_head"]}, model)


@pytest.mark.parametrize("numbers", ["0", "(0|1)", "[0-7]", "1?", "12[0-7]", "[0-9]"])
def test_some_experts_by_any_expression_are_refused(numbers: str):
    entries = [rf"re:.*\.experts\.{numbers}\..*", rf"re:.*experts.{numbers}[.].*_proj"]
    for entry in entries:
        with pytest.raises(QuantizationError, match="one format for the routed experts in all layers"):
            said(packed([entry, "lm_head"], group_size=64), QWEN)
    with pytest.raises(QuantizationError, match="one format for the routed experts in all layers"):
        said({"quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": ["lm_head", "*.experts.[0-7].*"]}, QWEN)
    assert said(packed([r"re:.*\.experts\.[0-9]+\..*", "lm_head"], group_size=64), QWEN) == "bf16/int4_g64"


def test_the_narrowest_entry_of_a_mixed_list_decides():
    own = {"model.layers": "NVFP4", "model.layers.3.self_attn": "FP8", "model.layers.3.self_attn.o_proj": "MXFP8"}
    listed = {name: {"quant_algo": algorithm} for name, algorithm in own.items()} | {"lm_head": {"quant_algo": "FP8"}}
    statement = {"quant_algo": "MIXED_PRECISION", "quantized_layers": listed, "exclude_modules": ["*.gate"]}
    assert said(statement, QWEN) == "nvfp4/nvfp4/lm_head=fp8/attention@1=fp8/attention.o@1=mxfp8"


def test_layers_stored_otherwise_form_groups():
    found = as_published({"quantization_config": packed(["model.layers.1.self_attn.q_proj", "lm_head"], group_size=64)}, QWEN)
    assert found.published_precision == "int4_g64/int4_g64/attention.q@1=bf16"
    assert [found.decoder.layers[kind].format_group for kind in found.decoder.order] == [0, 1, *[0] * 46]
    names = ["lm_head", *layers(QWEN, "self_attn.o_proj"), *(f"model.layers.{layer}.self_attn.k_proj" for layer in (3, 7))]
    names += ["model.layers.7.self_attn.v_proj"]
    found = as_published({"quantization_config": packed(names, group_size=64)}, QWEN)
    assert (
        found.published_precision == "int4_g64/int4_g64/attention.o=bf16/attention.k@1=bf16/attention.k@2=bf16/attention.v@2=bf16"
    )
    groups = [found.decoder.layers[kind].format_group for kind in found.decoder.order]
    assert {layer: group for layer, group in enumerate(groups) if group} == {3: 1, 7: 2}


def test_the_hub_counts_as_many_values_of_nemotron_3_nano():
    """18.2 billion, packed and scales: 4 bits come two in a byte, with a scale of a byte for 16. One group alone gives 18.1."""
    _, kind, statement, _ = PUBLISHED["nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4"]
    found = as_published({"model_type": kind, "quantization_config": statement}, NANO)
    stored = precision(found.published_precision)
    weights = [(weight, stored.format_of(weight.component, weight.part, weight.format_group)) for weight in model_weights(found)]
    packed_values = sum(weight.parameters for weight, own in weights if weight.linear and own.bits == 4)
    others = count_parameters(found).total - packed_values
    assert round((packed_values / 2 + packed_values / 16 + others) / 1e9, 1) == 18.2


def test_statements_that_mean_other_layers_contradict_each_other():
    first, second = (packed([f"model.layers.{layer}.self_attn.q_proj", "lm_head"], group_size=64) for layer in (1, 2))
    with pytest.raises(QuantizationError, match=r"text_config.*, as quantization_config has it; .* that of other layers"):
        as_published({"quantization_config": first, "text_config": {"quantization_config": second}}, QWEN)


def test_thousands_of_names_are_read_at_once():
    listed = {name: {"quant_algo": "NVFP4"} for expert in range(128) for name in layers(QWEN, f"mlp.experts.{expert}.up_proj")}
    listed |= {name.replace("up_proj", own): how for name, how in listed.items() for own in ("gate_proj", "down_proj")}
    statement = {"quant_algo": "MIXED_PRECISION", "quantized_layers": listed}
    assert len(json.dumps(statement)) > 10**6
    assert said(statement, QWEN) == "nvfp4_experts"
    name = "model.layers.47.mlp.experts.127.down_proj"
    with pytest.raises(QuantizationError, match="the routed experts in all layers, of which others have"):
        said(statement | {"quantized_layers": {key: how for key, how in listed.items() if key != name}}, QWEN)
