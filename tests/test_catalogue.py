"""Every model of the catalogue against recorded facts: parameters to the parameter, caches to the byte."""

import csv
from pathlib import Path

import pytest
from conftest import MODELS, cache

from prophet_memory.architecture import Architecture
from prophet_memory.kv_cache import cross_attention_bytes_per_source_token, kv_growth, state_bytes_per_sequence
from prophet_memory.parameters import count_parameters

with (Path(__file__).parent / "data" / "architecture_facts.csv").open(encoding="utf-8") as stream:
    FACTS = {row["slug"]: row for row in csv.DictReader(stream)}


def computed(architecture: Architecture) -> dict[str, int | None]:
    counts = count_parameters(architecture)
    growth = kv_growth(architecture, cache("bf16"), source_tokens=0)
    windowed = bool(growth.windows)
    state = {name: state_bytes_per_sequence(architecture, cache("bf16", state=name)) for name in ("bf16", "fp32")}
    return {
        "layers": architecture.layer_count,
        "moe_layers": architecture.moe_layer_count,
        "experts": architecture.moe.routed_experts,
        "top_k": architecture.moe.top_k,
        "total_params": counts.total,
        "routed_expert_params": counts.routed_expert,
        "non_expert_params": counts.non_expert,
        "params_per_expert_per_layer": counts.per_expert,
        "shared_expert_params": counts.shared_expert,
        "router_params": counts.router,
        "attention_params": counts.attention,
        "embedding_params": counts.embedding,
        "lm_head_params": counts.lm_head,
        "active_params_per_token": counts.active_per_token,
        "kv_bytes_per_token_bf16": growth.bytes_per_token,
        "kv_bytes_per_token_beyond_window": growth.unbounded_bytes_per_token if windowed else None,
        "window_tokens": growth.windows[0][0] if windowed else None,
        "cross_bytes_per_source_token": cross_attention_bytes_per_source_token(architecture, cache("bf16")) or None,
        "state_bytes_per_sequence_bf16": state["bf16"] or None,
        "state_bytes_per_sequence_fp32": state["fp32"] or None,
        "max_context": architecture.max_context_tokens,
    }


def test_the_catalogue_holds_the_models_of_the_facts_and_no_other():
    assert sorted(MODELS) == sorted(FACTS)


def test_counts_and_caches_equal_the_facts(model: str, architecture: Architecture):
    facts = FACTS[model]
    for name, value in computed(architecture).items():
        assert value == (int(facts[name]) if facts[name] else None), name
    assert architecture.hidden_size * architecture.vocabulary_size == int(facts["embedding_params"])
    assert (architecture.encoder is not None) == (facts["kv_kind"] == "encoder-decoder")


def test_components_add_up(architecture: Architecture):
    counts = count_parameters(architecture)
    parts = (counts.shared_expert, counts.router, counts.attention, counts.recurrent, counts.dense_feed_forward, counts.norm)
    assert counts.total == counts.routed_expert + sum(parts) + counts.embedding + counts.lm_head
    assert counts.routed_expert == architecture.moe_layer_count * architecture.moe.routed_experts * counts.per_expert
    assert counts.total - counts.active_per_token == counts.routed_expert - counts.top_k_expert


@pytest.mark.parametrize(("model", "billions"), [("grok-1", 315.7), ("deepseek-v3", 671.0), ("switch-xxl-128", 394.7)])
def test_totals_that_are_often_misquoted(model: str, billions: float):
    assert round(count_parameters(MODELS[model]).total / 1e9, 1) == billions
