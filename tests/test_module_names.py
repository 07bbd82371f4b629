"""The names of modules that each type of model is read with, against those that `transformers` gives its linear maps.

Needs the extra `[reference]` (torch and transformers); `.ci/run` installs it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
from small_configs import SMALL

from prophet_memory.formats import WEIGHT_FORMATS
from prophet_memory.huggingface import QuantizationError, as_published, read
from prophet_memory.precision import precision
from prophet_memory.weights import model_weights

REASON = "the extra [reference] is not installed (torch, transformers): pip install torch, then pip install -e '.[reference]'"
torch = pytest.importorskip("torch", reason=REASON)
pytest.importorskip("transformers", reason=REASON)
from test_huggingface_reference import WITHOUT_CLASS, class_config, model_of  # noqa: E402
from transformers.core_model_loading import revert_weight_conversion  # noqa: E402

FORM = "fp8_channel"
STATEMENTS = {
    "compressed-tensors": lambda names: {
        "quant_method": "compressed-tensors",
        "config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}},
        "ignore": ["lm_head", *names],
    },
    "modelopt": lambda names: {
        "quant_method": "modelopt",
        "quant_algo": "FP8_PER_CHANNEL_PER_TOKEN",
        "exclude_modules": ["lm_head", *names],
    },
}
MIXER = re.compile(r".*\.(?:self_attn(?:\.\d)?|attn|\w+Attention|cross_attention|linear_attn|mamba|conv|mixer)(?=\.)")
FUSED = re.compile(r"\.experts\.(?!expert_)(?!.*bias)")  # experts that are one tensor
LAYER = re.compile(r"\.(?:layers|blocks?)\.\d+\.|^(?:en|de)coder\.block\.")
RECURRENT = re.compile("Mamba|Delta|Lightning|TextLinearAttention|ShortConv")
# What is no part of a language model's layers, is never stored in another format, or chooses experts.
OTHERS = re.compile(
    r"vision|visual|audio|projector|resampler|lm_head|router|(?:^|\.)gate$|expert_gate$|gate\.wg$|weights_proj$|layernorm\."
)


def small(kind: str) -> dict[str, Any]:
    """The small config of a type."""
    return {"model_type": kind} | SMALL[kind]


def component_of(name: str, classes: dict[str, str]) -> str | None:
    """What a linear map of a layer belongs to."""
    if "per_layer_" in name:
        return "dense_feed_forward"
    if OTHERS.search(name) or not LAYER.search(name):
        return None
    if "shared_expert" in name or "shared_mlp" in name:
        return "shared_expert"
    if "experts" in name:
        return "routed_expert"
    mixer = MIXER.match(name)
    if mixer and not classes[mixer[0]].endswith(("MLP", "MoE")):
        return "recurrent" if RECURRENT.search(classes[mixer[0]]) else "attention"
    return "dense_feed_forward"


@cache
def names_by_component(kind: str, *, saved: bool) -> dict[str, list[str]]:
    """The names of the linear maps of a type's class, and of the experts' that are one tensor; as it saves them, or as it is."""
    model = model_of(class_config(small(kind)))
    modules, tensors = dict(model.named_modules()), model.state_dict()
    classes = {name: type(module).__name__ for name, module in modules.items()}
    own = [name for name, module in modules.items() if isinstance(module, torch.nn.Linear)]
    own += [name for name, value in model.named_parameters() if FUSED.search(name) and value.dim() > 1]
    found = defaultdict(list)
    for name in own:
        if component := component_of(name, classes):
            found[component].append(name)
    if not saved:
        return dict(found)
    keys = {name: name if name in tensors else f"{name}.weight" for names in found.values() for name in names}
    return {
        component: [
            name.removesuffix(".weight")
            for name in revert_weight_conversion(model, {keys[name]: tensors[keys[name]] for name in names})
        ]
        for component, names in found.items()
    }


KINDS = sorted(set(SMALL) - WITHOUT_CLASS)
# Where exactly a component's names do not make it bf16, and what is said.
OTHERWISE = {
    ("doge", "attention"): "dt_proj.*modules that the model is counted with",  # which is counted as no linear map
    ("doge", "dense_feed_forward"): "gate_proj.*modules that the model is counted with",  # it is the shared expert
}


def told(config: dict[str, Any], method: str, names: Iterable[str]) -> str:
    """The precision of a checkpoint that leaves modules out."""
    stated = config | {"quantization_config": STATEMENTS[method](names)}
    return as_published(stated, read(config).architecture).published_precision


def wrong(kind: str, method: str, component: str, names: Iterable[str]) -> list[str]:
    """The parts that are not stored as a checkpoint says that leaves a component out."""
    config = small(kind)
    stored = precision(told(config, method, names))
    formats = {
        weight: stored.routed_expert if weight.component == "routed_expert" else stored.format_of(weight.component, weight.part)
        for weight in model_weights(read(config).architecture)
        if weight.linear and weight.component not in ("lm_head", "norm")
    }
    plain = WEIGHT_FORMATS["bf16"]
    return [str(weight) for weight, own in formats.items() if (own == plain) is not (weight.component == component)]


# Types that are saved with names that no checkpoint has (dense blocks have those of experts; experts that compute nothing), and
# one whose text experts are not saved without its vision experts.
NOT_AS_SAVED = {"kimi_linear", "longcat_flash", "ernie4_5_vl_moe_text"}


@pytest.mark.parametrize("method", STATEMENTS)
@pytest.mark.parametrize(
    ("kind", "saved"), [(kind, saved) for kind in KINDS for saved in (False, True) if not (saved and kind in NOT_AS_SAVED)]
)
def test_a_component_is_left_alone_where_its_names_are_excluded(kind: str, method: str, *, saved: bool):
    found = names_by_component(kind, saved=saved)
    weights = model_weights(read(small(kind)).architecture)
    counted = {weight.component for weight in weights if weight.linear} - {"lm_head", "norm"}
    assert kind == "doge" or found.keys() == counted  # whose experts are rows of two embeddings
    for component, names in found.items():
        if said := OTHERWISE.get((kind, component)):
            with pytest.raises(QuantizationError, match=said):
                wrong(kind, method, component, names)
        else:
            assert not wrong(kind, method, component, names)


NANO, GEMMA, KIMI = small("nemotron_h"), small("gemma4_text"), small("kimi_linear")
BY_PATTERN = [
    (
        GEMMA,
        ["*.layers.*.mlp*"],
        f"{FORM}/{FORM}/dense_feed_forward.down=bf16/dense_feed_forward.gate=bf16/dense_feed_forward.up=bf16",
    ),
    (
        GEMMA,
        ["*per_layer*"],
        f"{FORM}/{FORM}/" + "/".join(f"dense_feed_forward.layer_input{which}=bf16" for which in ("", "_gate", "s")),
    ),
    (GEMMA, [f"model.layers.{layer}.experts" for layer in range(5)], f"bf16/{FORM}"),
    (NANO, ["*.mixer.out_proj"], f"{FORM}/{FORM}/recurrent.o=bf16"),
    (NANO, ["*.mixer.o_proj"], f"{FORM}/{FORM}/attention.o=bf16"),
    ({"model_type": "nemo_speechlm", "text_config": NANO}, ["*.mixer.o_proj"], f"{FORM}/{FORM}/attention.o=bf16"),
    (KIMI, ["*mlp.experts*"], f"bf16/{FORM}"),
    (KIMI, ["*block_sparse_moe.experts*"], f"bf16/{FORM}"),
    (KIMI, ["*.mlp.*"], f"{FORM}/{FORM}/dense_feed_forward=bf16"),  # as published, where experts stand elsewhere
    (small("mixtral"), ["*block_sparse_moe*"], f"bf16/{FORM}"),
    (small("mixtral"), ["*.mlp.*"], f"bf16/{FORM}"),  # as transformers calls it
    (small("minimax"), ["*.self_attn.out_proj"], f"{FORM}/{FORM}/recurrent.o=bf16"),
    (small("granitemoe"), ["*.input_linear", "*.output_linear"], f"bf16/{FORM}"),
    (small("granitemoehybrid"), ["*.block_sparse_moe.*"], f"bf16/{FORM}"),
    (small("dbrx"), ["transformer.blocks.*.norm_attn_norm*"], f"{FORM}_experts"),
    (
        small("longcat_flash"),
        ["model.layers.*.mlps*"],
        f"{FORM}/{FORM}/dense_feed_forward=bf16",
    ),
    *((small(kind), ["*sparse_moe*"], f"bf16/{FORM}") for kind in ("mixtral", "phimoe", "minimax_m2", "granitemoe")),
    ({"model_type": "arctic"}, ["*sparse_moe*"], f"bf16/{FORM}"),
    ({"model_type": "arctic"}, ["*.residual_mlp.*"], f"{FORM}/{FORM}/dense_feed_forward=bf16"),
    # Words that other modules have, too.
    *((small(kind), ["*.o_proj"], f"{FORM}/{FORM}/attention.o=bf16") for kind in ("qwen3_next", "qwen3_5_moe_text", "jamba")),
    *(
        (small(kind), ["*.out_proj"], f"{FORM}/{FORM}/recurrent.o=bf16")
        for kind in ("qwen3_next", "lara_mini", "granitemoehybrid")
    ),
    (small("jamba"), ["*attn*"], f"{FORM}/{FORM}/attention=bf16"),
    (small("qwen3_next"), ["*.experts.*"], f"bf16/{FORM}"),
    *((small(kind), ["*.experts*"], f"bf16/{FORM}") for kind in ("qwen2_moe", "llama4_text", "hunyuan_v1_moe", "flint")),
    (small("deepseek_v32"), ["*.wq_b"], f"{FORM}/{FORM}/attention.index_q=bf16"),
    (small("qwen3_next"), ["*qkv*"], f"{FORM}/{FORM}/recurrent.qkv=bf16/recurrent.z=bf16"),
    (small("kimi_linear"), ["*forget_gate*"], f"{FORM}/{FORM}/recurrent.decay_a=bf16/recurrent.decay_b=bf16"),
    (small("switch_transformers"), ["encoder*.mlp.wi"], f"{FORM}/{FORM}/dense_feed_forward.up@1=bf16"),
    ({"model_type": "nemo_speechlm"}, ["*.mixer.o_proj"], f"{FORM}/{FORM}/attention.o=bf16"),
    ({"model_type": "nemo_speechlm"}, ["llm.model.layers.*.mixer.o_proj"], f"{FORM}/{FORM}/attention.o=bf16"),
    (
        small("deepseek_v4"),
        ["layers.*.attn.indexer.compressor.wkv", "layers.*.attn.indexer.compressor.wgate"],
        f"{FORM}/{FORM}/attention.compressor=bf16",
    ),
    (
        {"model_type": "nemotron_h_omni", "llm_config": NANO},
        ["language_model.backbone.layers.*.mixer.o_proj"],
        f"{FORM}/{FORM}/attention.o=bf16",
    ),
    ({"model_type": "glm5_next"}, ["*.self_attn.*"], f"{FORM}/{FORM}/attention=bf16/recurrent=bf16"),
    ({"model_type": "ernie4_5_vl_moe"}, ["*text_moe*"], f"bf16/{FORM}"),
    ({"model_type": "qwen3_omni_moe"}, ["thinker.model.layers.*.self_attn*"], f"{FORM}_experts"),
]


@pytest.mark.parametrize(
    ("config", "names", "expected"), BY_PATTERN, ids=[f"{one['model_type']} {names[0]}" for one, names, _ in BY_PATTERN]
)
def test_patterns(config: dict[str, Any], names: list[str], expected: str):
    assert told(config, "modelopt", names) == expected


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("mixtral", ["*text_moe*"]), ("dbrx", ["*self_attn*"]), ("qwen3_moe", ["other.layers.*.self_attn*"]),
        ("jamba", ["*block_sparse_moe*"]), ("nemotron_h", ["*self_attn*"]), ("gemma4_text", ["*.mlp.experts*"]),
        ("longcat_flash", ["model.layers.0.self_attn.2.o_proj"]), ("switch_transformers", ["*EncDecAttention*"]),
    ],
)  # fmt: skip
def test_names_of_nothing_that_is_counted_are_refused(kind: str, names: list[str]):
    with pytest.raises(QuantizationError, match=r"exclude_modules: .*modules that the model is counted with"):
        told(small(kind), "modelopt", names)


def test_names_of_what_is_not_counted_mean_nothing():
    names = ["mtp*", "model.visual*", "*norm", "*.gate", "*.mamba.*", "*shared_expert*", "model.layers.99.self_attn*", "*conv1d*"]
    assert told(small("qwen3_moe"), "modelopt", names) == FORM


@pytest.mark.parametrize(
    ("config", "head"),
    [
        ({"model_type": "nemo_speechlm"}, "llm.lm_head"),
        (small("mistral_large4_text"), "output"),
        (small("qwen3_5_moe_text"), "language_model.lm_head"),
        (small("deepseek_v4"), "head"),
    ],
)
def test_what_checkpoints_call_the_head(config: dict[str, Any], head: str):
    def stored(names: list[str]) -> str:
        statement = STATEMENTS["modelopt"]([]) | {"exclude_modules": names}
        return as_published(config | {"quantization_config": statement}, read(config).architecture).published_precision

    assert precision(stored([])).exception_of("lm_head") == WEIGHT_FORMATS[FORM]
    assert precision(stored([head])).exception_of("lm_head") is None
