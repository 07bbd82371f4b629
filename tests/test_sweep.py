"""The sweep against a plain loop in Python integers, and the invariants of every configuration."""

import re
from dataclasses import replace
from math import ceil, floor

import numpy as np
import polars as pl
import pytest
from conftest import ASSUMED, MODELS, REPOSITORY, activation_bytes, grid_of
from hypothesis import given
from hypothesis import strategies as st

import prophet_memory
from prophet_memory.architecture import Architecture
from prophet_memory.axes import KEYS
from prophet_memory.errors import ModelError
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Model
from prophet_memory.kv_cache import bytes_per_sequence, kv_growth
from prophet_memory.memory import Assumptions
from prophet_memory.occupancy import distinct_distribution, fixed_on_fullest_rank, mean_distinct, uniform_on_fullest_rank
from prophet_memory.parallelism import Parallelism, parallelism
from prophet_memory.parameters import count_parameters
from prophet_memory.planning import plan
from prophet_memory.precision import non_expert_bytes, precision, routed_expert_bytes
from prophet_memory.provision import provision
from prophet_memory.residency import POLICIES, residency_policy
from prophet_memory.routing import routing_law
from prophet_memory.stages import pipeline_stages
from prophet_memory.sweeps import COLUMNS, sweep

GIB = 2**30
MEMORY = {"small": 24 * GIB, "large": 80 * GIB, "vast": 1500 * GIB}
AXES = {"n_gpus": [1, 4], "batch_sizes": [1, 3, 16, 128], "precisions": ["bf16", "int8_experts"]}
PREDICTOR_BYTES = 7_200_000


def swept(architecture: Architecture, assumptions: Assumptions, memory: dict[str, int] = MEMORY, **axes) -> dict[str, np.ndarray]:
    """Every column of one model, without the axis of models."""
    grid = grid_of({"model": architecture}, memory, **AXES | axes)
    whole = sweep(grid, assumptions)
    return {name: np.ma.array(np.broadcast_to(whole.column(name), grid.shape, subok=True))[0] for name in COLUMNS}


def searched_context(architecture: Architecture, assumptions: Assumptions, space: int, tensor: int) -> int:
    """Largest context of one sequence in a space, by bisection."""
    layout = kv_growth(architecture, assumptions.cache, source_tokens=assumptions.encoder_source_tokens, tensor=tensor)
    low, high = 0, 2**45
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if int(bytes_per_sequence(layout, middle)) <= space else (low, middle - 1)
    return low


def by_hand(architecture: Architecture, assumptions: Assumptions, point: dict) -> dict:
    """One configuration from the definitions, without arrays."""
    moe, batch = architecture.moe, point["batch_size"]
    spread = parallelism(architecture, point["n_gpus"], pipeline=1)
    if architecture.is_dense:
        moe = replace(moe, routed_experts=1, top_k=1)  # of no bytes
    power = min(moe.routed_experts, moe.top_k * batch**0.932)
    exact = mean_distinct(moe.routed_experts, moe.top_k, batch)
    distinct = round(float(power if point["routing"] == "power_law" else exact), 9)
    if spread.expert > 1 and point["routing"] == "uniform":
        distinct = round(uniform_on_fullest_rank(moe.routed_experts, moe.top_k, batch, spread.expert), 9)
    elif spread.expert > 1:
        distinct = round(fixed_on_fullest_rank(moe.routed_experts, distinct, spread.expert), 9)
    stored = precision(point["precision"])

    def free(policy: str) -> int:
        resident = distinct if policy == "prophet" else ceil(moe.routed_experts / spread.expert)
        slots = architecture.moe_layer_count * routed_expert_bytes(architecture, stored, expert_tensor=spread.expert_tensor)
        need = non_expert_bytes(architecture, stored, tensor=spread.tensor) + ceil(resident * slots)
        engine = assumptions.engine
        need += 524_288_000 + 1_004_535_808 * (spread.n_gpus > 1)
        need += activation_bytes(
            architecture,
            batch_sizes=batch,
            max_step_tokens=2048,
            value_bytes=2,
            layout=spread,
        )
        need += PREDICTOR_BYTES if policy == "prophet" else 0
        return floor(MEMORY[point["gpu"]] * engine.usable_fraction) - need

    sequences = ceil(batch / spread.data)
    contexts = {p: searched_context(architecture, assumptions, free(p) // sequences, spread.tensor) for p in POLICIES}
    own, baseline = contexts[point["policy"]], contexts["all_resident"]
    limit = architecture.max_context_tokens or own + baseline
    verdict = "does_not_fit" if own == 0 else "newly_fits" if baseline == 0 else "fits"
    return {
        "free_for_kv_bytes": free(point["policy"]),
        "max_context_tokens": own or None,
        "kv_capacity_tokens": own * point["batch_size"] or None,
        "kv_extension": own / baseline if verdict == "fits" else None,
        "usable_kv_capacity_tokens": min(own, limit) * point["batch_size"] or None,
        "usable_kv_extension": min(own, limit) / min(baseline, limit) if verdict == "fits" else None,
        "fit_verdict": verdict,
    }


@pytest.mark.parametrize("fraction", [1.0, 0.9])
def test_every_point_equals_the_definition(architecture: Architecture, assumptions: Assumptions, fraction: float):
    assumed = replace(assumptions, engine=replace(assumptions.engine, usable_fraction=fraction))
    layouts = {n: parallelism(architecture, n, pipeline=1) for n in AXES["n_gpus"]}
    for row in sweep(grid_of({"model": architecture}, MEMORY, **AXES, layouts=layouts), assumed).to_polars().to_dicts():
        expected = by_hand(architecture, assumed, row)
        assert {name: row[name] for name in expected} == expected


def test_memory_adds_up_to_what_is_usable(architecture: Architecture, assumptions: Assumptions):
    out = swept(architecture, assumptions)
    parts = ("non_expert", "resident_expert", "activation", "overhead", "runtime_reserve", "free_for_kv")
    assert np.array_equal(sum(out[f"{part}_bytes"] for part in parts), out["usable_bytes"])
    assert (out["usable_bytes"] <= out["gpu_memory_bytes"]).all()


def test_prophet_never_needs_more_experts_and_the_baseline_extends_by_one(architecture: Architecture, assumptions: Assumptions):
    out = swept(architecture, assumptions, provisions=[provision("mean"), provision("p99")])
    everything, prophet = (out["resident_expert_bytes"][..., i, :] for i in (0, 1))
    assert (prophet <= everything).all()
    assert (out["expert_savings_fraction"][..., 0, :] == 0).all()
    if architecture.is_dense:
        assert not out["expert_savings_fraction"].any()
        return
    alone = np.s_[:, 0]  # on several GPUs the fullest rank keeps more than its share
    assert np.allclose(out["expert_savings_fraction"][..., 1, :][alone], (1 - prophet / everything)[alone], atol=1e-6)
    assert (prophet / everything >= 1 - out["expert_savings_fraction"][..., 1, :] - 1e-6).all()
    baseline = out["kv_extension"][..., 0, :]
    assert (baseline.compressed() == 1).all()
    # With every expert needed Prophet costs its predictor: never more than that.
    lost = out["free_for_kv_bytes"][..., 0, :] - out["free_for_kv_bytes"][..., 1, :]
    assert (lost <= PREDICTOR_BYTES).all()


def test_pools_for_a_quantile_hold_what_that_share_of_steps_needs(architecture: Architecture, assumptions: Assumptions):
    if architecture.is_dense:
        return
    names, moe, batches = ("mean", "p95", "p99", "p99_pooled"), architecture.moe, [1, 3, 16]
    axes = {"n_gpus": [1], "batch_sizes": batches, "routings": ["uniform"]}
    out = swept(architecture, assumptions, **axes, provisions=list(map(provision, names)))
    plain = swept(architecture, assumptions, **axes)
    for column in COLUMNS:  # the mean is what a sweep without the axis says
        first = out[column][..., :1]
        assert np.array_equal(np.ma.filled(first, -1), np.ma.filled(plain[column], -1)), column
    baseline, prophet = ({name: out[name][..., policy, :] for name in out} for policy in (0, 1))
    for name, values in baseline.items():
        if not name.startswith("distinct"):
            assert (np.ma.filled(values, -1) == np.ma.filled(values[..., :1], -1)).all(), name
    for place, batch in enumerate(batches):
        chances = np.cumsum(distinct_distribution(moe.routed_experts, moe.top_k, batch))
        slots = prophet["resident_experts_per_layer"][0, 0, place, 0, 0]
        expected = [
            mean_distinct(moe.routed_experts, moe.top_k, batch),
            *(int((chances < q - 1e-12).sum()) for q in (0.95, 0.99)),
        ]
        assert slots[:3].tolist() == pytest.approx(expected, abs=1e-9)
        assert expected[0] - 1e-9 <= slots[3] <= expected[2] + 1e-9
    for column, sign in (("resident_expert_bytes", 1), ("free_for_kv_bytes", -1), ("expert_savings_fraction", -1)):
        assert (sign * np.diff(prophet[column][..., :3], axis=-1) >= -1e-12).all()
    assert (prophet["distinct_experts"] == prophet["distinct_experts"][..., :1]).all()


@given(st.integers(0, len(MODELS) - 1), st.integers(GIB, 3000 * GIB), st.integers(0, 100 * GIB))
def test_more_memory_never_holds_less(index: int, memory: int, more: int):
    out = swept(list(MODELS.values())[index], ASSUMED, {"a": memory, "b": memory + more}, batch_sizes=[1, 16])
    less, larger = np.ma.filled(out["max_context_tokens"], 0)
    assert (larger >= less).all()
    assert (out["fit_verdict"][1] <= out["fit_verdict"][0]).all()  # fits < newly_fits < does_not_fit


@given(st.permutations(KEYS), st.permutations(range(4)), st.permutations(range(2)))
def test_the_order_of_axes_and_values_moves_rows_and_changes_none(order: list[str], batches: list[int], policies: list[int]):
    plain = grid_of({name: MODELS[name] for name in ("qwen3-next-80b-a3b", "gpt-oss-120b")}, MEMORY, **AXES)
    shuffled = replace(
        plain,
        batch_sizes=[plain.batch_sizes[i] for i in batches],
        policies=[plain.policies[i] for i in policies],
        order=tuple(order),
    )
    before, after = (sweep(grid, ASSUMED).to_polars().sort(KEYS) for grid in (plain, shuffled))
    assert after.select(before.columns).equals(before)


def test_an_array_goes_along_its_axes_and_an_axis_that_is_left_out_has_one_value():
    grid = grid_of({"a": MODELS["dbrx"], "b": MODELS["grok-1"]}, MEMORY, **AXES)
    values = np.arange(8).reshape(2, 4)
    along = grid.along(("model", "batch_size"), values)
    assert along.shape == (2, 1, 1, 4, 1, 1, 1, 1)
    assert np.array_equal(replace(grid, order=KEYS[::-1]).along(("model", "batch_size"), values).squeeze(), values.T)
    with pytest.raises(ValueError, match="n_gpus: 2 values; allowed: one"):
        replace(grid, order=tuple(key for key in KEYS if key != "n_gpus"))


def test_rows_go_to_pandas_as_they_go_to_polars():
    rows = sweep(grid_of({"dbrx": MODELS["dbrx"]}, MEMORY, **AXES), ASSUMED)
    assert rows.to_pandas()["kv_extension"].isna().sum() == rows.to_polars()["kv_extension"].null_count() > 0
    assert list(rows.to_pandas()) == [*KEYS, *COLUMNS]


@given(st.lists(st.floats(0, 64), min_size=1, max_size=8), st.integers(64, 512), st.floats(0, 1))
def test_slots_hold_no_more_than_there_is_and_nothing_is_fetched_where_all_stay(needed: list[float], experts: int, hit: float):
    for name in POLICIES:
        policy = residency_policy(name)
        slots = policy.slots(np.array(needed), experts)
        moved = policy.transfers(np.array(needed), np.full(len(needed), hit), experts)
        assert slots.shape == moved.link_experts.shape == moved.host_experts.shape == (len(needed),)
        assert ((slots >= 0) & (slots <= experts)).all()
        both = moved.link_experts + moved.host_experts
        assert (both >= 0).all()
        assert (both <= (experts if name == "layer_offload" else np.array(needed))).all()
        assert name != "all_resident" or not both.any()
        copies = policy.host_copies(slots, experts)
        assert ((copies >= 0) & (copies <= experts)).all()
        assert (copies + slots >= experts).all()  # an expert stands somewhere


def test_the_public_names_are_those_of_the_stub():
    stub = (REPOSITORY / "src/prophet_memory/__init__.pyi").read_text(encoding="utf-8")
    assert sorted(re.findall(r" as (\w+)$", stub, re.MULTILINE)) == sorted(prophet_memory.__all__)
    assert all(getattr(prophet_memory, name).__name__ for name in prophet_memory.__all__)
    assert prophet_memory.sweep is sweep


def test_a_policy_is_compared_with_the_baseline_whether_that_is_swept_or_not():
    def rows(policies: list[object]):
        return sweep(grid_of({"dbrx": MODELS["dbrx"]}, MEMORY, policies=policies, **AXES), ASSUMED).to_polars()

    both, alone = rows(["all_resident", "prophet"]), rows(["prophet"])
    assert alone.equals(both.filter(policy="prophet"))
    free = sweep(
        grid_of({"dbrx": MODELS["dbrx"]}, MEMORY, policies=[{"prophet": {"overhead_bytes": 0}}], **AXES), ASSUMED
    ).to_polars()
    assert free["policy"].unique().to_list() == ["prophet_overhead_bytes0"]
    assert ((free["free_for_kv_bytes"] - alone["free_for_kv_bytes"]) == PREDICTOR_BYTES).all()


def test_int8_experts_halve_the_matrices_and_add_a_scale_per_channel(architecture: Architecture):
    if architecture.is_dense:
        assert routed_expert_bytes(architecture, precision("int8_experts")) == 0
        return
    per_expert, moe, hidden = count_parameters(architecture).per_expert, architecture.moe, architecture.hidden_size
    channels = (2 if moe.gated else 1) * moe.expert_intermediate_size + moe.expert_width(hidden)
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


@pytest.mark.parametrize("axes", [{"batch_sizes": [0]}, {"batch_sizes": [True]}, {"n_gpus": [-1]}, {"context_tokens": [0.5]}])
def test_a_count_below_one_is_refused(axes: dict):
    with pytest.raises(ModelError, match="an integer of at least 1"):
        grid_of({"mixtral": MODELS["mixtral-8x7b"]}, {"any": 10**12}, **axes)
    with pytest.raises(ModelError, match="two formats as in int4/fp8"):
        sweep(grid_of({"mixtral": MODELS["mixtral-8x7b"]}, {"any": 10**12}, precisions=["fp9"]), ASSUMED)


@pytest.mark.parametrize("limit", [1, 700, 5000, 10**8, None])
def test_no_sequence_uses_more_than_its_model_takes(architecture: Architecture, assumptions: Assumptions, limit: int | None):
    bounded = replace(architecture, max_context_tokens=limit)
    out = swept(bounded, assumptions)
    fits = ~np.ma.getmaskarray(out["kv_extension"])
    longest, batch = out["max_context_tokens"], np.array([1, 3, 16, 128]).reshape(1, 1, -1, 1, 1, 1, 1)
    expected = np.minimum(longest.filled(0), limit or 2**40) * batch
    assert np.array_equal(out["usable_kv_capacity_tokens"].filled(0), expected)
    capped, plain = out["usable_kv_extension"][fits], out["kv_extension"][fits]
    assert (np.abs(capped - 1) <= np.abs(plain - 1) + 1e-12).all()  # a bound takes from gains and from losses
    if limit == 1:
        assert (capped == 1).all()
    if limit is None and architecture.max_context_tokens is None:
        assert np.array_equal(capped, plain)


def test_stages_without_experts_are_planned_too():
    """Llama 4's every second layer is dense, and so is every second stage of one layer."""
    model, layout = Model("maverick", MODELS["llama-4-maverick"]), Parallelism(pipeline=48)
    found = plan(model, Gpu("any", 80 * 2**30), ASSUMED, batch_size=1, n_gpus=48, layout=layout)
    assert found.row["distinct_experts"] == 1
    deepseek, layout = Model("deepseek", MODELS["deepseek-v3"]), parallelism(MODELS["deepseek-v3"], 64, pipeline=32)
    found = plan(deepseek, Gpu("any", 141 * 2**30), ASSUMED, batch_size=1, n_gpus=64, layout=layout)
    assert (found.row["expert_parallel"], found.row["distinct_experts"]) == (2, 8)


@pytest.mark.parametrize("name", ["qwen2-57b-a14b", "qwen2.5-7b", "deepseek-v2-lite"])
def test_the_stage_that_holds_the_fewest_tokens_decides_each_point(name: str):
    model, n_gpus = MODELS[name], 8 if name != "deepseek-v2-lite" else 32
    layout = parallelism(model, n_gpus)
    assert layout.pipeline == n_gpus // layout.tensor > 1
    axes = {"n_gpus": [1, n_gpus], "batch_sizes": [1, 16], "precisions": ["bf16"]}
    whole = sweep(grid_of({name: model}, MEMORY, **axes), ASSUMED).to_polars()
    stages = pipeline_stages(model, layout.pipeline)
    parts = [
        sweep(grid_of({name: stage}, MEMORY, **axes | {"n_gpus": [n_gpus]}, layouts={n_gpus: layout}), ASSUMED).to_polars()
        for stage in stages
    ]
    rows = whole.filter(pl.col("n_gpus") == n_gpus).to_dicts()
    assert {row["pipeline_parallel"] for row in rows} == {layout.pipeline}
    for row, *own in zip(rows, *(part.to_dicts() for part in parts), strict=True):
        fewest = min(own, key=lambda stage: (stage["max_context_tokens"] or 0, stage["free_for_kv_bytes"]))
        for column in ("max_context_tokens", "kv_capacity_tokens", "free_for_kv_bytes", "non_expert_bytes", "activation_bytes"):
            assert row[column] == fewest[column]
        parts_add_up = ("non_expert", "resident_expert", "activation", "overhead", "runtime_reserve", "free_for_kv")
        assert sum(row[f"{part}_bytes"] for part in parts_add_up) == row["usable_bytes"]
        weights = [stage.moe_layer_count for stage in stages]
        if any(weights):
            mean = np.average([stage["distinct_experts"] for stage in own], weights=weights)
            assert row["distinct_experts"] == pytest.approx(float(mean), abs=1e-8)
        planned = plan(
            Model(name, model), Gpu(row["gpu"], MEMORY[row["gpu"]]), ASSUMED, batch_size=row["batch_size"], n_gpus=n_gpus,
            layout=layout, routing=routing_law(row["routing"]), policy=residency_policy(row["policy"]),
        )  # fmt: skip
        assert planned.row == row
    alone = whole.filter(pl.col("n_gpus") == 1)
    assert alone.equals(sweep(grid_of({name: model}, MEMORY, **axes | {"n_gpus": [1]}), ASSUMED).to_polars())
