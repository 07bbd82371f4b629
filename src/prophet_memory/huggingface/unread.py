"""Types of mixtures of experts that the reference implementation knows and this project does not read, with what it lacks."""

from __future__ import annotations

from collections.abc import Mapping

_HYPER = "residual streams that hyper-connections mix"
_INKLING = "convolutions around attention and feed-forward blocks, each with a state of its own"

UNREAD: Mapping[str, str] = {
    "axk2": "norms with a low-rank gate, and queries and gates projected from two latents at once",
    "diffusion_gemma": "block diffusion, whose encoder and decoder share their weights",
    "doge": "experts found by product keys, and attention that masks by its values",
    "dots3_note": "latent attention that differs by layer, over a window or with an indexer",
    "dots3_note_text": "latent attention that differs by layer, over a window or with an indexer",
    "glm5_next": _HYPER,
    "glm5_next_text": _HYPER,
    "hy_v4": _HYPER,
    "hy_v4_vl": _HYPER,
    "hy_v4_vl_text": _HYPER,
    "inkling2": _INKLING,
    "inkling2_loop": _INKLING,
    "inkling2_loop_text": _INKLING,
    "inkling2_text": _INKLING,
    "inkling_mm_model": _INKLING,
    "inkling_text": _INKLING,
    "jetmoe": "attention whose queries are projected by experts",
    "minimax_m3_vl": "an indexer that chooses blocks of the cache",
    "minimax_m3_vl_text": "an indexer that chooses blocks of the cache",
    "mistral_large4": "layers that attend to another layer's latent cache",
    "mistral_large4_text": "layers that attend to another layer's latent cache",
    "muse_spark": "experts that work at another width than the model's",
    "muse_spark_text": "experts that work at another width than the model's",
    "openai_privacy_filter": "a classifier of tokens, which has no cache",
    "qwen4_exp": _HYPER,
    "qwen4_exp_text": _HYPER,
    "unlimited_ocr": "a window over generated tokens beside a prompt that stays whole",
    "unlimited_ocr_text": "a window over generated tokens beside a prompt that stays whole",
    "vitpose_backbone": "a vision model, which has no cache",
    "zaya": "attention in a compressed space with convolutions (CCA), and a router with layers of its own",
}
