"""Counts of any architecture that `transformers` knows, by instantiating it on the meta device; needs the extra `[reference]`.

Routed experts are the parameters that follow the number of experts; the cache is that of a real run. Of a multimodal model the
language model is counted, and beside it how many parameters all the rest has. What cannot be told so is null, with the reason.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Built:
    """A model on the meta device: what of it is described, the shapes of that, and the number of all other parameters.

    `others` is None without `has_others`, and where `failed` says why the model around the part cannot be built.
    """

    described: Described
    model: Any
    shapes: Shapes
    has_others: bool
    others: int | None
    failed: str | None


@contextlib.contextmanager
def _silently() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _built(file: Path, config: Mapping[str, Any]) -> _Built:
    """The model of a config.

    Raises:
        ImportError: without the extra.
        ConfigurationError: for what transformers does not know or cannot build.
    """
    import_module("torch")  # an optional extra that takes seconds
    transformers: Any = import_module("transformers")
    transformers.logging.set_verbosity_error()
    values = dict(config)
    kind = values.pop("model_type", None)
    try:
        asked = transformers.AutoConfig.for_model(kind, **values)
        described, model, failed = described_model(asked)
    except Exception as problem:  # noqa: BLE001 - whatever the reference raises is one line here
        raise error(file, "model_type", kind, f"a config that transformers can instantiate ({one_line(problem)})") from None
    shapes, others = shapes_of(model, described)
    beside = has_others(asked)
    missing = f"the model around the language model cannot be built ({one_line(failed)})" if failed and beside else None
    if beside and described.others:
        return _Built(described, model, shapes, beside, others, None)
    return _Built(described, model, shapes, beside, None, missing)


def others_by_reference(file: Path, config: Mapping[str, Any]) -> tuple[int | None, str]:
    """The parameters beside the language model, or None and the reason."""
    try:
        with _silently():
            built = _built(file, config)
    except ImportError:
        return None, "without the extra [reference] (torch and transformers) it is not counted"
    except ConfigurationError as problem:
        return None, str(problem)
    return built.others, built.failed or ""


def counted_by_reference(file: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The counts that programs ask for, null where they cannot be told, and then the reasons by key.

    Raises:
        ConfigurationError: without the extra, and for what transformers does not know or cannot build.
    """
    with _silently():
        try:
            built = _built(file, config)
        except ImportError:
            raise ConfigurationError(
                "--via-transformers: torch or transformers is missing; allowed: with the extra [reference]"
            ) from None
        described, model, shapes = built.described, built.model, built.shapes
        found: dict[str, Any] = {"total_params": sum(math.prod(shape) for shape in shapes.values())}
        reasons: dict[str, str] = {"other_params": built.failed} if built.failed else {}
        if built.has_others:
            found["other_params"] = built.others
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
