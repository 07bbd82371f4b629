"""The cache that a tiny model fills on the CPU, against ours inside and beyond its windows.

Needs the extra `[reference]` (torch and transformers); `.ci/run` installs it.
"""

import json
import math
from typing import Any

import pytest
from small_configs import RUNNING, SMALL
from small_configs.common import CHOSEN, FULL, HEAVY, LAST_FULL, LINEAR, WINDOW

REASON = "the extra [reference] is not installed (torch, transformers): pip install torch, then pip install -e '.[reference]'"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

from test_huggingface_reference import INSIDE, class_config, model_of  # noqa: E402

from prophet_memory.architecture import Architecture  # noqa: E402
from prophet_memory.cli import reference_cache  # noqa: E402
from prophet_memory.facts import BF16_CACHE  # noqa: E402
from prophet_memory.huggingface import read  # noqa: E402
from prophet_memory.kv_cache import kv_growth  # noqa: E402

BF16 = 2
INSIDE_WINDOWS, BEYOND, FURTHER = 3, 19, 31  # tokens; beyond them one less than whole entries of DeepSeek-V4
ENCODING = {"switch_transformers", "nllb-moe"}  # tests/test_via_transformers.py
CASES: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in sorted(set(SMALL) - ENCODING)),
    ("glm_moe_dsa", {"index_topk_freq": 2, "indexer_types": None}),
    ("nemotron_h", {"moe_latent_size": 8, "mlp_bias": True}),
    ("gemma4_text", LAST_FULL | {"num_kv_shared_layers": 2, "attention_k_eq_v": True, "num_global_key_value_heads": 1}),
    ("mimo_v2_flash", {"sliding_window_size": 7, "num_key_value_heads": 1}),
    ("kimi_linear", {"q_lora_rank": None, "linear_conv_kernel_dim": 5}),
    ("lfm2_moe", {"conv_bias": True, "conv_L_cache": 2}),
    ("deepseek_v4", {"layer_types": [WINDOW, *[CHOSEN, HEAVY] * 2, WINDOW]}),
    ("qwen3_5_moe_text", {"layer_types": [FULL, LINEAR, LINEAR, FULL, FULL]}),
]


def running(kind: str, config: dict[str, Any]) -> Any:
    """The model on the CPU: of random weights, or of zeros where a whole multimodal one stands around it."""
    torch.manual_seed(0)
    if kind not in INSIDE:
        return model_of(class_config(config), "cpu").eval()
    model = model_of(class_config(config))
    reference_cache._fill_with_zeros(model)
    return model


def held(model: Any, tokens: int) -> int:
    """Values in the cache after so many tokens, each tensor once."""
    ids = torch.randint(1, 11, (1, tokens))  # also those that Gemma 4 has inputs of layers for
    model.config.use_cache = True  # as an argument it reaches the encoders of some models, which refuse it
    with torch.no_grad():
        output = model(input_ids=ids)
    cache = next(value for field in reference_cache.CACHE_FIELDS if (value := output.get(field)) is not None)
    return sum(map(math.prod, reference_cache._shapes(cache).values()))


def own(architecture: Architecture, tokens: int) -> int:
    """Ours, where a window keeps one token less: the reference adds the one that attends."""
    growth = kv_growth(architecture, BF16_CACHE, source_tokens=0)
    windows = sum(rate * min(tokens, window - 1) for window, rate in growth.windows)
    return (growth.constant_bytes + growth.unbounded_bytes_per_token * tokens + windows) // BF16


def check_entries(model: Any, architecture: Architecture, config: dict[str, Any]) -> None:
    """DeepSeek-V4: ours counts an entry that is not yet made by its tokens, and keys that are the values once in every layer."""
    alone = config.get("layer_types", []).count(WINDOW)
    twice = alone * config["head_dim"] * (config["sliding_window"] - 1)
    sizes = {tokens: (held(model, tokens) - twice, own(architecture, tokens)) for tokens in (BEYOND, FURTHER)}
    assert sizes[FURTHER][0] - sizes[BEYOND][0] == sizes[FURTHER][1] - sizes[BEYOND][1]
    entry = config["head_dim"] + config["index_head_dim"]
    assert all(0 <= ours - theirs < architecture.layer_count * entry for theirs, ours in sizes.values())


@pytest.mark.parametrize(("kind", "change"), CASES, ids=[f"{kind}-{json.dumps(change)}" for kind, change in CASES])
def test_the_cache_of_a_tiny_model(kind, change):
    config = {"model_type": kind} | SMALL[kind] | RUNNING.get(kind, {}) | change
    architecture = read(config).architecture
    model = running(kind, config)
    if kind == "deepseek_v4":
        check_entries(model, architecture, config)
        return
    for tokens in (INSIDE_WINDOWS, BEYOND):
        assert held(model, tokens) == own(architecture, tokens)
