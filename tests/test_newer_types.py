"""Types with blocks of their own: how GPUs share them, what a step reads of their caches, and what a catalogue file says."""

import json
from dataclasses import replace

import pytest
from conftest import REPOSITORY
from small_configs import SMALL, own_blocks
from small_configs.common import LAST_FULL

from prophet_memory.architecture import Architecture, Dense, Layer, MoE, NoFeedForward, Stack
from prophet_memory.errors import ArchitectureError, ModelError
from prophet_memory.facts import BF16_CACHE
from prophet_memory.gguf.tensors import tensor_list
from prophet_memory.huggingface import read
from prophet_memory.kv_cache import bytes_per_sequence, kv_growth, state_bytes_per_sequence
from prophet_memory.mixers import Attention, CompressedAttention, LatentAttention, Mamba2, NoMixer
from prophet_memory.parallelism import parallelism, tensor_parallel_sizes
from prophet_memory.parameters import count_parameters
from prophet_memory.stages import pipeline_stages
from prophet_memory.weights import model_weights

DATA = REPOSITORY / "tests" / "data"
CONFIGS = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(DATA.glob("*_configs/*.json"))}
OWN = {*own_blocks.SMALL, "gemma4", "step3p7"}
MODELS = {name: read(config).architecture for name, config in CONFIGS.items() if config["model_type"] in OWN}
BF16 = 2


def growth_of(name: str, **others: int):
    return kv_growth(MODELS[name], BF16_CACHE, source_tokens=0, **others)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_gpus_that_share_a_model_hold_all_of_it(name):
    model = MODELS[name]
    whole, growth = sum(weight.parameters for weight in model_weights(model)), growth_of(name)
    sizes = tensor_parallel_sizes(model, 8)
    assert len(sizes) > 1
    for gpus in sizes:
        part = sum(weight.shard(gpus).parameters for weight in model_weights(model))
        assert part < whole <= gpus * part or gpus == 1
        shared = growth_of(name, tensor=gpus)
        assert growth.bytes_per_token <= gpus * shared.bytes_per_token
        assert growth.constant_bytes <= gpus * shared.constant_bytes
        assert shared.bytes_per_token <= growth.bytes_per_token
        assert parallelism(model, gpus, gpus, pipeline=1).tensor == gpus


@pytest.mark.parametrize("name", sorted(MODELS))
def test_stages_hold_every_layer_once(name):
    model = MODELS[name]
    stages = pipeline_stages(model, 4)
    assert sum(stage.layer_count for stage in stages) == model.layer_count
    assert sum(count_parameters(stage).routed_expert for stage in stages) == count_parameters(model).routed_expert
    states = sum(state_bytes_per_sequence(stage, BF16_CACHE) for stage in stages)
    assert states == state_bytes_per_sequence(model, BF16_CACHE)


@pytest.mark.parametrize(("name", "latents", "indexers"), [("deepseek-v3.2", 61, 61), ("glm-5", 78, 78), ("glm-5.2", 78, 21)])
def test_of_chosen_tokens_a_step_reads_the_latents(name, latents, indexers):
    held, by_one = growth_of(name), growth_of(name, read_by_tokens=1)
    assert held.unbounded_bytes_per_token == BF16 * (latents * (512 + 64) + indexers * 128)
    assert (by_one.windows, by_one.unbounded_bytes_per_token) == (((2048, BF16 * latents * 576),), BF16 * indexers * 128)
    assert growth_of(name, read_by_tokens=3).windows[0][0] == 3 * 2048
    assert int(bytes_per_sequence(by_one, 2048)) == int(bytes_per_sequence(held, 2048))
    assert int(bytes_per_sequence(by_one, 100_000)) < int(bytes_per_sequence(held, 100_000)) / 4


def test_a_borrowed_cache_is_held_once_and_read_by_each():
    config = {"model_type": "gemma4_text"} | SMALL["gemma4_text"] | LAST_FULL | {"num_kv_shared_layers": 2}
    model = read(config).architecture
    held, by_one = (kv_growth(model, BF16_CACHE, source_tokens=0, read_by_tokens=tokens) for tokens in (None, 1))
    full, sliding = 2 * 2 * 16 * BF16, 2 * 2 * 10 * BF16
    assert (held.unbounded_bytes_per_token, held.windows) == (full, ((6, 2 * sliding),))
    assert (by_one.unbounded_bytes_per_token, by_one.windows) == (2 * full, ((6, 3 * sliding),))


def test_heads_that_differ_by_kind():
    # Gemma 4: 25 layers of 8 heads of 256 up to 1,024 tokens, 5 of 2 heads of 512, keys and values cached apart.
    growth = growth_of("gemma-4-26b-a4b")
    assert (growth.windows, growth.unbounded_bytes_per_token) == (((1024, 25 * 2 * 8 * 256 * BF16),), 5 * 2 * 2 * 512 * BF16)
    # MiMo-V2-Flash: 39 layers of 8 heads with 128 tokens before the one that attends, 9 of 4; values are narrower than keys.
    growth = growth_of("mimo-v2-flash")
    assert (growth.windows, growth.unbounded_bytes_per_token) == (((129, 39 * 8 * (192 + 128) * BF16),), 9 * 4 * 320 * BF16)


def test_states():
    # Nemotron 3 Nano: 23 layers with 64 heads of 64 x 128, and 4 inputs of 4,096 channels and of B and C in 8 groups.
    expected = 23 * (64 * 64 * 128 + 4 * (64 * 64 + 2 * 8 * 128)) * BF16
    assert state_bytes_per_sequence(MODELS["nemotron-3-nano-30b-a3b"], BF16_CACHE) == expected
    # Kimi Linear: 20 layers with 32 heads of 128 x 128, and 4 inputs of queries, keys and values.
    assert state_bytes_per_sequence(MODELS["kimi-linear-48b-a3b"], BF16_CACHE) == 20 * (32 * 128 * 128 + 4 * 3 * 4096) * BF16


def test_entries_of_several_tokens():
    growth = growth_of("deepseek-v4-flash")
    assert growth.windows == ((128, 43 * 512 * BF16),)
    assert growth.unbounded_bytes_per_token == (21 * (512 + 128) // 4 + 20 * 512 // 128) * BF16
    assert growth_of("deepseek-v4-flash", read_by_tokens=1).windows == ((128, 43 * 512 * BF16), (4 * 512, 21 * 128 * BF16))


def test_active_parameters_of_cards():
    # In thousands of millions: gemma-4-26B-A4B 3.8, LFM2-8B-A1B 1.5, Granite 4 small 9.
    active = {name: count_parameters(model).active_per_token / 1e9 for name, model in MODELS.items()}
    assert round(active["gemma-4-26b-a4b"], 1) == 3.8
    assert 1.5 <= active["lfm2-8b-a1b"] < 1.6
    assert round(active["granite-4.0-h-small"]) == 9


MOE = MoE(routed_experts=8, top_k=2, expert_intermediate_size=8)
WRONG = [
    (lambda: MoE(8, 2, 8, latent_norms=2), "latent_norms"),
    (lambda: MoE(8, 2, 8, product_keys=True), "expert_intermediate_size"),
    (lambda: LatentAttention(4, 8, 6, 4, 3, index_pool_tokens=2), "index_pool_tokens"),
    (lambda: LatentAttention(4, 8, 6, 4, 3, gate_from_latent=True), "q_lora_rank"),
    (lambda: LatentAttention(4, 8, 6, 4, 3, window_tokens=5, chosen_tokens=5), "window_tokens"),
    (lambda: MoE(8, 2, 8, latent_bias=True), "latent_bias"),
    (lambda: Mamba2(heads=6, head_dim=4, state_size=3, groups=4, conv_kernel=4), "groups"),
    (lambda: Attention(4, 2, 8, value_head_dim=6, values_from_keys=True), "value_head_dim"),
    (lambda: LatentAttention(4, 8, 6, 4, 3, q_lora_rank=7, index_heads=2, index_head_dim=6), "index_heads"),
    (lambda: LatentAttention(4, 8, 6, 4, 3, q_lora_rank=7, chosen_tokens=5, index_heads=2), "index_head_dim"),
    (lambda: CompressedAttention(4, 8, 7, 3, 5, 6), "output_groups"),
    (lambda: CompressedAttention(4, 8, 7, 2, 5, 6, entry_tokens=3), "head_dim"),
    (lambda: CompressedAttention(4, 8, 7, 2, 5, 6, entry_tokens=2, chosen_entries=2), "chosen_entries"),
    (lambda: decoder(NoMixer(), NoFeedForward()), "decoder.layers[0].feed_forward"),
    (lambda: replace(decoder(NoMixer(), MOE), per_layer_input_size=3), "per_layer_vocabulary_size"),
]


def decoder(mixer, block) -> Architecture:
    own = {"hidden_size": 24, "vocabulary_size": 101, "tied_embeddings": False, "max_context_tokens": 77}
    return Architecture(**own, decoder=Stack((Layer(1, mixer, block),)))


@pytest.mark.parametrize(("make", "key"), WRONG, ids=[key for _, key in WRONG])
def test_blocks_that_cannot_be(make, key):
    with pytest.raises(ArchitectureError) as refused:
        make()
    assert refused.value.key == key


@pytest.mark.parametrize("name", sorted(MODELS))
def test_files_of_tensors_whose_names_are_not_known_are_refused(name):
    with pytest.raises(ModelError, match="gguf: "):
        tensor_list(MODELS[name])


def test_a_layer_is_one_block_or_two():
    alone = [Layer(1, NoMixer(), MOE), Layer(1, Attention(4, 2, 8), NoFeedForward()), Layer(1, Attention(4, 2, 8), Dense(8))]
    assert [layer.sublayers for layer in alone] == [1, 1, 2]
