"""Small configs of the types of the catalogue's models, and of those like them."""

from typing import Any

from hypothesis import strategies as st

from small_configs.common import (
    ANY_WINDOWS,
    BIASED,
    BIASES,
    CHUNKED,
    COMMON,
    DENSE_FIRST,
    EVENLY_SPLIT,
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
    LINEAR,
    LINEARS,
    LISTED,
    ONE_KV_HEAD,
    OR_AS_QUERIES,
    QWEN,
    QWEN3,
    SIZE,
    SLIDING,
    SPARSE_SOMEWHERE,
    STEPS,
    TIED,
    UNTIED,
    Drawn,
    experts,
    kinds,
)

WINDOWED = {"sliding_window": 6, "use_sliding_window": True, "max_window_layers": 2}
SMALL: dict[str, dict[str, Any]] = {
    "llama": COMMON | {"head_dim": 10, "attention_bias": True, "mlp_bias": True},
    "granite": COMMON | {"attention_bias": True, "mlp_bias": True},
    "mistral": COMMON | {"head_dim": 10, "sliding_window": 6},
    "phi3": COMMON | {"sliding_window": 6, "pad_token_id": 0},
    "qwen2": COMMON | WINDOWED,
    "qwen3": COMMON | WINDOWED | {"head_dim": 10, "attention_bias": True},
    "gemma2": COMMON | {"head_dim": 10, "sliding_window": 6, "attention_bias": True},
    "mixtral": COMMON | {"num_local_experts": 3, "num_experts_per_tok": 1, "head_dim": 10, "sliding_window": None},
    "phimoe": COMMON | {"num_local_experts": 3, "num_experts_per_tok": 1, "attention_bias": False, "lm_head_bias": False},
    "qwen2_moe": COMMON | QWEN | {"shared_expert_intermediate_size": 11, "qkv_bias": True},
    "qwen3_moe": COMMON | QWEN | {"head_dim": 10},
    "qwen3_next": COMMON
    | QWEN
    | {
        "num_key_value_heads": 1,
        "head_dim": 10,
        "shared_expert_intermediate_size": 11,
        "linear_conv_kernel_dim": 3,
        "linear_key_head_dim": 5,
    }
    | {"linear_value_head_dim": 7, "linear_num_key_heads": 2, "linear_num_value_heads": 4},
    "deepseek_v2": COMMON
    | LATENT
    | {
        "n_routed_experts": 6,
        "n_shared_experts": 2,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 9,
        "first_k_dense_replace": 2,
    },
    "deepseek_v3": COMMON
    | LATENT
    | {
        "n_routed_experts": 16,
        "n_shared_experts": 3,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 9,
        "first_k_dense_replace": 2,
    },
    "olmoe": COMMON | {"num_experts": 6, "num_experts_per_tok": 3},
    "dbrx": {"vocab_size": 101, "d_model": 24, "n_heads": 4, "n_layers": 5, "max_seq_len": 77}
    | {"attn_config": {"kv_n_heads": 2}, "ffn_config": {"ffn_hidden_size": 13, "moe_num_experts": 5, "moe_top_k": 2}},
    "jamba": COMMON
    | {"num_experts": 5, "num_experts_per_tok": 1, "expert_layer_period": 3, "expert_layer_offset": 2, "attn_layer_period": 4}
    | {"attn_layer_offset": 1, "mamba_d_state": 7, "mamba_d_conv": 3, "mamba_expand": 3, "mamba_dt_rank": 6},
    "switch_transformers": {"vocab_size": 101, "d_model": 24, "d_kv": 5, "d_ff": 13, "num_layers": 4, "num_heads": 3}
    | {"num_decoder_layers": 6, "num_sparse_encoder_layers": 2, "num_sparse_decoder_layers": 2, "num_experts": 3}
    | {"relative_attention_num_buckets": 10, "tie_word_embeddings": True, "router_bias": False},
    "nllb-moe": {"vocab_size": 101, "d_model": 24, "max_position_embeddings": 77, "encoder_layers": 4, "decoder_layers": 6}
    | {"encoder_attention_heads": 3, "decoder_attention_heads": 4, "encoder_ffn_dim": 13, "decoder_ffn_dim": 13}
    | {"num_experts": 3, "encoder_sparse_step": 2, "decoder_sparse_step": 3, "router_bias": False, "tie_word_embeddings": True},
    "gpt_oss": COMMON | {"num_local_experts": 5, "num_experts_per_tok": 2, "head_dim": 10, "sliding_window": 6},
    "llama4_text": COMMON
    | {"num_local_experts": 5, "num_experts_per_tok": 2, "head_dim": 10, "intermediate_size_mlp": 17, "attention_chunk_size": 6},
    "glm4_moe": COMMON
    | {
        "n_routed_experts": 6,
        "n_shared_experts": 2,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 9,
        "first_k_dense_replace": 2,
    },
    "granitemoe": COMMON | {"num_local_experts": 5, "num_experts_per_tok": 3},
    "ernie4_5_moe": COMMON
    | {"moe_num_experts": 6, "moe_k": 2, "moe_intermediate_size": 9, "moe_num_shared_experts": 3, "moe_layer_start_index": 2}
    | {"moe_layer_end_index": 3},
    "hunyuan_v1_moe": COMMON | {"num_experts": 6, "moe_topk": 2, "head_dim": 10},
    "minimax": COMMON | {"num_local_experts": 5, "num_experts_per_tok": 3, "head_dim": 10},
}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "llama": [
        TIED,
        {"attention_bias": False},
        {"mlp_bias": False},
        {"head_dim": None},
        {"num_key_value_heads": None},
        ONE_KV_HEAD,
    ],
    "granite": [TIED, {"attention_bias": False}, {"mlp_bias": False}, {"num_key_value_heads": None}],
    "mistral": [TIED, {"sliding_window": None}, {"head_dim": None}, ONE_KV_HEAD],
    "phi3": [TIED, {"sliding_window": None}, {"num_key_value_heads": None}],
    "qwen2": [TIED, LISTED, {"use_sliding_window": False}, {"sliding_window": None}, {"max_window_layers": 0}],
    "qwen3": [TIED, LISTED, {"use_sliding_window": False}, {"attention_bias": False}, {"max_window_layers": 9}],
    "gemma2": [TIED, LISTED, {"attention_bias": False}, ONE_KV_HEAD],
    "mixtral": [TIED, ONE_KV_HEAD, {"sliding_window": 6}, {"head_dim": None}],
    "phimoe": [BIASED, {"lm_head_bias": True}, BIASED | {"lm_head_bias": True, "sliding_window": 6} | TIED, {"head_dim": 10}],
    "qwen2_moe": [
        *SPARSE_SOMEWHERE,
        TIED,
        {"qkv_bias": False},
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 4},
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 0},
        {"use_sliding_window": True, "sliding_window": 6, "layer_types": [SLIDING, SLIDING, FULL, FULL, SLIDING]},
        {"sliding_window": 6},
        {"mlp_only_layers": None},
    ],
    "qwen3_moe": [*SPARSE_SOMEWHERE, BIASED, TIED, {"use_sliding_window": True, "sliding_window": 6}, {"sliding_window": 6}],
    "qwen3_next": [
        *SPARSE_SOMEWHERE,
        BIASED,
        TIED,
        {"full_attention_interval": 2},
        {"layer_types": [FULL, LINEAR, LINEAR, FULL, FULL]},
        {"layer_types": ["attention", "mamba", LINEAR, FULL, FULL]},
    ],
    "deepseek_v2": [
        BIASED,
        TIED,
        {"mlp_bias": True},
        {"q_lora_rank": None},
        {"n_shared_experts": 0},
        {"first_k_dense_replace": 0},
    ],
    "deepseek_v3": [BIASED, TIED, {"q_lora_rank": None} | BIASED, {"n_shared_experts": 0}, {"first_k_dense_replace": 0}],
    "olmoe": [BIASED, TIED, {"num_key_value_heads": None}, ONE_KV_HEAD],
    "dbrx": [{"attn_config": None}, {"ffn_config": None}, {"ffn_config": {"moe_num_experts": 3}}],
    "jamba": [
        TIED,
        {"mamba_conv_bias": False},
        {"mamba_proj_bias": True},
        {"mamba_dt_rank": "auto"},
        {"expert_layer_period": 5},
        {"attn_layer_period": 1, "attn_layer_offset": 0},
        {"expert_layer_period": 1, "expert_layer_offset": 0},
    ],
    "switch_transformers": [
        {"router_bias": True},
        {"tie_word_embeddings": False},
        {"num_decoder_layers": None},
        {"num_sparse_encoder_layers": 0},
        {"num_sparse_decoder_layers": 0, "num_sparse_encoder_layers": 4},
        {"num_sparse_encoder_layers": 3, "num_sparse_decoder_layers": 4},
        {"num_layers": 1, "num_sparse_encoder_layers": 0},
        {"num_sparse_encoder_layers": 9},
    ],
    "nllb-moe": [
        {"router_bias": True},
        {"tie_word_embeddings": False},
        {"decoder_attention_heads": 3},
        {"encoder_sparse_step": 0, "decoder_ffn_dim": 17},
        {"decoder_sparse_step": 0, "decoder_ffn_dim": 17},
        {"encoder_sparse_step": 1},
    ],
    "gpt_oss": [
        {"attention_bias": False},
        TIED,
        {"layer_types": [FULL, FULL, SLIDING, SLIDING, SLIDING]},
        {"layer_types": [FULL] * 5},
    ],
    "llama4_text": [
        BIASED,
        TIED,
        {"interleave_moe_layer_step": 2},
        {"moe_layers": [0, 4, 99]},
        {"attention_chunk_size": None},
        {"no_rope_layer_interval": 2},
        {"no_rope_layers": [1, 0, 0, 1, 1]},
        {"no_rope_layers": []},
        {"layer_types": [CHUNKED, FULL, FULL, FULL, CHUNKED]},
    ],
    "glm4_moe": [BIASED, TIED, {"use_qk_norm": True}, {"head_dim": 10}, {"n_shared_experts": 0}, {"first_k_dense_replace": 0}],
    "granitemoe": [BIASED, TIED, {"num_key_value_heads": None}],
    "ernie4_5_moe": [
        {"use_bias": True},
        {"use_bias": True, "moe_num_shared_experts": 0} | TIED,
        {"moe_layer_interval": 2, "moe_layer_start_index": 0, "moe_layer_end_index": -1},
        {"moe_layer_end_index": 99},
        {"head_dim": 10},
        {"num_key_value_heads": 4},
    ],
    "hunyuan_v1_moe": [BIASED, TIED, {"moe_topk": [3] * 5}, {"num_key_value_heads": None}],
    "minimax": [TIED, {"head_dim": None}, {"layer_types": [FULL, LINEAR, LINEAR, LINEAR, FULL]}, {"sliding_window": 6}],
}

DRAWN: dict[str, Drawn] = {
    "mixtral": {
        "sliding_window": st.none() | SIZE,
        "head_dim": st.none() | st.sampled_from([2, 4, 8]),
        "num_local_experts": st.integers(2, 9),
    },
    "phimoe": GRANITES
    | {"num_key_value_heads": st.sampled_from([1, 2]), "lm_head_bias": FLAG, "sliding_window": st.none() | SIZE},
    "qwen2_moe": {"decoder_sparse_step": st.integers(1, 3), "mlp_only_layers": st.lists(st.integers(0, 4), max_size=2)}
    | {
        "use_sliding_window": FLAG,
        "max_window_layers": st.integers(0, 6),
        "shared_expert_intermediate_size": SIZE,
        "qkv_bias": FLAG,
    },
    "qwen3_moe": QWEN3 | {"use_sliding_window": FLAG},
    "qwen3_next": HEADS
    | BIASES
    | STEPS
    | LINEARS
    | experts()
    | {"layer_types": st.none() | kinds(FULL, LINEAR), "full_attention_interval": SIZE, "head_dim": HEAD_DIMS}
    | {"intermediate_size": SIZE, "shared_expert_intermediate_size": SIZE},
    "deepseek_v2": LAYERS
    | EVENLY_SPLIT
    | LATENTS
    | DENSE_FIRST
    | experts("n_routed_experts")
    | {"q_lora_rank": FULL_RANK, "qk_rope_head_dim": HEAD_DIMS, "mlp_bias": FLAG, "n_shared_experts": st.integers(1, 4)},
    "deepseek_v3": {"first_k_dense_replace": st.integers(0, 4), "q_lora_rank": st.none() | SIZE, "attention_bias": FLAG}
    | {"n_shared_experts": st.integers(0, 3), "kv_lora_rank": SIZE, "v_head_dim": SIZE, "qk_nope_head_dim": SIZE},
    "olmoe": LAYERS | EVENLY_SPLIT | OR_AS_QUERIES | BIASES | experts(width="intermediate_size"),
    "dbrx": UNTIED
    | {"d_model": EVENLY_SPLIT["hidden_size"], "n_heads": HEADS["num_attention_heads"], "n_layers": LAYERS["num_hidden_layers"]}
    | {"attn_config": st.none() | st.fixed_dictionaries({"kv_n_heads": st.sampled_from([1, 2])})}
    | {"ffn_config": st.fixed_dictionaries({}, optional=experts("moe_num_experts", chosen="moe_top_k", width="ffn_hidden_size"))},
    "jamba": {"attn_layer_offset": st.integers(0, 3), "expert_layer_offset": st.integers(0, 2), "mamba_expand": st.integers(1, 4)}
    | {"mamba_proj_bias": FLAG, "mamba_conv_bias": FLAG, "mamba_dt_rank": st.just("auto") | SIZE, "mamba_d_state": SIZE},
    "switch_transformers": {"num_sparse_encoder_layers": st.integers(0, 5), "num_sparse_decoder_layers": st.integers(1, 6)}
    | {"router_bias": FLAG, "num_decoder_layers": st.none() | st.integers(3, 6), "tie_word_embeddings": FLAG},
    "nllb-moe": {"encoder_sparse_step": st.integers(0, 4), "decoder_sparse_step": st.integers(1, 6), "router_bias": FLAG}
    | {"decoder_attention_heads": st.sampled_from([1, 2, 3, 6]), "tie_word_embeddings": FLAG},
    "gpt_oss": HEADS
    | ANY_WINDOWS
    | experts("num_local_experts", width="intermediate_size")
    | {"sliding_window": SIZE, "head_dim": HEAD_DIMS},
    "llama4_text": {
        "interleave_moe_layer_step": st.integers(1, 5),
        "no_rope_layer_interval": st.integers(1, 5),
        "attention_bias": FLAG,
    }
    | {"attention_chunk_size": st.none() | SIZE, "moe_layers": st.none() | st.lists(st.integers(0, 4), min_size=1)},
    "glm4_moe": GLM | DENSE_FIRST | {"use_qk_norm": FLAG, "head_dim": HEAD_DIMS},
    "granitemoe": GRANITES,
    "ernie4_5_moe": {"use_bias": FLAG, "moe_layer_interval": st.just(1) | st.just(2), "moe_layer_start_index": st.integers(0, 3)}
    | {"moe_layer_end_index": st.just(-1) | st.integers(3, 6), "moe_num_shared_experts": st.integers(0, 2)},
    "hunyuan_v1_moe": HEADS
    | OR_AS_QUERIES
    | BIASES
    | experts(chosen="moe_topk", width="intermediate_size")
    | {"moe_topk": st.integers(1, 4) | st.integers(1, 4).map(lambda top_k: [top_k] * 5), "head_dim": HEAD_DIMS},
    "minimax": HEADS
    | experts("num_local_experts", width="intermediate_size")
    | {"layer_types": st.none() | kinds(FULL, LINEAR), "head_dim": st.none() | HEAD_DIMS, "sliding_window": st.none() | SIZE},
}
