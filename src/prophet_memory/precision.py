"""Bytes of weights by precision (DESIGN section 3, "precision")."""

from __future__ import annotations

from dataclasses import dataclass

from prophet_memory.architecture import Architecture
from prophet_memory.parameters import ParameterCounts, feed_forward_output_channels


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """How a matrix is stored: bytes per weight, and bytes of the scale that each output channel carries (if any)."""

    weight_bytes: int
    channel_scale_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Precision:
    """Formats of the routed experts' matrices and of everything else; expert biases keep the format of the rest."""

    routed_expert: WeightFormat
    rest: WeightFormat


BF16 = WeightFormat(weight_bytes=2)
# Symmetric per-output-channel quantisation: one fp32 scale a channel, no zero points.
INT8_PER_CHANNEL = WeightFormat(weight_bytes=1, channel_scale_bytes=4)
PRECISIONS = {
    "bf16": Precision(routed_expert=BF16, rest=BF16),
    "int8_experts": Precision(routed_expert=INT8_PER_CHANNEL, rest=BF16),
}


def routed_expert_bytes(architecture: Architecture, counts: ParameterCounts, precision: Precision) -> int:
    """Bytes of one routed expert of one layer, scales and biases included."""
    moe, form = architecture.moe, precision.routed_expert
    channels = feed_forward_output_channels(moe.expert_intermediate_size, architecture.hidden_size, gated=moe.gated)
    return (
        counts.expert_weight * form.weight_bytes
        + channels * form.channel_scale_bytes
        + counts.expert_bias * precision.rest.weight_bytes
    )


def non_expert_bytes(counts: ParameterCounts, precision: Precision) -> int:
    """Bytes of everything but the routed experts."""
    return counts.non_expert * precision.rest.weight_bytes
