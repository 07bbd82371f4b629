"""Exact parameter counts, component by component (docs/memory-model.md, "Parameters").

All counts are Python integers, sums over the list of weights (`weights.model_weights`), as the reference implementation
instantiates them (`transformers` on the meta device; tests/test_reference.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from prophet_memory.architecture import Architecture
from prophet_memory.tensors import COMPONENTS
from prophet_memory.weights import expert_weights, model_weights


@dataclass(frozen=True, slots=True)
class ParameterCounts:
    """Parameters of a model by component. `attention` holds every attention mixer with its biases and inner norms."""

    routed_expert: int
    shared_expert: int
    router: int
    attention: int
    recurrent: int  # mixers with a state or a short convolution, attention aside
    dense_feed_forward: int  # dense layers and branches, maps to the latents of experts and back, inputs of layers
    norm: int
    embedding: int
    lm_head: int
    per_expert: int  # one routed expert of one layer
    top_k_expert: int  # the routed experts that one token passes, all layers

    @property
    def non_expert(self) -> int:
        """Everything that is not a routed expert."""
        return sum(getattr(self, name) for name in COMPONENTS if name != "routed_expert")

    @property
    def active_per_token(self) -> int:
        """What one token passes: everything but the routed experts it is not sent to; both embeddings included."""
        return self.non_expert + self.top_k_expert

    @property
    def total(self) -> int:
        """The whole model."""
        return self.routed_expert + self.non_expert


def count_parameters(architecture: Architecture) -> ParameterCounts:
    """Count every parameter of a model."""
    counts: Counter[str] = Counter()
    for weight in model_weights(architecture):
        counts[weight.component] += weight.parameters
    moe = architecture.moe
    per_expert = sum(weight.parameters for weight in expert_weights(moe, architecture.hidden_size))
    return ParameterCounts(
        **{name: counts[name] for name in COMPONENTS},
        per_expert=per_expert,
        top_k_expert=architecture.moe_layer_count * moe.top_k * per_expert,
    )
