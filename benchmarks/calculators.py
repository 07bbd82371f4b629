"""The same work by public calculators: tokens that remain for Mixtral-8x7B's cache, over GPUs, batch sizes and weight precisions.

Each is taken by the calls that serve it best, with the model set up beforehand, and needs some help: llm-mem-planner knows latent
attention only (keys and values go in as a latent of their width, attention weights by hand), llm-analysis counts two matrices an
expert and tied embeddings (widths are adapted), kvfit counts no weights (their bytes are handed to it). Answers are compared.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
from measure import best_s, parser, report

from prophet_memory.architecture import Architecture
from prophet_memory.edge.configuration import MODELS_FOLDER, read_model
from prophet_memory.formats import FORMATS
from prophet_memory.kv_cache import CacheFormats, kv_growth, max_context_tokens
from prophet_memory.parameters import count_parameters

GIB, BF16_BYTES = 2**30, 2
MEMORIES_GIB, BATCHES, WEIGHT_BYTES = range(16, 311, 6), [2**i for i in range(10)], (2, 1)
CONFIGURATIONS = list(product(MEMORIES_GIB, BATCHES, WEIGHT_BYTES))
COLUMNS = ("calculator", "configurations_per_s", "of_ours", "answers_that_differ", "largest_difference_tokens")
One = Callable[[int, int, int], int]


def mixtral() -> Architecture:
    """The model, from the catalogue."""
    file = MODELS_FOLDER / "mixtral-8x7b.yaml"
    return read_model(file).architecture


def ours(model: Architecture) -> Callable[[], list[int]]:
    """All configurations in one call."""
    bf16 = FORMATS["bf16"]
    growth = kv_growth(model, CacheFormats(bf16, bf16, bf16), source_tokens=0)
    usable = GIB * np.array(MEMORIES_GIB)[:, None, None]
    weights, batch = count_parameters(model).total * np.array(WEIGHT_BYTES), np.array(BATCHES)[:, None]
    return lambda: max_context_tokens(growth, (usable - weights) // batch).ravel().tolist()


def llm_mem_planner(model: Architecture) -> One:
    """One configuration at a time."""
    from llm_mem_planner import cli  # noqa: PLC0415

    counts, moe = count_parameters(model), model.moe
    kv = 2 * 8 * 128
    fields = {
        "hidden_size": model.hidden_size, "num_hidden_layers": model.layer_count, "num_attention_heads": 32,
        "torch_dtype": "bfloat16", "vocab_size": model.vocabulary_size, "n_routed_experts": moe.routed_experts,
        "num_experts_per_tok": moe.top_k, "moe_intermediate_size": moe.expert_intermediate_size,
        "intermediate_size": moe.expert_intermediate_size, "kv_lora_rank": kv, "qk_nope_head_dim": 128,
        "v_head_dim": 128, "max_position_embeddings": 32768, "tie_word_embeddings": False,
    }  # fmt: skip
    dims = cli.load_dims(fields)
    parts = cli.ParamBreakdown(
        embedding=counts.embedding, lm_head=counts.lm_head, attn_fused_qkv_a_total=counts.attention + counts.norm,
        attn_q_b_total=0, attn_kv_b_total=0, attn_o_proj_total=0, indexer_total=0, dense_ffn_total=0,
        moe_routed_expert_total=counts.routed_expert, moe_shared_expert_total=0, moe_router_total=counts.router,
        mhc_total=0,
    )  # fmt: skip
    alone = cli.Parallelism()

    def one(memory_gib: int, batch: int, weight_bytes: int) -> int:
        weights = cli.estimate_weight_params_per_rank(dims, parts, alone).total * weight_bytes
        per_token = cli.estimate_kv_cache_gib(dims, batch=batch, seq_len=1, kv_dtype_bytes=BF16_BYTES)
        return max(0, int((memory_gib - weights / GIB) / per_token))

    return one


def llm_analysis(model: Architecture) -> One:
    """One configuration at a time."""
    logging.disable(logging.ERROR)
    from llm_analysis.analysis import LLMAnalysis  # noqa: PLC0415
    from llm_analysis.config import DtypeConfig, GPUConfig, ModelConfig, ParallelismConfig  # noqa: PLC0415

    three_matrices, own_head, hidden = 3 / 2, 2, model.hidden_size
    width = round(model.moe.expert_intermediate_size * three_matrices)
    described = ModelConfig(
        "mixtral", num_layers=model.layer_count, n_head=32, hidden_dim=hidden, num_key_value_heads=8, max_seq_len=2**31,
        moe_num_experts=model.moe.routed_experts, moe_top_k=model.moe.top_k, vocab_size=own_head * model.vocabulary_size,
        ffn_embed_dim=width, expansion_ratio=width / hidden,
    )  # fmt: skip
    gpus = {memory: GPUConfig(f"g{memory}", memory, 3350, 450, 8e-6, 989) for memory in MEMORIES_GIB}
    kinds = {size: DtypeConfig(f"w{8 * size}", 8 * size, 16, 8 * size) for size in WEIGHT_BYTES}
    analysis = LLMAnalysis(described, gpus[16], kinds[2], ParallelismConfig(), flops_efficiency=0.5)

    def one(memory_gib: int, batch: int, weight_bytes: int) -> int:
        analysis.update_gpu_config(gpus[memory_gib])
        analysis.update_dtype_config(kinds[weight_bytes])
        layers = analysis.get_weight_memory_per_layer() * model.layer_count
        weights = layers + analysis.get_memory_embedding() + analysis.get_weight_memory_last_layernorm()
        per_token = analysis.get_memory_kv_cache_per_layer(batch, 1, BF16_BYTES) * model.layer_count
        return max(0, int((memory_gib * GIB - weights) / per_token))

    return one


def kvfit(model: Architecture) -> One:
    """One configuration at a time; a cache of one token makes the sequences that fit the tokens that fit."""
    from kvfit import estimate_cache  # noqa: PLC0415
    from kvfit.hardware import Hardware  # noqa: PLC0415
    from kvfit.planner import plan_topologies  # noqa: PLC0415

    fields = {
        "model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "hidden_size": model.hidden_size,
        "torch_dtype": "bfloat16", "num_hidden_layers": model.layer_count, "num_attention_heads": 32,
        "num_key_value_heads": 8, "sliding_window": None, "intermediate_size": model.moe.expert_intermediate_size,
        "num_local_experts": model.moe.routed_experts, "num_experts_per_tok": model.moe.top_k,
        "vocab_size": model.vocabulary_size, "max_position_embeddings": 32768,
    }  # fmt: skip
    cache, parameters = estimate_cache(fields, context_tokens=1, kv_bytes=BF16_BYTES), count_parameters(model).total

    def one(memory_gib: int, batch: int, weight_bytes: int) -> int:
        gpu = Hardware("x", "x", memory_gib)
        plan = plan_topologies(cache, weight_bytes=parameters * weight_bytes, hardware=gpu, gpus=1, utilization=1.0)[0]
        return int(plan.sequences_per_replica // batch)

    return one


def installed(model: Architecture) -> Iterator[tuple[str, One]]:
    """Those calculators that are there."""
    for name, make in (("llm-mem-planner", llm_mem_planner), ("llm-analysis", llm_analysis), ("kvfit", kvfit)):
        with contextlib.suppress(ImportError):
            yield f"{name} {importlib.metadata.version(name)}", make(model)


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__, "calculators.csv")
    arguments.add_argument("--repeat", type=int, default=5, help="the best of this many passes counts")
    args = arguments.parse_args()
    model, count = mixtral(), len(CONFIGURATIONS)
    work = ours(model)
    expected, own_rate = work(), count / best_s(work, args.repeat)
    rows: list[dict[str, Any]] = [
        {
            "calculator": "prophet-memory",
            "configurations_per_s": own_rate,
            "of_ours": 1.0,
            "answers_that_differ": 0,
            "largest_difference_tokens": 0,
        }
    ]
    for name, one in installed(model):

        def every(one: One = one) -> list[int]:
            return [one(*configuration) for configuration in CONFIGURATIONS]

        rate = count / best_s(every, args.repeat)
        apart = np.abs(np.array(every()) - expected)
        found = (name, rate, rate / own_rate, int((apart > 0).sum()), int(apart.max()))
        rows.append(dict(zip(COLUMNS, found, strict=True)))
    report(rows, args.output)


if __name__ == "__main__":
    main()
