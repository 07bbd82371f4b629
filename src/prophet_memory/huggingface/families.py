"""What families of types share: which layers are sparse or bounded by a window, and their mixtures of experts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prophet_memory.architecture import MoE
from prophet_memory.fields import MAX_LAYERS
from prophet_memory.huggingface.building import mixture
from prophet_memory.huggingface.values import SPARSE, Values


def same_window(values: Values) -> list[str]:
    """The kind of each layer where a window, if there is one, bounds all of them."""
    kind = "full_attention" if values.optional_size("sliding_window") is None else "sliding_attention"
    return [kind] * values.layers()


def sparse_after_dense(values: Values, frequency: int = 1) -> list[bool]:
    """Which layers are sparse: every `frequency`-th beyond the leading dense ones."""
    dense = values.count("first_k_dense_replace")
    return [layer >= dense and layer % frequency == 0 for layer in range(values.layers())]


def after(values: Values, dense: int) -> list[bool]:
    """Which layers are sparse: all after so many dense ones."""
    return [layer >= dense for layer in range(values.layers())]


def listed_sparse(values: Values) -> list[bool] | None:
    """Which layers are sparse as `mlp_layer_types` lists them, or None where it is left out or null."""
    kinds = values.layer_types(values.layers(), SPARSE, "mlp_layer_types")
    return None if kinds is None else [kind == "sparse" for kind in kinds]


def sparse_steps(values: Values, dense: Sequence[int] = ()) -> list[bool]:
    """Which layers are sparse (Qwen): every `decoder_sparse_step`-th that is not listed as dense; `dense` without a list."""
    listed = values.integers("mlp_only_layers")
    step, passed = values.size("decoder_sparse_step"), set(dense if listed is None else listed)
    return [layer not in passed and (layer + 1) % step == 0 for layer in range(values.layers())]


def next_tokens(values: Values, key: str = "num_nextn_predict_layers", left_out: int = 0) -> int:
    """How many layers that predict further tokens are published beside the model; so many where the config leaves it out."""
    return left_out if values.raw(key) is None else values.whole(key, least=0, most=MAX_LAYERS)


def shared_size(values: Values, count_key: str) -> int:
    """The width of all shared experts together, each as wide as a routed one."""
    return values.derived(count_key, values.count(count_key) * values.size("moe_intermediate_size"))


def shared_block(values: Values, width: int, *, bias: bool) -> dict[str, Any]:
    """The fields of shared experts that are so wide together.

    Raises:
        ArchitectureError: for biases without a shared expert: the reference keeps one of an empty block.
    """
    if bias and not width:
        raise values.error("mlp_bias", "false without shared experts")
    return {"shared_intermediate_size": width, "shared_bias": bias}


def qwen_mixture(values: Values, **others: Any) -> MoE:  # noqa: ANN401 - fields of MoE
    """The mixture of experts of the Qwen family."""
    return mixture(values, "num_experts", intermediate="moe_intermediate_size", **others)


def qwen_shared(values: Values) -> MoE:
    """The same with a shared expert and its gate."""
    # The reference builds the gate of a shared expert of width 0 too, so that width is refused rather than miscounted.
    return qwen_mixture(values, shared_intermediate_size=values.size("shared_expert_intermediate_size"), shared_gate=True)


def glm_mixture(values: Values) -> MoE:
    """The mixture of experts of the GLM and DeepSeek families, with shared ones."""
    shared = shared_size(values, "n_shared_experts")
    return mixture(values, "n_routed_experts", intermediate="moe_intermediate_size", shared_intermediate_size=shared)
