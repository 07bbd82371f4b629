"""Counts of any architecture that `transformers` knows, by instantiating it on the meta device; needs the extra `[reference]`.

Routed experts are the parameters that follow the number of experts; the cache is that of a real run. Of a multimodal model the
language model is counted, and beside it how many parameters all the rest has. What cannot be told so is null, with the reason.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from prophet_memory.cli.description import DENSE, EXPERT_KEYS
from prophet_memory.cli.reference_cache import NotMeasuredError, measured_cache, one_line
from prophet_memory.cli.reference_experts import NotSplitError, active_params, split
from prophet_memory.cli.reference_models import Described, Shapes, described_model, has_others, own_module, shapes_of
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.messages import error

SPLIT_KEYS = ("routed_expert_params", "non_expert_params", "active_params_per_token", "moe_layers", *EXPERT_KEYS)
CACHE_KEYS = ("kv_bytes_per_token", "state_bytes_per_sequence")


def counted_by_reference(file: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The counts that programs ask for, null where they cannot be told, and then the reasons by key.

    Raises:
        ConfigurationError: without the extra, and for what transformers does not know or cannot build.
    """
    try:
        import_module("torch")  # an optional extra that takes seconds
        transformers: Any = import_module("transformers")
    except ImportError:
        raise ConfigurationError(
            "--via-transformers: torch or transformers is missing; allowed: with the extra [reference]"
        ) from None
    transformers.logging.set_verbosity_error()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        values = dict(config)
        kind = values.pop("model_type", None)
        try:
            asked = transformers.AutoConfig.for_model(kind, **values)
            described, model, failed = described_model(asked)
        except Exception as problem:  # noqa: BLE001 - whatever the reference raises is one line here
            raise error(file, "model_type", kind, f"a config that transformers can instantiate ({one_line(problem)})") from None
        shapes, others = shapes_of(model, described)
        found: dict[str, Any] = {"total_params": sum(math.prod(shape) for shape in shapes.values())}
        reasons: dict[str, str] = {}
        if has_others(asked):
            found["other_params"] = others if described.others else None
            if failed and not described.others:
                reasons["other_params"] = f"the model around the language model cannot be built ({one_line(failed)})"
        _count_experts(found, reasons, described, shapes)
        _count_cache(found, reasons, described, model)
    return found | ({"reasons": reasons} if reasons else {})


def _count_experts(found: dict[str, Any], reasons: dict[str, str], described: Described, shapes: Shapes) -> None:
    """Put the counts that tell experts from the rest into what was found, or the reasons why they are unknown."""
    total = found["total_params"]
    found |= dict.fromkeys(SPLIT_KEYS)
    try:
        experts = split(described, shapes)
        found |= {"routed_expert_params": experts.routed_params, "non_expert_params": total - experts.routed_params}
        found |= {"moe_layers": experts.moe_layers, "experts": experts.experts}
        if experts.experts is None:
            found["active_params_per_token"] = total
            reasons |= dict.fromkeys(EXPERT_KEYS, DENSE)
        else:
            active, top_k = active_params(total, experts, described.part)
            found |= {"active_params_per_token": active, "top_k": top_k}
    except NotSplitError as problem:
        reasons |= {key: str(problem) for key in SPLIT_KEYS if found[key] is None}


def _count_cache(found: dict[str, Any], reasons: dict[str, str], described: Described, model: Any) -> None:  # noqa: ANN401
    """Put the sizes of the cache into what was found, or the reason why they are unknown."""
    found |= dict.fromkeys(CACHE_KEYS)
    try:
        cache = measured_cache(own_module(model, described), described.part)
        found |= dict(zip(CACHE_KEYS, (cache.kv_bytes_per_token, cache.state_bytes_per_sequence), strict=True))
    except NotMeasuredError as problem:
        reasons |= dict.fromkeys(CACHE_KEYS, str(problem))
