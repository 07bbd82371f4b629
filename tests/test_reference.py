"""The formulas against the reference implementation: `transformers` instantiated on the meta device from published configs.

Needs the extra `[reference]` (torch and transformers); `.ci/run` installs it.
"""

import json
from pathlib import Path

import pytest
from conftest import MODELS

from prophet_memory.architecture import Architecture
from prophet_memory.mixers import Attention
from prophet_memory.parameters import count_parameters

REASON = "the extra [reference] is not installed (torch, transformers): pip install torch, then pip install -e '.[reference]'"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

CONFIGS = Path(__file__).parent / "data" / "hf_configs"
# transformers has no class for these architectures, or one that cannot express them (config/models says why).
WITHOUT_CLASS = {"grok-1", "deepseek-moe-16b", "snowflake-arctic", "switch-xxl-128", "switch-c-2048"}
CLASS_OF = {"kimi_k2": "deepseek_v3"}  # the code published with Kimi K2 is DeepSeek-V3's
WITH_CLASS = sorted(set(MODELS) - WITHOUT_CLASS)


def published_config(slug: str):
    """The published configuration as the class of `transformers`."""
    values = json.loads((CONFIGS / f"{slug}.json").read_text(encoding="utf-8"))
    if "text_config" in values:  # the catalogue holds the text model
        values = values["text_config"]
    kind = values.pop("model_type")
    return transformers.AutoConfig.for_model(CLASS_OF.get(kind, kind), **values)


@pytest.fixture(scope="module", params=WITH_CLASS)
def pair(request):
    """An architecture of the catalogue and the shapes of the reference's parameters by name."""
    config = published_config(request.param)
    kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    with torch.device("meta"):
        model = kind.from_config(config)
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}  # a tied tensor comes once
    return MODELS[request.param], shapes


def total(shapes: dict[str, tuple[int, ...]], *, having: tuple[str, ...], without: tuple[str, ...] = ()) -> int:
    def product(shape: tuple[int, ...]) -> int:
        return int(torch.Size(shape).numel())

    wanted = {n: s for n, s in shapes.items() if any(h in n for h in having) and not any(w in n for w in without)}
    return sum(map(product, wanted.values()))


SHARED = ("shared_expert",)


def test_total_parameters(pair):
    architecture, shapes = pair
    assert count_parameters(architecture).total == total(shapes, having=("",))


def test_routed_experts(pair):
    architecture, shapes = pair
    assert count_parameters(architecture).routed_expert == total(shapes, having=(".experts.",), without=SHARED)


def test_shared_experts(pair):
    architecture, shapes = pair
    assert count_parameters(architecture).shared_expert == total(shapes, having=SHARED)


def test_routers(pair):
    architecture, shapes = pair
    names = (
        "router.",
        ".mlp.gate.weight",
        ".mlp.gate.bias",
        ".feed_forward.router",
        ".ffn.router",
        "block_sparse_moe.gate.",
        ".mixer.gate.weight",
    )
    assert count_parameters(architecture).router == total(shapes, having=names, without=("gate_up", *SHARED))


def test_embeddings(pair):
    architecture, shapes = pair
    counts = count_parameters(architecture)
    assert counts.embedding == total(shapes, having=("embed_tokens", "model.embeddings.", "wte", "shared.weight"), without=SHARED)
    assert counts.lm_head == total(shapes, having=("lm_head",))


def cached_values_per_token(shapes: dict[str, tuple[int, ...]]) -> int:
    """What the reference's own projections put into a cache per token.

    Keys and values, or MLA's latent and rotary key with an indexer's key; keys without a projection of values are both (Gemma 4).
    """
    names = (
        ".k_proj.weight",
        ".v_proj.weight",
        ".SelfAttention.k.weight",
        ".SelfAttention.v.weight",
        ".kv_a_proj_with_mqa.weight",
        ".indexer.wk.weight",
    )
    found = {name: shape[0] for name, shape in shapes.items() if name.endswith(names) and not name.startswith("encoder")}
    both = [width for name, width in found.items() if ".k_proj." in name and name.replace(".k_proj.", ".v_proj.") not in shapes]
    return sum(found.values()) + sum(both)


def test_cache_per_token(pair):
    architecture, shapes = pair
    joint = ("Wqkv.weight", "self_attn.qkv_proj.weight")
    if any(name.endswith(joint) for name in shapes):  # DBRX and Phi-3 project queries, keys and values at once
        widths = [s[0] - s[1] for n, s in shapes.items() if n.endswith(joint)]
        assert sum(widths) == decoder_cache(architecture)
    else:
        assert cached_values_per_token(shapes) == decoder_cache(architecture)


def decoder_cache(architecture: Architecture) -> int:
    return sum(
        layer.count * sum(n * values for n, values in layer.mixer.cached_vectors()) for layer in architecture.decoder.layers
    )


def test_recurrent_state(pair):
    architecture, shapes = pair
    conv = sum(s[0] * s[2] for n, s in shapes.items() if n.endswith("conv1d.weight"))
    vectors = [layer.mixer.state_vectors() for layer in architecture.decoder.layers for _ in range(layer.count)]
    states = [(conv[0] * conv[1], state[0] * state[1]) for conv, state in vectors]
    assert conv == sum(values for values, _ in states)
    if any(n.endswith("mamba.A_log") for n in shapes):
        assert sum(s[0] * s[1] for n, s in shapes.items() if n.endswith("mamba.A_log")) == sum(state for _, state in states)


def test_every_model_is_compared_or_named():
    assert set(MODELS) > WITHOUT_CLASS
    assert set(MODELS) == {file.stem for file in CONFIGS.glob("*.json")}


@pytest.mark.parametrize("slug", WITH_CLASS)
def test_windows_and_maximum_context(slug):
    config, layers = published_config(slug), MODELS[slug].decoder.layers
    kinds = getattr(config, "layer_types", None) or []
    windowed = {"sliding_attention": "sliding_window", "chunked_attention": "attention_chunk_size"}
    expected = sorted(getattr(config, windowed[kind]) for kind in kinds if kind in windowed)
    windows = [layer.mixer.window_tokens for layer in layers if isinstance(layer.mixer, Attention) for _ in range(layer.count)]
    assert sorted(window for window in windows if window) == expected
    assert MODELS[slug].max_context_tokens == getattr(config, "max_position_embeddings", getattr(config, "max_seq_len", None))
