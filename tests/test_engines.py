"""Engine profiles: their parts by hand and by property, and what a profile does not say."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ASSUMED, MODELS, REPOSITORY, cache
from hypothesis import given
from hypothesis import strategies as st
from test_command_line import call, refused

from prophet_memory.architecture import Architecture, Layer
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import read_engine_entries, read_engines, read_gpus
from prophet_memory.engine import Engine, EngineError, Profile, Reserve, StepSize
from prophet_memory.errors import ModelError
from prophet_memory.formats import FORMATS
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Model
from prophet_memory.huggingface import read
from prophet_memory.kv_cache import bytes_per_sequence, kv_growth, state_bytes_per_sequence
from prophet_memory.loading import Allocator
from prophet_memory.memory import Assumptions, cache_blocks, held_weight_bytes, loaded_beyond_counted
from prophet_memory.mixers import CompressedAttention, KimiDeltaAttention
from prophet_memory.paging import PagedCache, blocks
from prophet_memory.parallelism import Parallelism, ParallelismError
from prophet_memory.parameters import count_parameters
from prophet_memory.peaks import Setting, Step
from prophet_memory.planning import plan
from prophet_memory.precision import precision
from prophet_memory.residency import BASELINE
from prophet_memory.stages import layers_of_stages, pipeline_stages

ENGINES = read_engines()
VLLM = ENGINES["vllm-0.19"]
MIB, GIB = 2**20, 2**30
H100 = Gpu("h100-80gb", 79 * GIB)
names = st.sampled_from(sorted(MODELS))
DECODERS = sorted(name for name, model in MODELS.items() if model.encoder is None)


def test_every_value_of_a_profile_has_a_source_and_nothing_else_has():
    entry = read_engine_entries()["vllm-0.19"]
    without = {key: text for key, text in entry.sources.items() if key != "cache"}
    with pytest.raises(ModelError, match=r"sources\.cache: None; allowed: a source for each value"):
        replace(entry, sources=without)
    with pytest.raises(ModelError, match=r'sources\.speed: "x"; allowed: a value that the profile has'):
        replace(entry, sources=entry.sources | {"speed": "x"})


def test_the_largest_step_goes_by_the_gpu():
    sizes = {name: VLLM.step_size(Gpu(name, memory)) for name, memory in (("h100-80gb", 79 * GIB), ("l40s", 44 * GIB))}
    assert (sizes["h100-80gb"].tokens, sizes["h100-80gb"].sequences) == (8192, 1024)
    assert (sizes["l40s"].tokens, sizes["l40s"].sequences) == (2048, 256)
    assert VLLM.step_size(Gpu("a100-80gb", 79 * GIB)).tokens == 2048  # large, and told apart by its name
    with pytest.raises(EngineError, match='steps: "l40s"'):
        replace(VLLM, steps=VLLM.steps[:1]).step_size(Gpu("l40s", 44 * GIB))


def test_a_layout_that_nobody_measured_has_no_reserve():
    assert VLLM.reserve(Parallelism(1)).bytes == 256 * MIB
    assert VLLM.reserve(Parallelism(2)).bytes > 2 * GIB
    assert VLLM.reserve(Parallelism(1, pipeline=4)).bytes < 100 * MIB
    for layout in (Parallelism(8), Parallelism(1, 2), Parallelism(2, 2), Parallelism(2, pipeline=2)):
        with pytest.raises(EngineError, match=r"reserves: .*allowed: a layout that vllm-0.19 was measured in: n_gpus 1;"):
            VLLM.reserve(layout)
    assert Engine(name="any", reserves=(Reserve(7),)).reserve(Parallelism(8, 4)).bytes == 7


@pytest.mark.parametrize("part", ["usable_fraction", "steps", "reserves", "activation"])
def test_a_plan_says_what_a_profile_lacks(part: str):
    lacking = replace(VLLM, **{part: () if part in {"steps", "reserves"} else None})
    with pytest.raises(EngineError) as refusal:
        plan(Model("m", MODELS["phi-4"]), H100, replace(ASSUMED, engine=lacking), batch_size=1, policy=BASELINE)
    assert refusal.value.key == part


ALLOCATOR = VLLM.part("loading").allocator


@given(st.integers(1, 2**36))
def test_a_tensor_takes_what_it_needs_and_at_most_a_megabyte_more(size: int):
    taken = ALLOCATOR.taken_bytes(size)
    assert size <= taken <= size + 512 + MIB
    assert taken % 512 == 0
    assert ALLOCATOR.taken_bytes(taken) == taken


def test_large_tensors_take_whole_blocks_where_little_would_remain():
    assert ALLOCATOR.taken_bytes(1) == 512
    assert ALLOCATOR.taken_bytes(10 * MIB - 512) == 10 * MIB - 512  # small: split to the unit
    assert ALLOCATOR.taken_bytes(11 * MIB) == 12 * MIB  # 1 MiB would remain
    assert ALLOCATOR.taken_bytes(11 * MIB - 512) == 11 * MIB - 512  # more would
    assert Allocator(512, 1, 512, 0).taken_bytes(513) == 1024


@given(names, st.sampled_from([1, 2, 4]))
def test_an_engine_never_holds_less_than_the_counted_weights(name: str, tensor: int):
    model, stored = MODELS[name], precision("bf16")
    layout = Parallelism(tensor)
    lines = loaded_beyond_counted(model, stored, layout, VLLM)
    assert all(int(np.asarray(line.size_bytes)) > 0 for line in lines)
    ideal, own = (held_weight_bytes(model, stored, layout, engine) for engine in (ENGINES["ideal"], VLLM))
    assert own - ideal == sum(int(np.asarray(line.size_bytes)) for line in lines)


def test_padding_rotary_table_and_workspace_by_hand():
    granite = {
        line.name: line.size_bytes
        for line in loaded_beyond_counted(MODELS["granite-3.1-8b"], precision("bf16"), Parallelism(), VLLM)
    }
    assert granite["padding of the vocabulary"] == (49216 - 49155) * 4096 * 2  # tied, so once
    assert granite["table of rotary positions"] == 131072 * 128 * 2
    assert "workspace of latent attention" not in granite
    lite = {
        line.name: line.size_bytes
        for line in loaded_beyond_counted(MODELS["deepseek-v2-lite"], precision("bf16"), Parallelism(), VLLM)
    }
    assert lite["workspace of latent attention"] == 128 * MIB
    assert lite["table of rotary positions"] == 163840 * 64 * 2


def absorbed_bytes(engine: Engine, stored: str, tensor: int) -> int:
    lines = loaded_beyond_counted(MODELS["deepseek-v3"], precision(stored), Parallelism(tensor), engine)
    return sum(int(np.asarray(line.size_bytes)) for line in lines if line.name == "absorbed maps of latent attention")


@pytest.mark.parametrize(
    ("engine", "stored", "value_bytes"),
    [
        ("vllm-0.19", "bf16", 0), ("vllm-0.19", "fp16", 0), ("vllm-0.19", "fp8_blocks", 2), ("vllm-0.19", "int4", 2),
        ("vllm-0.19", "int4_experts", 0), ("sglang", "bf16", 2), ("sglang", "fp8_blocks", 1), ("sglang", "int4", 2),
        ("ideal", "fp8", 0),
    ],
)  # fmt: skip
def test_the_maps_up_from_latents_stand_twice_where_the_engine_copies_them(engine: str, stored: str, value_bytes: int):
    maps = 61 * 128 * (128 + 128) * 512  # layers x heads x (keys and values of a head) x latent: W_UK and W_UV
    for tensor in (1, 8):
        assert absorbed_bytes(ENGINES[engine], stored, tensor) == maps // tensor * value_bytes


def test_zero_points_are_widened_in_dense_maps_alone():
    lines = {
        line.name: line.size_bytes for line in loaded_beyond_counted(MODELS["phi-4"], precision("int4"), Parallelism(), VLLM)
    }
    groups = 40 * (7680 * 40 + 5120 * 40 + 2 * 17920 * 40 + 5120 * 140)  # rows x groups of 128 inputs, by layer
    assert lines["widened zero points"] == groups * 12 // 8
    for stored in ("bf16", "int4_experts", "nvfp4"):
        other = loaded_beyond_counted(MODELS["qwen3-30b-a3b"], precision(stored), Parallelism(), VLLM)
        assert "widened zero points" not in {line.name for line in other}


def test_experts_of_gpt_oss_as_the_kernel_lays_them_out():
    moe = MODELS["gpt-oss-20b"].moe
    held = VLLM.part("loading").expert_bytes(moe, 2880, precision("mxfp4").routed_expert, expert_tensor=1)
    # Both matrices: packed values, scales padded to 256 rows and 2 columns, the loaded scales, biases in fp32. 2880 = 45 x 64.
    gate_up = 5760 * 1472 + 5888 * 90 + 5760 * 90 + 5760 * 4
    down = 2880 * 1472 + 3072 * 90 + 2880 * 90 + 2880 * 4
    assert held == gate_up + down
    assert VLLM.part("loading").expert_bytes(moe, 2880, precision("bf16").routed_expert, expert_tensor=1) is None


@given(st.sampled_from(DECODERS), st.integers(1, 8))
def test_stages_share_out_every_layer_and_every_parameter(name: str, stages: int):
    model = MODELS[name]
    parts = pipeline_stages(model, stages)
    assert [part.layer_count for part in parts] == layers_of_stages(model.layer_count, stages)
    assert sum(part.moe_layer_count for part in parts) == model.moe_layer_count
    assert [part.holds_embedding for part in parts] == [True] + [False] * (stages - 1)
    assert [part.holds_head for part in parts] == [False] * (stages - 1) + [True]
    whole, sums = count_parameters(model), [count_parameters(part) for part in parts]
    again = whole.embedding if model.tied_embeddings and stages > 1 else 0  # a tied table stands at both ends
    norms = (stages - 1) * model.hidden_size * (2 if model.norm_bias else 1)  # a last norm is counted in each
    assert sum(part.total for part in sums) == whole.total + again + norms


@given(st.sampled_from(DECODERS), st.integers(1, 8))
def test_stages_cut_the_layers_in_their_order(name: str, stages: int):
    def in_order(model: Architecture) -> list[Layer]:
        return [replace(model.decoder.layers[kind], count=1) for kind in model.decoder.order]

    layers = in_order(MODELS[name])
    for part, count in zip(pipeline_stages(MODELS[name], stages), layers_of_stages(len(layers), stages), strict=True):
        own, layers = layers[:count], layers[count:]
        assert Counter(own) == Counter(in_order(part))
    assert not layers


def test_the_leading_dense_layers_of_deepseek_stand_in_its_first_stage():
    first, last = pipeline_stages(MODELS["deepseek-v3"], 2)
    assert [(layer.count, layer.feed_forward.kind) for layer in first.decoder.layers] == [(3, "dense"), (28, "moe")]
    assert [(layer.count, layer.feed_forward.kind) for layer in last.decoder.layers] == [(30, "moe")]


def test_stages_that_there_cannot_be():
    with pytest.raises(ParallelismError, match="pp: 41"):
        pipeline_stages(MODELS["phi-4"], 41)
    with pytest.raises(ParallelismError, match="pp: 2; allowed: 1 for an encoder-decoder"):
        pipeline_stages(MODELS["switch-base-8"], 2)
    assert layers_of_stages(30, 4) == [7, 8, 8, 7]


@given(st.sampled_from(DECODERS), st.integers(1, 200_000), st.sampled_from([1, 16, 256]))
def test_blocks_hold_what_a_sequence_stores(name: str, context: int, block_tokens: int):
    model, formats = MODELS[name], cache("bf16")
    cut = blocks(PagedCache(block_tokens), model, formats, step_tokens=2048)
    assert cut is not None
    taken = int(bytes_per_sequence(cut.growth, -(-context // cut.block_tokens))) * cut.block_bytes
    assert taken >= int(bytes_per_sequence(kv_growth(model, formats, source_tokens=0), context))
    assert cut.block_tokens % block_tokens == 0


def test_blocks_of_uniform_windowed_and_hybrid_models_by_hand():
    def cut(name: str, **others: object):
        return blocks(PagedCache(16, 64), MODELS[name], cache("bf16", **others), step_tokens=8192)  # type: ignore[arg-type]

    llama, gemma, hybrid = cut("llama-3.1-8b"), cut("gemma-2-9b"), cut("qwen3-next-80b-a3b")
    assert (llama.block_bytes, llama.groups) == (2097152, 1)
    assert (gemma.block_bytes, gemma.groups) == (2752512, 2)
    assert gemma.growth.windows == (((4096 - 1 + 8192 + 15) // 16, 1),)
    # 36 recurrent layers and 12 of attention make four groups of 12; a block of 544 tokens holds a state of 1,097,728 bytes.
    assert (hybrid.block_tokens, hybrid.groups, hybrid.block_bytes) == (544, 4, 1114112 * 12)
    fp8 = blocks(PagedCache(16, 64), MODELS["deepseek-v2-lite"], cache("fp8", "bf16", "bf16"), step_tokens=8192)
    assert fp8 is not None
    assert (fp8.block_tokens, fp8.block_bytes) == (64, 64 * 576 * 27)
    assert blocks(PagedCache(16), MODELS["switch-base-8"], cache("bf16"), step_tokens=1) is None


def assumed(engine: Engine) -> Assumptions:
    return replace(ASSUMED, engine=engine, kv_format="bf16", state_format="bf16")


def test_vllm_keeps_one_input_of_a_convolution_less_than_its_kernel_has():
    model, state = MODELS["qwen3-next-80b-a3b"], 32 * 128 * 128 * 2
    held = {name: state_bytes_per_sequence(model, assumed(ENGINES[name]).cache_of(model)) for name in ("ideal", "vllm-0.19")}
    assert held["ideal"] == 36 * (8192 * 4 * 2 + state)
    assert held["vllm-0.19"] == 36 * (8192 * 3 * 2 + state) == 36 * 1097728
    waiting = CompressedAttention(4, 8, 7, 2, 5, window_tokens=6, entry_tokens=4)
    formats = [assumed(engine).cache for engine in (ENGINES["ideal"], VLLM)]
    assert formats[0].state_bytes(waiting) == formats[1].state_bytes(waiting) > 0  # no convolution, though it waits in its place


def test_state_has_the_format_of_the_models_config_or_of_the_mixer_in_vllm():
    model = replace(MODELS["qwen3-next-80b-a3b"], state_format="fp32")
    assert (assumed(VLLM).state_of(model), assumed(ENGINES["ideal"]).state_of(model)) == ("fp32", "bf16")
    assert assumed(VLLM).state_of(MODELS["qwen3-next-80b-a3b"]) == "bf16"  # its config names none: the model's dtype
    held = [state_bytes_per_sequence(one, assumed(VLLM).cache_of(one)) for one in (MODELS["qwen3-next-80b-a3b"], model)]
    assert held[1] - held[0] == 36 * 32 * 128 * 128 * 2
    delta = KimiDeltaAttention(heads=2, head_dim=4, conv_kernel=4)
    assert assumed(VLLM).cache.state_bytes(delta) == 3 * 8 * 3 * 2 + 2 * 4 * 4 * 4
    assert assumed(ENGINES["ideal"]).cache.state_bytes(delta) == 3 * 8 * 4 * 2 + 2 * 4 * 4 * 2


@pytest.mark.parametrize(
    ("kv", "latent", "key"),
    [("bf16", (512 + 64) * 2, 128 + 4), ("fp8", 512 + 16 + 64 * 2, 128 + 4)],  # 656 bytes: fp8_ds_mla
)
@pytest.mark.parametrize("engine", ["vllm-0.19", "sglang"])
def test_sparse_attention_is_cached_as_the_engines_do(engine: str, kv: str, latent: int, key: int):
    model, formats = MODELS["deepseek-v3.2"], replace(assumed(ENGINES[engine]), kv_format=kv).cache
    assert kv_growth(model, formats, source_tokens=0).unbounded_bytes_per_token == 61 * (latent + key)
    read = kv_growth(model, formats, source_tokens=0, read_by_tokens=1)
    assert (read.windows, read.unbounded_bytes_per_token) == (((2048, 61 * latent),), 61 * key)
    dense = MODELS["deepseek-v3"]  # whose latents are as asked for
    width = 2 if kv == "bf16" else 1
    assert kv_growth(dense, formats, source_tokens=0).unbounded_bytes_per_token == 61 * 576 * width
    asked = replace(assumed(ENGINES["ideal"]), kv_format=kv).cache
    assert kv_growth(model, asked, source_tokens=0).unbounded_bytes_per_token == 61 * (576 + 128) * width


def test_indexers_that_nobody_read_are_refused():
    config = {"model_type": "minimax_m3_vl_text", "sparse_attention_config": {"sparse_attention_freq": [0, *[1] * 59]}}
    for engine, model, what in (
        ("llama.cpp", MODELS["deepseek-v3.2"], "indexers: how llama.cpp"),
        ("vllm-0.19", read(config).architecture, "indexers of blocks: how vllm-0.19"),
    ):
        with pytest.raises(EngineError, match=f"allowed: a model without {what} holds their keys was not read"):
            cache_blocks(Model("m", model), Parallelism(), assumed(ENGINES[engine]), read_gpus()["h100-80gb"])


def test_a_plan_says_which_format_the_state_has_and_an_option_comes_first(tmp_path: Path):
    config = json.loads((REPOSITORY / "tests/data/hf_configs/qwen3.5-397b-a17b.json").read_text(encoding="utf-8"))
    config["text_config"]["mamba_ssm_dtype"] = "float32"
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    words = ("plan", "--model", str(tmp_path / "config.json"), "--gpu", "h200-141gb", "--n-gpus", "4", "--weights", "fp8")
    assert "state fp32" in call(*words, "--engine", "vllm-0.19").stdout
    assert "state bf16" in call(*words, "--engine", "vllm-0.19", "--state", "bf16").stdout
    assert "state bf16" in call(*words).stdout
    config["text_config"]["mamba_ssm_dtype"] = "float8"
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert re.search(r'mamba_ssm_dtype: "float8"; allowed: float32, float16, bfloat16', refused(*words))


def test_windows_hold_what_vllm_allocates_for_them():
    model, paged = MODELS["gpt-oss-120b"], VLLM.part("cache")
    cut = blocks(paged, model, cache("bf16"), step_tokens=8192)
    assert cut is not None
    # A window of 128: 127 tokens and those of the step in blocks of 16, and one block more; layers without end beside.
    assert (cut.growth.constant_bytes, cut.growth.windows) == (1, ((-(-(127 + 8192) // 16), 1),))
    plain = blocks(replace(paged, window_less=0, window_blocks=0), model, cache("bf16"), step_tokens=8193)
    assert plain is not None
    assert (plain.growth.constant_bytes, plain.growth.windows) == (0, ((-(-(128 + 8193) // 16), 1),))


@given(names, st.integers(1, 16384), st.integers(1, 2048), st.integers(1, 4096))
def test_the_peak_grows_with_the_step_and_is_its_largest_moment(name: str, tokens: int, sequences: int, more: int):
    peak, model = VLLM.part("activation"), MODELS[name]
    step, larger = Step(tokens, sequences), Step(tokens + more, sequences + more)
    moments = peak.moments(model, step)
    assert int(peak.peak_bytes(model, step)) == max(int(moment.total_bytes) for moment in moments)
    assert int(peak.peak_bytes(model, larger)) > int(peak.peak_bytes(model, step))
    for moment in moments:
        assert int(moment.total_bytes) == sum(int(np.asarray(buffer.size_bytes)) for buffer in moment.buffers)


def test_arrays_of_steps_are_single_steps():
    peak = VLLM.part("activation")
    tokens, sequences = np.array([1, 100, 8192]), np.array([1, 7, 1024])
    together = peak.peak_bytes(MODELS["qwen3-30b-a3b"], Step(tokens, sequences))
    one_by_one = [int(peak.peak_bytes(MODELS["qwen3-30b-a3b"], Step(t, s))) for t, s in zip(tokens, sequences, strict=True)]
    assert together.tolist() == one_by_one


def test_peaks_know_the_format_of_the_experts_and_the_padding():
    peak, model, step = VLLM.part("activation"), MODELS["gpt-oss-20b"], Step(8192, 16)

    def names(setting: Setting) -> set[str]:
        return {buffer.name for moment in peak.moments(model, step, setting) for buffer in moment.buffers}

    assert any(name.startswith("fused MoE") for name in names(Setting()))
    assert not any(name.startswith("fused MoE") for name in names(Setting(expert_format=FORMATS["mxfp4"])))
    padded = peak.moments(model, step, Setting(vocabulary_multiple=2**20))
    plain = peak.moments(model, step, Setting())
    assert all(int(more.total_bytes) >= int(less.total_bytes) for more, less in zip(padded, plain, strict=True))
    assert sum(int(m.total_bytes) for m in padded) > sum(int(m.total_bytes) for m in plain)


def test_shared_experts_add_to_the_layer():
    peak, model = VLLM.part("activation"), MODELS["qwen1.5-moe-a2.7b"]
    layer = next(moment for moment in peak.moments(model, Step(100, 1)) if moment.name == "a layer")
    shared = next(buffer for buffer in layer.buffers if buffer.name.startswith("shared experts"))
    assert int(np.asarray(shared.size_bytes)) == 100 * 2 * 3 * 5632


def test_lines_beyond_the_weights_by_hand():
    phi, loading = MODELS["phi-4"], VLLM.part("loading")
    found = {line.name: line.size_bytes for line in loading.lines(phi, precision("bf16"), Parallelism(1), 64)}
    assert found["table of rotary positions"] == phi.max_context_tokens * 128 * 2
    assert "padding of the vocabulary" not in found  # 100,352 is a multiple of 64
    padded = {line.name: line.size_bytes for line in loading.lines(phi, precision("bf16"), Parallelism(1), 1000)}
    assert padded["padding of the vocabulary"] == 2 * (101_000 - 100_352) * 5120 * 2


def planned_with(engine: Engine, model: Architecture, batch: int, **others: object):
    assumptions = Assumptions(engine, 0, "bf16", "bf16")
    return plan(Model("m", model), H100, assumptions, batch_size=batch, policy=BASELINE, **others)  # type: ignore[arg-type]


UNEVEN = "gemma-4-26b-a4b"  # its layers with a window cache more a token than the others


def test_windows_that_an_engine_evens_out_were_not_read():
    with pytest.raises(EngineError, match=r"how vllm-0\.19 evens out windows was not read"):
        planned_with(VLLM, MODELS[UNEVEN], 1)


@given(st.sampled_from([name for name in DECODERS if name != UNEVEN]), st.integers(1, 64))
def test_the_longest_context_of_a_paged_cache_is_the_longest(name: str, batch: int):
    found = planned_with(VLLM, MODELS[name], batch)
    row, cut = found.row, found.blocks
    if row["max_context_tokens"] is None or found.growth.unbounded_bytes_per_token == 0:
        return
    most, last = row["free_for_kv_bytes"] // cut.block_bytes - 1, row["max_context_tokens"] // cut.block_tokens
    assert batch * int(bytes_per_sequence(cut.growth, last)) <= most < batch * int(bytes_per_sequence(cut.growth, last + 1))
    assert row["kv_capacity_tokens"] == (most + 1) // cut.groups * cut.block_tokens


def test_the_stage_with_the_fewest_tokens_decides():
    llama = MODELS["llama-3.1-8b"]
    layout = Parallelism(1, pipeline=2)
    first, last, both = (planned_with(VLLM, llama, 1, n_gpus=2, layout=layout, stage=stage).row for stage in (0, 1, None))
    assert both == last
    assert first["kv_capacity_tokens"] > last["kv_capacity_tokens"]
    assert first["activation_bytes"] < last["activation_bytes"]  # the last samples


def test_the_profile_of_the_paper_is_the_old_one():
    ideal = ENGINES["ideal"]
    assert ideal.step_size(H100) == StepSize(2048)
    assert (ideal.reserve(Parallelism(1)).bytes, ideal.reserve(Parallelism(4, 2)).bytes) == (500 * MIB, 1458 * MIB)
    said = {name for name, field in Profile.__dataclass_fields__.items() if getattr(ideal, name) != field.default}
    assert said == {"usable_fraction", "steps", "reserves", "activation", "format_support", "cut_blocks", "shares_tokens_in"}


def test_a_plan_names_the_buffers_and_its_json_has_them():
    words = ("plan", "--model", "qwen3-30b-a3b", "--gpu", "h100-80gb", "--engine", "vllm-0.19", "--usable-fraction", "0.95")
    text = call(*words).stdout
    for line in (
        "sampler: probabilities in fp32",
        "not the peak: compiling",
        "table of rotary positions",
        "cache blocks       16 tokens",
    ):
        assert line in text
    found = json.loads(call(*words, "--json").stdout)
    assert found["policy"] == "all_resident"  # an engine that knows no other
    assert (
        json.loads(call(*words, "--policy", "prophet", "--json").stdout)["resident_expert_bytes"] < found["resident_expert_bytes"]
    )
    largest = found["activation_moments"][0]
    assert sum(buffer["bytes"] for buffer in largest["buffers"]) == largest["bytes"] == found["activation_bytes"]
    assert found["kv_capacity_tokens"] == found["free_for_kv_bytes"] // found["cache_blocks"]["block_bytes"] * 16


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("--engine", "vllm-0.10"),
            r"config/engines.yaml: vllm-0.10.reserves: null; allowed: a value: the profile vllm-0.10 has none",
        ),
        (
            ("--engine", "vllm-0.19", "--n-gpus", "8"),
            r"config/engines.yaml: vllm-0.19.reserves: \"8-way tensor.*n_gpus 4, tensor 4",
        ),
        (("--engine", "vllm-0.19", "--batch", "1025"), r"vllm-0.19.steps: 1025; allowed: a batch of at most 1,024 sequences"),
        (("--engine", "vllm"), r"--engine: \"vllm\"; allowed: ideal, vllm-0.19, vllm-0.10, sglang, llama.cpp, ik_llama.cpp"),
        (("--n-gpus", "2", "--pp", "3"), r"--pp: 3; allowed: a divisor of 2 GPUs"),
    ],
)
def test_what_an_engine_does_not_say_gets_one_line(words: tuple[str, ...], line: str):
    assert re.search(line, refused("plan", "--model", "qwen3-235b-a22b", "--gpu", "h100-80gb", *words))


def test_an_encoder_decoder_has_no_blocks_in_an_engine():
    words = ("plan", "--model", "switch-base-8", "--gpu", "h100-80gb", "--engine", "vllm-0.19")
    assert "allowed: a decoder alone" in refused(*words)


def test_what_a_peak_leaves_out_is_said():
    words = ("plan", "--gpu", "h200-141gb", "--engine", "vllm-0.19", "--model")
    assert "buffers of gated_deltanet were not read" in call(*words, "qwen3-next-80b-a3b", "--n-gpus", "2").stderr
    assert "buffers of experts in" in call(*words, "qwen3-30b-a3b", "--weights", "int4").stderr
    assert "not read" not in call(*words, "qwen3-30b-a3b").stderr


def test_a_gpu_that_the_profile_was_not_read_on_gets_a_warning():
    words = ("plan", "--model", "qwen3-30b-a3b", "--engine", "vllm-0.19", "--gpu")
    assert "read and measured on h100, h200: on a100-80gb its kernels" in call(*words, "a100-80gb").stderr
    assert "measured on" not in call(*words, "h100-80gb").stderr


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "    cuts_experts: sgl-project/sglang#27537, experts of half the width on two GPUs\n",
            "",
            r"sglang\.sources.cuts_experts: null; allowed: a source for each value",
        ),
        ("format: mxfp4, cut", "format: mxfp5, cut", r'vllm-0\.19\.cut_blocks.*format: "mxfp5"; allowed: one of fp32, bf16'),
        ("formats: [nvfp4]", "formats: [nvfp5]", r'ideal\.format_support.*formats.*: "nvfp5"; allowed: one of fp32, bf16'),
        ("[shared_expert]", "[shared]", r'vllm-0\.19\.placements.*components.*: "shared"; allowed: one of routed_expert'),
        ("when: always", "when: never", r'sglang\.loading\.latent_copies\.when: "never"; allowed: one of always, quantised'),
        ("mixer: kimi_delta_attention", "mixer: kimi", r'vllm-0\.19\.state\.mixers.*mixer: "kimi"; allowed: one of attention'),
        ("deducted: false", "deducted: true", r"vllm-0\.19\..*deducted: true; allowed: false: what an engine would take off"),
    ],
)
def test_a_profile_that_nothing_can_take_is_refused_where_it_stands(tmp_path: Path, old: str, new: str, line: str):
    text = (REPOSITORY / "config/engines.yaml").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "engines.yaml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=line):
        read_engines(file)


SGLANG = ENGINES["sglang"]


@pytest.mark.parametrize(
    ("model", "memory_mib", "tensor", "fraction"),
    [
        # by hand from memory_hook.py, with the memory that nvidia-smi reports
        ("qwen3-30b-a3b", 24564, 1, 0.704), ("qwen3-30b-a3b", 24564, 8, 0.658), ("qwen3-30b-a3b", 46068, 4, 0.829),
        ("qwen3-30b-a3b", 81559, 1, 0.830), ("qwen3-30b-a3b", 81559, 8, 0.812), ("qwen3-30b-a3b", 143771, 1, 0.903),
        ("qwen3-30b-a3b", 183359, 1, 0.854), ("deepseek-v3", 81559, 8, 0.799), ("deepseek-v3", 143771, 8, 0.886),
    ],
)  # fmt: skip
def test_the_share_that_sglang_takes(model: str, memory_mib: int, tensor: int, fraction: float):
    gpu = Gpu("any", memory_mib * MIB)
    assert SGLANG.fraction(gpu, Parallelism(tensor), MODELS[model]) == fraction


def test_sglangs_share_by_hand():
    # H100, alone: 512 + 1.5 x 8,192 + 128 + 2 x 256 + 8 x 58 sizes of prefills = 13,904 MiB; between stages no prefill graphs
    gpu = Gpu("any", 81559 * MIB)
    assert SGLANG.fraction(gpu, Parallelism(1), MODELS["qwen3-30b-a3b"]) == round(1 - 13904 / 81559, 3)
    staged = Parallelism(1, pipeline=2)
    assert SGLANG.fraction(gpu, staged, MODELS["qwen3-30b-a3b"]) == round(1 - (13904 - 464 + 128) / 81559, 3)
    small = replace(SGLANG, steps=(StepSize(128),))  # counted as 2,048
    assert small.fraction(gpu, Parallelism(1), MODELS["qwen3-30b-a3b"]) == round(1 - 10240 / 81559, 3)  # at least 10 GiB
    assert SGLANG.fraction(Gpu("tiny", GIB), Parallelism(1), MODELS["qwen3-30b-a3b"]) == 0


@given(st.integers(1, 200 * GIB), st.floats(0.01, 1), st.integers(0, GIB))
def test_a_share_of_what_is_free_is_taken_after_what_stands_beside_torch(memory: int, fraction: float, reserve: int):
    engine = Engine(name="any", usable_fraction=fraction, fraction_of_free=True, reserves=(Reserve(reserve),))
    usable = engine.usable_bytes(Gpu("any", memory), Parallelism(1), MODELS["phi-4"])
    assert abs(usable - reserve - fraction * (memory - reserve)) <= 1 + 1e-6 * memory
    whole = replace(engine, fraction_of_free=False)
    assert whole.usable_bytes(Gpu("any", memory), Parallelism(1), MODELS["phi-4"]) == int(memory * fraction)


def test_sglang_runs_its_steps_in_what_is_left_to_others():
    words = (
        "plan",
        "--model",
        "deepseek-v3",
        "--gpu",
        "h200-141gb",
        "--n-gpus",
        "8",
        "--engine",
        "sglang",
        "--weights",
        "native",
    )
    row = json.loads(call(*words, "--json").stdout)
    assert row["activation_bytes"] == 0
    assert row["kv_capacity_tokens"] == row["free_for_kv_bytes"] // row["kv_bytes_per_token"]
    free = row["gpu_memory_bytes"] - row["runtime_reserve_bytes"]
    left = row["gpu_memory_bytes"] - row["usable_bytes"]
    assert left == pytest.approx((1 - 0.886) * free, rel=1e-6)
    assert "usable 88.6% of what is free" in call(*words).stdout
    absorbed = 61 * 512 * 16 * (128 + 128)  # layers, rank, heads of a GPU, widths: a byte each in fp8
    lines = {line["name"]: line["bytes"] for line in row["held_beyond_counted_weights"]}
    assert lines["absorbed maps of latent attention"] == absorbed


@pytest.mark.parametrize(
    ("engine", "model", "what"),
    [
        ("sglang", "gpt-oss-20b", "windows"), ("sglang", "qwen3-next-80b-a3b", "states"),
        ("ik_llama.cpp", "gpt-oss-20b", "windows"), ("llama.cpp", "qwen3-next-80b-a3b", "states"),
    ],
)  # fmt: skip
def test_caches_that_nobody_read_are_refused_by_their_kind(engine: str, model: str, what: str):
    words = ("plan", "--model", model, "--gpu", "h200-141gb", "--engine", engine)
    assert f"allowed: a model without {what}: how {engine} holds them was not read" in refused(*words)


def test_layers_with_a_window_have_cells_of_their_own_in_llama_cpp():
    words = ("plan", "--model", "gpt-oss-20b", "--gpu", "h100-80gb", "--engine", "llama.cpp", "--weights", "MXFP4_MOE")
    found = json.loads(call(*words, "--batch", "1", "--context", "100000", "--json").stdout)
    # 100,000 tokens are 391 blocks of 256, a window of 128 and a step of 512 three. Twelve layers each, 2 x 8 x 64 values of 2 B.
    cells = 391 * 256 + 3 * 256
    text = call(*words, "--batch", "1", "--context", "100000").stdout
    assert f"{cells * 12 * 2048 / GIB:.2f}" in text
    assert "in multiples of 256; layers with a window hold 768 of a sequence at most" in text
    assert found["cache_blocks"] is None
    most = (found["free_for_kv_bytes"] // (12 * 2048) - 768) // 256 * 256
    assert found["max_context_tokens"] == found["kv_capacity_tokens"] == most
    short = blocks(ENGINES["llama.cpp"].part("cache"), MODELS["gpt-oss-20b"], cache("bf16"), step_tokens=512)
    assert int(bytes_per_sequence(short.growth, 1)) == 256 * 24 * 2048  # within the window all layers grow


def test_what_a_model_leaves_out_is_said():
    words = ("plan", "--gpu", "h100-80gb", "--engine", "vllm-0.19", "--model")
    assert "is counted without its vision tower: an engine that loads it has less left" in call(*words, "kimi-vl-a3b").stderr
    assert "counted without" not in call(*words, "deepseek-v2-lite").stderr


def graph_mib(
    model: Architecture, tokens: int, context: int, *, flash_attention: bool = True, engine: str = "llama.cpp"
) -> float:
    setting = Setting(context_tokens=context, flash_attention=flash_attention)
    return int(ENGINES[engine].part("activation").peak_bytes(model, Step(tokens, tokens), setting)) / MIB


def plain_decoder(hidden: int, words: int, query_heads: int, kv_heads: int, intermediate: int) -> Architecture:
    llama = MODELS["llama-3.1-8b"]
    (layer,) = llama.decoder.layers
    mixer = replace(layer.mixer, query_heads=query_heads, kv_heads=kv_heads)  # type: ignore[call-arg]
    block = replace(layer.feed_forward, intermediate_size=intermediate)  # type: ignore[call-arg]
    decoder = replace(llama.decoder, layers=(replace(layer, mixer=mixer, feed_forward=block),))
    return replace(llama, hidden_size=hidden, vocabulary_size=words, decoder=decoder)


def test_compute_buffers_that_llama_cpp_printed():
    mistral = plain_decoder(4096, 32000, 32, 8, 14336)  # fedora-copr/logdetective#106, without flash attention
    assert graph_mib(mistral, 512, 2048, flash_attention=False) == 164
    assert graph_mib(mistral, 512, 32768, flash_attention=False) == 2144
    small = plain_decoder(2048, 151936, 16, 2, 11008)  # SciSharp/LLamaSharp#1099
    assert graph_mib(small, 512, 4096) == 300.75
    fork = MODELS["qwen3-235b-a22b"]  # ikawrakow/ik_llama.cpp issues 357 and 514
    assert graph_mib(fork, 512, 32768, engine="ik_llama.cpp") == 312.75
    assert graph_mib(fork, 4096, 40960, engine="ik_llama.cpp") == 2502


def test_a_long_context_makes_the_mask_count_where_scores_are_not_kept():
    llama = MODELS["llama-3.1-8b"]
    assert graph_mib(llama, 512, 8192) == graph_mib(llama, 512, 1) == (128256 + 4096) * 512 * 4 / MIB  # logits
    block = (3 * 14336 + 2 * 4096 + 4096) * 512 * 4 / MIB
    assert graph_mib(llama, 512, 2**20) == block + 2**20 * 512 * 2 / MIB
    moe = MODELS["qwen3-30b-a3b"]
    assert graph_mib(moe, 512, 2**20) == (3 * 8 * 768 + 8 * 2048 + 2 * 2048 + 4096) * 512 * 4 / MIB + 1024


@given(st.sampled_from(DECODERS), st.integers(1, 4096), st.integers(1, 2**20), st.booleans())
def test_a_graph_grows_with_tokens_and_context(name: str, tokens: int, context: int, flash: bool):
    def size(more_tokens: int, more_context: int) -> float:
        return graph_mib(MODELS[name], tokens + more_tokens, context + more_context, flash_attention=flash)

    assert 0 < size(0, 0) <= min(size(1, 0), size(0, 1))
    assert graph_mib(MODELS[name], tokens, context, flash_attention=flash, engine="ik_llama.cpp") >= size(0, 0)


def test_what_a_graph_leaves_out_is_said():
    peak = ENGINES["llama.cpp"].part("activation")
    assert peak.unread(MODELS["qwen3-30b-a3b"], Setting(context_tokens=1)) == ()
    assert peak.unread(MODELS["deepseek-v3"]) == ("latent_attention", "shared experts")
    assert "windows" in peak.unread(MODELS["gpt-oss-20b"], Setting(context_tokens=1))
    words = ("plan", "--gpu", "h100-80gb", "--engine", "llama.cpp", "--weights", "Q4_K_M", "--model")
    assert re.search(r"peak is \d\d\d MiB larger, for their mask", call(*words, "mixtral-8x7b").stderr)  # 32,000 words
    assert "mask" not in call(*words, "qwen3-30b-a3b", "--batch", "1", "--context", "4096").stderr  # its logits are the peak
    assert (
        "leaves the embedding with the host"
        in call("plan", "--gpu", "h100-80gb", "--engine", "llama.cpp", "--model", "phi-4").stderr
    )


def test_what_a_plan_holds_it_also_fits():
    for engine, model in (("llama.cpp", "llama-3.1-8b"), ("sglang", "llama-3.1-8b"), ("vllm-0.19", "qwen3-30b-a3b")):
        words = ("plan", "--gpu", "h100-80gb", "--engine", engine, "--model", model, "--batch", "64", "--json")
        most = json.loads(call(*words).stdout)["max_context_tokens"]
        assert json.loads(call(*words, "--context", most).stdout)["context_fits"]
        assert not json.loads(call(*words, "--context", most + 1).stdout)["context_fits"]
