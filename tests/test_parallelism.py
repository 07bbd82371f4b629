"""How models spread over GPUs: what divides, what is replicated, and that nothing is lost."""

import pytest
from conftest import ASSUMED, MODELS, activation_bytes, cache
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.architecture import Architecture, Layer, MoE, Stack
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.kv_cache import kv_growth
from prophet_memory.mixers import Attention
from prophet_memory.parallelism import (
    ALONE,
    Parallelism,
    ParallelismError,
    context_sizes,
    layouts,
    max_gpus,
    parallelism,
    tensor_parallel_sizes,
    with_context,
)
from prophet_memory.parameters import count_parameters
from prophet_memory.precision import non_expert_bytes, precision, routed_expert_bytes
from prophet_memory.residency import BASELINE
from prophet_memory.routing import routing_laws
from prophet_memory.sweeps import sweep
from prophet_memory.weights import model_weights

models = st.sampled_from(sorted(MODELS))
BF16 = precision("bf16")


def test_mixtral_on_eight_gpus_by_hand():
    model, hidden = MODELS["mixtral-8x7b"], 4096
    attention = hidden * 4 * 128 * 2 + 2 * hidden * 128  # 4 query heads and 1 key-value head a GPU
    shared_out = 2 * 32 * hidden + hidden + 32 * 8 * hidden  # norms and routers stand on each
    vocabulary = 2 * (32000 // 8) * hidden
    assert non_expert_bytes(model, BF16, tensor=8) == 2 * (32 * attention + shared_out + vocabulary)
    assert routed_expert_bytes(model, BF16, expert_tensor=4) == 2 * 3 * hidden * 14336 // 4


@pytest.mark.parametrize(("tensor", "heads"), [(1, 8), (2, 4), (8, 1), (16, 1), (32, 1)])
def test_key_value_heads_are_replicated_past_their_number(tensor: int, heads: int):
    layout = kv_growth(MODELS["mixtral-8x7b"], cache("bf16"), source_tokens=0, tensor=tensor)
    assert layout.bytes_per_token == 32 * 2 * heads * 128 * 2


def test_the_latent_stands_on_every_gpu():
    model = MODELS["deepseek-v3"]
    alone, shared = (kv_growth(model, cache("bf16"), source_tokens=0, tensor=tensor) for tensor in (1, 8))
    assert alone == shared


def test_recurrent_state_is_divided():
    for name in ("jamba-1.5-large", "qwen3-next-80b-a3b"):
        alone, shared = (kv_growth(MODELS[name], cache("bf16"), source_tokens=0, tensor=tensor) for tensor in (1, 8))
        assert shared.constant_bytes * 8 == alone.constant_bytes


def test_shards_hold_the_whole_model_and_no_more_than_is_replicated(architecture: Architecture):
    for tensor in tensor_parallel_sizes(architecture):
        for weight in model_weights(architecture):
            own = weight.shard(tensor)
            assert own.parameters <= weight.parameters <= tensor * own.parameters
            if weight.cut == "none" or weight.units % tensor:
                continue
            assert own.parameters * tensor == weight.parameters


@given(models, st.integers(1, 64))
def test_a_default_layout_uses_all_gpus_and_divides(name: str, n_gpus: int):
    model = MODELS[name]
    try:
        layout = parallelism(model, n_gpus)
    except ParallelismError as problem:
        assert problem.key == "n_gpus"
        widest = max(size for size in tensor_parallel_sizes(model, n_gpus) if n_gpus % size == 0)
        assert n_gpus > max_gpus(model)
        assert model.encoder is not None or n_gpus // widest > model.layer_count  # no stages could take them
        return
    assert layout.n_gpus == n_gpus == layout.expert * layout.expert_tensor * layout.pipeline
    assert layout.tensor in tensor_parallel_sizes(model)
    assert layout.expert <= max(1, model.moe.routed_experts)
    assert parallelism(model, n_gpus, layout.tensor, layout.expert, pipeline=layout.pipeline) == layout


EACH = "one GPU for each head or routed expert of the model"


@pytest.mark.parametrize(
    ("model", "arguments", "line"),
    [
        ("mixtral-8x7b", (8, 3, None), "tp: 3; allowed: 1, 2, 4, 8 (for 8 GPUs and the model's heads)"),
        ("switch-base-8", (8, 8, None), "tp: 8; allowed: 1, 2, 4 (for 8 GPUs and the model's heads)"),
        ("mixtral-8x7b", (16, None, 16), "ep: 16; allowed: 1, 2, 4, 8 (for 16 GPUs and 8 routed experts)"),
        ("mixtral-8x7b", (37, None, None), f"n_gpus: 37; allowed: 1 to 32, {EACH}, or more in stages that each have as many"),
        ("mixtral-8x7b", (0, None, None), f"n_gpus: 0; allowed: 1 to 32, {EACH}, or more in stages that each have as many"),
        ("switch-base-8", (13, None, None), f"n_gpus: 13; allowed: 1 to 12, {EACH}"),
    ],
)
def test_wrong_layouts_are_refused_in_a_line(model: str, arguments: tuple, line: str):
    with pytest.raises(ParallelismError) as caught:
        parallelism(MODELS[model], *arguments)
    assert str(caught.value) == line


def test_more_gpus_than_heads_are_stages():
    assert parallelism(MODELS["qwen2.5-7b"], 56) == Parallelism(tensor=28, pipeline=2)
    assert parallelism(MODELS["mixtral-8x7b"], 64) == Parallelism(tensor=32, expert=8, pipeline=2)


@given(models, st.sampled_from([1, 2, 3, 4, 6, 8, 16]), st.booleans())
def test_the_layouts_of_a_number_of_gpus(name: str, n_gpus: int, cut: bool):
    model = MODELS[name]
    try:
        found = layouts(model, n_gpus, cut_experts=cut)
    except ParallelismError:
        assert n_gpus > max_gpus(model)
        return
    assert found[0] == parallelism(model, n_gpus, cut_experts=cut)
    assert len(set(found)) == len(found)
    assert {layout.n_gpus for layout in found} == {n_gpus}
    stages = [size for size in range(1, n_gpus + 1) if n_gpus % size == 0 and size <= model.layer_count]
    assert {layout.pipeline for layout in found} == ({1} if model.encoder else set(stages))
    for layout in found:
        each, experts = n_gpus // layout.pipeline, max(1, model.moe.routed_experts)
        alone = parallelism(model, n_gpus, layout.tensor, layout.expert, pipeline=layout.pipeline)
        assert with_context(model, alone, layout.context) == layout
        assert layout.expert in (1, max(size for size in range(1, each + 1) if each % size == 0 and size <= experts))
        assert layout.context in (1, context_sizes(model, layout)[-1])
        fixed = layouts(
            model, n_gpus, tensor=layout.tensor, expert=layout.expert, pipeline=layout.pipeline, context=layout.context
        )
        assert fixed == [layout]


def test_qwen2_shares_attention_by_four_of_eight_gpus():
    assert parallelism(MODELS["qwen2-57b-a14b"], 8, pipeline=1) == Parallelism(tensor=4, data=2, expert=8)
    assert parallelism(MODELS["qwen2-57b-a14b"], 8) == Parallelism(tensor=4, expert=4, pipeline=2)  # 28 heads
    assert parallelism(MODELS["qwen2-57b-a14b"], 8, 4) == Parallelism(tensor=4, data=2, expert=8)  # as it is asked for
    assert parallelism(MODELS["switch-base-8"], 8) == Parallelism(tensor=4, data=2, expert=8)  # two stacks have no stages
    assert [int(Parallelism(2, 4, 8).sequences(batch)) for batch in (1, 4, 5, 8)] == [1, 1, 2, 2]


def test_one_gpu_is_the_model_alone(architecture: Architecture):
    assert parallelism(architecture, 1) == ALONE
    assert non_expert_bytes(architecture, BF16) == 2 * count_parameters(architecture).non_expert


@given(models, st.sampled_from([1, 2, 4, 8]), st.integers(1, 4096))
def test_activations_shrink_with_tensor_parallelism_and_grow_with_groups(name: str, n_gpus: int, batch: int):
    model = MODELS[name]
    sizes = {"max_step_tokens": 2048, "value_bytes": 2, "batch_sizes": batch}
    alone = activation_bytes(model, **sizes)
    if n_gpus in tensor_parallel_sizes(model):
        shared = activation_bytes(model, **sizes, layout=Parallelism(tensor=n_gpus, data=1, expert=1))
        assert shared <= alone
    groups = activation_bytes(model, **sizes | {"batch_sizes": batch * n_gpus}, layout=Parallelism(1, n_gpus, 1))
    assert groups * n_gpus >= alone


def test_the_projections_to_the_latents_stand_on_every_gpu():
    model, hidden, heads = MODELS["deepseek-v3"], 7168, 128 // 8
    down = hidden * (1536 + 576) + 1536 + 512  # both latents and their norms, whole
    up = 1536 * heads * 192 + 512 * heads * 256 + heads * 128 * hidden
    dense, shared, router = 3 * hidden * 18432 // 8, 3 * hidden * 2048 // 8, 256 * hidden
    rest = 2 * (129280 // 8) * hidden + (2 * 61 + 1) * hidden  # vocabulary, norms
    assert non_expert_bytes(model, BF16, tensor=8) == 2 * (61 * (down + up) + 3 * dense + 58 * (shared + router) + rest)


@pytest.mark.parametrize(("query", "kv", "sizes"), [(12, 6, (1, 2, 3, 6, 12)), (12, 4, (1, 2, 4, 12)), (8, 1, (1, 2, 4, 8))])
def test_key_value_heads_are_divided_or_replicated_evenly(query: int, kv: int, sizes: tuple[int, ...]):
    mixer = Attention(query_heads=query, kv_heads=kv, head_dim=16)
    layer = Layer(2, mixer, MoE(routed_experts=8, top_k=2, expert_intermediate_size=32))
    model = Architecture(64, 100, tied_embeddings=False, max_context_tokens=None, decoder=Stack((layer,)))
    assert tensor_parallel_sizes(model) == sizes


def test_activations_on_several_gpus_by_hand():
    # Mixtral: 4,096 hidden, 14,336 wide experts, top-2 of 8; 2,048 tokens a step and group, 16 bit.
    model, sizes = MODELS["mixtral-8x7b"], {"max_step_tokens": 2048, "value_bytes": 2, "batch_sizes": 16}

    def step(copies: int, width: int) -> int:
        return 2048 * 2 * (2 * 4096 + copies * (2 * 4096 + 2 * width) + 8)

    # One expert a GPU takes one copy of a token; four groups may send all their tokens to it; two GPUs cut each expert.
    assert activation_bytes(model, **sizes, layout=Parallelism(8, 1, 8)) == step(1, 14336)
    assert activation_bytes(model, **sizes, layout=Parallelism(2, 4, 8)) == step(4, 14336)
    assert activation_bytes(model, **sizes, layout=Parallelism(8, 1, 4)) == step(2, 7168)


def test_a_layout_that_contradicts_the_grid_or_the_model_is_refused():
    model = Model("mixtral", MODELS["mixtral-8x7b"])
    common = {"gpus": [Gpu("any", 10**12)], "batch_sizes": [1], "routings": routing_laws(["uniform"]), "policies": [BASELINE]}
    for n_gpus, layout in ((2, Parallelism()), (3, Parallelism(tensor=3, expert=3)), (1, Parallelism(tensor=4, expert=4))):
        with pytest.raises(ParallelismError):
            sweep(Grid([model], n_gpus=[n_gpus], layouts={n_gpus: layout}, **common), ASSUMED)
