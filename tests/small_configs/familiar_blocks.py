"""Small configs of further types, whose blocks are those of other types."""

from typing import Any

from hypothesis import strategies as st

from small_configs.common import (
    ANY_SPARSE,
    ANY_WINDOWS,
    AS_QUERIES,
    BIASED,
    BIASES,
    COMMON,
    DENSE_FIRST,
    FLAG,
    FULL,
    FULL_RANK,
    GLM,
    GRANITES,
    HEAD_DIMS,
    HEADS,
    LATENT,
    LATENTS,
    LAYERS,
    LEADING,
    LINEAR,
    LINEARS,
    LISTED,
    MIXED,
    ONE_KV_HEAD,
    OR_AS_QUERIES,
    QWEN,
    QWEN3,
    SIZE,
    SLIDING,
    SPARSE_SOMEWHERE,
    STEPS,
    TIED,
    WINDOWS_DRAWN,
    Drawn,
    experts,
    in_sections,
    kinds,
)

DEEPSEEK = {"n_routed_experts": 16, "n_shared_experts": 3, "num_experts_per_tok": 3, "moe_intermediate_size": 9}
NUMBERED = {"num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 9}
GRANITE = {"num_local_experts": 5, "num_experts_per_tok": 3, "shared_intermediate_size": 11}
HYBRID = NUMBERED | {
    "head_dim": 10,
    "shared_expert_intermediate_size": 11,
    "linear_conv_kernel_dim": 3,
    "linear_key_head_dim": 5,
    "linear_value_head_dim": 7,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
ARIA = {"head_dim": 10, "moe_num_experts": 6, "moe_topk": 3, "moe_num_shared_experts": 3}


ERNIE = {"moe_intermediate_size": [9, 5], "moe_k": 2, "moe_num_experts": 6, "moe_num_shared_experts": 3}
PREFIX = {"prefix_dense_sliding_window_pattern": 2, "prefix_dense_intermediate_size": 17, "first_k_dense_replace": 2}

SMALL: dict[str, dict[str, Any]] = {
    "afmoe": COMMON
    | NUMBERED
    | {"num_dense_layers": 2, "head_dim": 10, "num_shared_experts": 3, "global_attn_every_n_layers": 3, "sliding_window": 6},
    "aria_text": COMMON | ARIA,
    "axk1": COMMON | LATENT | DEEPSEEK,
    "beam": COMMON | NUMBERED | {"num_experts": 16, "head_dim": 10, "sliding_window": 6},
    "cohere2_moe": COMMON
    | PREFIX
    | {"head_dim": 10, "sliding_window": 6, "sliding_window_pattern": 3}
    | {"num_experts": 6, "num_experts_per_tok": 3, "num_shared_experts": 2},
    "deepseek_ocr2_text": COMMON | DEEPSEEK | MIXED,
    "dots1": COMMON | DEEPSEEK | {"first_k_dense_replace": 2, "sliding_window": 6, "max_window_layers": 2},
    "ernie4_5_vl_moe_text": COMMON | ERNIE | in_sections(1, 1, 1),
    "exaone_moe": COMMON
    | NUMBERED
    | {"num_shared_experts": 2, "first_k_dense_replace": 2, "sliding_window": 6, "sliding_window_pattern": 3},
    "flex_olmo": COMMON | {"num_experts": 6, "num_experts_per_tok": 3, "pad_token_id": 0},
    "flint": COMMON | QWEN | {"head_dim": 10, "sliding_window": 6, "shared_expert_intermediate_size": 11, "mlp_only_layers": [1]},
    "glm4_moe_lite": COMMON | LATENT | DEEPSEEK,
    "glm4v_moe_text": COMMON
    | DEEPSEEK
    | {"first_k_dense_replace": 2, "attention_bias": False}
    | in_sections(1, 1, 0, partial_rotary_factor=0.5),
    "granitemoe_swa": COMMON | GRANITE | {"sliding_window": 6},
    "granitemoeshared": COMMON | GRANITE,
    "hy_v3": COMMON | NUMBERED | {"head_dim": 10, "num_shared_experts": 2},
    "kolibri1": COMMON | NUMBERED | {"head_dim": 10, "sliding_window": 6, "shared_expert_intermediate_size": 11},
    "laguna": COMMON
    | NUMBERED
    | {"head_dim": 10, "sliding_window": 6, "shared_expert_intermediate_size": 11, "gating": "per-element"},
    "lara_mini": COMMON | HYBRID | {"sliding_window": 6},
    "mellum": COMMON | NUMBERED | {"head_dim": 10, "sliding_window": 6},
    "minimax_m2": COMMON | {"head_dim": 10, "num_local_experts": 5, "num_experts_per_tok": 3},
    "mistral4": COMMON | LATENT | DEEPSEEK | {"first_k_dense_replace": 2},
    "qwen3_5_moe_text": COMMON | HYBRID | ONE_KV_HEAD,
    "qwen3_omni_moe_text": COMMON | QWEN,
    "qwen3_vl_moe_text": COMMON | QWEN | {"head_dim": 10},
    "sarvam_mla": COMMON | LATENT | DEEPSEEK | {"first_k_dense_replace": 2},
    "sarvam_moe": COMMON | DEEPSEEK | BIASED | {"first_k_dense_replace": 2, "head_dim": 10, "use_qk_norm": False},
    "solar_open": COMMON | DEEPSEEK | {"head_dim": 10},
}
MORE_LAYERS = {"num_hidden_layers": 8}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "afmoe": [BIASED, TIED, LISTED, AS_QUERIES, {"num_shared_experts": 0}],
    "aria_text": [BIASED, TIED, AS_QUERIES, {"mlp_bias": True}, {"head_dim": None}, {"moe_num_shared_experts": 0}],
    "axk1": [BIASED, TIED, MIXED, {"first_k_dense_replace": 2}, {"moe_layer_freq": 2}, {"n_shared_experts": 0}],
    "beam": [BIASED, TIED, LISTED, MIXED, MORE_LAYERS],
    "cohere2_moe": [
        BIASED,
        TIED,
        LISTED,
        MIXED,
        AS_QUERIES,
        {"num_shared_experts": 0},
        {"prefix_dense_intermediate_size": None},
        {"first_k_dense_replace": 0},
    ],
    "deepseek_ocr2_text": [BIASED, TIED, AS_QUERIES, {"mlp_bias": True}, {"n_shared_experts": 0}],
    "dots1": [
        BIASED,
        TIED,
        LISTED,
        AS_QUERIES,
        {"sliding_window": None},
        {"max_window_layers": 9},
        {"head_dim": 10},
        {"n_shared_experts": 0},
    ],
    "ernie4_5_vl_moe_text": [
        TIED,
        MIXED,
        {"use_bias": True},
        {"use_bias": True, "moe_num_shared_experts": 0},
        {"head_dim": 10} | in_sections(2, 2, 1),
        {"moe_intermediate_size": None},
    ],
    "exaone_moe": [TIED, LISTED, MIXED, LISTED | {"sliding_window_pattern": "LLLG"}, {"head_dim": 10}, {"num_shared_experts": 0}],
    "flex_olmo": [BIASED, TIED, AS_QUERIES, ONE_KV_HEAD, {"head_dim": 10}],
    "flint": [*SPARSE_SOMEWHERE, BIASED, TIED, LISTED, MORE_LAYERS, {"mlp_only_layers": None}, {"mlp_only_layers": []}],
    "glm4_moe_lite": [BIASED, TIED, MIXED, {"q_lora_rank": None}, {"n_shared_experts": 0}],
    "glm4v_moe_text": [
        BIASED,
        TIED,
        {"head_dim": 10} | in_sections(1, 1, 1),
        {"n_shared_experts": 0},
        {"first_k_dense_replace": 0},
    ],
    "granitemoe_swa": [BIASED, TIED, LISTED, AS_QUERIES, {"shared_intermediate_size": 0}],
    "granitemoeshared": [BIASED, TIED, AS_QUERIES, {"shared_intermediate_size": 0}],
    "hy_v3": [BIASED, TIED, MIXED, {"mlp_bias": True}, {"num_shared_experts": 0}],
    "kolibri1": [TIED, LISTED, MORE_LAYERS],
    "laguna": [
        BIASED,
        TIED,
        LISTED,
        MIXED,
        {"gating": True},
        {"gating": False},
        {"gating": "per-head", "num_attention_heads_per_layer": [4, 6, 2, 4, 8]},
    ],
    "lara_mini": [BIASED, TIED, MORE_LAYERS, {"layer_types": [LINEAR, FULL, SLIDING, FULL, LINEAR]}],
    "mellum": [BIASED, TIED, LISTED, MIXED, LISTED | MIXED],
    "minimax_m2": [TIED, ONE_KV_HEAD],
    "mistral4": [BIASED, TIED, {"q_lora_rank": None} | BIASED, {"n_shared_experts": 0}],
    "qwen3_5_moe_text": [BIASED, TIED, {"full_attention_interval": 2}, {"layer_types": [FULL, LINEAR, LINEAR, FULL, FULL]}],
    "qwen3_omni_moe_text": [*SPARSE_SOMEWHERE, BIASED, TIED, {"sliding_window": 6}, {"head_dim": 10}],
    "qwen3_vl_moe_text": [*SPARSE_SOMEWHERE, BIASED, TIED, {"sliding_window": 6}, {"head_dim": None}],
    "sarvam_mla": [BIASED, TIED, {"q_lora_rank": None}, {"n_shared_experts": 0}],
    "sarvam_moe": [{"attention_bias": False}, TIED, {"use_qk_norm": True}, {"n_shared_experts": 0}],
    "solar_open": [BIASED, TIED, {"n_shared_experts": 0}],
}


DRAWN: dict[str, Drawn] = {
    "afmoe": ANY_WINDOWS | {"num_dense_layers": LEADING, "global_attn_every_n_layers": SIZE, "num_shared_experts": LEADING},
    "aria_text": BIASES | {"mlp_bias": FLAG, "moe_num_shared_experts": SIZE, "head_dim": st.none() | st.sampled_from([2, 6, 10])},
    "axk1": LATENTS | {"mlp_layer_types": ANY_SPARSE, "first_k_dense_replace": LEADING, "moe_layer_freq": st.integers(1, 3)},
    "beam": ANY_WINDOWS | {"mlp_layer_types": ANY_SPARSE},
    "cohere2_moe": ANY_WINDOWS
    | {"mlp_layer_types": ANY_SPARSE, "first_k_dense_replace": LEADING, "num_shared_experts": LEADING}
    | {"prefix_dense_sliding_window_pattern": SIZE, "sliding_window_pattern": SIZE},
    "deepseek_ocr2_text": BIASES | {"mlp_bias": FLAG, "n_shared_experts": SIZE, "mlp_layer_types": ANY_SPARSE.filter(bool)},
    "dots1": ANY_WINDOWS | {"first_k_dense_replace": LEADING, "max_window_layers": st.integers(0, 6)},
    "ernie4_5_vl_moe_text": {"use_bias": FLAG, "mlp_layer_types": ANY_SPARSE, "moe_num_shared_experts": LEADING},
    "exaone_moe": {"layer_types": WINDOWS_DRAWN, "mlp_layer_types": ANY_SPARSE, "first_k_dense_replace": LEADING}
    | {"sliding_window_pattern": SIZE, "num_shared_experts": LEADING},
    "flex_olmo": LAYERS | HEADS | OR_AS_QUERIES | BIASES | experts(width="intermediate_size") | {"head_dim": HEAD_DIMS},
    "flint": ANY_WINDOWS | STEPS,
    "glm4_moe_lite": LATENTS | {"mlp_layer_types": ANY_SPARSE, "q_lora_rank": FULL_RANK},
    "glm4v_moe_text": GLM | DENSE_FIRST,
    "granitemoe_swa": ANY_WINDOWS | {"shared_intermediate_size": LEADING},
    "granitemoeshared": GRANITES | {"shared_intermediate_size": LEADING, "head_dim": HEAD_DIMS},
    "hy_v3": BIASES | {"mlp_bias": FLAG, "mlp_layer_types": ANY_SPARSE, "num_shared_experts": LEADING},
    "kolibri1": HEADS
    | experts()
    | {"layer_types": WINDOWS_DRAWN, "sliding_window": SIZE, "head_dim": HEAD_DIMS, "shared_expert_intermediate_size": LEADING},
    "laguna": ANY_WINDOWS
    | {"mlp_layer_types": ANY_SPARSE, "gating": st.sampled_from([True, False, "per-head", "per-element"])}
    | {"num_attention_heads_per_layer": st.none() | st.lists(st.sampled_from([2, 4, 6]), min_size=5, max_size=5)},
    "lara_mini": HEADS
    | BIASES
    | LINEARS
    | experts()
    | {"layer_types": st.none() | kinds(LINEAR, FULL, SLIDING), "sliding_window": SIZE, "head_dim": HEAD_DIMS}
    | {"shared_expert_intermediate_size": LEADING},
    "mellum": ANY_WINDOWS | {"mlp_layer_types": ANY_SPARSE},
    "minimax_m2": LAYERS | HEADS | experts("num_local_experts", width="intermediate_size") | {"head_dim": HEAD_DIMS},
    "mistral4": LATENTS | {"first_k_dense_replace": LEADING, "q_lora_rank": FULL_RANK},
    "qwen3_5_moe_text": BIASES | {"full_attention_interval": SIZE, "linear_value_head_dim": SIZE, "linear_key_head_dim": SIZE},
    "qwen3_omni_moe_text": QWEN3,
    "qwen3_vl_moe_text": BIASES | {"decoder_sparse_step": st.integers(1, 3), "mlp_only_layers": st.lists(LEADING, max_size=2)},
    "sarvam_mla": LATENTS | {"first_k_dense_replace": LEADING, "q_lora_rank": FULL_RANK},
    "sarvam_moe": GLM | DENSE_FIRST | {"use_qk_norm": FLAG, "head_dim": HEAD_DIMS},
    "solar_open": GLM | {"head_dim": HEAD_DIMS},
}
