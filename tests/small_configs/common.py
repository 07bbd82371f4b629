"""What small configs share: sizes of which no two are alike, changes, and values that random configs take."""

from typing import Any

from hypothesis import strategies as st

COMMON: dict[str, Any] = {
    "vocab_size": 101,
    "hidden_size": 24,
    "intermediate_size": 13,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 77,
    "tie_word_embeddings": False,
}
LATENT = {"kv_lora_rank": 5, "q_lora_rank": 7, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 3}
QWEN = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 9, "decoder_sparse_step": 1, "mlp_only_layers": []}
FULL, SLIDING, LINEAR = "full_attention", "sliding_attention", "linear_attention"
CHUNKED, CONV = "chunked_attention", "conv"
WINDOW, CHOSEN, HEAVY = SLIDING, "compressed_sparse_attention", "heavily_compressed_attention"
SPARSE_SOMEWHERE: list[dict[str, Any]] = [
    {"decoder_sparse_step": 2},
    {"mlp_only_layers": [0, 3]},
    {"decoder_sparse_step": 2, "mlp_only_layers": [1, 99]},
]
BIASED, TIED, ONE_KV_HEAD = {"attention_bias": True}, {"tie_word_embeddings": True}, {"num_key_value_heads": 1}
AS_QUERIES: dict[str, Any] = {"num_key_value_heads": None}
LISTED = {"layer_types": [SLIDING, SLIDING, FULL, FULL, SLIDING]}
LAST_FULL = {"layer_types": [SLIDING, SLIDING, FULL, SLIDING, FULL]}
ALTERNATING = {"layer_types": [FULL, LINEAR, LINEAR, FULL, FULL]}
MIXED = {"mlp_layer_types": ["sparse", "dense", "dense", "sparse", "sparse"]}

SIZE, FLAG = st.integers(1, 9), st.booleans()
WINDOWS_DRAWN = st.none() | st.lists(st.sampled_from([FULL, SLIDING]), min_size=5, max_size=5)
ANY_SPARSE = st.none() | st.lists(st.sampled_from(["dense", "sparse"]), min_size=5, max_size=5)
LEADING = st.integers(0, 4)
Drawn = dict[str, st.SearchStrategy[Any]]
BIASES: Drawn = {"attention_bias": FLAG}
ANY_WINDOWS: Drawn = BIASES | {"layer_types": WINDOWS_DRAWN}
LATENTS: Drawn = BIASES | {"kv_lora_rank": SIZE, "v_head_dim": SIZE, "qk_nope_head_dim": SIZE, "n_shared_experts": LEADING}
FULL_RANK = st.none() | SIZE
LAYERS: Drawn = {"num_hidden_layers": st.integers(3, 6)}
HEADS: Drawn = {"hidden_size": st.integers(12, 36), "num_attention_heads": st.sampled_from([2, 4, 6])}
HEADS |= {"num_key_value_heads": st.sampled_from([1, 2])}
EVENLY_SPLIT: Drawn = HEADS | {"hidden_size": st.sampled_from([12, 24, 36])}
OR_AS_QUERIES: Drawn = {"num_key_value_heads": st.none() | st.sampled_from([1, 2])}
HEAD_DIMS = st.sampled_from([2, 6, 10])  # the classes refuse odd ones
LINEARS: Drawn = {"linear_num_key_heads": st.sampled_from([1, 2]), "linear_num_value_heads": st.sampled_from([2, 4, 6])}
LINEARS |= {f"linear_{of}": SIZE for of in ("key_head_dim", "value_head_dim", "conv_kernel_dim")}
STEPS: Drawn = {"decoder_sparse_step": st.integers(1, 3), "mlp_only_layers": st.none() | st.lists(LEADING, max_size=2)}
UNTIED: Drawn = {"tie_word_embeddings": st.just(value=False)}


def kinds(*names: str, count: int = 5) -> Any:
    return st.lists(st.sampled_from(names), min_size=count, max_size=count)


def experts(count: str = "num_experts", *, chosen: str = "num_experts_per_tok", width: str = "moe_intermediate_size") -> Drawn:
    """More experts than a token is sent to, and their width."""
    return {count: st.integers(4, 9), chosen: st.integers(1, 4), width: SIZE}


GLM: Drawn = LAYERS | HEADS | BIASES | experts("n_routed_experts") | {"n_shared_experts": LEADING}
DENSE_FIRST: Drawn = {"first_k_dense_replace": LEADING, "intermediate_size": SIZE}
QWEN3: Drawn = LAYERS | HEADS | BIASES | STEPS | experts()
QWEN3 |= {"intermediate_size": SIZE, "head_dim": HEAD_DIMS, "sliding_window": st.none() | SIZE}
GRANITES: Drawn = LAYERS | HEADS | OR_AS_QUERIES | BIASES | experts("num_local_experts", width="intermediate_size")


def in_sections(*sections: int, **others: float) -> dict[str, Any]:
    """Positions of images as heads so small have room for."""
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [*sections]} | others}
