"""The sweep against a plain loop in Python integers, and the invariants of every configuration."""

from dataclasses import replace
from math import ceil, floor

import numpy as np
import pytest
from conftest import MODELS
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.activations import activation_bytes
from prophet_memory.architecture import Architecture
from prophet_memory.kv_cache import bytes_per_sequence, kv_layout
from prophet_memory.occupancy import fixed_on_fullest_rank, uniform_on_fullest_rank
from prophet_memory.parallelism import parallelism
from prophet_memory.parameters import count_parameters
from prophet_memory.precision import non_expert_bytes, precision, routed_expert_bytes
from prophet_memory.residency import POLICIES
from prophet_memory.routing import routing_laws
from prophet_memory.sweep import FIT_VERDICTS, Assumptions, Grid, sweep_model
from prophet_pipeline.configuration import read_settings

GIB = 2**30
ASSUMED = Assumptions(**read_settings()["assumptions"])
GRID = Grid(
    gpu_memory_bytes={"small": 24 * GIB, "large": 80 * GIB, "vast": 1500 * GIB},
    n_gpus=[1, 4],
    batch_sizes=[1, 3, 16, 128],
    routings=["power_law", "uniform"],
    precisions=["bf16", "int8_experts"],
    policies=["all_resident", "prophet"],
)


def searched_context(architecture: Architecture, assumptions: Assumptions, space: int, tensor: int) -> int:
    """Largest context of one sequence in a space, by bisection."""
    layout = kv_layout(architecture, assumptions.cache, source_tokens=assumptions.encoder_source_tokens, tensor=tensor)
    low, high = 0, 2**45
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if int(bytes_per_sequence(layout, middle)) <= space else (low, middle - 1)
    return low


def by_hand(architecture: Architecture, assumptions: Assumptions, point: dict) -> dict:
    """One configuration from the definitions, without arrays."""
    moe, batch, spread = architecture.moe, point["batch_size"], parallelism(architecture, point["n_gpus"])
    laws = routing_laws(power_law_exponent=assumptions.power_law_exponent)
    distinct = round(float(laws[point["routing"]](moe.routed_experts, moe.top_k, batch)), 9)
    if spread.expert > 1 and point["routing"] == "uniform":
        distinct = round(uniform_on_fullest_rank(moe.routed_experts, moe.top_k, batch, spread.expert), 9)
    elif spread.expert > 1:
        distinct = round(fixed_on_fullest_rank(moe.routed_experts, distinct, spread.expert), 9)
    stored = precision(point["precision"])

    def free(policy: str) -> int:
        resident = distinct if policy == "prophet" else ceil(moe.routed_experts / spread.expert)
        slots = architecture.moe_layer_count * routed_expert_bytes(architecture, stored, expert_tensor=spread.expert_tensor)
        need = non_expert_bytes(architecture, stored, tensor=spread.tensor) + ceil(resident * slots)
        need += assumptions.runtime_reserve_bytes + assumptions.communication_reserve_bytes * (spread.n_gpus > 1)
        need += activation_bytes(
            architecture,
            batch_sizes=batch,
            max_step_tokens=assumptions.max_step_tokens,
            value_bytes=assumptions.activation_value_bytes,
            layout=spread,
        )
        need += assumptions.predictor_overhead_bytes if policy == "prophet" else 0
        return floor(GRID.gpu_memory_bytes[point["gpu"]] * assumptions.usable_fraction) - need

    sequences = ceil(batch / spread.data)
    contexts = {p: searched_context(architecture, assumptions, free(p) // sequences, spread.tensor) for p in POLICIES}
    own, baseline = contexts[point["policy"]], contexts["all_resident"]
    verdict = "does_not_fit" if own == 0 else "newly_fits" if baseline == 0 else "fits"
    return {
        "free_for_kv_bytes": free(point["policy"]),
        "max_context_tokens": own or None,
        "kv_capacity_tokens": own * point["batch_size"] or None,
        "kv_extension": own / baseline if verdict == "fits" else None,
        "fit_verdict": verdict,
    }


def rows(columns: dict[str, np.ndarray]) -> list[dict]:
    keys = {name: column.ravel().tolist() for name, column in GRID.keys().items()}
    values = {name: column.ravel().tolist() for name, column in columns.items()}
    table = keys | values | {"fit_verdict": [FIT_VERDICTS[i] for i in values["fit_verdict"]]}
    return [dict(zip(table, line, strict=True)) for line in zip(*table.values(), strict=True)]


@pytest.mark.parametrize("fraction", [1.0, 0.9])
def test_every_point_equals_the_definition(architecture: Architecture, assumptions: Assumptions, fraction: float):
    assumed = replace(assumptions, usable_fraction=fraction)
    for row in rows(sweep_model(architecture, GRID, assumed)):
        expected = by_hand(architecture, assumed, row)
        assert {name: row[name] for name in expected} == expected


def test_memory_adds_up_to_what_is_usable(architecture: Architecture, assumptions: Assumptions):
    out = sweep_model(architecture, GRID, assumptions)
    parts = ("non_expert", "resident_expert", "activation", "overhead", "runtime_reserve", "free_for_kv")
    assert np.array_equal(sum(out[f"{part}_bytes"] for part in parts), out["usable_bytes"])
    assert (out["usable_bytes"] <= out["gpu_memory_bytes"]).all()


def test_prophet_never_needs_more_experts_and_the_baseline_extends_by_one(architecture: Architecture, assumptions: Assumptions):
    out = sweep_model(architecture, GRID, assumptions)
    everything, prophet = (out["resident_expert_bytes"][..., i] for i in (0, 1))
    assert (prophet <= everything).all()
    assert (out["expert_savings_fraction"][..., 0] == 0).all()
    alone = np.s_[:, 0]  # on several GPUs the fullest rank keeps more than its share
    assert np.allclose(out["expert_savings_fraction"][..., 1][alone], (1 - prophet / everything)[alone], atol=1e-6)
    assert (prophet / everything >= 1 - out["expert_savings_fraction"][..., 1] - 1e-6).all()
    baseline = out["kv_extension"][..., 0]
    assert (baseline.compressed() == 1).all()
    # With every expert needed Prophet costs its predictor: never more than that.
    lost = out["free_for_kv_bytes"][..., 0] - out["free_for_kv_bytes"][..., 1]
    assert (lost <= assumptions.predictor_overhead_bytes).all()


@given(st.integers(0, len(MODELS) - 1), st.integers(GIB, 3000 * GIB), st.integers(0, 100 * GIB))
def test_more_memory_never_holds_less(index: int, memory: int, more: int):
    grid = replace(GRID, gpu_memory_bytes={"a": memory, "b": memory + more}, batch_sizes=[1, 16])
    out = sweep_model(list(MODELS.values())[index], grid, ASSUMED)
    less, larger = out["max_context_tokens"].filled(0)
    assert (larger >= less).all()
    assert (out["fit_verdict"][1] <= out["fit_verdict"][0]).all()  # fits < newly_fits < does_not_fit


@given(st.permutations(range(4)), st.permutations(range(2)))
def test_the_order_of_the_axes_moves_rows_and_changes_none(batch_order: list[int], policy_order: list[int]):
    shuffled = replace(
        GRID,
        batch_sizes=[GRID.batch_sizes[i] for i in batch_order],
        policies=[GRID.policies[i] for i in policy_order],
    )
    model = MODELS["qwen3-next-80b-a3b"]
    plain, moved = sweep_model(model, GRID, ASSUMED), sweep_model(model, shuffled, ASSUMED)
    for name, values in plain.items():
        assert np.ma.allequal(values[:, :, batch_order][..., policy_order], moved[name]), name


def test_int8_experts_halve_the_matrices_and_add_a_scale_per_channel(architecture: Architecture):
    per_expert, moe, hidden = count_parameters(architecture).per_expert, architecture.moe, architecture.hidden_size
    channels = (2 if moe.gated else 1) * moe.expert_intermediate_size + hidden
    biases = channels if moe.expert_bias else 0
    bf16 = routed_expert_bytes(architecture, precision("bf16"))
    int8 = routed_expert_bytes(architecture, precision("int8_experts"))
    assert bf16 == 2 * per_expert
    assert int8 == per_expert - biases + 4 * channels + 2 * biases
    # Scales cost 0.03 to 0.5 percent of the INT8 weights; biases stay at 16 bit.
    assert 0.5 < (int8 - biases) / (bf16 - biases) < 0.503
    assert non_expert_bytes(architecture, precision("int8_experts")) == non_expert_bytes(architecture, precision("bf16"))


def test_activations_of_mixtral_by_hand():
    # 2,048 tokens x (2 x 4,096 for the residual stream + top-2 x (2 x 4,096 + 2 x 14,336) + 8 router outputs) x 2 bytes
    expected = 2048 * 2 * (2 * 4096 + 2 * (2 * 4096 + 2 * 14336) + 8)
    mixtral = MODELS["mixtral-8x7b"]
    assert activation_bytes(mixtral, batch_sizes=16, max_step_tokens=2048, value_bytes=2) == expected
    # A decode step of more sequences than a prefill chunk has tokens is the larger step.
    assert activation_bytes(mixtral, batch_sizes=4096, max_step_tokens=2048, value_bytes=2) > expected


@given(st.integers(0, len(MODELS) - 1), st.integers(1, 4096), st.integers(1, 8192))
def test_activations_grow_with_the_step_and_the_batch(index: int, batch: int, step: int):
    model = list(MODELS.values())[index]
    one = activation_bytes(model, batch_sizes=batch, max_step_tokens=step, value_bytes=2)
    assert one <= activation_bytes(model, batch_sizes=batch + 1, max_step_tokens=step, value_bytes=2)
    assert one <= activation_bytes(model, batch_sizes=batch, max_step_tokens=step + 1, value_bytes=2)
