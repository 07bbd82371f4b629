"""`import-config --via-transformers`: against what the project counts by itself, and against arithmetic on the config.

Needs the extra `[reference]` (torch and transformers); `.ci/run` installs it.
"""

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

REASON = "the extra [reference] is not installed (torch, transformers): pip install torch, then pip install -e '.[reference]'"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

from small_configs import RUNNING, SMALL  # noqa: E402
from small_configs.common import CHUNKED, FULL, LATENT, LINEAR, SLIDING  # noqa: E402
from test_huggingface_reference import CLASS_OF, INSIDE  # noqa: E402

from prophet_memory.cli import reference_cache, reference_experts, via_transformers  # noqa: E402
from prophet_memory.cli.description import counted  # noqa: E402
from prophet_memory.cli.import_config import command  # noqa: E402
from prophet_memory.huggingface import read  # noqa: E402

DATA = Path(__file__).parent / "data"
BF16 = 2


def theirs(config: Mapping[str, Any]) -> dict[str, Any]:
    return via_transformers.counted_by_reference(Path("config.json"), config)


def own(config: Mapping[str, Any]) -> dict[str, Any]:
    return counted(read(config).architecture)


# One that compresses tokens, one whose token is sent to experts that do nothing, and text models without a class of their own.
APART = {"deepseek_v4", "longcat_flash", "mistral4", *INSIDE}
CHANGES: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in sorted(set(SMALL) - APART)),
    ("mixtral", {"sliding_window": 6}),
    ("qwen3_moe", {"mlp_only_layers": [0, 3], "tie_word_embeddings": True}),
    ("qwen3_next", {"layer_types": [FULL, LINEAR, LINEAR, FULL, FULL]}),
    ("deepseek_v2", {"q_lora_rank": None, "n_shared_experts": 0}),
    ("jamba", {"attn_layer_period": 1, "attn_layer_offset": 0}),
    ("switch_transformers", {"num_sparse_decoder_layers": 0, "num_sparse_encoder_layers": 4}),
    ("llama4_text", {"interleave_moe_layer_step": 2, "layer_types": [CHUNKED, FULL, FULL, FULL, CHUNKED]}),
    ("hunyuan_v1_moe", {"moe_topk": [3] * 5}),
    ("minimax", {"layer_types": [FULL, LINEAR, LINEAR, LINEAR, FULL]}),
]


@pytest.mark.parametrize(("kind", "change"), CHANGES, ids=[f"{kind}-{json.dumps(change)}" for kind, change in CHANGES])
def test_what_the_project_counts_by_itself(kind, change):
    config = {"model_type": kind} | SMALL[kind] | RUNNING.get(kind, {}) | change
    assert theirs(config) == own(config)


# Multimodal models: the type of the language model inside, and that of the same one alone which the project reads.
AROUND = {
    "kimi_k25": ("deepseek_v3", "deepseek_v3"),
    "llama4": ("llama4_text", "llama4_text"),
    "qwen3_vl_moe": ("qwen3_vl_moe_text", "qwen3_moe"),
}


@pytest.mark.parametrize("kind", sorted(AROUND))
def test_what_the_project_counts_inside_a_multimodal_model(kind):
    inner, alone = AROUND[kind]
    small = SMALL[alone] | RUNNING.get(alone, {})
    counts = theirs({"model_type": kind, "text_config": small | {"model_type": inner}, "tie_word_embeddings": False})
    assert counts.pop("other_params") > 1_000_000  # a tower of the default size
    assert counts == own({"model_type": alone} | small)


def test_a_model_around_that_cannot_be_built_is_null_with_the_reason():
    if "qwen3_omni_moe" not in transformers.CONFIG_MAPPING:
        pytest.skip("this release of transformers has no qwen3_omni_moe")
    text = {"num_hidden_layers": 1, "hidden_size": 24, "moe_intermediate_size": 9, "head_dim": 4}
    counts = theirs({"model_type": "qwen3_omni_moe", "thinker_config": {"text_config": text}})
    assert counts["other_params"] is None
    assert re.fullmatch(r"the model around .* cannot be built \(.*has no attribute .*\)", counts["reasons"]["other_params"])
    assert counts["routed_expert_params"] == 128 * 3 * 24 * 9


@pytest.mark.parametrize("name", ["granite-3.1-3b-a800m"])
def test_published_configs(name):
    config = json.loads((DATA / "imported_configs" / f"{name}.json").read_text(encoding="utf-8"))
    built = {key: value for key, value in config.items() if key != "quantization_config"}
    assert theirs(built | {"model_type": CLASS_OF.get(config["model_type"], config["model_type"])}) == own(config)


# Models that the project does not describe: the small config, and what its class caches and routes, by hand.
SIZES = {
    "vocab_size": 101,
    "hidden_size": 24,
    "intermediate_size": 13,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "pad_token_id": None,
}
SPARSE = {"moe_intermediate_size": 9, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
LATENTS = SIZES | {"num_key_value_heads": 4} | LATENT
EXPERT = 3 * 24 * 9  # gate, up and down projection
GEMMA4 = (
    SIZES
    | {"num_key_value_heads": 2, "head_dim": 10, "global_head_dim": 16, "sliding_window": 7}
    | {"vocab_size_per_layer_input": 11}
)
GEMMA4 |= {"hidden_size_per_layer_input": 3, "layer_types": [SLIDING, SLIDING, FULL] * 2}
# type: (config, routed parameters, layers with experts, experts, top k, cached values per token, state values)
BY_HAND: dict[str, tuple[dict[str, Any], int, int, int | None, int | None, int, int]] = {
    "kimi_linear": (
        LATENTS
        | SPARSE
        | {"num_experts": 8, "first_k_dense_replace": 1}
        | {"linear_attn_config": {"full_attn_layers": [2, 6], "kda_layers": [1, 3, 4, 5], "head_dim": 5, "num_heads": 3}},
        *(5 * 8 * EXPERT, 5, 8, 2),
        2 * (5 + 4),  # the latent and the rotary key of two layers
        4 * (3 * 5 * 5 + 3 * (3 * 5) * 4),  # a matrix for each head; queries, keys and values of four tokens
    ),
    "bailing_hybrid": (
        LATENTS | SPARSE | {"num_experts": 8, "first_k_dense_replace": 2, "layer_group_size": 3, "head_dim": 5},
        *(4 * 8 * EXPERT, 4, 8, 2),
        2 * (5 + 4),  # every third layer
        4 * (4 * 5 * 5 + 3 * (4 * 5) * 4),
    ),
    "mimo_v2_flash": (
        SIZES | SPARSE | {"num_key_value_heads": 2, "head_dim": 10, "v_head_dim": 6, "n_routed_experts": 8, "sliding_window": 9},
        *(5 * 8 * EXPERT, 5, 8, 2),
        (2 * 2 + 4 * 4) * (10 + 6),  # two full layers, four with a window and twice the heads
        0,
    ),
    "deepseek_v32": (
        LATENTS | SPARSE | {"n_routed_experts": 8, "first_k_dense_replace": 2, "index_head_dim": 12, "index_n_heads": 3},
        *(4 * 8 * EXPERT, 4, 8, 2),
        6 * (5 + 4 + 12),  # the keys of the indexer too
        0,
    ),
    "glm_moe_dsa": (
        LATENTS
        | SPARSE
        | {"n_routed_experts": 8, "first_k_dense_replace": 2, "index_head_dim": 12, "index_n_heads": 3}
        | {"indexer_types": ["full", "full", "shared", "shared", "full", "shared"]},
        *(4 * 8 * EXPERT, 4, 8, 2),
        6 * (5 + 4) + 3 * 12,  # only full layers have an indexer
        0,
    ),
    "jetmoe": (
        {"vocab_size": 101, "hidden_size": 24, "intermediate_size": 13, "num_hidden_layers": 3, "num_key_value_heads": 2}
        | {"kv_channels": 10, "num_local_experts": 5, "num_experts_per_tok": 2},
        # Experts of the feed-forward block (up, gate and down) and of attention (queries and output).
        *(3 * 5 * (3 * 24 * 13 + 2 * 24 * 2 * 10), 3, 5, 2),
        3 * 2 * 2 * 10,
        0,
    ),
    "doge": (
        SIZES | {"num_key_value_heads": 2, "is_moe": True, "num_experts": 16, "num_experts_per_tok": 3},
        *(6 * 16 * 2 * 24, 6, 16, 3),  # an expert is a row of two embeddings
        6 * 2 * 2 * 6,
        0,
    ),
    "gemma4_text": (
        GEMMA4
        | {"attention_k_eq_v": True, "num_global_key_value_heads": 1}
        | {"enable_moe_block": True, "num_experts": 8, "top_k_experts": 2, "moe_intermediate_size": 9},
        *(6 * 8 * EXPERT, 6, 8, 2),
        2 * (4 * 2 * 10 + 2 * 1 * 16),  # keys and values are cached apart though one projection makes both
        0,
    ),
    "llama": (SIZES | {"num_key_value_heads": 2, "head_dim": 10}, 0, 0, None, None, 6 * 2 * 2 * 10, 0),
    "t5": (
        {"vocab_size": 101, "d_model": 24, "d_kv": 5, "d_ff": 13, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4},
        *(0, 0, None, None),
        3 * 2 * 4 * 5,  # of the decoder alone, and without cross-attention
        0,
    ),
    "mamba": (
        {"vocab_size": 101, "hidden_size": 24, "num_hidden_layers": 3, "state_size": 7, "conv_kernel": 3, "expand": 2},
        *(0, 0, None, None),
        0,
        3 * 48 * (7 + 3),
    ),
}


@pytest.mark.parametrize("kind", sorted(BY_HAND))
def test_what_the_config_says_by_hand(kind):
    if kind not in transformers.CONFIG_MAPPING:
        pytest.skip(f"this release of transformers has no {kind}")
    config, routed, layers, experts, top_k, cached, state = BY_HAND[kind]
    counts = theirs({"model_type": kind} | config)
    assert counts["routed_expert_params"] == routed
    assert counts["non_expert_params"] == counts["total_params"] - routed
    assert (counts["moe_layers"], counts["experts"], counts["top_k"]) == (layers, experts, top_k)
    chosen = routed * top_k // experts if top_k else 0
    assert counts["active_params_per_token"] == counts["total_params"] - routed + chosen
    assert (counts["kv_bytes_per_token"], counts["state_bytes_per_sequence"]) == (cached * BF16, state * BF16)
    assert set(counts.get("reasons", {})) == (set() if experts else {"experts", "top_k"})


def test_layers_that_share_a_cache_count_once():
    config = {"model_type": "gemma4_text", **GEMMA4, "num_kv_shared_layers": 3}
    assert theirs(config)["kv_bytes_per_token"] == BF16 * 2 * 2 * (2 * 10 + 16)


def test_a_cache_that_compresses_tokens_is_null_with_the_reason():
    if "deepseek_v4" not in transformers.CONFIG_MAPPING:
        pytest.skip("this release of transformers has no deepseek_v4")
    config = SIZES | {"hidden_size": 64, "n_routed_experts": 8, "moe_intermediate_size": 9, "num_experts_per_tok": 2}
    counts = theirs({"model_type": "deepseek_v4", **config})
    assert (counts["kv_bytes_per_token"], counts["state_bytes_per_sequence"]) == (None, None)
    assert "does not grow linearly" in counts["reasons"]["kv_bytes_per_token"]
    assert counts["experts"] == 8


LLAMA = {"model_type": "llama", **BY_HAND["llama"][0]}


def test_a_model_that_does_not_run_is_null_with_the_reason(monkeypatch):
    def forward(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(transformers.LlamaForCausalLM, "forward", forward)
    counts = theirs(LLAMA)
    assert counts["kv_bytes_per_token"] is counts["state_bytes_per_sequence"] is None
    assert set(counts["reasons"].values()) == {"the model has no experts", "the model does not run on the CPU here (no kernel)"}
    assert counts["total_params"] == counts["active_params_per_token"] > 0


def test_keys_and_values_made_of_latents_are_not_counted():
    module = torch.nn.Module()
    module.kv_lora_rank, module.qk_rope_head_dim = 5, 4
    latent, expanded = {"a": (1, 1, 128, 5), "b": (1, 1, 128, 4)}, {"a": (1, 4, 128, 10), "b": (1, 4, 128, 3)}
    reference_cache._refuse_expanded_latents(module, latent)
    with pytest.raises(reference_cache.NotMeasuredError, match="engines cache its latent"):
        reference_cache._refuse_expanded_latents(module, expanded)


LENGTHS = (2, 3, 128)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ((20, 30, 1280), (10, 0)),
        ((7, 7, 7), (0, 7)),
        ((27, 37, 1287), (10, 7)),
        ((20, 30, 80), (10, 0)),  # the config states a window of 9, of which 8 are kept
        ((20, 30, 90), (10, 0)),
        ((20, 30, 70), None),  # and none of 7 or 8
        ((20, 30, 85), None),
        ((0, 0, 10), None),  # an entry for each 128 tokens
        ((10, 30, 2530), None),  # less than nothing at the start
        ((20, 10, 0), None),
    ],
)
def test_growth(held, expected):
    runs = [{"x": (values,)} if values else {} for values in held]
    if expected is None:
        with pytest.raises(reference_cache.NotMeasuredError, match="does not grow linearly"):
            reference_cache._size(runs, LENGTHS, frozenset({9, 30}))
    else:
        size = reference_cache._size(runs, LENGTHS, frozenset({9, 30}))
        assert (size.kv_bytes_per_token, size.state_bytes_per_sequence) == (expected[0] * BF16, expected[1] * BF16)


def test_one_tensor_in_two_places_counts_once_and_integers_do_not():
    keys = torch.ones(2, 3)
    assert reference_cache._shapes({"k": keys, "again": [keys, keys[:1], keys[:]], "n": torch.ones(5, dtype=torch.long)}) == {
        "cache['k']": (2, 3),
        "cache['again'][1]": (1, 3),
    }


QWEN = {"model_type": "qwen3_moe", **SMALL["qwen3_moe"]}
SPLIT = {"routed_expert_params", "non_expert_params", "active_params_per_token", "moe_layers", "experts", "top_k"}


def test_without_a_known_key_the_split_is_null_with_the_reason(monkeypatch):
    monkeypatch.setattr(reference_experts, "EXPERT_NAMES", ("nosuch",))
    counts = theirs(QWEN)
    assert {key for key in SPLIT if counts[key] is None} == SPLIT == set(counts["reasons"])
    assert counts["reasons"]["experts"] == "no key of the config is known to hold the number of experts"
    assert counts["kv_bytes_per_token"] == own(QWEN)["kv_bytes_per_token"]


def test_without_a_known_top_k_only_what_follows_from_it_is_null(monkeypatch):
    monkeypatch.setattr(reference_experts, "TOP_K_NAMES", ("nosuch",))
    counts = theirs(QWEN)
    assert set(counts["reasons"]) == {"active_params_per_token", "top_k"}
    assert counts["routed_expert_params"] == own(QWEN)["routed_expert_params"]


def test_two_keys_that_change_the_experts_are_ambiguous(monkeypatch):
    monkeypatch.setattr(reference_experts, "_expert_keys", lambda _: [(0, "num_experts", 6), (0, "num_experts", 6)])
    assert set(theirs(QWEN)["reasons"].values()) == {"several keys of the config change the number of experts"}


LAYER = "layers.9.mlp"  # a layer's number beyond the number of experts


@pytest.mark.parametrize(
    ("base", "larger", "expected"),
    [
        ({"experts.up": (4, 5, 6), "gate.weight": (4, 6)}, {"experts.up": (8, 5, 6), "gate.weight": (8, 6)}, 120),
        ({f"experts.{i}.gate": (5,) for i in range(4)}, {f"experts.{i}.gate": (5,) for i in range(8)}, 20),
        ({"rows": (4, 6), "router_gate": (4, 6)}, {"rows": (8, 6), "router_gate": (6, 6)}, 24),
        (
            {"experts.router.layer": (4, 6), "experts.out": (4, 6, 6)},
            {"experts.router.layer": (8, 6), "experts.out": (8, 6, 6)},
            144,
        ),
        ({"rows": (4, 6)}, {"rows": (8, 6)}, "may belong to a router"),
        ({"experts.up": (5, 5, 6)}, {"experts.up": (9, 5, 6)}, 120),  # one of the five is no routed expert
        ({"experts.up": (5, 5, 6)}, {"experts.up": (8, 5, 6)}, "neither doubles"),
        ({"experts.up": (4, 5, 6)}, {"experts.up": (8, 5, 7)}, "neither doubles"),
        ({"gate.weight": (4, 6)}, {"gate.weight": (8, 6)}, "no more than a router"),
        ({"experts.0.up": (5,)}, {"experts.0.up": (5,), "experts.4.up": (6,)}, "not like any before"),
        ({"experts.0.up": (5,)}, {"others.0.up": (5,)}, "is gone"),
    ],
)
def test_which_parameters_follow_the_number_of_experts(base, larger, expected):
    shapes, doubled = ({f"{LAYER}.{name}": shape for name, shape in side.items()} for side in (base, larger))
    if isinstance(expected, str):
        with pytest.raises(reference_experts.NotSplitError, match=expected):
            reference_experts._split(shapes, 4, doubled)
    else:
        assert reference_experts._split(shapes, 4, doubled) == reference_experts.Split(expected, 1, 4)


def test_nulls_for_people_are_dashes_and_notes(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(LLAMA), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = CliRunner().invoke(command, [str(file), "--via-transformers"])
    assert re.search(r"experts +–", done.stdout)
    assert "reasons" not in done.stdout
    assert done.stderr.splitlines() == [f"note: {key}: the model has no experts" for key in ("experts", "top k")]
