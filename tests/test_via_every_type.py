"""`import-config --via-transformers` for every type that `transformers` knows and that can have experts, at its default width.

The types are found by program, so that one that a later release adds is tried, too. Three other ways lead to the same numbers:
the modules whose class is one of experts, the growth of the model with the number of experts, and the project's own reader.

Needs the extra `[reference]` (torch and transformers); `.ci/run` installs it.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

REASON = "the extra [reference] is not installed (torch, transformers): pip install torch, then pip install -e '.[reference]'"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

from prophet_memory.cli import reference_experts, reference_models, via_transformers  # noqa: E402
from prophet_memory.cli.description import counted  # noqa: E402
from prophet_memory.edge.command import ConfigurationError  # noqa: E402
from prophet_memory.huggingface import SUPPORTED_TYPES, read  # noqa: E402

CONV, FULL = "conv", "full_attention"
LAYERS = 6  # enough for dense layers before sparse ones
# What a type cannot be built without, and the smallest that makes it a mixture of experts.
OCR = {"num_experts_per_tok": 6, "mlp_layer_types": ["dense"] + ["sparse"] * (LAYERS - 1)}
GEMMA = {"num_experts": 8, "top_k_experts": 2, "moe_intermediate_size": 9}
INDEXER = {"indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 256, "indexer_budget": 2048}
INDEXER |= {"indexer_compress_ratio": 4}
TALKER = {"spatial_merge_size": 2, "text_config": {"shared_expert_intermediate_size": 512}}
NEEDED: dict[str, dict[str, Any]] = {
    "dbrx": {"attn_config": {"rope_theta": 10000.0, "clip_qkv": 8}},
    "deepseek_ocr2": {"text_config": OCR},
    "deepseek_ocr2_text": OCR,
    "deepseek_v2": {"num_experts_per_tok": 2},
    "diffusion_gemma": {"text_config": GEMMA},
    "diffusion_gemma_text": GEMMA,
    "doge": {"is_moe": True},
    "dots1": {"n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 2},
    "gemma4": {"text_config": GEMMA | {"enable_moe_block": True}, "vision_config": {}},
    "gemma4_text": GEMMA | {"enable_moe_block": True},
    "hunyuan_v1_moe": {"num_experts": 4, "head_dim": 128},
    "lfm2_moe": {"layer_types": [CONV, FULL] * (LAYERS // 2)},
    "qwen3_omni_moe": {"talker_config": TALKER},
    "qwen4_exp": {"text_config": INDEXER},
    "qwen4_exp_text": INDEXER,
    "switch_transformers": {"num_layers": LAYERS, "num_sparse_encoder_layers": 3, "num_sparse_decoder_layers": 3},
    "vitpose": {"backbone_config": {"model_type": "vitpose_backbone", "num_experts": 6}},
    "vitpose_backbone": {"num_experts": 6},
}
# Of these a count is null, for the reason that is printed.
UNKNOWN = {
    "dots3_note_vision_encoder": ("routed_expert_params", "the layers differ in num_local_experts"),
    "longcat_flash": ("active_params_per_token", "some of the choices of a router are no experts and may compute nothing"),
    "zaya": ("active_params_per_token", "some of the choices of a router are no experts and may compute nothing"),
    "vitpose": ("active_params_per_token", "the config does not say to how many experts each token is sent"),
    "vitpose_backbone": ("active_params_per_token", "the config does not say to how many experts each token is sent"),
}
# Only the published model around it says what transformers needs to build it.
REFUSED = {"qwen3_omni_moe_talker_text": "has no attribute"}
# Their layers are named one by one, or counted by another key.
ALL_LAYERS = {"dots3_note_vision_encoder", "qwen3_omni_moe", "switch_transformers"}
ALL_LAYERS |= {"nemo_speechlm", "nemotron_h", "nemotron_h_omni"}
NOT_ASKED = "not asked for"
EXPERTS = re.compile("Experts|NaiveMoe")  # in the name of a class
NO_CLASS = {"doge"}  # whose experts are rows of two embeddings
# The class of this one has rows for experts that compute nothing, which no checkpoint has and the reader does not count.
OTHERWISE = {"longcat_flash"}


def keys(kind: type) -> set[str]:
    """The keys of a class of configs, second spellings too."""
    own = {
        name
        for base in kind.__mro__
        if base is not transformers.PreTrainedConfig
        for name in vars(base).get("__annotations__", {})
    }
    return own | set(getattr(kind, "attribute_map", {}))


def inside(kind: type, seen: set[type]) -> Iterator[type]:
    """A class of configs and those of the configs in it."""
    if kind in seen:
        return
    seen.add(kind)
    yield kind
    for name, inner in (getattr(kind, "sub_configs", None) or {}).items():
        if inner is not transformers.AutoConfig:
            yield from inside(inner, seen)
        elif (built := default(kind)) is not None and getattr(built, name, None) is not None:
            yield from inside(type(getattr(built, name)), seen)


def default(kind: type) -> Any:
    try:
        return kind()
    except Exception:  # noqa: BLE001 - a config that has no defaults
        return None


def found() -> list[str]:
    """The types with a key of experts, at any depth."""
    types = transformers.CONFIG_MAPPING
    return sorted(kind for kind in types if any("expert" in key for part in inside(types[kind], set()) for key in keys(part)))


KINDS = found()


NESTED = "text_config"


def config_of(kind: str) -> dict[str, Any]:
    """A config of few layers."""
    needed = NEEDED.get(kind, {})
    if kind in ALL_LAYERS:
        return {"model_type": kind} | needed
    if NESTED in transformers.CONFIG_MAPPING[kind].sub_configs:
        return {"model_type": kind} | needed | {NESTED: needed.get(NESTED, {}) | {"num_hidden_layers": LAYERS}}
    return {"model_type": kind, "num_hidden_layers": LAYERS} | needed


@pytest.fixture
def ask(monkeypatch):
    """The counts of a config, without a run for its cache, and the model that they are of."""
    built = []

    def described_model(config: Any) -> Any:
        built.append(reference_models.described_model(config))
        return built[-1]

    def measured_cache(*_: object) -> None:
        raise via_transformers.NotMeasuredError(NOT_ASKED)

    monkeypatch.setattr(via_transformers, "described_model", described_model)
    monkeypatch.setattr(via_transformers, "measured_cache", measured_cache)

    def asked(config: Mapping[str, Any]) -> tuple[dict[str, Any], Any, Any]:
        counts = via_transformers.counted_by_reference(Path("config.json"), config)
        return counts, *built.pop()[:2]

    return asked


def size(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def in_experts(model: Any, part: Any) -> int:
    """The parameters in modules of a part of the model whose class is one of experts, each module once."""
    last, found = "\n", 0
    for name, module in reference_models.own_module(model, part).named_modules():
        apart = "shared" in name or reference_models.OTHER_MODALITY.search(f".{name}.")
        if EXPERTS.search(type(module).__name__) and not name.startswith(f"{last}.") and not apart:
            last = name
            found += size(module) - sum(size(part) for part in module.modules() if type(part).__name__.endswith("Norm"))
    return found


def test_many_types_are_found():
    assert len(KINDS) > 100
    assert set(NEEDED) | set(UNKNOWN) | set(REFUSED) | ALL_LAYERS <= set(KINDS)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(REFUSED)))
def test_experts_are_told_from_the_rest(kind, ask):
    config = config_of(kind)
    counts, described, model = ask(config)
    key, reason = UNKNOWN.get(kind, ("kv_bytes_per_token", NOT_ASKED))
    assert (counts[key], counts["reasons"][key]) == (None, reason)
    if "other_params" in counts:  # nothing is dropped
        assert counts["total_params"] + counts["other_params"] == size(model)
    if (routed := counts["routed_expert_params"]) is None:
        return
    assert counts["experts"] > 1
    assert routed + counts["non_expert_params"] == counts["total_params"]
    assert (counts["top_k"] is None) == (counts["active_params_per_token"] is None) == (kind in UNKNOWN)
    if kind not in NO_CLASS | OTHERWISE:
        assert in_experts(model, described) == routed
    rows = ROUTER_ROWS.get(kind, 1)
    assert rows <= grown_rows(counts, described) < rows + 0.002  # a bias
    if kind in SUPPORTED_TYPES and kind not in OTHERWISE:
        own = counted(read(config).architecture)
        assert {key: counts[key] for key in own if counts[key] is not None} == {
            key: own[key] for key in own if counts[key] is not None
        }


# In widths of the model, where that is not the row of one linear layer: keys of a product, a router of attention too, a row of
# another width, none.
ROUTER_ROWS = {"doge": 0.005, "jetmoe": 2, "zaya": 0.125} | dict.fromkeys(("vitpose", "vitpose_backbone"), 0)


def grown_rows(counts: Mapping[str, Any], described: Any) -> float:
    """What an expert adds beside its own parameters, in a layer: the rows of a router, in widths of the model."""
    experts = counts["experts"]
    place, name = next(key[:2] for key in reference_experts._expert_keys(described.part) if key[2] == experts)
    changed = reference_experts._with(described, place, name, 3 * experts)
    larger = sum(math.prod(shape) for shape in reference_models.shapes_of(changed.build(), changed)[0].values())
    beside = (larger - counts["total_params"]) / (2 * experts) - counts["routed_expert_params"] / experts
    part = getattr(described.part, "backbone_config", described.part)
    width = getattr(part, "hidden_size", None) or part.d_model
    return beside / counts["moe_layers"] / width


def inner(kind: str) -> str:
    return getattr(transformers.CONFIG_MAPPING[kind].sub_configs.get(NESTED), "model_type", "")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if inner(kind) in KINDS and kind not in ALL_LAYERS])
def test_a_language_model_is_the_same_alone_and_inside(kind):
    sizes, heads = [], []
    for config in (config_of(kind), config_of(inner(kind))):
        values = {key: value for key, value in config.items() if key != "model_type"}
        described, model, _ = reference_models.described_model(
            transformers.AutoConfig.for_model(config["model_type"], **values, tie_word_embeddings=False)
        )
        sizes.append(sum(math.prod(shape) for shape in reference_models.shapes_of(model, described)[0].values()))
        heads.append(described.part.vocab_size * described.part.hidden_size)
    assert sizes[0] == sizes[1] > heads[0] == heads[1]


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_refused(kind, ask):
    with pytest.raises(ConfigurationError, match=REFUSED[kind]):
        ask(config_of(kind))
