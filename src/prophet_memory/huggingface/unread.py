"""Types of mixtures of experts that the reference implementation knows and this project does not read, with what it lacks."""

from __future__ import annotations

from collections.abc import Mapping

_NGRAMS = "embeddings of n-grams of tokens, with states of their own, and residual streams that maps of low rank mix"
_DIFFUSION = "block diffusion, whose encoder and decoder share their weights"
_SEES = "a cache, which a vision model does not have"
_INKLING = "convolutions around attention and feed-forward blocks, each with a state of its own"

UNREAD: Mapping[str, str] = {
    "diffusion_gemma": _DIFFUSION,
    "diffusion_gemma_text": _DIFFUSION,
    "dots3_note_vision_encoder": _SEES,
    "inkling2": _INKLING,
    "inkling2_loop": _INKLING,
    "inkling2_loop_text": _INKLING,
    "inkling2_text": _INKLING,
    "inkling_mm_model": _INKLING,
    "inkling_text": _INKLING,
    "jetmoe": "attention whose queries are projected by experts",
    "openai_privacy_filter": "a cache, which a classifier of tokens does not have",
    "qwen3_omni_moe_talker_text": "the sizes of a talker, which only the model around it states",
    "qwen4_exp": _NGRAMS,
    "qwen4_exp_text": _NGRAMS,
    "vitpose": _SEES,
    "vitpose_backbone": _SEES,
    "zaya": "attention in a compressed space with convolutions (CCA), and a router with layers of its own",
}
