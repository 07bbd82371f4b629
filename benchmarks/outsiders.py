"""Caches, weights and activations by public calculators beside ours, from the published configs and with no help.

Each difference must come to what its explanation says it comes to, or the program stops. Of activations, which one of them
takes by a fitted coefficient, its own formula must come to its answer, and the ratio to ours is recorded as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import yaml
from measure import FOLDER, REPOSITORY, report

from prophet_memory.architecture import Architecture, Layer
from prophet_memory.edge.configuration import read_engines
from prophet_memory.edge.files import write_text
from prophet_memory.edge.tables import read_rows
from prophet_memory.edge.text import thousands
from prophet_memory.formats import FORMATS
from prophet_memory.huggingface import read
from prophet_memory.kv_cache import CacheFormats, bytes_per_sequence, kv_growth
from prophet_memory.mixers import Attention, GatedDeltaNet, LatentAttention
from prophet_memory.parameters import count_parameters
from prophet_memory.peaks.peak import Setting, Step

TOKENS, BF16_BYTES = (1, 100_000), 2
Config = Mapping[str, Any]
Answer = Callable[[Config], Iterator[tuple[str, int]]]
NONE, CONV, NORMS = "", "without the newest input of each short convolution", "norms are not counted"
WINDOWED = "a window in every layer, for the config does not say which have one"
EXPANDED, WHOLE = "keys and values of every head instead of the latent", "layers with a window hold every token"
NO_HEAD, NO_BIAS, SPARSE = "no head of its own", "no biases and no sinks", "leading dense layers counted as sparse ones"
# The six that most calculators answer for; the config of each as aiconfigurator ships it.
SHIPPED = {
    "mixtral-8x7b": "mistralai--Mixtral-8x7B-v0.1",
    "qwen3-30b-a3b": "Qwen--Qwen3-30B-A3B",
    "qwen3-235b-a22b": "Qwen--Qwen3-235B-A22B",
    "deepseek-v3": "deepseek-ai--DeepSeek-V3",
    "gpt-oss-120b": "openai--gpt-oss-120b",
    "kimi-k2": "moonshotai--Kimi-K2-Instruct",
}
# The largest step of vLLM on 80 GB, of which aiconfigurator and our profile of vLLM are asked for the activations.
STEP_TOKENS, PROFILE, SYSTEM = 8192, "vllm-0.19", "h100_sxm"
STEP = Step(STEP_TOKENS, sequences=1024)
# Of aiconfigurator: values for each of a token's heads, of a mixture on one GPU; a scale for each block of what experts are sent.
COEFFICIENT, BLOCK, SCALE_BYTES = 22, 128, 4
FITTED = "no difference of buffers: a coefficient times tokens and attention width"
ACTIVATIONS = "activation_bytes_of_8192_tokens"
CLASS_OF = {"kimi_k2": "deepseek_v3"}  # whose code the published one is


def cached_bytes(architecture: Architecture, tokens: int) -> int:
    """Our cache and state of a sequence, the state in fp32, as kvfit takes it."""
    cache = CacheFormats(kv=FORMATS["bf16"], state=FORMATS["fp32"], conv=FORMATS["bf16"])
    return int(bytes_per_sequence(kv_growth(architecture, cache, source_tokens=0), tokens))


def explained(calculator: str, quantity: str, architecture: Architecture) -> tuple[int, str]:
    """What the calculator leaves out, and why."""
    layers = architecture.decoder.layers
    if calculator == "llm-mem-planner" and quantity == "weight_params":
        return count_parameters(architecture).norm + _inner_norms(architecture), NORMS
    if calculator == "kvfit":
        windows = [mixer.window_tokens for _, mixer in _attention(architecture) if mixer.window_tokens]
        if architecture.is_dense and windows:
            tokens = min(int(quantity.split("_")[3]), *windows)
            missing = cached_bytes(architecture, int(quantity.split("_")[3])) - cached_bytes(architecture, 1) * tokens
            return missing, WINDOWED if missing else NONE
        newest = sum(layer.count * layer.mixer.conv_size for layer in layers if isinstance(layer.mixer, GatedDeltaNet))
        return newest * BF16_BYTES, CONV if newest else NONE
    if calculator == "hf-mem" and quantity.startswith("cache"):
        return hf_mem_leaves_out(architecture, int(quantity.split("_")[3]))
    if calculator == "aiconfigurator" and quantity == "weight_bytes":
        return aiconfigurator_leaves_out(architecture)
    return 0, NONE


def _attention(architecture: Architecture) -> list[tuple[int, Attention]]:
    layers = architecture.decoder.layers
    return [(layer.count, layer.mixer) for layer in layers if isinstance(layer.mixer, Attention)]


def _latent(architecture: Architecture) -> list[tuple[int, LatentAttention]]:
    layers = architecture.decoder.layers
    return [(layer.count, layer.mixer) for layer in layers if isinstance(layer.mixer, LatentAttention)]


def hf_mem_leaves_out(architecture: Architecture, tokens: int) -> tuple[int, str]:
    """Of the cache: it knows heads of one width and no windows beside full attention."""
    if latent := _latent(architecture):
        values = sum(2 * count * _width(architecture, mixer) for count, mixer in latent)
        return cached_bytes(architecture, tokens) - values * tokens * BF16_BYTES, EXPANDED
    per_token = cached_bytes(architecture, 1)
    missing = cached_bytes(architecture, tokens) - per_token * tokens
    return missing, WHOLE if missing else NONE


def _width(architecture: Architecture, mixer: LatentAttention) -> int:
    """Heads times their width, as calculators have it that divide the hidden size by the heads."""
    return architecture.hidden_size // mixer.query_heads * mixer.query_heads


def aiconfigurator_leaves_out(architecture: Architecture) -> tuple[int, str]:
    """Of the weights: it adds up the products of a layer, all layers alike, and a head only where attention is latent."""
    latent = _latent(architecture)
    moe = replace(architecture.moe, expert_bias=False, router_bias=False)
    stack = replace(architecture.decoder, layers=tuple(_plain(layer, moe) for layer in architecture.decoder.layers))
    counts = count_parameters(replace(architecture, decoder=stack))
    counted = counts.total - counts.norm - _inner_norms(architecture) - (0 if latent else counts.lm_head)
    same_moe = all(layer.feed_forward == architecture.moe for layer in architecture.decoder.layers)
    biased = stack.layers != tuple(replace(layer, mixer=_unnormed(layer.mixer)) for layer in architecture.decoder.layers)
    reasons = {NORMS: True, NO_HEAD: not latent, SPARSE: not same_moe, NO_BIAS: same_moe and biased}
    return (count_parameters(architecture).total - counted) * BF16_BYTES, "; ".join(
        text for text, holds in reasons.items() if holds
    )


def _inner_norms(architecture: Architecture) -> int:
    """Of latents, which `attention` holds."""
    return sum(count * ((mixer.q_lora_rank or 0) + mixer.kv_lora_rank) for count, mixer in _latent(architecture))


def _plain(layer: Layer, moe: Any) -> Layer:  # noqa: ANN401
    mixer = _unnormed(layer.mixer)
    if isinstance(mixer, Attention):
        mixer = replace(mixer, qkv_bias=False, output_bias=False, sinks=False)
    return replace(layer, mixer=mixer, feed_forward=moe)


def _unnormed(mixer: Any) -> Any:  # noqa: ANN401
    return replace(mixer, qk_norm="none") if isinstance(mixer, Attention) else mixer


def kvfit(config: Config) -> Iterator[tuple[str, int]]:
    """Cache and state of a sequence."""
    from kvfit import estimate_cache  # noqa: PLC0415

    for tokens in TOKENS:
        estimate = estimate_cache(dict(config), context_tokens=tokens, kv_bytes=BF16_BYTES)
        yield f"cache_bytes_of_{tokens}_tokens", sum(part.bytes for part in estimate.components)


def llm_mem_planner(config: Config) -> Iterator[tuple[str, int]]:
    """Cache of a token, parameters, and their bf16 bytes; models with MLA only."""
    from llm_mem_planner import cli  # noqa: PLC0415

    dims = cli.load_dims(dict(config))
    for tokens in TOKENS:
        size = cli.estimate_kv_cache_gib(dims, batch=1, seq_len=tokens, kv_dtype_bytes=BF16_BYTES) * 2**30
        yield f"cache_bytes_of_{tokens}_tokens", round(size)
    yield "weight_params", cli.estimate_params(dims).total


def hf_mem(config: Config) -> Iterator[tuple[str, int]]:
    """Cache of a sequence, and bytes of a checkpoint whose header lists the tensors that transformers builds, in bf16."""
    from hf_mem.safetensors.kv_cache import compute_safetensors_kv_cache_size  # noqa: PLC0415
    from hf_mem.safetensors.metadata import parse_safetensors_metadata  # noqa: PLC0415

    for tokens in TOKENS:
        yield f"cache_bytes_of_{tokens}_tokens", compute_safetensors_kv_cache_size(dict(config), "BF16", tokens)
    yield "weight_bytes", parse_safetensors_metadata({"Transformer": header(config)}).bytes_count


def header(config: Config) -> dict[str, Any]:
    """A header of safetensors for a model on the meta device."""
    torch, transformers = import_module("torch"), import_module("transformers")
    values = {key: value for key, value in config.items() if key not in {"model_type", "quantization_config"}}
    kind = CLASS_OF.get(config["model_type"], config["model_type"])
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(kind, **values))
    return {name: {"dtype": "BF16", "shape": list(weight.shape)} for name, weight in model.named_parameters()}


def aiconfigurator(name: str) -> Iterator[tuple[str, int]]:
    """Weights, cache and activations in bf16 on one GPU, from the config that it ships and the constants of the system."""
    from aiconfigurator_core.sdk.backends.factory import get_backend  # noqa: PLC0415
    from aiconfigurator_core.sdk.config_builders import build_model_config  # noqa: PLC0415
    from aiconfigurator_core.sdk.models import get_model  # noqa: PLC0415

    own = Path(import_module("aiconfigurator_core").__file__ or "").parent
    config = json.loads((own / "model_configs" / f"{name}_config.json").read_text(encoding="utf-8"))
    config.pop("quantization_config", None)
    system = yaml.safe_load((own / "systems" / f"{SYSTEM}.yaml").read_text(encoding="utf-8"))
    formats = dict.fromkeys(("gemm_quant_mode", "moe_quant_mode", "kvcache_quant_mode", "fmha_quant_mode"), "bfloat16")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
        one = dict.fromkeys(("tp_size", "pp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size"), 1)
        model = get_model(folder, build_model_config(**one, **formats, comm_quant_mode="half"), "vllm")
    for tokens in TOKENS:
        yield f"cache_bytes_of_{tokens}_tokens", round(model.get_kvcache_bytes_per_sequence(tokens))
    asked = {"batch_size": 1, "beam_width": 1, "isl": 1, "osl": 1, "max_seq_len": 1, "num_tokens": STEP_TOKENS}
    memory = get_backend("vllm")._get_memory_usage(model, SimpleNamespace(system_spec=system), **asked)  # noqa: SLF001
    yield "weight_bytes", round(memory["weights"] * 2**30)
    yield ACTIVATIONS, round(memory["activations"] * 2**30)


def fitted_activations(architecture: Architecture) -> int:
    """What aiconfigurator's formula gives: its coefficient, and with latent attention a workspace of scales for the experts."""
    mixer = architecture.decoder.layers[0].mixer
    if isinstance(mixer, LatentAttention):
        width = _width(architecture, mixer)
        moe = architecture.moe
        workspace = STEP_TOKENS * width * moe.routed_experts * moe.top_k * SCALE_BYTES // BLOCK
        return BF16_BYTES * STEP_TOKENS * width * COEFFICIENT + workspace
    if not isinstance(mixer, Attention):
        raise TypeError(type(mixer).__name__)
    return BF16_BYTES * STEP_TOKENS * mixer.query_heads * mixer.head_dim * COEFFICIENT


def own_activations(architecture: Architecture) -> int:
    """The peak of our profile of vLLM in the same step."""
    engine = read_engines()[PROFILE]
    setting = Setting(vocabulary_multiple=engine.vocabulary_multiple)
    return max(int(moment.total_bytes) for moment in engine.part("activation").moments(architecture, STEP, setting))


def ours(quantity: str, architecture: Architecture) -> int:
    """The same quantity."""
    if quantity == "weight_params":
        return count_parameters(architecture).total
    if quantity == "weight_bytes":
        return count_parameters(architecture).total * BF16_BYTES
    if quantity == ACTIVATIONS:
        return own_activations(architecture)
    return cached_bytes(architecture, int(quantity.split("_")[3]))


def compared(configs: Mapping[str, Config]) -> Iterator[dict[str, Any]]:
    """A row for each answer of each installed calculator; those that refuse a model have none."""
    calculators: dict[str, Answer] = {"kvfit": kvfit, "llm-mem-planner": llm_mem_planner}
    for calculator, answer in calculators.items():
        for model, config in configs.items():
            with contextlib.suppress(Exception):  # an unknown type, in words of its own
                answers = list(answer({"torch_dtype": "bfloat16"} | dict(config)))
                yield from beside_ours(calculator, model, config, answers)
    for model, name in SHIPPED.items():
        yield from beside_ours("hf-mem", model, configs[model], hf_mem(configs[model]))
        yield from beside_ours("aiconfigurator", model, configs[model], aiconfigurator(name))


def beside_ours(calculator: str, model: str, config: Config, answers: Iterable[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    """A row for each answer; what is not explained is null."""
    architecture, version = read(config).architecture, importlib.metadata.version(calculator)
    for quantity, theirs in answers:
        row = {"calculator": calculator, "version": version, "model": model, "quantity": quantity, "theirs": theirs}
        row["ours"] = ours(quantity, architecture)
        if quantity != ACTIVATIONS:
            missing, reason = explained(calculator, quantity, architecture)
            yield row | {"explained": missing, "explanation": reason}
        elif theirs == fitted_activations(architecture):
            yield row | {"explained": None, "explanation": FITTED}
        else:
            raise AssertionError(f"{model}: {theirs} activations; allowed: {fitted_activations(architecture)}")


def six(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Of each of the six models, every answer over ours."""
    asked = {"cache": "cache_bytes_of_100000_tokens", "weights": "weight_bytes", "activations": ACTIVATIONS}
    found = {(row["model"], row["calculator"], row["quantity"]): f"{row['theirs'] / row['ours']:.3f}" for row in rows}
    return [
        {"model": model, "quantity": quantity}
        | {name: found.get((model, name, key), "–") for name in ("kvfit", "hf-mem", "aiconfigurator")}
        for model in SHIPPED
        for quantity, key in asked.items()
    ]


def page(rows: list[dict[str, Any]], template: Path) -> str:
    """docs/calculators.md."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - Markdown
    environment.filters["thousands"] = thousands
    return environment.from_string(template.read_text(encoding="utf-8")).render(rows=rows, six=six(rows)) + "\n"


def main() -> None:
    """Ask, compare, write table and page; with --recorded only the page, from the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--configs", type=Path, default=REPOSITORY / "tests" / "data", help="folder of hf_configs, imported_configs"
    )
    parser.add_argument("--template", type=Path, default=REPOSITORY / "workflow" / "templates" / "calculators.md.j2")
    parser.add_argument("--recorded", action="store_true", help="take the answers from --output, ask nobody")
    parser.add_argument("--output", type=Path, default=FOLDER / "outsiders.csv", help="CSV file")
    parser.add_argument("--page", type=Path, default=REPOSITORY / "docs" / "calculators.md")
    args = parser.parse_args()
    if not args.recorded:
        # Those of the record: of newer blocks not every difference is explained.
        known = {row["model"] for row in read_rows(args.output)} | set(SHIPPED)
        found = (file for file in args.configs.glob("*_configs/*.json") if file.stem in known)
        files = sorted(found, key=lambda file: file.stem)
        rows = list(compared({file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}))
        wrong = [row for row in rows if row["explained"] is not None and row["theirs"] + row["explained"] != row["ours"]]
        if wrong:
            parser.error(f"unexplained: {wrong[0]}")
        report(rows, args.output)
    write_text(args.page, page(read_rows(args.output), args.template))


if __name__ == "__main__":
    main()
