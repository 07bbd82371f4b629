"""What checkpoints call the modules of a model: the spellings in use, and those of types that have names of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

Names = dict[str, tuple[str, ...]]

# The first spelling is taken where a statement uses none.
ROOTS = (
    "model.layers", "model.language_model.layers", "language_model.model.layers", "language_model.layers",
    "thinker.model.layers", "layers",
)  # fmt: skip
ROOTS_OF_TWO = ("model.{side}.layers", "{side}.layers")  # of an encoder and of a decoder
FURTHER = "mtp.layers"  # that predict further tokens, in Qwen's checkpoints
HEADS = ("lm_head", "language_model.lm_head", "thinker.lm_head", "head")
EMBEDDINGS = (
    "model.embed_tokens", "model.language_model.embed_tokens", "language_model.model.embed_tokens", "embed_tokens",
    "thinker.model.embed_tokens", "backbone.embeddings", "model.embeddings", "transformer.wte", "model.shared", "shared",
)  # fmt: skip
PARENTS: Names = {  # what contains the maps of a component
    "attention": ("self_attn", "attn", "attention"),
    "recurrent": ("linear_attn", "mamba"),
    "dense_feed_forward": ("mlp", "feed_forward", "ffn"),
    "routed_expert": ("mlp", "block_sparse_moe", "feed_forward", "ffn"),
}
CROSS = ("encoder_attn", "cross_attention", "layer.1.EncDecAttention")
SHARED = ("shared_experts", "shared_expert", "shared_mlp", "share_expert")
ROUTERS = ("gate", "router", "router.layer", "router.gate", "router.proj", "router.classifier", "gate.wg")
PARTS: Names = {
    "q": ("q_proj", "qkv_proj", "wq", "query_key_value"), "k": ("k_proj", "qkv_proj", "wk", "query_key_value"),
    "v": ("v_proj", "qkv_proj", "wv", "query_key_value"), "o": ("o_proj", "out_proj", "wo"),
    "q_a": ("q_a_proj", "fused_qkv_a_proj", "wq_a"),
    "q_b": ("q_b_proj", "wq_b", "q_gate_proj"), "kv_a": ("kv_a_proj_with_mqa", "fused_qkv_a_proj", "wkv_a_with_mqa"),
    "kv_b": ("kv_b_proj", "wkv_b"), "gate": ("gate_proj", "gate_up_proj", "w1", "input_linear", "linear_gate"),
    "attention.gate": ("gate_proj", "g_proj", "linear_gate"),
    "recurrent.gate": ("g_proj",),
    "up": ("up_proj", "gate_up_proj", "w3", "input_linear", "wi"), "down": ("down_proj", "w2", "output_linear", "wo"),
    "qkv": ("in_proj_qkv", "in_proj_qkvz", "qkv_proj"), "z": ("in_proj_z", "in_proj_qkvz", "output_gate"),
    "in": ("in_proj",), "x": ("x_proj",), "dt": ("dt_proj",), "beta": ("b_proj",),
    "decay": ("f_proj", "forget_gate.f_proj"), "decay_a": ("f_a_proj", "forget_gate.f_a_proj"),
    "decay_b": ("f_b_proj", "forget_gate.f_b_proj"), "gate_a": ("g_a_proj",), "gate_b": ("g_b_proj",),
    "kv": ("kv_proj", "wkv"), "o_a": ("o_a_proj", "wo_a"), "o_b": ("o_b_proj", "wo_b"),
    "index_q": ("indexer.wq_b", "indexer.q_proj", "index_q_proj", "compressor.indexer.q_b_proj"),
    "index_k": ("indexer.wk", "indexer.k_proj", "index_k_proj"), "layer_inputs": ("per_layer_model_projection",),
    "layer_input_gate": ("per_layer_input_gate",), "layer_input": ("per_layer_projection",),
    "latent_down": ("fc1_latent_proj", "pre_expert_proj"), "latent_up": ("fc2_latent_proj", "post_expert_proj"),
}  # fmt: skip
SEVERAL = {  # parts that some checkpoints hold as two modules
    "ba": (("in_proj_b", "in_proj_ba"), ("in_proj_a", "in_proj_ba")),
    "compressor": (
        ("compressor.wkv", "compressor.kv_proj", "compressor.indexer.kv_proj", "indexer.compressor.wkv"),
        ("compressor.wgate", "compressor.gate_proj", "compressor.indexer.gate_proj", "indexer.compressor.wgate"),
    ),
}


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of a type whose checkpoints use others than most.

    `parents` says what contains a component; "" is the layer itself. Its keys `shared` and `experts` say what contains the maps
    of the shared expert, and of all experts as one tensor, with the whole path in the layer. `parts` are the only names of a
    part; its keys have the component, too, where two parts of that name stand in one module. Every name of these two counts.
    `roots` and `heads` stand for those of most. `preferred` are taken before the first of several spellings. `sublayers` is how
    many layers of the model are one of the checkpoint's; % stands for the place of one there.
    """

    parents: Names = field(default_factory=dict)
    parts: Names = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    heads: tuple[str, ...] = HEADS
    preferred: tuple[str, ...] = ()
    sublayers: int = 1


SPARSE: Names = {"routed_expert": ("block_sparse_moe", "mlp")}
SHARED_BESIDE: Names = SPARSE | {
    "shared_expert": ("",), "shared": ("shared_mlp",),
    "experts": ("block_sparse_moe.experts", "block_sparse_moe", "mlp.experts", "mlp"),
}  # fmt: skip
FEED_FORWARD: Names = {"routed_expert": ("feed_forward",), "dense_feed_forward": ("feed_forward",)}
ONE_SHARED: Names = {"shared": ("shared_expert",)}
DELTA: Names = ONE_SHARED | {"attention": ("self_attn",), "recurrent": ("linear_attn",)}
HYBRID: Names = {"attention": ("self_attn",), "recurrent": ("mamba",)}
MAMBA: Names = {"attention.o": ("o_proj",), "recurrent.o": ("out_proj",)}
INDEXED = Naming(  # beside an indexer with names of its own
    parts={"q": ("q_proj",), "k": ("k_proj",), "v": ("v_proj",), "o": ("o_proj",), "q_b": ("q_b_proj",)}
)
DECAY: Names = {part: PARTS[part] for part in ("decay", "decay_a", "decay_b")}
NUMBERED = ("w1", "w2", "w3")
BACKBONE = (
    *ROOTS[:1], "backbone.layers", "language_model.backbone.layers", *ROOTS[1:], "llm.model.layers",
)  # fmt: skip
DENSE: Names = {"o": ("o_proj", "dense")}
IN_BLOCK = ("layer.&.mlp",)
LAST_IN_BLOCK = {"encoder": "1", "decoder": "2"}  # which stand for & there
QKV = ("Wqkv",)
NAMINGS: dict[str, Naming] = {
    "arctic": Naming(SPARSE | {"dense_feed_forward": ("residual_mlp",)}, preferred=NUMBERED),
    "aria_text": Naming(
        parts={
            "routed_expert.gate": ("gate_proj", "gate_up_proj", "fc1"),
            "routed_expert.up": ("up_proj", "gate_up_proj", "fc1"),
            "routed_expert.down": ("down_proj", "fc2"),
        }
    ),
    "bailing_hybrid": Naming({"attention": ("attention", "self_attn"), "recurrent": ("attention", "self_attn")}, DECAY | DENSE),
    "dbrx": Naming(
        {"attention": ("norm_attn_norm.attn",), "routed_expert": ("ffn",)},
        {"q": QKV, "k": QKV, "v": QKV, "o": ("out_proj",), "gate": ("mlp.w1",), "up": ("mlp.v1",), "down": ("mlp.w2",)},
        roots=("transformer.blocks",),
    ),
    "deepseek_v32": INDEXED,
    "dots3_note_text": INDEXED,
    "ernie4_5_vl_moe_text": Naming({"routed_expert": ("mlp", "mlp.text_moe"), "shared_expert": ("mlp",)}),
    "flint": Naming(ONE_SHARED),
    "gemma4_text": Naming({"routed_expert": ("", "moe")}),
    "glm5_next_text": Naming({"recurrent": ("self_attn", "linear_attn")}, INDEXED.parts | DECAY),
    "glm_moe_dsa": INDEXED,
    "granitemoe": Naming(SHARED_BESIDE),
    "granitemoe_swa": Naming(SHARED_BESIDE),
    "granitemoehybrid": Naming(SHARED_BESIDE | HYBRID, MAMBA),
    "granitemoeshared": Naming(SHARED_BESIDE),
    "hunyuan_v1_moe": Naming({"shared": ("shared_mlp",)}),
    "hy_v4": INDEXED,
    "jamba": Naming(FEED_FORWARD | HYBRID, MAMBA),
    "kimi_linear": Naming(SPARSE | {"recurrent": ("self_attn",)}, DECAY),
    "lara_mini": Naming(
        DELTA,
        MAMBA
        | {
            "qkv": ("in_proj_qkv", "in_proj"),
            "z": ("in_proj_z", "in_proj"),
            "ba": ("in_proj_b", "in_proj_a", "in_proj"),
        },
    ),
    "lfm2_moe": Naming(FEED_FORWARD | {"recurrent": ("conv",)}),
    "llama4_text": Naming(ONE_SHARED),
    "longcat_flash": Naming({"attention": ("self_attn.%",), "dense_feed_forward": ("mlps.%",)}, sublayers=2),
    "minimax": Naming(
        SPARSE | {"recurrent": ("self_attn",)},
        MAMBA
        | {f"attention.{part}": (f"{part}_proj",) for part in "qkv"}
        | {"recurrent.qkv": ("qkv_proj",), "recurrent.z": ("output_gate",)},
        preferred=NUMBERED,
    ),
    "minimax_m2": Naming(SPARSE, preferred=NUMBERED),
    "mistral_large4_text": Naming(
        {
            "attention": ("self_attn", "attention"),
            "dense_feed_forward": ("mlp", "feed_forward"),
            "routed_expert": ("mlp", ""),
            "experts": ("mlp.experts", "experts"),
        },
        {"q": ("q_proj", "wq"), "o": ("o_proj", "wo"), "q_b": ("q_b_proj", "wq_b")},
        heads=(*HEADS, "output"),
    ),
    "mixtral": Naming(SPARSE, preferred=NUMBERED),
    "nemotron_h": Naming(dict.fromkeys(PARENTS, ("mixer",)), MAMBA, BACKBONE, heads=(*HEADS, "llm.lm_head")),
    "nllb-moe": Naming(parts={"up": ("fc1",), "down": ("fc2",)}),
    "phimoe": Naming(SPARSE, preferred=NUMBERED),
    "qwen2_moe": Naming(ONE_SHARED),
    "qwen3_5_moe_text": Naming(DELTA, MAMBA),
    "qwen3_next": Naming(DELTA, MAMBA | {"qkv": ("in_proj_qkvz",), "z": ("in_proj_qkvz",), "ba": ("in_proj_ba",)}),
    "sarvam_moe": Naming(parts=DENSE),
    "step3p5": Naming(
        {"routed_expert": ("mlp", "moe"), "shared_expert": ("mlp", ""), "experts": ("mlp.experts", "moe")},
    ),
    "switch_transformers": Naming(
        {"attention": ("layer.0.SelfAttention",), "dense_feed_forward": IN_BLOCK, "routed_expert": IN_BLOCK},
        {"q": ("q",), "k": ("k",), "v": ("v",), "o": ("o",), "up": ("wi",), "down": ("wo",)},
        roots=("{side}.block",),
    ),
}
# The type of the language model inside where its config does not say, if it is not that of the outer one with `_text` behind.
LANGUAGE_TYPES = {"nemo_speechlm": "nemotron_h", "nemotron_h_omni": "nemotron_h"}
