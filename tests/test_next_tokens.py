"""Layers that predict further tokens: against a count of their tensors, against published checkpoints, and wrong use."""

import json
import math
from dataclasses import replace

import polars as pl
import pytest
from conftest import MODELS, REPOSITORY
from test_command_line import call, refused

from prophet_memory.architecture import Architecture
from prophet_memory.errors import ArchitectureError, ModelError
from prophet_memory.facts import BF16_CACHE
from prophet_memory.gguf.tensors import tensor_list
from prophet_memory.huggingface import as_published, read
from prophet_memory.kv_cache import kv_growth
from prophet_memory.next_tokens import with_next_token_layers
from prophet_memory.parameters import count_parameters
from prophet_memory.stages import pipeline_stages
from prophet_memory.weights import model_weights

DATA = REPOSITORY / "tests" / "data"
DEEPSEEK, WITH_MTP = MODELS["deepseek-v3"], with_next_token_layers(MODELS["deepseek-v3"])
ONE = {"num_nextn_predict_layers": 1}


def of_config(file: str, **more: object) -> Architecture:
    """A published config, with what the copy here leaves out of the published one."""
    config = json.loads((DATA / file).read_text(encoding="utf-8"))
    part = config.get("text_config", config)
    part |= more
    return read(config).architecture


def added(architecture: Architecture) -> int:
    return count_parameters(with_next_token_layers(architecture)).total - count_parameters(architecture).total


def test_the_tensors_of_one():
    # DeepSeek-V3, model.layers.61 without embed_tokens and shared_head.head (README_WEIGHTS.md: "11.5B unique parameters").
    experts = 257 * [(2048, 7168), (2048, 7168), (7168, 2048)]  # the shared one, too
    attention = [(1536, 7168), (1536,), (24576, 1536), (576, 7168), (512,), (32768, 512), (7168, 16384)]
    around = [(7168,), (7168,), (7168, 14336), (7168,)]  # enorm, hnorm, eh_proj, shared_head.norm
    tensors = [*experts, (256, 7168), *attention, (7168,), (7168,), *around]
    assert added(DEEPSEEK) == sum(map(math.prod, tensors)) == 11_610_067_968


# What the hub counts in the safetensors of a repository, which is public in many copies. Copies of embedding and head are in some
# checkpoints; biases that correct the router's choice are buffers, which are not counted here, and fp32 in the first.
PUBLISHED = {
    "deepseek-ai/DeepSeek-V3": ("hf_configs/deepseek-v3.json", {}, 680_571_043_840 + 3_918_786_560, 2, False),  # fp8 and bf16
    "deepseek-ai/DeepSeek-V3.2": ("hf_configs/deepseek-v3.2.json", ONE, 685_355_329_792, 2, True),
    "zai-org/GLM-4.5-Air": ("imported_configs/glm-4.5-air.json", {}, 110_468_824_832, 2, True),
    "zai-org/GLM-5": ("hf_configs/glm-5.json", ONE, 753_864_139_008, 0, True),
    "Qwen/Qwen3-Next-80B-A3B-Instruct": ("hf_configs/qwen3-next-80b-a3b.json", {}, 81_324_862_720, 0, False),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_checkpoints(name):
    file, more, published, copies, corrected = PUBLISHED[name]
    found = with_next_token_layers(of_config(file, **more))
    beside = copies * found.vocabulary_size * found.hidden_size
    beside += found.moe_layer_count * found.moe.routed_experts if corrected else 0
    assert count_parameters(found).total + beside == published


def test_a_published_list_of_tensors():
    # Qwen/Qwen3.5-397B-A17B: 1,553 tensors of mtp.* have so many values.
    assert added(of_config("hf_configs/qwen3.5-397b-a17b.json", mtp_num_hidden_layers=1)) == 6_595_568_128


@pytest.mark.parametrize("name", ["deepseek-v3", "qwen3-next-80b-a3b"])
def test_one_more_layer_has_a_cache(name):
    alone, more = (
        kv_growth(model, BF16_CACHE, source_tokens=0) for model in (MODELS[name], with_next_token_layers(MODELS[name]))
    )
    each = {"deepseek-v3": 2 * (512 + 64), "qwen3-next-80b-a3b": 2 * 2 * 2 * 256}
    assert more.bytes_per_token - alone.bytes_per_token == each[name]
    assert more.constant_bytes == alone.constant_bytes


def test_the_last_stage_holds_them_and_an_embedding():
    stages = pipeline_stages(WITH_MTP, 4)
    assert [stage.layer_count for stage in stages] == [15, 15, 16, 16]
    assert [stage.counted_next_token_layers for stage in stages] == [0, 0, 0, 1]
    embeddings = [count_parameters(stage).embedding for stage in stages]
    assert embeddings == [129_280 * 7168, 0, 0, 129_280 * 7168]


def test_gpus_that_share_a_model_hold_the_map_whole():
    assert sum(weight.shard(8).parameters for weight in model_weights(WITH_MTP) if weight.columns == 2 * 7168) == 2 * 7168**2


def test_models_without():
    with pytest.raises(ArchitectureError, match="next_token_layers"):
        with_next_token_layers(MODELS["mixtral-8x7b"])
    assert replace(WITH_MTP, counted_next_token_layers=0) != DEEPSEEK
    with pytest.raises(ModelError, match="without the layers of --mtp"):
        tensor_list(WITH_MTP)


def test_of_a_linear_layer_none_are_known():
    linear = ["full_attention", *["linear_attention"] * 47]
    assert of_config("hf_configs/qwen3-next-80b-a3b.json", layer_types=linear).next_token_layers == 0
    shared = ["full", *["shared"] * 77]
    assert of_config("hf_configs/glm-5.json", indexer_types=shared, **ONE).next_token_layers == 0


def test_plan_and_explain():
    explained = json.loads(call("explain", "deepseek-v3", "--mtp", "--json").stdout)
    assert explained["total_params"] == count_parameters(WITH_MTP).total
    words = ("plan", "--model", "deepseek-v3", "--gpu", "h200-141gb", "--n-gpus", "16", "--weights", "native", "--json")
    alone, more = (json.loads(call(*words, *option).stdout) for option in ((), ("--mtp",)))
    assert more["kv_capacity_tokens"] < alone["kv_capacity_tokens"]
    assert any("1 layer to predict further tokens" in note for note in more["notes"])


COMMANDS = [
        (("fit", "--gpus", "h200-141gb", "--n-gpus", "16", "--context", "1000", "--weights", "native"), "fits"),
        (("compare", "--gpu", "h200-141gb", "--n-gpus", "16", "--precisions", "native"), "alternatives"),
        (("recommend", "--gpu", "h200-141gb", "--max-gpus", "16", "--load", "1/s", "--tpot", "50ms",
          "--precisions", "native"), "choices"),
        (("simulate", "--gpu", "h200-141gb", "--n-gpus", "16", "--load", "1/s", "--prompt", "100", "--output", "20",
          "--requests", "20", "--precision", "native"), "found"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "key"), COMMANDS)
def test_every_command_that_takes_a_model(words, key):
    command, *options = words
    alone, more = (
        json.loads(call(command, "--model", "deepseek-v3", *options, *option, "--json").stdout) for option in ((), ("--mtp",))
    )
    assert more[key] != alone[key]
    assert any("1 layer to predict further tokens" in note for note in more["notes"])
    assert not any("to predict further tokens" in note for note in alone["notes"])


def test_a_sweep_says_what_is_counted(tmp_path):
    words = ("sweep", "--gpus", "h200-141gb", "--n-gpus", "16", "--batches", "8", "--precisions", "bf16", "--routings", "uniform")
    done = call(*words, "--models", "all", "--mtp", "--out", tmp_path / "a.csv")
    assert done.returncode == 0, done.stderr
    rows = pl.read_csv(tmp_path / "a.csv", infer_schema_length=None)
    assert "mixtral-8x7b" not in rows["model"]
    assert "no layer that predicts further tokens is known of" in done.stderr
    assert dict(rows.select("model", "counted_next_token_layers").iter_rows())["deepseek-v3"] == 1
    call(*words, "--models", "deepseek-v3", "--out", tmp_path / "b.csv")
    alone = pl.read_csv(tmp_path / "b.csv", infer_schema_length=None)
    assert "counted_next_token_layers" not in alone.columns
    both = (frame.filter(model="deepseek-v3", policy="prophet", provision="p99")["non_expert_bytes"] for frame in (rows, alone))
    assert next(both)[0] > next(both)[0]


NVFP4 = {"quant_method": "modelopt", "quant_algo": "NVFP4"}
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}


@pytest.mark.parametrize(
    ("file", "statement", "otherwise"),
    [
        ("deepseek-v3", FP8, False), ("deepseek-v3", NVFP4, False),
        ("deepseek-v3", FP8 | {"modules_to_not_convert": ["model.layers.61.eh_proj", "lm_head"]}, False),
        ("deepseek-v3", NVFP4 | {"exclude_modules": ["lm_head", "model.layers.61*"]}, True),
        ("deepseek-v3", NVFP4 | {"exclude_modules": ["lm_head", "*.61.mlp.experts*"]}, True),
        ("deepseek-v3", NVFP4 | {"exclude_modules": ["lm_head", "model.layers.62*"]}, False),
        ("deepseek-v3", NVFP4 | {"exclude_modules": ["lm_head", "*self_attn*"]}, False),  # there as in the others
        ("qwen3-next-80b-a3b", NVFP4 | {"exclude_modules": ["lm_head", "mtp*"]}, True),
        ("qwen3-next-80b-a3b", NVFP4 | {"exclude_modules": ["lm_head", "mtp.layers.0*"]}, True),
        ("qwen3-next-80b-a3b", NVFP4 | {"exclude_modules": ["lm_head", "mtp.fc"]}, False),
        ("mixtral-8x7b", NVFP4 | {"exclude_modules": ["lm_head", "mtp*"]}, False),  # which has none
    ],
)  # fmt: skip
def test_such_layers_may_be_stored_otherwise(file, statement, otherwise):
    config = json.loads((DATA / "hf_configs" / f"{file}.json").read_text(encoding="utf-8")) | {"quantization_config": statement}
    found = as_published(config, read(config).architecture)
    assert found.next_tokens_stored_otherwise is otherwise
    assert len(found.decoder.order) == len(read(config).architecture.decoder.order)


OTHERWISE = NVFP4 | {"exclude_modules": ["lm_head", "model.layers.61*"]}


@pytest.mark.parametrize("words", [
    *(words for words, _ in COMMANDS), ("plan", "--gpu", "b200", "--n-gpus", "8", "--weights", "native"),
])  # fmt: skip
def test_what_is_stored_otherwise_is_not_counted_as_published(words, tmp_path):
    config = json.loads((DATA / "hf_configs" / "deepseek-v3.json").read_text(encoding="utf-8"))
    (file := tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": OTHERWISE}), encoding="utf-8")
    command, *options = words
    line = refused(command, "--model", file, *options, "--mtp")
    assert line.endswith(
        'weights: "native"; allowed: one format for all layers beside --mtp:'
        " the checkpoint stores those layers otherwise than the model's"
    )
    assert call(command, "--model", file, *options).returncode == 0
    named = ["fp8" if option == "native" else option for option in options]
    assert call(command, "--model", file, *named, "--mtp").returncode == 0


def test_a_sweep_and_a_comparison_of_what_is_stored_otherwise(tmp_path):
    config = json.loads((DATA / "hf_configs" / "deepseek-v3.json").read_text(encoding="utf-8"))
    (file := tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": OTHERWISE}), encoding="utf-8")
    words = ("sweep", "--models", file, "--gpus", "b200", "--mtp", "--precisions")
    assert 'weights: "native"; allowed: one format' in refused(*words, "bf16,native")
    assert call(*words, "bf16").returncode == 0
    asked = ("compare", "--model", file, "--gpu", "b200", "--n-gpus", "8", "--json")
    for option, expected in (((), True), (("--mtp",), False)):
        rows = json.loads(call(*asked, *option).stdout)["alternatives"]
        assert any(row["precision"] == "native" for row in rows) is expected


V4 = DATA / "imported_configs" / "deepseek-v4-flash.json"
WRONG = {
    "mixtral-8x7b": "mixtral-8x7b.yaml: next_token_layers: 0; allowed: 1 or more beside --mtp",
    str(V4): f"{V4.name}: num_nextn_predict_layers: 1; allowed: 0 beside --mtp",
}


@pytest.mark.parametrize("model", WRONG)
def test_wrong_use(model):
    swept = ("sweep", "--models", model, "--gpus", "b200")
    for words in (("explain", model), ("plan", "--model", model, "--gpu", "b200"), swept):
        assert WRONG[model] in refused(*words, "--mtp")
