"""Mixers: each kind in a module of its own, found by its name in a catalogue file."""

from __future__ import annotations

import sys

from prophet_memory.discovery import classes_in
from prophet_memory.mixers.attention import Attention
from prophet_memory.mixers.block_sparse_attention import BlockSparseAttention
from prophet_memory.mixers.compressed_attention import CompressedAttention
from prophet_memory.mixers.gated_deltanet import GatedDeltaNet
from prophet_memory.mixers.kimi_delta_attention import KimiDeltaAttention
from prophet_memory.mixers.latent_attention import LatentAttention
from prophet_memory.mixers.lightning_attention import LightningAttention
from prophet_memory.mixers.mamba import Mamba
from prophet_memory.mixers.mamba2 import Mamba2
from prophet_memory.mixers.mixer import Mixer
from prophet_memory.mixers.none import NoMixer
from prophet_memory.mixers.short_convolution import ShortConvolution

__all__ = [
    "MIXERS",
    "Attention",
    "BlockSparseAttention",
    "CompressedAttention",
    "GatedDeltaNet",
    "KimiDeltaAttention",
    "LatentAttention",
    "LightningAttention",
    "Mamba",
    "Mamba2",
    "Mixer",
    "NoMixer",
    "ShortConvolution",
]

MIXERS: tuple[type[Mixer], ...] = tuple(
    sorted(classes_in(sys.modules[__name__], Mixer), key=lambda mixer: mixer.__name__)  # type: ignore[type-abstract]
)
