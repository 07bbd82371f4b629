"""Activation peaks: each kind in a module of its own, found by its name in config/engines.yaml."""

from __future__ import annotations

import sys

from prophet_memory.discovery import classes_in
from prophet_memory.peaks.largest_phase import LargestPhase
from prophet_memory.peaks.left_to_others import LeftToOthers
from prophet_memory.peaks.llama_cpp import LlamaCpp
from prophet_memory.peaks.peak import Buffer, Moment, Peak, Setting, Step
from prophet_memory.peaks.vllm_v1 import VllmV1

__all__ = ["PEAKS", "Buffer", "LargestPhase", "LeftToOthers", "LlamaCpp", "Moment", "Peak", "Setting", "Step", "VllmV1"]

PEAKS: tuple[type[Peak], ...] = tuple(
    sorted(classes_in(sys.modules[__name__], Peak), key=lambda kind: kind.__name__)  # type: ignore[type-abstract]
)
