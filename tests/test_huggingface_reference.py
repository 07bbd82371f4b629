"""What a `config.json` is read as, against what `transformers` builds from it on the meta device.

Needs the extra `[reference]` (torch and transformers); `.ci/run` installs it.
"""

import json
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prophet_memory.architecture import Architecture, Layer
from prophet_memory.errors import ArchitectureError
from prophet_memory.huggingface import SUPPORTED_TYPES, read
from prophet_memory.huggingface.defaults import ALIASES, DEFAULTS
from prophet_memory.mixers import Attention
from prophet_memory.parameters import count_parameters

REASON = "the extra [reference] is not installed (torch, transformers): pip install torch, then pip install -e '.[reference]'"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

DATA = Path(__file__).parent / "data"
WITHOUT_CLASS = {"arctic", "deepseek", "grok-1"}
# The class of another type that reads this one's configs: the code published with Kimi K2 is DeepSeek-V3's.
CLASS_OF = {"kimi_k2": "deepseek_v3", "llama4": "llama4_text"}
# Keys that a class looks up without declaring them.
UNDECLARED = {"qwen3_next": {"full_attention_interval"}}


def class_config(config: Mapping[str, Any]) -> Any:
    """A config as the class of `transformers` that its text model has."""
    values = dict(config)
    if values["model_type"] == "llama4":
        values = dict(values.get("text_config") or {}) | {"model_type": "llama4_text"}
    kind = values.pop("model_type")
    values.pop("quantization_config", None)
    if kind == "dbrx":  # its class cannot do without, and it is no matter of sizes
        values["attn_config"] = {"rope_theta": 10000.0} | (values.get("attn_config") or {})
    return transformers.AutoConfig.for_model(CLASS_OF.get(kind, kind), **values)


@cache
def _built(config: str) -> tuple[Any, dict[str, tuple[int, ...]]]:
    read = class_config(json.loads(config))
    kind = transformers.AutoModelForSeq2SeqLM if read.is_encoder_decoder else transformers.AutoModelForCausalLM
    with torch.device("meta"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # a shared expert of width 0
        model = kind.from_config(read)
    return read, {name: tuple(value.shape) for name, value in model.named_parameters()}  # a tied tensor comes once


def total(shapes: Mapping[str, tuple[int, ...]], having: str = "", *, without: str = "\n") -> int:
    return sum(int(torch.Size(shape).numel()) for name, shape in shapes.items() if having in name and without not in name)


def decoder_cache(shapes: Mapping[str, tuple[int, ...]], kind: str) -> int:
    """What the decoder's own projections put into a cache per token: keys and values, or MLA's latent and rotary key."""
    names = tuple(
        f"{name}.weight" for name in (".k_proj", ".v_proj", ".SelfAttention.k", ".SelfAttention.v", ".kv_a_proj_with_mqa")
    )
    apart = ("encoder.", "model.encoder.")
    own = {n: s for n, s in shapes.items() if not n.startswith(apart) and "cross_attention" not in n}
    joint = ("Wqkv.weight", "qkv_proj.weight")[: 2 if kind == "phi3" else 1]  # DBRX and Phi-3: beside the queries
    fused = sum(shape[0] - shape[1] for name, shape in own.items() if name.endswith(joint))
    return fused + sum(shape[0] for name, shape in own.items() if name.endswith(names))


def windows(config: Any) -> list[int]:
    """The windows of the reference's own cache, one for each layer that has one, in order."""
    layers = transformers.DynamicCache(config=config).layers
    return [layer.sliding_window for layer in layers if getattr(layer, "is_sliding", False)]


def own_windows(architecture: Architecture) -> list[int]:
    layers = [architecture.decoder.layers[kind] for kind in architecture.decoder.order]
    attention = [layer.mixer for layer in layers if isinstance(layer.mixer, Attention)]
    return [mixer.window_tokens for mixer in attention if mixer.window_tokens]


LAYER = re.compile(r"(?<!\w)(?:layers|blocks?|h)\.(\d+)\.")


def parameters_of_layers(shapes: Mapping[str, tuple[int, ...]]) -> list[int]:
    """Of each layer of the decoder, from the first to the last; T5's table of relative positions belongs to the stack."""
    own: Counter[int] = Counter()
    for name, shape in shapes.items():
        place = LAYER.search(name)
        if place and not name.startswith(("encoder.", "model.encoder.")) and "relative_attention_bias" not in name:
            own[int(place[1])] += int(torch.Size(shape).numel())
    return [own[place] for place in range(len(own))]


def own_parameters_of_layers(architecture: Architecture) -> list[int]:
    def of(kind: Layer, count: int) -> int:
        stack = replace(architecture.decoder, layers=(replace(kind, count=count),), pattern=(), relative_attention_buckets=0)
        return count_parameters(replace(architecture, decoder=stack, max_context_tokens=1)).total

    sizes = [of(kind, 2) - of(kind, 1) for kind in architecture.decoder.layers]
    return [sizes[kind] for kind in architecture.decoder.order]


def copies_of_embeddings(config: Any) -> int:
    """The parameters by which an untied encoder-decoder exceeds its checkpoint: the class does not share its input embeddings."""
    return 2 * config.vocab_size * config.d_model if config.is_encoder_decoder and not config.tie_word_embeddings else 0


def check(config: Mapping[str, Any]) -> None:
    """Compare everything that both sides know of a model."""
    reference, shapes = _built(json.dumps(config))
    architecture = read(config).architecture
    counts = count_parameters(architecture)
    assert counts.total == total(shapes) - copies_of_embeddings(reference)
    assert counts.routed_expert == total(shapes, ".experts.", without="shared")
    assert own_parameters_of_layers(architecture) == parameters_of_layers(shapes)
    layers = architecture.decoder.layers
    assert decoder_cache(shapes, reference.model_type) == sum(
        layer.count * sum(n * values for n, values in layer.mixer.cached_vectors()) for layer in layers
    )
    if not reference.is_encoder_decoder:
        assert own_windows(architecture) == windows(reference)
    assert architecture.max_context_tokens == getattr(reference, "max_position_embeddings", None)
    top_k = [getattr(reference, key, None) for key in ("num_experts_per_tok", "moe_topk", "moe_k")]
    fixed = {"switch_transformers": 1, "nllb-moe": 2, "dbrx": None}.get(reference.model_type, next(filter(None, top_k), None))
    assert fixed in (None, architecture.moe.top_k, [architecture.moe.top_k] * architecture.layer_count)


# Every architectural key of a type, none at its default.
COMMON = {
    "vocab_size": 101,
    "hidden_size": 24,
    "intermediate_size": 13,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 77,
    "tie_word_embeddings": False,
}
LATENT = {"kv_lora_rank": 5, "q_lora_rank": 7, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 3}
QWEN = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 9, "decoder_sparse_step": 1, "mlp_only_layers": []}
WINDOWED = {"sliding_window": 6, "use_sliding_window": True, "max_window_layers": 2}
SMALL: dict[str, dict[str, Any]] = {
    "llama": COMMON | {"head_dim": 10, "attention_bias": True, "mlp_bias": True},
    "granite": COMMON | {"attention_bias": True, "mlp_bias": True},
    "mistral": COMMON | {"head_dim": 10, "sliding_window": 6},
    "phi3": COMMON | {"sliding_window": 6, "pad_token_id": 0},
    "qwen2": COMMON | WINDOWED,
    "qwen3": COMMON | WINDOWED | {"head_dim": 10, "attention_bias": True},
    "gemma2": COMMON | {"head_dim": 10, "sliding_window": 6, "attention_bias": True},
    "mixtral": COMMON | {"num_local_experts": 3, "num_experts_per_tok": 1, "head_dim": 10, "sliding_window": None},
    "phimoe": COMMON | {"num_local_experts": 3, "num_experts_per_tok": 1, "attention_bias": False, "lm_head_bias": False},
    "qwen2_moe": COMMON | QWEN | {"shared_expert_intermediate_size": 11, "qkv_bias": True},
    "qwen3_moe": COMMON | QWEN | {"head_dim": 10},
    "qwen3_next": COMMON
    | QWEN
    | {
        "num_key_value_heads": 1,
        "head_dim": 10,
        "shared_expert_intermediate_size": 11,
        "linear_conv_kernel_dim": 3,
        "linear_key_head_dim": 5,
    }
    | {"linear_value_head_dim": 7, "linear_num_key_heads": 2, "linear_num_value_heads": 4},
    "deepseek_v2": COMMON
    | LATENT
    | {
        "n_routed_experts": 6,
        "n_shared_experts": 2,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 9,
        "first_k_dense_replace": 2,
    },
    "deepseek_v3": COMMON
    | LATENT
    | {
        "n_routed_experts": 16,
        "n_shared_experts": 3,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 9,
        "first_k_dense_replace": 2,
    },
    "olmoe": COMMON | {"num_experts": 6, "num_experts_per_tok": 3},
    "dbrx": {"vocab_size": 101, "d_model": 24, "n_heads": 4, "n_layers": 5, "max_seq_len": 77}
    | {"attn_config": {"kv_n_heads": 2}, "ffn_config": {"ffn_hidden_size": 13, "moe_num_experts": 5, "moe_top_k": 2}},
    "jamba": COMMON
    | {"num_experts": 5, "num_experts_per_tok": 1, "expert_layer_period": 3, "expert_layer_offset": 2, "attn_layer_period": 4}
    | {"attn_layer_offset": 1, "mamba_d_state": 7, "mamba_d_conv": 3, "mamba_expand": 3, "mamba_dt_rank": 6},
    "switch_transformers": {"vocab_size": 101, "d_model": 24, "d_kv": 5, "d_ff": 13, "num_layers": 4, "num_heads": 3}
    | {"num_decoder_layers": 6, "num_sparse_encoder_layers": 2, "num_sparse_decoder_layers": 2, "num_experts": 3}
    | {"relative_attention_num_buckets": 10, "tie_word_embeddings": True, "router_bias": False},
    "nllb-moe": {"vocab_size": 101, "d_model": 24, "max_position_embeddings": 77, "encoder_layers": 4, "decoder_layers": 6}
    | {"encoder_attention_heads": 3, "decoder_attention_heads": 4, "encoder_ffn_dim": 13, "decoder_ffn_dim": 13}
    | {"num_experts": 3, "encoder_sparse_step": 2, "decoder_sparse_step": 3, "router_bias": False, "tie_word_embeddings": True},
    "gpt_oss": COMMON | {"num_local_experts": 5, "num_experts_per_tok": 2, "head_dim": 10, "sliding_window": 6},
    "llama4_text": COMMON
    | {"num_local_experts": 5, "num_experts_per_tok": 2, "head_dim": 10, "intermediate_size_mlp": 17, "attention_chunk_size": 6},
    "glm4_moe": COMMON
    | {
        "n_routed_experts": 6,
        "n_shared_experts": 2,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 9,
        "first_k_dense_replace": 2,
    },
    "granitemoe": COMMON | {"num_local_experts": 5, "num_experts_per_tok": 3},
    "ernie4_5_moe": COMMON
    | {"moe_num_experts": 6, "moe_k": 2, "moe_intermediate_size": 9, "moe_num_shared_experts": 3, "moe_layer_start_index": 2}
    | {"moe_layer_end_index": 3},
    "hunyuan_v1_moe": COMMON | {"num_experts": 6, "moe_topk": 2, "head_dim": 10},
    "minimax": COMMON | {"num_local_experts": 5, "num_experts_per_tok": 3, "head_dim": 10},
}
FULL, SLIDING, LINEAR, CHUNKED = "full_attention", "sliding_attention", "linear_attention", "chunked_attention"
SPARSE_SOMEWHERE = [
    {"decoder_sparse_step": 2},
    {"mlp_only_layers": [0, 3]},
    {"decoder_sparse_step": 2, "mlp_only_layers": [1, 99]},
]
BIASED, TIED, ONE_KV_HEAD = {"attention_bias": True}, {"tie_word_embeddings": True}, {"num_key_value_heads": 1}
LISTED = {"layer_types": [SLIDING, SLIDING, FULL, FULL, SLIDING]}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "llama": [
        TIED,
        {"attention_bias": False},
        {"mlp_bias": False},
        {"head_dim": None},
        {"num_key_value_heads": None},
        ONE_KV_HEAD,
    ],
    "granite": [TIED, {"attention_bias": False}, {"mlp_bias": False}, {"num_key_value_heads": None}],
    "mistral": [TIED, {"sliding_window": None}, {"head_dim": None}, ONE_KV_HEAD],
    "phi3": [TIED, {"sliding_window": None}, {"num_key_value_heads": None}],
    "qwen2": [TIED, LISTED, {"use_sliding_window": False}, {"sliding_window": None}, {"max_window_layers": 0}],
    "qwen3": [TIED, LISTED, {"use_sliding_window": False}, {"attention_bias": False}, {"max_window_layers": 9}],
    "gemma2": [TIED, LISTED, {"attention_bias": False}, ONE_KV_HEAD],
    "mixtral": [TIED, ONE_KV_HEAD, {"sliding_window": 6}, {"head_dim": None}],
    "phimoe": [BIASED, {"lm_head_bias": True}, BIASED | {"lm_head_bias": True, "sliding_window": 6} | TIED, {"head_dim": 10}],
    "qwen2_moe": [
        *SPARSE_SOMEWHERE,
        TIED,
        {"qkv_bias": False},
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 4},
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 0},
        {"use_sliding_window": True, "sliding_window": 6, "layer_types": [SLIDING, SLIDING, FULL, FULL, SLIDING]},
        {"sliding_window": 6},
        {"mlp_only_layers": None},
    ],
    "qwen3_moe": [*SPARSE_SOMEWHERE, BIASED, TIED, {"use_sliding_window": True, "sliding_window": 6}, {"sliding_window": 6}],
    "qwen3_next": [
        *SPARSE_SOMEWHERE,
        BIASED,
        TIED,
        {"full_attention_interval": 2},
        {"layer_types": [FULL, LINEAR, LINEAR, FULL, FULL]},
        {"layer_types": ["attention", "mamba", LINEAR, FULL, FULL]},
    ],
    "deepseek_v2": [
        BIASED,
        TIED,
        {"mlp_bias": True},
        {"q_lora_rank": None},
        {"n_shared_experts": 0},
        {"first_k_dense_replace": 0},
    ],
    "deepseek_v3": [BIASED, TIED, {"q_lora_rank": None} | BIASED, {"n_shared_experts": 0}, {"first_k_dense_replace": 0}],
    "olmoe": [BIASED, TIED, {"num_key_value_heads": None}, ONE_KV_HEAD],
    "dbrx": [{"attn_config": None}, {"ffn_config": None}, {"ffn_config": {"moe_num_experts": 3}}],
    "jamba": [
        TIED,
        {"mamba_conv_bias": False},
        {"mamba_proj_bias": True},
        {"mamba_dt_rank": "auto"},
        {"expert_layer_period": 5},
        {"attn_layer_period": 1, "attn_layer_offset": 0},
        {"expert_layer_period": 1, "expert_layer_offset": 0},
    ],
    "switch_transformers": [
        {"router_bias": True},
        {"tie_word_embeddings": False},
        {"num_decoder_layers": None},
        {"num_sparse_encoder_layers": 0},
        {"num_sparse_decoder_layers": 0, "num_sparse_encoder_layers": 4},
        {"num_sparse_encoder_layers": 3, "num_sparse_decoder_layers": 4},
        {"num_layers": 1, "num_sparse_encoder_layers": 0},
        {"num_sparse_encoder_layers": 9},
    ],
    "nllb-moe": [
        {"router_bias": True},
        {"tie_word_embeddings": False},
        {"decoder_attention_heads": 3},
        {"encoder_sparse_step": 0, "decoder_ffn_dim": 17},
        {"decoder_sparse_step": 0, "decoder_ffn_dim": 17},
        {"encoder_sparse_step": 1},
    ],
    "gpt_oss": [
        {"attention_bias": False},
        TIED,
        {"layer_types": [FULL, FULL, SLIDING, SLIDING, SLIDING]},
        {"layer_types": [FULL] * 5},
    ],
    "llama4_text": [
        BIASED,
        TIED,
        {"interleave_moe_layer_step": 2},
        {"moe_layers": [0, 4, 99]},
        {"attention_chunk_size": None},
        {"no_rope_layer_interval": 2},
        {"no_rope_layers": [1, 0, 0, 1, 1]},
        {"no_rope_layers": []},
        {"layer_types": [CHUNKED, FULL, FULL, FULL, CHUNKED]},
    ],
    "glm4_moe": [BIASED, TIED, {"use_qk_norm": True}, {"head_dim": 10}, {"n_shared_experts": 0}, {"first_k_dense_replace": 0}],
    "granitemoe": [BIASED, TIED, {"num_key_value_heads": None}],
    "ernie4_5_moe": [
        {"use_bias": True},
        {"use_bias": True, "moe_num_shared_experts": 0} | TIED,
        {"moe_layer_interval": 2, "moe_layer_start_index": 0, "moe_layer_end_index": -1},
        {"moe_layer_end_index": 99},
        {"head_dim": 10},
        {"num_key_value_heads": 4},
    ],
    "hunyuan_v1_moe": [BIASED, TIED, {"moe_topk": [3] * 5}, {"num_key_value_heads": None}],
    "minimax": [TIED, {"head_dim": None}, {"layer_types": [FULL, LINEAR, LINEAR, LINEAR, FULL]}, {"sliding_window": 6}],
}
ALL_SMALL = [(kind, change) for kind in SMALL for change in ({}, *VARIANTS[kind])]


@pytest.mark.parametrize(("kind", "change"), ALL_SMALL, ids=[f"{kind}-{json.dumps(change)}" for kind, change in ALL_SMALL])
def test_small_configs(kind, change):
    check({"model_type": kind} | SMALL[kind] | change)


def test_a_nested_text_model():
    small = SMALL["llama4_text"]
    check({"model_type": "llama4", "text_config": small | {"model_type": "llama4_text"}, "vision_config": {"hidden_size": 1}})
    check({"model_type": "llama4"})


def test_a_second_name_of_deepseek_v3():
    check({"model_type": "kimi_k2"} | SMALL["deepseek_v3"])


def test_every_type_is_compared_or_named():
    # Fails for a type that is added without small configs and variants.
    assert set(SMALL) == set(VARIANTS) == set(SUPPORTED_TYPES) - WITHOUT_CLASS - set(CLASS_OF)


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_small_configs_leave_nothing_at_its_default(kind):
    # Otherwise a key that is not read at all could pass.
    alike = {key for key, value in SMALL[kind].items() if value == DEFAULTS[kind].get(key)}
    varied = {key for change in VARIANTS[kind] for key in change}
    assert alike <= varied | {"decoder_sparse_step", "tie_word_embeddings"}
    assert set(DEFAULTS[kind]) <= set(SMALL[kind]) | varied | ({"tie_word_embeddings"} if kind == "dbrx" else set())


# Switch models but the smallest are left to tests/test_reference.py: a module for each expert takes seconds to build.
SLOW = {"switch-base-64", "switch-base-128", "switch-base-256", "switch-large-128", "switch-c-2048", "switch-xxl-128"}
REAL = [
    file
    for file in sorted([*(DATA / "hf_configs").glob("*.json"), *(DATA / "imported_configs").glob("*.json")])
    if file.stem not in SLOW and json.loads(file.read_text(encoding="utf-8"))["model_type"] not in WITHOUT_CLASS
]


@pytest.mark.parametrize("file", REAL, ids=[file.stem for file in REAL])
def test_published_configs(file):
    check(json.loads(file.read_text(encoding="utf-8")))


# What a type cannot be built without, and the smallest that makes it a mixture of experts.
NEEDED = {"deepseek_v2": {"num_experts_per_tok": 2}, "hunyuan_v1_moe": {"num_experts": 2, "head_dim": 128}}


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_empty_configs_have_the_defaults_of_the_reference(kind):
    check({"model_type": kind} | NEEDED.get(kind, {}))


def declared_defaults(kind: str) -> dict[str, Any]:
    fields = type(transformers.AutoConfig.for_model(CLASS_OF.get(kind, kind))).__dataclass_fields__
    return {name: field.default for name, field in fields.items()}


@pytest.mark.parametrize("kind", sorted({*SMALL, "kimi_k2"}))
def test_every_default_is_the_one_of_the_class(kind):
    declared = declared_defaults(kind)
    own = {key: value for key, value in DEFAULTS[kind].items() if key not in UNDECLARED.get(kind, set())}
    assert own == {key: declared[key] for key in own}
    assert {key: type(value) for key, value in own.items()} == {key: type(declared[key]) for key in own}


@pytest.mark.parametrize("nested", ["attn_config", "ffn_config"])
def test_every_default_of_a_nested_config(nested):
    config = getattr(transformers.AutoConfig.for_model("dbrx"), nested)
    own = DEFAULTS[f"dbrx.{nested}"]
    assert own == {key: getattr(config, key) for key in own}


@pytest.mark.parametrize("kind", sorted({*SMALL, "kimi_k2"}))
def test_every_second_spelling_is_one_of_the_class(kind):
    mapped = type(transformers.AutoConfig.for_model(CLASS_OF.get(kind, kind))).attribute_map
    known = set(DEFAULTS[kind])
    pairs = {(alias, field) for alias, field in mapped.items() if {alias, field} & known}
    own = {(alias, field) for alias, field in ALIASES.get(kind, {}).items()}
    assert {frozenset(pair) for pair in own} == {frozenset(pair) for pair in pairs}


# Their classes read these second spellings only after they have derived other sizes from the first one's default.
LATE = {("dbrx", "hidden_size"), ("switch_transformers", "num_hidden_layers")}
SPELLINGS = [(kind, alias) for kind in sorted(SMALL) for alias in ALIASES.get(kind, {}) if (kind, alias) not in LATE]


@pytest.mark.parametrize(("kind", "alias"), SPELLINGS)
def test_second_spellings_alone(kind, alias):
    config = {"model_type": kind} | SMALL[kind]
    config[alias] = config.pop(ALIASES[kind][alias])
    check(config)


SIZE, FLAG = st.integers(1, 9), st.booleans()
DRAWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "mixtral": {
        "sliding_window": st.none() | SIZE,
        "head_dim": st.none() | st.sampled_from([2, 4, 8]),
        "num_local_experts": st.integers(2, 9),
    },
    "qwen2_moe": {"decoder_sparse_step": st.integers(1, 3), "mlp_only_layers": st.lists(st.integers(0, 4), max_size=2)}
    | {
        "use_sliding_window": FLAG,
        "max_window_layers": st.integers(0, 6),
        "shared_expert_intermediate_size": SIZE,
        "qkv_bias": FLAG,
    },
    "deepseek_v3": {"first_k_dense_replace": st.integers(0, 4), "q_lora_rank": st.none() | SIZE, "attention_bias": FLAG}
    | {"n_shared_experts": st.integers(0, 3), "kv_lora_rank": SIZE, "v_head_dim": SIZE, "qk_nope_head_dim": SIZE},
    "jamba": {"attn_layer_offset": st.integers(0, 3), "expert_layer_offset": st.integers(0, 2), "mamba_expand": st.integers(1, 4)}
    | {"mamba_proj_bias": FLAG, "mamba_conv_bias": FLAG, "mamba_dt_rank": st.just("auto") | SIZE, "mamba_d_state": SIZE},
    "llama4_text": {
        "interleave_moe_layer_step": st.integers(1, 5),
        "no_rope_layer_interval": st.integers(1, 5),
        "attention_bias": FLAG,
    }
    | {"attention_chunk_size": st.none() | SIZE, "moe_layers": st.none() | st.lists(st.integers(0, 4), min_size=1)},
    "ernie4_5_moe": {"use_bias": FLAG, "moe_layer_interval": st.just(1) | st.just(2), "moe_layer_start_index": st.integers(0, 3)}
    | {"moe_layer_end_index": st.just(-1) | st.integers(3, 6), "moe_num_shared_experts": st.integers(0, 2)},
    "switch_transformers": {"num_sparse_encoder_layers": st.integers(0, 5), "num_sparse_decoder_layers": st.integers(1, 6)}
    | {"router_bias": FLAG, "num_decoder_layers": st.none() | st.integers(3, 6), "tie_word_embeddings": FLAG},
    "nllb-moe": {"encoder_sparse_step": st.integers(0, 4), "decoder_sparse_step": st.integers(1, 6), "router_bias": FLAG}
    | {"decoder_attention_heads": st.sampled_from([1, 2, 3, 6]), "tie_word_embeddings": FLAG},
}


@pytest.mark.parametrize("kind", sorted(DRAWN))
@settings(max_examples=12)
@given(data=st.data())
def test_random_small_configs(kind, data):
    drawn = {key: data.draw(values, label=key) for key, values in DRAWN[kind].items()}
    tied = {"tie_word_embeddings": data.draw(FLAG)} | drawn
    config = {"model_type": kind} | SMALL[kind] | tied
    try:
        read(config)
    except ArchitectureError as error:
        assert error.key == "model_type"
        assert not total(_built(json.dumps(config))[1], ".experts.")  # a dense model there too
    else:
        check(config)
