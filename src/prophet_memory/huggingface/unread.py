"""Types of mixtures of experts that the reference implementation knows and this project does not read, with what it lacks."""

from __future__ import annotations

from collections.abc import Mapping

_NGRAMS = "embeddings of n-grams of tokens, with states of their own, and residual streams that maps of low rank mix"
_INKLING = "convolutions around attention and feed-forward blocks, each with a state of its own"

UNREAD: Mapping[str, str] = {
    "diffusion_gemma": "block diffusion, whose encoder and decoder share their weights",
    "inkling2": _INKLING,
    "inkling2_loop": _INKLING,
    "inkling2_loop_text": _INKLING,
    "inkling2_text": _INKLING,
    "inkling_mm_model": _INKLING,
    "inkling_text": _INKLING,
    "jetmoe": "attention whose queries are projected by experts",
    "openai_privacy_filter": "a classifier of tokens, which has no cache",
    "qwen4_exp": _NGRAMS,
    "qwen4_exp_text": _NGRAMS,
    "vitpose_backbone": "a vision model, which has no cache",
    "zaya": "attention in a compressed space with convolutions (CCA), and a router with layers of its own",
}
