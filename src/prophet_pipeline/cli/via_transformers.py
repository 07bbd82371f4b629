"""Counts of any architecture that `transformers` knows, by instantiating it on the meta device; needs the extra `[reference]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prophet_pipeline.command import ConfigurationError
from prophet_pipeline.configuration import error

EXPERTS, SHARED = re.compile(r"(?:^|\.)experts?\."), re.compile(r"shared_expert")
KEYS_AND_VALUES = re.compile(r"(?:self_attn|SelfAttention|attention|attn)\.(?:k_proj|v_proj|k|v|kv_a_proj_with_mqa)\.weight$")
BF16_BYTES = 2


def counted_by_reference(file: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The counts that programs ask for, null where the module tree does not tell.

    Raises:
        ConfigurationError: without the extra, and for what transformers does not know or cannot build.
    """
    try:
        import torch  # noqa: PLC0415 - an optional extra that takes seconds
        import transformers  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "--via-transformers: torch or transformers is missing; allowed: with the extra [reference]"
        ) from None
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call,unused-ignore]
    values = dict(config)
    kind = values.pop("model_type", None)
    try:
        described = transformers.AutoConfig.for_model(kind, **values)
        described = described.get_text_config() if hasattr(described, "text_config") else described
        maker = transformers.AutoModelForSeq2SeqLM if described.is_encoder_decoder else transformers.AutoModelForCausalLM
        with torch.device("meta"):
            model = maker.from_config(described)  # type: ignore[no-untyped-call,unused-ignore]
    except Exception as problem:  # noqa: BLE001 - whatever the reference raises is one line here
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise error(file, "model_type", kind, f"a config that transformers can instantiate ({reason})") from None
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    return _counts(shapes, described)


def _counts(shapes: Mapping[str, tuple[int, ...]], described: Any) -> dict[str, Any]:  # noqa: ANN401 - a class of transformers
    sizes = {name: _product(shape) for name, shape in shapes.items()}
    routed = {name: size for name, size in sizes.items() if EXPERTS.search(name) and not SHARED.search(name)}
    total, routed_total = sum(sizes.values()), sum(routed.values())
    experts, top_k = (_first(described, names) for names in (EXPERT_NAMES, TOP_K_NAMES))
    active = total - routed_total + routed_total * top_k // experts if routed and experts and top_k else None
    decoder = {name: shape for name, shape in shapes.items() if not name.startswith(("encoder", "model.encoder"))}
    cached = sum(shape[0] for name, shape in decoder.items() if KEYS_AND_VALUES.search(name))
    return {
        "total_params": total,
        "routed_expert_params": routed_total,
        "non_expert_params": total - routed_total,
        "active_params_per_token": active if routed else total,
        "moe_layers": len({EXPERTS.split(name)[0] for name in routed}),
        "experts": experts if routed else None,
        "top_k": top_k if routed else None,
        "kv_bytes_per_token": cached * BF16_BYTES or None,
        "state_bytes_per_sequence": None,
    }


EXPERT_NAMES = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
TOP_K_NAMES = ("num_experts_per_tok", "num_selected_experts", "moe_k", "moe_topk")


def _first(described: Any, names: tuple[str, ...]) -> int | None:  # noqa: ANN401
    return next((value for name in names if isinstance(value := getattr(described, name, None), int)), None)


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
