"""Bytes of weights by format: against published checkpoints, by hand, and as laws."""

import pytest
from conftest import MODELS
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.architecture import Architecture
from prophet_memory.errors import ModelError
from prophet_memory.formats import FORMATS, PRECISIONS, Format
from prophet_memory.kv_cache import kv_growth
from prophet_memory.parameters import count_parameters
from prophet_memory.precision import non_expert_bytes, precision, routed_expert_bytes

formats = st.sampled_from(sorted(FORMATS))
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
    stored: Format = FORMATS[name]
    size = stored.matrix_bytes(rows, columns)
    assert 8 * size >= rows * columns * stored.bits
    assert size <= stored.matrix_bytes(rows + 1, columns)
    assert size <= stored.matrix_bytes(rows, columns + 1)


@given(formats, st.integers(1, 8), sides, sides)
def test_shards_together_are_never_less_than_the_whole(name: str, gpus: int, rows: int, columns: int):
    stored = FORMATS[name]
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
    from conftest import cache

    assert kv_growth(MODELS[model], cache(kv, "bf16", "bf16"), source_tokens=0).bytes_per_token == expected
