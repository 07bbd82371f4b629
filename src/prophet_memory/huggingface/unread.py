"""Types of mixtures of experts that the reference implementation knows and this project does not read, with what it lacks."""

from __future__ import annotations

from collections.abc import Mapping

_NGRAMS = "embeddings of n-grams of tokens, with states of their own, and residual streams that maps of low rank mix"
_DIFFUSION = "block diffusion, whose encoder and decoder share their weights"
_SEES = "a vision model, which has no cache"
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
    "nemotron_h_omni": "the language model under the several names that its configs have for it",
    "openai_privacy_filter": "a classifier of tokens, which has no cache",
    "qwen3_omni_moe_talker_text": "a talker, which only the model around it gives its sizes",
    "qwen4_exp": _NGRAMS,
    "qwen4_exp_text": _NGRAMS,
    "vitpose": _SEES,
    "vitpose_backbone": _SEES,
    "zaya": "attention in a compressed space with convolutions (CCA), and a router with layers of its own",
}
