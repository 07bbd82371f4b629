"""Small configs of the types of models: each architectural key, none at its default, changes of them, random values of keys."""

from typing import Any

from small_configs import familiar_blocks, first_types, own_blocks
from small_configs.common import CONV, FULL, Drawn

PARTS = (first_types, familiar_blocks, own_blocks)
SMALL: dict[str, dict[str, Any]] = {kind: config for part in PARTS for kind, config in part.SMALL.items()}
VARIANTS: dict[str, list[dict[str, Any]]] = {kind: changes for part in PARTS for kind, changes in part.VARIANTS.items()}
DRAWN: dict[str, Drawn] = {kind: values for part in PARTS for kind, values in part.DRAWN.items()}

# What a type cannot do without beside its defaults, and the smallest that makes it a mixture of experts.
OCR = {"num_experts_per_tok": 2, "mlp_layer_types": ["dense", *["sparse"] * 31]}
NEEDED: dict[str, dict[str, Any]] = {
    "deepseek_ocr2": {"text_config": OCR},
    "deepseek_ocr2_text": OCR,
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 2, "num_experts_per_tok": 2},
    "hunyuan_v1_moe": {"num_experts": 2, "head_dim": 128},
    "lfm2_moe": {"layer_types": [CONV, FULL] * 16},
    "mistral3": {"tie_word_embeddings": False, "text_config": {"model_type": "mistral4"}},
}
# What the classes need to run, and not to be built alone.
ONE_HEAD_EACH = {"num_key_value_heads": 4}
RUNNING: dict[str, dict[str, Any]] = {
    "axk1": ONE_HEAD_EACH,
    "axk2": ONE_HEAD_EACH,
    "bailing_hybrid": ONE_HEAD_EACH | {"n_group": 1, "topk_group": 1},
    "dbrx": {"attn_config": SMALL["dbrx"]["attn_config"] | {"rope_theta": 10000.0, "clip_qkv": 8}},
    "deepseek_v2": ONE_HEAD_EACH | {"kv_lora_rank": 6},
    "deepseek_v3": ONE_HEAD_EACH,
    "deepseek_v32": ONE_HEAD_EACH,
    "glm4_moe_lite": ONE_HEAD_EACH,
    "glm_moe_dsa": ONE_HEAD_EACH | {"indexer_types": ["full", "shared", "shared", "full", "shared"]},
    "kimi_linear": ONE_HEAD_EACH | {"n_group": 1, "topk_group": 1},
    "longcat_flash": {"head_dim": 4},
    "mistral4": ONE_HEAD_EACH,
    "mistral_large4_text": ONE_HEAD_EACH,
    "sarvam_mla": ONE_HEAD_EACH,
}
