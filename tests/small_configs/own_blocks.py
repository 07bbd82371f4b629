"""Small configs of types with blocks of their own."""

from typing import Any

from hypothesis import strategies as st

from small_configs.common import (
    ALTERNATING,
    ANY_SPARSE,
    ANY_WINDOWS,
    BIASED,
    BIASES,
    CHOSEN,
    COMMON,
    CONV,
    FLAG,
    FULL,
    HEAVY,
    LAST_FULL,
    LATENT,
    LATENTS,
    LEADING,
    LINEAR,
    LISTED,
    MIXED,
    ONE_KV_HEAD,
    SIZE,
    SLIDING,
    TIED,
    UNTIED,
    WINDOW,
    Drawn,
    in_sections,
    kinds,
)

INDEXED = COMMON | LATENT | {"index_topk": 5, "index_head_dim": 6, "index_n_heads": 3}
INDEXED |= {"n_routed_experts": 16, "n_shared_experts": 3, "num_experts_per_tok": 3, "moe_intermediate_size": 9}
INDEXED |= {"first_k_dense_replace": 2}
DELTA = COMMON | LATENT | {"num_local_experts": 16, "n_shared_experts": 3, "num_experts_per_tok": 3, "moe_intermediate_size": 9}
DELTA |= {"first_k_dense_replace": 3, "pad_token_id": 0}

SPARSE = "minimax_m3_sparse"
SHARED: dict[str, Any] = {"indexer_types": ["full", "shared", "shared", "full", "shared"]}
SWA = {
    "num_key_value_heads": 4,
    "swa_num_attention_heads": 6,
    "swa_num_key_value_heads": 6,
    "swa_q_lora_rank": 8,
    "swa_kv_lora_rank": 11,
    "swa_head_dim": 10,
}
SWA |= {"swa_qk_nope_head_dim": 6, "swa_v_head_dim": 7}
HY_V4 = INDEXED | {"hc_mult": 3, "pad_token_id": 0}
MISTRAL = {key: value for key, value in INDEXED.items() if key != "q_lora_rank"} | {"no_rope_layer_interval": 3}

SMALL: dict[str, dict[str, Any]] = {
    "axk2": INDEXED | {"gated_norm_rank": 2},
    "dots3_note_text": INDEXED | SWA | {"sliding_window": 6, "shared_experts_intermediate_size": 11, "pad_token_id": 0},
    "doge": COMMON | {"is_moe": True, "num_experts": 17, "num_experts_per_tok": 3, "attention_bias": False},
    "glm5_next_text": INDEXED
    | {"hc_mult": 3, "qk_rope_head_dim": 0, "index_topk": 4, "index_kpool": 2, "linear_head_dim": 5, "linear_num_heads": 3}
    | {"linear_conv_kernel_dim": 3, "num_key_value_heads": 4, "pad_token_id": 0},
    "hy_v4": HY_V4,
    "hy_v4_vl_text": HY_V4 | in_sections(1, 1, 0),
    "minimax_m3_vl_text": COMMON
    | {"head_dim": 10, "dense_intermediate_size": 17, "shared_intermediate_size": 11, "num_local_experts": 5}
    | {"num_experts_per_tok": 3, "index_n_heads": 2, "index_head_dim": 12, "index_block_size": 4, "index_topk_blocks": 2}
    | {"layer_types": [FULL, SPARSE, SPARSE, FULL, SPARSE]},
    "mistral_large4_text": MISTRAL,
    "muse_spark_text": COMMON
    | {"head_dim": 10, "sliding_window": 6, "num_local_experts": 5, "num_experts_per_tok": 3, "moe_intermediate_size": 9}
    | {"moe_hidden_size": 8},
    "unlimited_ocr_text": COMMON
    | {"n_routed_experts": 16, "n_shared_experts": 3, "num_experts_per_tok": 3, "moe_intermediate_size": 9, "sliding_window": 6},
    "deepseek_v32": INDEXED,
    "glm_moe_dsa": INDEXED,
    "nemotron_h": COMMON
    | {"layers_block_type": [LINEAR, "moe", FULL, "mlp", "moe"], "head_dim": 10, "ssm_state_size": 7, "mamba_num_heads": 6}
    | {"mamba_head_dim": 5, "n_groups": 3, "conv_kernel": 3, "n_routed_experts": 6, "num_experts_per_tok": 3}
    | {"moe_intermediate_size": 9, "moe_shared_expert_intermediate_size": 11, "mamba_ssm_cache_dtype": "bfloat16"},
    "granitemoehybrid": COMMON
    | {"num_local_experts": 5, "num_experts_per_tok": 3, "shared_intermediate_size": 11, "mamba_n_heads": 6, "mamba_n_groups": 2}
    | {"mamba_d_state": 7, "mamba_d_conv": 3, "mamba_expand": 3, "layer_types": [LINEAR, FULL, LINEAR, LINEAR, FULL]},
    "gemma4_text": COMMON
    | {"head_dim": 10, "global_head_dim": 16, "sliding_window": 6, "vocab_size_per_layer_input": 11}
    | {"hidden_size_per_layer_input": 3, "enable_moe_block": True, "num_experts": 6, "top_k_experts": 2}
    | {"moe_intermediate_size": 9},
    "mimo_v2_flash": COMMON
    | {"head_dim": 10, "v_head_dim": 6, "n_routed_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 9}
    | {"sliding_window": 6},
    "step3p5": COMMON
    | {"head_dim": 10, "n_routed_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 9, "share_expert_dim": 11}
    | {"sliding_window": 6, "num_sliding_attention_heads": 6}
    | LAST_FULL,
    "kimi_linear": DELTA | {"linear_head_dim": 5, "linear_num_heads": 3, "linear_conv_kernel_dim": 3},
    "bailing_hybrid": DELTA | {"head_dim": 5, "short_conv_kernel_size": 3, "layer_group_size": 2},
    "lfm2_moe": COMMON
    | {"moe_intermediate_size": 9, "num_experts": 6, "num_experts_per_tok": 3, "num_dense_layers": 1, "conv_L_cache": 4}
    | {"layer_types": [CONV, FULL, CONV, CONV, FULL]},
    "longcat_flash": LATENT
    | {"vocab_size": 101, "hidden_size": 24, "num_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 77}
    | {"tie_word_embeddings": False, "ffn_hidden_size": 13, "expert_ffn_hidden_size": 9, "n_routed_experts": 16}
    | {"zero_expert_num": 5, "moe_topk": 3},
    "deepseek_v4": {"vocab_size": 101, "hidden_size": 24, "moe_intermediate_size": 9, "num_hidden_layers": 6}
    | {"num_attention_heads": 4, "head_dim": 8, "q_lora_rank": 7, "num_experts_per_tok": 3, "n_routed_experts": 16}
    | {"max_position_embeddings": 77, "compress_rates": {CHOSEN: 2, HEAVY: 4}, "hc_mult": 3, "sliding_window": 6, "o_groups": 2}
    | {"o_lora_rank": 5, "index_n_heads": 3, "index_head_dim": 4, "index_topk": 2, "tie_word_embeddings": False}
    | {"qk_rope_head_dim": 4},
}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "axk2": [
        BIASED,
        TIED,
        MIXED,
        {"first_k_dense_replace": 1},
        {"moe_layer_freq": 2},
        {"layer_types": ["indexed_attention"] * 5},
    ],
    "dots3_note_text": [
        BIASED,
        TIED,
        MIXED,
        LAST_FULL,
        LAST_FULL | {"use_dsa": False},
        {"use_sliding_window": False},
        {"use_sliding_window": False, "use_dsa": False},
        {"sliding_window": None, "sliding_window_size": 7},
        {"swa_qk_rope_head_dim": 4},
        {"moe_layer_freq": [0, 0, 1, 0, 1]},
        {"moe_layer_freq": 2},
        {"moe_shared_expert_intermediate_size": 12},
        {"first_k_dense_replace": 1},
    ],
    "doge": [
        BIASED,
        TIED,
        ONE_KV_HEAD,
        {"num_key_value_heads": None},
        {"mlp_bias": True},
        {"sliding_window": 6},
        {"is_moe": False},
        {"num_experts": 16},
    ],
    "glm5_next_text": [
        BIASED,
        TIED,
        MIXED,
        SHARED,
        {"layer_types": [FULL, LINEAR, "indexed_attention", LINEAR, FULL]},
        {"index_topk_freq": 2, "index_skip_topk_offset": 1},
        {"index_topk_pattern": "FSFSS"},
        {"n_shared_experts": 0},
        {"linear_attn_config": {"head_dim": 7, "num_heads": 2, "short_conv_kernel_size": 5}},
    ],
    "hy_v4": [BIASED, TIED, MIXED, SHARED, {"layer_types": ["indexed_attention"] * 5}, {"n_shared_experts": 2}],
    "hy_v4_vl_text": [BIASED, TIED, MIXED, SHARED, {"layer_types": ["indexed_attention"] * 5}],
    "minimax_m3_vl_text": [
        TIED,
        MIXED,
        ONE_KV_HEAD,
        {"layer_types": None},
        {"layer_types": [SPARSE] * 5},
        {"moe_layer_freq": [0, 0, 1, 1, 0]},
        {"layer_types": None, "sparse_attention_config": {"sparse_attention_freq": [0, 1, 1, 0, 1], "sparse_index_dim": 14}},
    ],
    "mistral_large4_text": [
        BIASED,
        TIED,
        MIXED,
        SHARED,
        {"kv_source_layers": [0, 0, 2, 0, 4]},
        SHARED | {"kv_source_layers": [0, 0, 2, 0, 0]},
        {"no_rope_layers": [1, 0, 0, 1, 1]},
        {"no_rope_layer_interval": 4},
        {"first_k_dense_replace": 1},
        {"index_topk_freq": 2, "index_skip_topk_offset": 1},
        {"index_topk_pattern": "FSFSS"},
    ],
    "muse_spark_text": [BIASED, MIXED, LISTED, ONE_KV_HEAD],
    "unlimited_ocr_text": [
        BIASED,
        TIED,
        MIXED,
        {"num_key_value_heads": None},
        {"mlp_bias": True},
        {"n_shared_experts": 0},
        {"first_k_dense_replace": 2},
    ],
    "deepseek_v32": [
        BIASED,
        TIED,
        MIXED,
        {"n_shared_experts": 0},
        {"first_k_dense_replace": 0},
        {"first_k_dense_replace": 2, "layer_types": ["indexed_attention"] * 5},
        {"layer_types": ["deepseek_sparse_attention"] * 5},
    ],
    "glm_moe_dsa": [
        BIASED,
        TIED,
        MIXED,
        {"layer_types": ["indexed_attention"] * 5},
        {"indexer_types": ["full", "shared", "shared", "full", "shared"]},
        {"index_topk_freq": 2, "index_skip_topk_offset": 1},
        {"index_topk_freq": 3},
        {"index_topk_pattern": "FSFSS"},
        {"index_topk_pattern": ["full", "shared", "full", "full", "shared"]},
    ],
    "nemotron_h": [
        {"mlp_bias": True},
        {"use_bias": True},
        {"use_conv_bias": False},
        {"moe_latent_size": 8},
        {"moe_latent_size": 8, "mlp_bias": True},
        {"layers_block_type": None, "hybrid_override_pattern": "M*-EM"},
        {"layers_block_type": ["mamba", "moe", "attention", "mlp", "moe"]},
        {"mamba_d_conv": 4, "mamba_n_groups": 2, "mamba_conv_bias": False},
        ONE_KV_HEAD,
    ],
    "granitemoehybrid": [
        BIASED,
        TIED,
        ALTERNATING,
        {"mamba_conv_bias": False},
        {"mamba_proj_bias": True},
        {"mamba_d_head": 12},
        {"num_key_value_heads": None},
        {"layer_types": None},
        {"layer_types": ["mamba", "attention", "mamba", "mamba", "attention"]},
        {"head_dim": 10},
        {"shared_intermediate_size": 0},
    ],
    "gemma4_text": [
        BIASED,
        TIED,
        LAST_FULL,
        {"layer_types": [FULL, SLIDING, SLIDING, SLIDING, SLIDING]},  # the last has no window all the same
        {"attention_k_eq_v": True},
        {"attention_k_eq_v": True, "num_global_key_value_heads": 1},
        {"num_global_key_value_heads": 1},
        {"hidden_size_per_layer_input": 0},
        LAST_FULL | {"num_kv_shared_layers": 2},
        {"layer_types": [SLIDING, FULL, SLIDING, FULL, FULL], "num_kv_shared_layers": 3, "attention_k_eq_v": True},
        {"enable_moe_block": False},
        LAST_FULL | {"enable_moe_block": False, "num_kv_shared_layers": 2, "use_double_wide_mlp": True},
        {"enable_moe_block": False, "use_double_wide_mlp": True},
    ],
    "mimo_v2_flash": [
        BIASED,
        TIED,
        ONE_KV_HEAD,
        LAST_FULL,
        MIXED,
        {"sliding_window_size": 7},
        {"v_head_dim": 10},
        {"layer_types": [FULL] * 5},
        {"hybrid_layer_pattern": [0, 1, 1, 1, 1], "moe_layer_freq": [0, 1, 1, 1, 1], "swa_num_key_value_heads": 4},
    ],
    "step3p5": [
        BIASED,
        TIED,
        MIXED,
        {"mlp_bias": True},
        {"layer_types": None},
        {"num_sliding_attention_heads": None},
        {"num_sliding_attention_heads": None, "attention_other_setting": {"num_attention_heads": 8, "num_attention_groups": 2}},
        {"moe_layers_enum": "1,2, 4"},
        {"moe_layers_enum": [0, 4]},
        {"num_nextn_predict_layers": 2, "layer_types": [*LAST_FULL["layer_types"], FULL, SLIDING]},
    ],
    "kimi_linear": [
        BIASED,
        ALTERNATING,
        MIXED,
        {"q_lora_rank": None},
        {"n_shared_experts": 0},
        {"linear_attn_config": {"full_attn_layers": [2, 5], "kda_layers": [1, 3, 4], "head_dim": 7, "num_heads": 2}},
        {"linear_attn_config": {"head_dim": 7, "short_conv_kernel_size": 5}},
    ],
    "bailing_hybrid": [BIASED, ALTERNATING, MIXED, {"q_lora_rank": None}, {"n_shared_experts": 0}, {"layer_group_size": 3}],
    "lfm2_moe": [TIED, ONE_KV_HEAD, {"conv_bias": True}, {"tie_embedding": True}, {"head_dim": 10}, {"num_dense_layers": 0}],
    "longcat_flash": [BIASED, TIED, {"router_bias": True}, {"zero_expert_num": 0}],
    "deepseek_v4": [
        TIED,
        {"mlp_bias": True},
        {"layer_types": [WINDOW, CHOSEN, CHOSEN, WINDOW, HEAVY, HEAVY]},
        {"layer_types": [WINDOW] * 6},
        {"compress_ratios": [0, 0, 4, 128, 4, 128, 0]},
        {"compress_rate_csa": 4, "compress_rate_hca": 8},
    ],
}

BLOCKS = st.builds(lambda some: ["moe", *some], st.lists(st.sampled_from([LINEAR, FULL, "moe", "mlp"]), min_size=4, max_size=4))
RATES = st.sampled_from([{CHOSEN: 1, HEAVY: 2}, {CHOSEN: 2, HEAVY: 8}, {CHOSEN: 4, HEAVY: 4}])
DRAWN: dict[str, Drawn] = {
    "axk2": LATENTS | {"gated_norm_rank": SIZE, "first_k_dense_replace": LEADING, "moe_layer_freq": st.integers(1, 3)},
    "dots3_note_text": LATENTS
    | {"layer_types": st.none() | kinds(FULL, SLIDING, "indexed_attention"), "use_dsa": FLAG, "use_sliding_window": FLAG}
    | {"swa_v_head_dim": SIZE, "swa_kv_lora_rank": SIZE, "first_k_dense_replace": LEADING, "n_shared_experts": SIZE},
    "doge": BIASES | {"mlp_bias": FLAG, "sliding_window": st.none() | SIZE, "num_experts": st.integers(4, 30), "is_moe": FLAG},
    "glm5_next_text": LATENTS
    | {"layer_types": st.none() | kinds(FULL, LINEAR), "hc_mult": st.integers(2, 4), "linear_head_dim": SIZE}
    | {"linear_num_heads": SIZE, "index_kpool": st.sampled_from([1, 2, 4]), "index_head_dim": SIZE},
    "hy_v4": LATENTS | {"hc_mult": st.integers(2, 4), "index_n_heads": SIZE, "mlp_layer_types": ANY_SPARSE},
    "hy_v4_vl_text": LATENTS | {"hc_mult": st.integers(2, 4), "mlp_layer_types": ANY_SPARSE},
    "minimax_m3_vl_text": {"layer_types": st.none() | kinds(FULL, SPARSE), "mlp_layer_types": ANY_SPARSE}
    | {"index_n_heads": SIZE, "shared_intermediate_size": SIZE},
    "mistral_large4_text": LATENTS
    | {"no_rope_layer_interval": st.integers(1, 6), "first_k_dense_replace": LEADING, "index_n_heads": SIZE}
    | {"index_topk_freq": st.integers(0, 4), "index_skip_topk_offset": st.integers(1, 4)},
    "muse_spark_text": UNTIED | ANY_WINDOWS | {"mlp_layer_types": ANY_SPARSE, "moe_hidden_size": SIZE},
    "unlimited_ocr_text": BIASES | {"mlp_bias": FLAG, "n_shared_experts": SIZE, "first_k_dense_replace": LEADING},
    "deepseek_v32": LATENTS | {"index_head_dim": SIZE, "index_n_heads": SIZE, "mlp_layer_types": kinds("dense", "sparse")},
    "glm_moe_dsa": LATENTS | {"index_topk_freq": st.integers(0, 4), "index_skip_topk_offset": st.integers(1, 4)},
    "nemotron_h": UNTIED
    | {"layers_block_type": BLOCKS, "moe_latent_size": st.none() | SIZE, "mlp_bias": FLAG, "use_bias": FLAG}
    | {
        "use_conv_bias": FLAG,
        "ssm_state_size": SIZE,
        "conv_kernel": st.integers(2, 5),
        "n_groups": st.sampled_from([1, 2, 6]),
    },
    "granitemoehybrid": {"mamba_expand": st.sampled_from([1, 2, 3]), "mamba_n_groups": st.sampled_from([1, 3])}
    | {"mamba_conv_bias": FLAG, "mamba_proj_bias": FLAG, "attention_bias": FLAG, "shared_intermediate_size": SIZE}
    | {"layer_types": st.none() | kinds(LINEAR, FULL), "mamba_d_state": SIZE},
    "gemma4_text": {
        "layer_types": st.just([SLIDING, FULL, SLIDING, SLIDING, FULL]),
        "num_kv_shared_layers": st.integers(0, 3),
    }
    | {
        "attention_k_eq_v": FLAG,
        "num_global_key_value_heads": st.none() | st.sampled_from([1, 2, 4]),
        "global_head_dim": SIZE,
    }
    | {"hidden_size_per_layer_input": st.integers(0, 4), "enable_moe_block": FLAG, "attention_bias": FLAG},
    "mimo_v2_flash": {
        "v_head_dim": SIZE,
        "head_dim": SIZE,
        "attention_bias": FLAG,
        "num_key_value_heads": st.sampled_from([1, 2]),
    }
    | {"layer_types": st.none() | kinds(SLIDING, FULL), "mlp_layer_types": st.none() | kinds("dense", "sparse")},
    "step3p5": {"layer_types": kinds(SLIDING, FULL), "num_sliding_attention_heads": st.none() | st.sampled_from([2, 4, 6])}
    | {"mlp_bias": FLAG, "attention_bias": FLAG, "mlp_layer_types": st.none() | kinds("dense", "sparse")},
    "kimi_linear": UNTIED
    | LATENTS
    | {"layer_types": st.none() | kinds(FULL, LINEAR), "q_lora_rank": st.none() | SIZE, "linear_head_dim": SIZE}
    | {"linear_num_heads": SIZE, "linear_conv_kernel_dim": SIZE},
    "bailing_hybrid": UNTIED
    | LATENTS
    | {
        "layer_group_size": st.integers(1, 6),
        "q_lora_rank": st.none() | SIZE,
        "head_dim": SIZE,
        "short_conv_kernel_size": SIZE,
    },
    "lfm2_moe": {
        "layer_types": kinds(CONV, FULL),
        "conv_bias": FLAG,
        "conv_L_cache": SIZE,
        "num_dense_layers": st.integers(0, 4),
    },
    "longcat_flash": {"router_bias": FLAG, "zero_expert_num": st.integers(0, 5), "attention_bias": FLAG}
    | {"kv_lora_rank": SIZE, "q_lora_rank": SIZE, "v_head_dim": SIZE, "qk_nope_head_dim": SIZE},
    "deepseek_v4": {"layer_types": kinds(WINDOW, CHOSEN, HEAVY, count=6), "compress_rates": RATES, "mlp_bias": FLAG}
    | {"index_n_heads": SIZE, "hc_mult": st.integers(2, 4), "o_lora_rank": SIZE},
}
