"""Counts of any architecture that `transformers` knows, by instantiating it on the meta device; needs the extra `[reference]`.

Routed experts are the parameters that double with the number of experts; the cache is that of a real run. What cannot be told
so is null, with the reason.
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
from prophet_memory.cli.reference_experts import NotSplitError, active_params, shapes_of, split
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
            described = transformers.AutoConfig.for_model(kind, **values)
            described = described.get_text_config() if hasattr(described, "text_config") else described
            model = _build(described)
        except Exception as problem:  # noqa: BLE001 - whatever the reference raises is one line here
            raise error(file, "model_type", kind, f"a config that transformers can instantiate ({one_line(problem)})") from None
        return _counts(model, described)


def _build(described: Any) -> Any:  # noqa: ANN401 - a config and a model of transformers
    """The model on the meta device; its experts one by one, which runs anywhere."""
    torch, transformers = import_module("torch"), import_module("transformers")
    maker = transformers.AutoModelForSeq2SeqLM if described.is_encoder_decoder else transformers.AutoModelForCausalLM
    with torch.device("meta"):
        return maker.from_config(described, experts_implementation="eager")


def _counts(model: Any, described: Any) -> dict[str, Any]:  # noqa: ANN401
    shapes = shapes_of(model)
    total = sum(math.prod(shape) for shape in shapes.values())
    found: dict[str, Any] = {"total_params": total} | dict.fromkeys((*SPLIT_KEYS, *CACHE_KEYS))
    reasons: dict[str, str] = {}
    try:
        experts = split(_build, described, shapes)
        found |= {"routed_expert_params": experts.routed_params, "non_expert_params": total - experts.routed_params}
        found |= {"moe_layers": experts.moe_layers, "experts": experts.experts}
        if experts.experts is None:
            found["active_params_per_token"] = total
            reasons |= dict.fromkeys(EXPERT_KEYS, DENSE)
        else:
            active, top_k = active_params(total, experts, described)
            found |= {"active_params_per_token": active, "top_k": top_k}
    except NotSplitError as problem:
        reasons |= {key: str(problem) for key in SPLIT_KEYS if found[key] is None}
    try:
        cache = measured_cache(model, described)
        found |= dict(zip(CACHE_KEYS, (cache.kv_bytes_per_token, cache.state_bytes_per_sequence), strict=True))
    except NotMeasuredError as problem:
        reasons |= dict.fromkeys(CACHE_KEYS, str(problem))
    return found | ({"reasons": reasons} if reasons else {})
