"""Bytes of weights by format: against published checkpoints, by hand, and as laws."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from conftest import MODELS, cache
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.architecture import Architecture
from prophet_memory.decode import passed_weights
from prophet_memory.edge.configuration import read_engines
from prophet_memory.errors import ModelError
from prophet_memory.formats import (
    APART,
    CHECKPOINT_FORMATS,
    DEFAULT_FORMAT,
    EXCEPTED,
    FORMATS,
    PRECISIONS,
    WEIGHT_FORMATS,
    Format,
    NamedFormats,
    name_of,
    parsed,
    shortest,
    split_key,
)
from prophet_memory.huggingface.building import in_kinds
from prophet_memory.kv_cache import kv_growth
from prophet_memory.parallelism import Parallelism
from prophet_memory.parameters import count_parameters
from prophet_memory.precision import non_expert_bytes, precision, routed_expert_bytes
from prophet_memory.tensors import Weight
from prophet_memory.weights import model_weights

formats = st.sampled_from(sorted(WEIGHT_FORMATS))
exceptions = st.dictionaries(
    st.one_of(st.sampled_from(EXCEPTED), st.sampled_from(["attention.o", "attention.kv_b", "recurrent.ba", "shared_expert.up"])),
    formats,
    max_size=4,
)
sides = st.integers(1, 5000)


def checkpoint_bytes(architecture: Architecture, name: str) -> int:
    stored = precision(name, architecture.published_precision)
    experts = architecture.moe_layer_count * architecture.moe.routed_experts
    return experts * routed_expert_bytes(architecture, stored) + non_expert_bytes(architecture, stored)


def test_the_published_checkpoint_of_gpt_oss_to_the_byte():
    # metadata.total_size in model.safetensors.index.json of openai/gpt-oss-120b
    assert checkpoint_bytes(MODELS["gpt-oss-120b"], "native") == 65_248_815_744


def test_deepseek_v3_in_blocks_by_hand():
    model, hidden = MODELS["deepseek-v3"], 7168
    native = precision("native", model.published_precision)
    blocks = 3 * (hidden // 128) * (2048 // 128)
    assert routed_expert_bytes(model, native) == 3 * hidden * 2048 + 4 * blocks
    # Norms, router and embeddings stay at 16 bit; kv_a has 576 outputs: 4.5 blocks, 5 scales.
    attention = {(1536, hidden), (24576, 1536), (576, hidden), (32768, 512), (hidden, 16384)}
    quantised = [(61, shape) for shape in attention]
    quantised += [(3, s) for s in [(18432, hidden)] * 2 + [(hidden, 18432)]]
    quantised += [(58, s) for s in [(2048, hidden)] * 2 + [(hidden, 2048)]]  # the shared expert
    in_fp8 = sum(n * rows * columns for n, (rows, columns) in quantised)
    scales = sum(n * -(-rows // 128) * -(-columns // 128) for n, (rows, columns) in quantised)
    rest = count_parameters(model).non_expert - in_fp8
    assert non_expert_bytes(model, native) == in_fp8 + 4 * scales + 2 * rest


def test_int4_of_mixtral_by_hand():
    one = 14336 * 4096
    groups = one // 128
    assert routed_expert_bytes(MODELS["mixtral-8x7b"], precision("int4")) == 3 * (one // 2 + 2 * groups + groups // 2)


@pytest.mark.parametrize(("name", "bits"), [("fp32", 32), ("bf16", 16), ("fp16", 16)])
def test_plain_formats_cost_their_width_for_every_parameter(architecture: Architecture, name: str, bits: int):
    assert checkpoint_bytes(architecture, name) == count_parameters(architecture).total * bits // 8


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("fp8", 8, 8.01),
        ("fp8_blocks", 8, 8.01),
        ("int8", 8, 8.05),
        ("int4", 4.15, 4.17),
        ("mxfp4", 4.25, 4.2501),
        ("nvfp4", 4.5, 4.5001),
        ("int4_g32", 4.5, 4.5001),
    ],
)
def test_bits_per_weight_of_large_matrices(name: str, low: float, high: float):
    assert low <= 8 * FORMATS[name].matrix_bytes(2048, 4096) / (2048 * 4096) <= high


@given(formats, sides, sides)
def test_a_matrix_is_at_least_its_values_and_rows_never_share_bytes(name: str, rows: int, columns: int):
    stored: Format = WEIGHT_FORMATS[name]
    size = stored.matrix_bytes(rows, columns)
    assert 8 * size >= rows * columns * stored.bits
    assert size <= stored.matrix_bytes(rows + 1, columns)
    assert size <= stored.matrix_bytes(rows, columns + 1)


@given(formats, st.integers(1, 8), sides, sides)
def test_shards_together_are_never_less_than_the_whole(name: str, gpus: int, rows: int, columns: int):
    stored = WEIGHT_FORMATS[name]
    assert gpus * stored.matrix_bytes(-(-rows // gpus), columns) >= stored.matrix_bytes(rows, columns)
    assert gpus * stored.matrix_bytes(rows, -(-columns // gpus)) >= stored.matrix_bytes(rows, columns)


def test_narrower_formats_never_cost_more(architecture: Architecture):
    order = ["fp32", "bf16", "int8", "fp8", "mxfp4", "int4"]
    sizes = [checkpoint_bytes(architecture, name) for name in order]
    assert sizes == sorted(sizes, reverse=True)
    assert all(checkpoint_bytes(architecture, name) > 0 for name in PRECISIONS)


def test_a_name_for_each_part():
    assert precision("int4/fp8") == type(precision("bf16"))(FORMATS["int4"], FORMATS["fp8"])
    assert precision("int8_experts") == precision("int8/bf16")
    assert precision("native", "mxfp4_experts") == precision("mxfp4/bf16")
    with pytest.raises(ModelError, match="two formats"):
        precision("int3")


# Every tensor that compressed-tensors 0.20.1 stores for a bf16 map of 384 x 1024, its weight_shape (two int64) and NVFP4's global
# scale (fp32) left out; and what AutoAWQ 0.2.9 (`WQLinear_GEMM`) and AutoGPTQ (`QuantLinear`, with g_idx) register for one.
@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("int4_g32", {"weight_packed": 4 * 384 * 128, "weight_scale": 2 * 384 * 32}),
        ("int4_g64", {"weight_packed": 4 * 384 * 128, "weight_scale": 2 * 384 * 16}),
        ("int4_g128", {"weight_packed": 4 * 384 * 128, "weight_scale": 2 * 384 * 8}),
        ("int4_channel", {"weight_packed": 4 * 384 * 128, "weight_scale": 2 * 384}),
        ("int4", {"weight_packed": 4 * 384 * 128, "weight_scale": 2 * 384 * 8, "weight_zero_point": 4 * 48 * 8}),
        ("int4_g64_zp", {"weight_packed": 4 * 384 * 128, "weight_scale": 2 * 384 * 16, "weight_zero_point": 4 * 48 * 16}),
        ("int8_g128", {"weight_packed": 4 * 384 * 256, "weight_scale": 2 * 384 * 8}),
        ("int8_g64_zp", {"weight_packed": 4 * 384 * 256, "weight_scale": 2 * 384 * 16, "weight_zero_point": 4 * 96 * 16}),
        ("nvfp4", {"weight_packed": 384 * 512, "weight_scale": 384 * 64}),
        ("mxfp4", {"weight_packed": 384 * 512, "weight_scale": 384 * 32}),
        ("mxfp8", {"weight": 384 * 1024, "weight_scale": 384 * 32}),
        ("fp8_channel", {"weight": 384 * 1024, "weight_scale": 4 * 384}),  # fp32 as vLLM holds it; 2 bytes each in the file
        ("int4", {"qweight": 4 * 1024 * 48, "qzeros": 4 * 8 * 48, "scales": 2 * 8 * 384}),
        ("int4_order", {"qweight": 4 * 128 * 384, "qzeros": 4 * 8 * 48, "scales": 2 * 8 * 384, "g_idx": 4 * 1024}),
        ("int8_g32_zp_order", {"qweight": 4 * 256 * 384, "qzeros": 4 * 32 * 96, "scales": 2 * 32 * 384, "g_idx": 4 * 1024}),
    ],
)
def test_a_matrix_takes_what_real_layers_store(name: str, stored: dict[str, int]):
    assert WEIGHT_FORMATS[name].matrix_bytes(384, 1024) == sum(stored.values())


@given(sides, st.integers(1, 40))
def test_bytes_grow_with_bits_and_with_what_each_group_has(rows: int, groups: int):
    columns = 128 * groups
    sizes = {name: form.matrix_bytes(rows, columns) for name, form in WEIGHT_FORMATS.items()}
    for bits in (4, 8):
        own = f"int{bits}"
        assert sizes[f"{own}_g32"] > sizes[f"{own}_g64"] > sizes[f"{own}_g128"] > rows * columns * bits // 8
        for group in (32, 64):
            assert sizes[f"{own}_g{group}_zp"] > sizes[f"{own}_g{group}"]
    assert all(sizes[f"int8_g{group}"] > sizes[f"int4_g{group}"] for group in (32, 64, 128))
    ordered = [name for name in WEIGHT_FORMATS if name.endswith("_order")]
    assert ordered
    assert all(sizes[name] == sizes[name.removesuffix("_order")] + 4 * columns for name in ordered)


@given(formats, formats, exceptions)
def test_a_name_says_what_it_was_made_of(routed_expert: str, rest: str, others: dict[str, str]):
    long = "/".join([routed_expert, rest, *(f"{key}={value}" for key, value in others.items())])
    named = parsed(long)
    name = name_of(named)
    assert name.count("/") <= long.count("/")
    assert parsed(name) == named
    assert name_of(parsed(name)) == name
    assert precision(name) == precision(long)


@pytest.mark.parametrize("name", [*PRECISIONS[:-1], *CHECKPOINT_FORMATS])
def test_names_that_people_use_are_the_shortest(name: str):
    assert name_of(parsed(name)) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nvfp4/nvfp4", "nvfp4"), ("nvfp4/bf16", "nvfp4_experts"), ("bf16_experts", "bf16"), ("int4/fp8", "int4/fp8"),
        ("nvfp4/nvfp4/lm_head=fp8/attention=bf16", "nvfp4/nvfp4/attention=bf16/lm_head=fp8"),
        ("nvfp4/nvfp4/lm_head=bf16/router=fp16/attention=nvfp4", "nvfp4"),  # they hold anyway
        ("fp32/fp32/lm_head=bf16/router=fp32", "fp32/fp32/lm_head=bf16"),
        ("fp8/bf16/attention=fp8/attention.o=bf16/attention.q=fp8", "fp8/bf16/attention=fp8/attention.o=bf16"),
    ],
)  # fmt: skip
def test_the_shortest_name(name: str, expected: str):
    assert name_of(parsed(name)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "", "fp9", "int4/", "/fp8", "int4/fp9", "native", "native/fp8", "int4/fp8/", "int4/fp8/attention", "int4/fp8/attn=bf16",
        "int4/fp8/attention=fp9", "int4/fp8/routed_expert=bf16", "int4/fp8/attention=bf16/attention=fp8", "int4_experts/fp8",
        "int4/fp8/attention.=bf16", "int4/fp8/attention.O=bf16", "int4/fp8\n", "int4_g16", "int8_g64_zp_orders",
    ],
)  # fmt: skip
def test_a_name_that_the_grammar_does_not_have(name: str):
    with pytest.raises(
        ModelError, match="two formats as in int4/fp8, with exceptions as in nvfp4/nvfp4/attention=bf16"
    ) as refused:
        parsed(name)
    assert refused.value.value == name
    assert "\n" not in refused.value.allowed


def stored_alone(weight: Weight, form: Format) -> int:
    """Bytes of a weight in a format, by what docs/memory-model.md says of the grammar."""
    if weight.linear or (weight.component in APART and weight.columns > 1 and form.bits < form.other_bits):
        return weight.copies * form.matrix_bytes(weight.rows, weight.columns)
    return weight.parameters * form.other_bits // 8


@given(st.sampled_from(["deepseek-v3", "qwen3-next-80b-a3b", "mixtral-8x7b", "gpt-oss-120b"]), st.data())
def test_the_shortest_precision_stores_each_part_as_it_was_said(model: str, data: st.DataObject):
    architecture = MODELS[model]
    weights = [*model_weights(architecture)]
    below_32 = st.sampled_from([name for name in WEIGHT_FORMATS if name != "fp32"])  # whose vectors are 16 bit
    keys = {f"{w.component}.{w.part}" for w in weights if w.linear and w.component != "routed_expert"} | {*APART}
    wanted = {key: data.draw(below_32, label=key) for key in sorted(keys)}
    experts = data.draw(below_32)
    stored = precision(name_of(shortest(experts, wanted)))

    def wanted_of(weight: Weight) -> Format:
        own = wanted.get(f"{weight.component}.{weight.part}", wanted.get(weight.component, DEFAULT_FORMAT))
        return WEIGHT_FORMATS[experts if weight.component == "routed_expert" else own]

    for weight in weights:
        assert stored.weight_bytes(weight) == stored_alone(weight, wanted_of(weight)), weight
    assert len(shortest(experts, dict.fromkeys(keys, experts) | dict.fromkeys(APART, DEFAULT_FORMAT)).exceptions) == 0


@given(st.sampled_from(["deepseek-v3", "qwen3-next-80b-a3b", "nemotron-3-nano-30b-a3b"]), st.data())
def test_the_shortest_precision_stores_each_part_of_each_group_of_layers_as_it_was_said(model: str, data: st.DataObject):
    architecture = grouped(MODELS[model], data)
    weights = [*model_weights(architecture)]
    few = st.sampled_from(["bf16", "fp8", "nvfp4"])  # that meet often
    keys = {key_of(weight) for weight in weights if weight.linear and weight.component != "routed_expert"}
    wanted = dict.fromkeys(APART, DEFAULT_FORMAT) | {key: data.draw(few, label=key) for key in sorted(keys)}
    named = shortest(data.draw(few), wanted)
    stored = precision(name_of(named))
    for weight in weights:
        if weight.component != "routed_expert" and weight.linear:
            assert stored.weight_bytes(weight) == stored_alone(weight, WEIGHT_FORMATS[wanted[key_of(weight)]]), weight
    assert len(named.exceptions) <= len(keys)
    for key in named.exceptions:  # none of them can go
        without = {other: value for other, value in named.exceptions.items() if other != key}
        less = precision(name_of(named._replace(exceptions=without)))
        assert any(less.weight_bytes(weight) != stored.weight_bytes(weight) for weight in told_of(weights, named))


def grouped(architecture: Architecture, data: st.DataObject) -> Architecture:
    """The model with its layers in groups."""
    decoder = architecture.decoder
    groups = data.draw(st.lists(st.integers(0, 2), min_size=decoder.layer_count, max_size=decoder.layer_count))
    layers = [
        replace(decoder.layers[kind], count=1, format_group=group) for kind, group in zip(decoder.order, groups, strict=True)
    ]
    return replace(architecture, decoder=replace(decoder, **in_kinds(layers)))


def key_of(weight: Weight) -> str:
    """The key of a linear map in a precision."""
    return f"{weight.component}.{weight.part}" + (f"@{weight.format_group}" if weight.format_group else "")


def told_of(weights: Iterable[Weight], named: NamedFormats) -> list[Weight]:
    """The weights, and further ones of components that exceptions name as wholes: parts that the model does not have."""
    wholes = [split_key(key) for key in named.exceptions]
    return [*weights, *(Weight(own.component, 512, 512, linear=True, format_group=own.format_group) for own in wholes)]


@given(st.sampled_from(sorted(MODELS)), st.data())
def test_groups_of_layers_change_nothing_where_no_format_names_them(model: str, data: st.DataObject):
    whole = MODELS[model]
    own = grouped(whole, data)
    assert count_parameters(own) == count_parameters(whole)
    for name in ("bf16", "fp8_experts", "int4/fp8", "nvfp4/nvfp4/attention=bf16"):
        stored = precision(name)
        assert non_expert_bytes(own, stored, tensor=2) == non_expert_bytes(whole, stored, tensor=2)
        for engine in read_engines().values():
            lines = [engine.loading.lines(each, stored, Parallelism(), 64) for each in (own, whole)] if engine.loading else [0, 0]
            assert lines[0] == lines[1]
    assert kv_growth(own, cache("bf16"), source_tokens=512) == kv_growth(whole, cache("bf16"), source_tokens=512)
    sides = [sum(weight.parameters for weight in passed_weights(each)) for each in (own, whole)]
    assert sides[0] == sides[1]


@pytest.mark.parametrize("model", ["deepseek-v3", "nemotron-3-nano-30b-a3b"])
def test_what_is_said_of_a_group_that_all_layers_are_in_is_said_of_all(model: str):
    whole, loading = MODELS[model], read_engines()["vllm-0.19"].loading
    layers = tuple(replace(layer, format_group=1) for layer in whole.decoder.layers)
    own = replace(whole, decoder=replace(whole.decoder, layers=layers))
    names = ("int4/int4/attention=bf16/recurrent=bf16", "int4/int4/attention@1=bf16/recurrent@1=bf16")
    lines = [loading.lines(each, precision(name), Parallelism(), 64) for each, name in zip((whole, own), names, strict=True)]
    assert lines[0] == lines[1] != loading.lines(whole, precision("int4"), Parallelism(), 64)


def test_an_exception_for_a_table_quantises_it():
    model = MODELS["deepseek-v3"]
    plain, excepted = (non_expert_bytes(model, precision(name)) for name in ("fp8", "fp8/fp8/lm_head=fp8"))
    assert plain - excepted == model.vocabulary_size * model.hidden_size - 4
    doubled = non_expert_bytes(model, precision("fp8/fp8/router=fp32")) - plain
    assert doubled == 2 * model.moe_layer_count * model.moe.routed_experts * (model.hidden_size + model.moe.router_bias)
    assert shortest("fp8", {"attention.o": "fp8"}) == NamedFormats("fp8", "fp8", {})


@pytest.mark.parametrize(
    ("model", "kv", "expected"),
    [
        ("mixtral-8x7b", "fp8", 32 * 2 * 8 * 128),
        ("mixtral-8x7b", "int8", 32 * 2 * 8 * (128 + 4)),
        ("mixtral-8x7b", "int4", 32 * 2 * 8 * (64 + 2 + 1)),
        ("mixtral-8x7b", "mxfp4", 32 * 2 * 8 * (64 + 4)),
        ("deepseek-v3", "fp8", 61 * (512 + 64)),
        ("deepseek-v3", "int8", 61 * (512 + 4 + 64 + 4)),
        ("deepseek-v3", "fp32", 61 * 4 * (512 + 64)),
    ],
)
def test_cached_vectors_carry_their_scales(model: str, kv: str, expected: int):
    assert kv_growth(MODELS[model], cache(kv, "bf16", "bf16"), source_tokens=0).bytes_per_token == expected
