"""What engines cut, hold whole and refuse to cut, and which formats a GPU has hardware for."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import ASSUMED, MODELS
from test_command_line import call, refused

from prophet_memory.decode import decode_work
from prophet_memory.edge.configuration import read_engines, read_gpus
from prophet_memory.edge.settings import read_settings_alone
from prophet_memory.engine import Engine
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import expert_bytes, held_weight_bytes, rest_bytes, stored_as
from prophet_memory.parallelism import Parallelism, ParallelismError, known_layout
from prophet_memory.placement import Placement
from prophet_memory.precision import non_expert_bytes, precision
from prophet_memory.recommend import options, whole_blocks
from prophet_memory.residency import BASELINE
from prophet_memory.routing import routing_law
from prophet_memory.weights import model_weights

ENGINES, GPUS = read_engines(), read_gpus()
IDEAL, VLLM, SGLANG = (ENGINES[name] for name in ("ideal", "vllm-0.19", "sglang"))
QWEN3 = ("--model", "qwen3-235b-a22b", "--gpu", "h200-141gb", "--n-gpus", "8", "--weights", "fp8_blocks")
EXPERTS_CUT = "(FP8 blocks: the 1,536 columns of a weight (routed expert) cut by 8 GPUs are 192 on each, no multiple of 128)"


@pytest.mark.parametrize("engine", ["ideal", "sglang"])
def test_a_plan_that_cuts_blocks_of_experts_is_refused_in_a_line(engine: str):
    assert refused("plan", *QWEN3, "--engine", engine, "--ep", "1") == f"--ep: 1; allowed: 2, 4, 8 {EXPERTS_CUT}"


@pytest.mark.parametrize("ranks", ["2", "4", "8"])
def test_the_ranks_that_the_line_names_do(ranks: str):
    assert json.loads(call("plan", *QWEN3, "--ep", ranks, "--json").stdout)["expert_parallel"] == int(ranks)


@pytest.mark.parametrize(
    ("model", "stored", "layout", "line"),
    [
        ("qwen3-30b-a3b", "fp8_blocks", Parallelism(4), "ep: 1; allowed: 2, 4 "),
        ("deepseek-v2-lite", "fp8_blocks", Parallelism(2, expert=2), "tp: 2; allowed: 1 "),
        ("switch-c-2048", "int4", Parallelism(2, expert=2), "tp: 2; allowed: 1 "),
        ("gpt-oss-120b", "nvfp4", Parallelism(8), "ep: 1; allowed: 2, 4, 8 "),
        ("gpt-oss-120b", "int4_experts", Parallelism(4), "ep: 1; allowed: 2, 4 "),  # 720: no multiple of 32
        ("deepseek-v2-lite", "int4/bf16", Parallelism(8), "ep: 1; allowed: 2, 4, 8 "),  # 176
    ],
)
def test_layouts_that_cut_inside_a_block(model: str, stored: str, layout: Parallelism, line: str):
    for engine in (VLLM, IDEAL) if stored == "fp8_blocks" else (VLLM,):
        with pytest.raises(ParallelismError) as caught:
            engine.check_blocks(MODELS[model], precision(stored), layout)
        assert str(caught.value).startswith(line)
    if stored != "fp8_blocks":  # groups in one row can be cut
        IDEAL.check_blocks(MODELS[model], precision(stored), layout)


@pytest.mark.parametrize(
    ("model", "stored", "layout"),
    [
        ("deepseek-v3", "fp8_blocks", Parallelism(8)),  # 2,048 / 8 = 256
        ("deepseek-v2-lite", "fp8_blocks", Parallelism(1)),  # 10,944 stand whole
        ("qwen3-235b-a22b", "fp8_blocks", Parallelism(8, expert=8)),  # four heads of keys, each 128 wide, on eight GPUs
        ("gpt-oss-120b", "mxfp4_experts", Parallelism(8)),  # padded
        ("qwen3-235b-a22b", "int4", Parallelism(8)),  # groups of 64
        ("qwen3-235b-a22b", "fp8", Parallelism(8)),  # one scale a tensor
    ],
)
def test_layouts_that_engines_take(model: str, stored: str, layout: Parallelism):
    for engine in (IDEAL, VLLM, SGLANG):
        engine.check_blocks(MODELS[model], precision(stored), layout)


@pytest.mark.parametrize("engine", [IDEAL, VLLM])
def test_no_default_layout_of_the_papers_sweep_cuts_a_block(engine: Engine):
    swept = read_settings_alone().sweep
    for name in swept.models:
        for n_gpus in swept.n_gpus:
            layout = known_layout(MODELS[name], n_gpus, None, cut_experts=engine.cuts_experts)
            for stored in swept.precisions:
                engine.check_blocks(MODELS[name], stored_as(stored, MODELS[name]), layout)


def test_groups_of_experts_are_halved_until_a_side_fills_them():
    model, layout = MODELS["qwen3-235b-a22b"], Parallelism(8)
    held = expert_bytes(model, precision("int4_experts"), layout, VLLM)
    groups = (2 * 192 * 4096 + 4096 * 192) // 64  # of 64 values, for 192 are no multiple of 128
    assert held == 3 * 4096 * 192 // 2 + groups * 2 + groups // 2
    assert held > expert_bytes(model, precision("int4_experts"), layout, replace(VLLM, cut_blocks=()))


def test_layouts_that_cut_blocks_are_skipped_where_they_are_enumerated():
    found = json.loads(
        call(
            "fit", "--model", "qwen3-235b-a22b", "--context", "1000", "--gpus", "h200-141gb", "--n-gpus", "8", "--weights",
            "fp8_blocks", "--tp", "8", "--pp", "1", "--json",
        ).stdout
    )  # fmt: skip
    assert found["fits"][0]["expert_parallel"] == 8
    line = refused(
        "fit", "--model", "qwen3-235b-a22b", "--context", "1000", "--gpus", "h200-141gb", "--n-gpus", "8", "--weights",
        "fp8_blocks", "--ep", "1", "--pp", "1", "--tp", "8",
    )  # fmt: skip
    assert line.startswith("--ep: 1; allowed: 2, 4, 8 ")


CUT = "--precisions: cut inside a block; allowed for deepseek-v2-lite: formats whose blocks its default layout leaves whole,"


@pytest.mark.parametrize(
    "words", [("sweep", "--models", "deepseek-v2-lite", "--gpus", "h200-141gb", "--n-gpus", "1,2", "--batches", "1"),
              ("compare", "--model", "deepseek-v2-lite", "--gpu", "h200-141gb", "--n-gpus", "2")],
)  # fmt: skip
def test_commands_without_options_of_a_layout_name_the_precision(words: tuple[str, ...]):
    assert refused(*words, "--precisions", "fp8_blocks").startswith(CUT)
    assert call(*words, "--precisions", "fp8").returncode == 0


def test_recommend_leaves_out_precisions_whose_blocks_a_layout_cuts():
    model = Model("m", MODELS["qwen3-235b-a22b"])
    grid = Grid(
        [model], gpus=[GPUS["h200-141gb"]], n_gpus=[8], batch_sizes=[1], routings=[routing_law("uniform")],
        precisions=["fp8", "fp8_blocks"], policies=[BASELINE],
    )  # fmt: skip
    assert whole_blocks(grid, ASSUMED, Parallelism(8)) == ["fp8"]
    assert whole_blocks(grid, ASSUMED, Parallelism(8, expert=8)) == ["fp8", "fp8_blocks"]
    taken = options(grid, ASSUMED, read_settings_alone().latency.timing(), 4096, 100)
    assert {one.layout.expert_tensor for one in taken if one.precision == "fp8_blocks"} <= {1, 2, 4}
    assert Counter(one.precision for one in taken)["fp8_blocks"] > 0


def component_bytes(model: str, component: str) -> int:
    return 2 * sum(weight.parameters for weight in model_weights(MODELS[model]) if weight.component == component)


def test_vllm_holds_shared_experts_whole_where_groups_share_experts():
    model, stored = MODELS["deepseek-v3"], precision("bf16")
    both = Parallelism(2, 4, expert=8)
    shared = component_bytes("deepseek-v3", "shared_expert")
    held = [non_expert_bytes(model, stored, tensor=2, apart=engine.apart(both)) for engine in (VLLM, IDEAL)]
    assert held[0] - held[1] == shared // 2
    for other in (Parallelism(8, expert=8), Parallelism(1, 8, expert=8), Parallelism(2, 4)):
        assert VLLM.apart(other) == {}
    assert rest_bytes(model, stored, both, VLLM) > held[0]  # and what stands beyond the counted


def test_sglang_cuts_head_and_dense_blocks_by_all_gpus_under_data_parallel_attention():
    model, stored = MODELS["deepseek-v3"], precision("bf16")
    spread = Parallelism(1, 8, expert=8)
    parts = [component_bytes("deepseek-v3", name) for name in ("shared_expert", "dense_feed_forward", "lm_head")]
    held = [non_expert_bytes(model, stored, tensor=1, apart=engine.apart(spread)) for engine in (IDEAL, SGLANG)]
    assert held[0] - held[1] == sum(parts) // 8 * 7
    assert SGLANG.apart(Parallelism(8)) == {}


def test_weights_follow_what_stands_where():
    model, stored = MODELS["qwen3-next-80b-a3b"], precision("bf16")
    layout = Parallelism(2, 2, expert=4)
    cut = replace(VLLM, placements=())
    more = held_weight_bytes(model, stored, layout, VLLM) - held_weight_bytes(model, stored, layout, cut)
    shared = 48 * 3 * 2048 * 512 * 2
    assert more == pytest.approx(shared // 2, rel=0.001)  # but for the rounding of allocations
    assert Placement(("lm_head",), "all").gpus(Parallelism(2, 2)) == 4


def warned(*words: str) -> list[str]:
    return json.loads(call("plan", "--model", "mixtral-8x7b", *words, "--json").stdout)["warnings"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("v100-32gb", "--weights", "fp8"), "no FP8 arithmetic on v100-32gb (compute capability 7.0), which takes 8.9:"),
        (("v100-32gb", "--weights", "fp8", "--engine", "vllm-0.19"), "vllm-0.19 runs no FP8 weights on v100-32gb"),
        (("v100-32gb", "--engine", "vllm-0.19"), "vllm-0.19 runs no bf16 weights on v100-32gb"),
        (("a100-80gb", "--weights", "fp8_blocks", "--engine", "vllm-0.19"), "no FP8 blocks arithmetic on a100-80gb"),
        (("h100-80gb", "--experts", "nvfp4", "--engine", "vllm-0.19"), "no NVFP4 arithmetic on h100-80gb"),
        (("v100-32gb",), "no bf16 arithmetic on v100-32gb (compute capability 7.0), which takes 8.0: engines take fp16 instead"),
    ],
)
def test_a_format_without_hardware_or_kernel_gets_a_line(words: tuple[str, ...], line: str):
    assert sum(one.startswith(line) for one in warned("--gpu", *words)) == 1


@pytest.mark.parametrize(
    "words", [("h100-80gb", "--weights", "fp8"), ("b200", "--weights", "nvfp4"), ("v100-32gb", "--weights", "fp16"),
              ("mi300x", "--weights", "fp8"), ("custom:80", "--weights", "nvfp4"), ("a100-80gb", "--weights", "int8")],
)  # fmt: skip
def test_a_format_with_hardware_gets_none_and_neither_does_a_gpu_without_a_capability(words: tuple[str, ...]):
    assert not [one for one in warned("--gpu", *words) if "compute capability" in one]


def test_recommend_and_fit_name_all_gpus_of_a_format_in_one_line():
    words = ("fit", "--model", "mixtral-8x7b", "--context", "1000", "--gpus", "v100-32gb,a100-80gb,h100-80gb", "--weights", "fp8")
    lines = [one for one in json.loads(call(*words, "--json").stdout)["warnings"] if "compute capability" in one]
    assert len(lines) == 1
    assert "v100-32gb (compute capability 7.0), a100-80gb (compute capability 8.0), which takes 8.9" in lines[0]


def test_every_nvidia_gpu_of_the_catalogue_has_its_capability():
    without = {name for name, gpu in GPUS.items() if gpu.cuda_compute_capability is None}
    assert without == {"mi300x", "mi325x", "mi355x"}
    assert (GPUS["v100-32gb"].cuda_compute_capability, GPUS["l40s"].cuda_compute_capability) == (7.0, 8.9)


@pytest.mark.parametrize(
    ("gpu", "inner", "width", "bias_bytes"),
    [("a100-80gb", 2944, 3072, 2), ("b200", 3072, 3072, 4), ("b300", 3072, 3072, 4), ("rtx-pro-6000", 2944, 3072, 2)],
)
def test_other_kernels_for_mxfp4_pad_otherwise_and_are_warned_of(gpu: str, inner: int, width: int, bias_bytes: int):
    moe, stored, loading = MODELS["gpt-oss-120b"].moe, precision("mxfp4").routed_expert, VLLM.part("loading")
    kernel = loading.mxfp4_kernel(GPUS[gpu].cuda_compute_capability)
    sides = ((2 * inner, width), (width, inner))  # 2,880 on both sides, padded
    held = sum(rows * columns // 2 + rows * columns // 32 + rows * bias_bytes for rows, columns in sides)
    assert kernel.expert_bytes(moe, 2880, stored, expert_tensor=1) == held
    counted = loading.expert_bytes(moe, 2880, stored, expert_tensor=1)
    words = ("plan", "--model", "gpt-oss-120b", "--weights", "native", "--engine", "vllm-0.19", "--gpu", gpu)
    lines = [one for one in json.loads(call(*words, "--json").stdout)["warnings"] if kernel.kernel in one]
    assert len(lines) == 1
    assert f"experts {held / counted - 1:+.1%}" in lines[0]


@pytest.mark.parametrize("gpu", ["h100-80gb", "h200-141gb", "gh200-96gb", "v100-32gb", "mi300x"])
def test_the_counted_kernel_for_mxfp4_draws_no_line_and_neither_do_gpus_that_were_not_read(gpu: str):
    assert VLLM.part("loading").mxfp4_kernel(GPUS[gpu].cuda_compute_capability) is None


def test_a_step_reads_what_stands_on_a_gpu_and_works_its_own_share():
    model, layout = Model("m", MODELS["qwen3-next-80b-a3b"]), Parallelism(2, 2, expert=4)
    both = [
        decode_work(
            model, layout, precision("bf16"), replace(ASSUMED, engine=engine), np.array([8]), 1024, np.array([[20.0]])
        )
        for engine in (VLLM, replace(VLLM, placements=()))
    ]  # fmt: skip
    assert both[0].rest_bytes.item() - both[1].rest_bytes.item() == 48 * 3 * 2048 * 512 * 2 // 2  # half the shared experts
    assert both[0].flops.item() == both[1].flops.item()  # for each GPU passes half of the tokens through the whole of them
