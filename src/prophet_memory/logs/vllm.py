"""vLLM's start-up log: V0 from 0.5 on and V1, read in the sources of 0.6.3, 0.8.5, 0.11.0 and 0.19.0 and in public logs."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from prophet_memory.logs.reading import QUANTIZATIONS, LogReading, every, first, gib, last, whole

N = r"(-?\d+(?:\.\d+)?)"
ENGINE = re.compile(r"Initializing an? (?:V[01] )?LLM engine \(v([^)]+)\) with config: model='([^']+)'")
BANNER_VERSION, BANNER_MODEL = re.compile(r"█.*\bversion (\d\S*)"), re.compile(r"█.*\bmodel +(\S+/\S+)")
KEY = re.compile(
    r"(?:^|[ ,])(dtype|tensor_parallel_size|pipeline_parallel_size|data_parallel_size|quantization|kv_cache_dtype)=([^,)\s]+)"
)
GIVEN = re.compile(r"non-default args: (\{.*\})")
TOKENS = re.compile(r"max_num_batched_tokens(?:=| to )(\d+)")
SEQUENCES = re.compile(r"(?:Defaulting max_num_seqs to |max_num_seqs=)(\d+)")
WEIGHTS = re.compile(rf"(?:Loading model weights|Model loading) took {N} (?:GB|GiB)")
CACHE = re.compile(rf"Available KV cache memory: {N} GiB")
CACHE_TOKENS = re.compile(r"GPU KV cache size: (\d[\d,]*) tokens")
CONCURRENCY = re.compile(rf"Maximum concurrency for (?P<context>\d[\d,]*) tokens per request: {N}x")
BESIDE = re.compile(rf"Total non KV cache memory: {N}GiB")
BLOCKS = re.compile(r"# (?:GPU|CUDA|cuda) blocks: (\d+)")
GRAPHS = re.compile(rf"Graph capturing finished in \d+ secs, took {N} GiB")
GRAPHS_ESTIMATED = re.compile(rf"Estimated CUDA graph memory: {N} GiB")
OLD_TOTAL = re.compile(rf"total_gpu_memory \({N}GiB\) x gpu_memory_utilization \({N}\)")
OLD_SPLIT = re.compile(
    rf"model weights take {N}GiB; non_torch_memory takes {N}GiB; PyTorch activation peak memory takes {N}GiB;"
    rf" the rest of the memory reserved for KV Cache is {N}GiB"
)
PAIRS = re.compile(
    rf"total_gpu_memory={N}GiB.*?peak_torch_memory={N}GiB.*?non_torch_memory={N}GiB.*?kv_cache_size={N}GiB"
    rf".*?gpu_memory_utilization={N}"
)
PROFILED = re.compile(rf"torch peak memory increase: {N}GiB; non-torch forward increase memory: {N}GiB; weights memory: {N}GiB")
ON_DEVICE = re.compile(rf"Free memory on device(?: \S+)? \({N}/{N} GiB\) on startup")
DESIRED = re.compile(rf"Desired GPU memory utilization is \({N}, {N} GiB\)")
USED = re.compile(
    rf"Actual usage is {N} GiB for weight, {N} GiB for peak activation, {N} GiB for non-torch memory,"
    rf" and {N} GiB for CUDAGraph memory"
)
TOTAL = re.compile(rf"total_memory={N}GiB")
WORKER = re.compile(r"\b(?:Worker(?:_[A-Z]+\d+)+|VllmWorker(?:Process)?(?: rank=\d+| [A-Z]+\d+)|RayWorkerWrapper)")
SHORT_FORMS = {
    "auto": None,
    "bfloat16": "bf16",
    "float16": "fp16",
    "float32": "fp32",
    "half": "fp16",
    "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8",
}
GIVEN_KEYS = {
    "gpu_memory_utilization": "usable_fraction", "max_num_batched_tokens": "step_tokens", "max_num_seqs": "step_sequences",
    "tensor_parallel_size": "tensor", "pipeline_parallel_size": "pipeline",
}  # fmt: skip


COMPRESSED_TENSORS = "compressed-tensors"
LONGEST_NUMBER = 12  # of an argument, in characters


def read_vllm(lines: Sequence[str]) -> LogReading | None:
    """What the log says; None for another engine's."""
    engine, banner = first(ENGINE, lines), first(BANNER_VERSION, lines)
    known = [WEIGHTS, CACHE_TOKENS, CACHE, OLD_SPLIT, PAIRS, BLOCKS, USED, PROFILED]
    if not (engine or banner or any(first(pattern, lines) for pattern in known)):
        return None
    version = engine[1] if engine else banner[1] if banner else ""
    model = engine or first(BANNER_MODEL, lines)
    named = None if model is None else model[model.re.groups]
    settings, notes = _settings(lines, engine)
    return LogReading(f"vLLM {version}".strip(), named, settings, _measured(lines), tuple(notes))


def _settings(lines: Sequence[str], engine: re.Match[str] | None) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    values, given = dict(KEY.findall(engine.string)) if engine else {}, _given(lines, notes)
    parallel = (("tensor_parallel_size", "tensor"), ("pipeline_parallel_size", "pipeline"))
    sizes = {name: whole(values.get(key)) for key, name in parallel}
    found: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
    found |= {name: given[key] for key, name in GIVEN_KEYS.items() if key in given}
    for name, pattern in (("step_tokens", TOKENS), ("step_sequences", SEQUENCES)):
        if name not in found and (line := first(pattern, lines)) and (size := whole(line[1])) is not None:
            found[name] = size
    if (line := last(CONCURRENCY, lines)) is not None and (size := whole(line["context"].replace(",", ""))) is not None:
        found["max_context_tokens"] = size
    found |= _memory(lines)
    if values:
        found |= _formats(values, engine[2] if engine else "", notes)
    if (whole(values.get("data_parallel_size")) or 1) > 1 or given.get("enable_expert_parallel"):
        notes.append("data or expert parallel: the prediction takes tensor parallelism alone")
    return found, notes


def _memory(lines: Sequence[str]) -> dict[str, Any]:
    """The GPU's memory and the share of it, as each release prints them."""
    found: dict[str, Any] = {}
    if (old := first(OLD_TOTAL, lines)) is not None:
        found |= {"gpu_memory": gib(old[1]), "usable_fraction": float(old[2])}
    if (pairs := first(PAIRS, lines)) is not None:
        found |= {"gpu_memory": gib(pairs[1]), "usable_fraction": float(pairs[5])}
    if (total := first(TOTAL, lines)) is not None:
        found["gpu_memory"] = gib(total[1])
    if (device := last(ON_DEVICE, lines)) is not None:
        found["gpu_memory"] = gib(device[2])
        if (desired := DESIRED.search(device.string)) is not None:
            found["usable_fraction"] = float(desired[1])
    return found


def _given(lines: Sequence[str], notes: list[str]) -> dict[str, Any]:
    """The arguments that are not the defaults, as the log prints them."""
    line = first(GIVEN, lines)
    try:
        return dict(ast.literal_eval(line[1])) if line else {}
    except (ValueError, SyntaxError, TypeError):
        plain = re.findall(r"'(\w+)': (\d+(?:\.\d+)?|True|False)(?=[,}])", line[1]) if line else []
        notes.append("of the line of non-default args only numbers, True and False are read")
        return {key: ast.literal_eval(number) for key, number in plain if len(number) <= LONGEST_NUMBER}


# How RedHatAI and others end the names of models that are stored as compressed tensors, and the format of the weights.
COMPRESSED = ((r"nvfp4", "nvfp4"), (r"fp8", "fp8"), (r"w4a16|int4|awq|gptq", "int4"), (r"w8a8|w8a16|int8", "int8"))


def _compressed(named: str, notes: list[str]) -> dict[str, Any]:
    """The format that a model's name tells where the engine prints none."""
    for words, form in COMPRESSED:
        if re.search(rf"(?:^|[^a-z0-9])(?:{words})(?:[^a-z0-9]|$)", named.lower()):
            notes.append(f"the format of the weights is taken for {form} by the model's name: --weights names another")
            return {"weights": form}
    notes.append(f"quantization {COMPRESSED_TENSORS}: name its format with --weights")
    return {}


def _formats(values: dict[str, str], named: str, notes: list[str]) -> dict[str, Any]:
    dtype = values.get("dtype", "").removeprefix("torch.")
    stored = SHORT_FORMS.get(dtype, dtype) or "bf16"
    cache = values.get("kv_cache_dtype", "auto")
    found: dict[str, Any] = {"kv": SHORT_FORMS.get(cache, cache) or stored}
    quantization = values.get("quantization", "None")
    if quantization == "None":
        found["weights"] = stored
    elif quantization in QUANTIZATIONS:
        found["weights"] = QUANTIZATIONS[quantization]
    elif quantization == COMPRESSED_TENSORS:
        found |= _compressed(named, notes)
    else:
        notes.append(f"quantization {quantization}: name its format with --weights")
    return found


# Lines that print several components, in the order of their numbers; a later line replaces an earlier one's.
SPLITS = (
    (OLD_SPLIT, ("weights", "non_torch", "activation_peak", "kv_cache")),
    (PROFILED, ("activation_peak", "non_torch")),
    (USED, ("weights", "activation_peak", "non_torch")),
)


def _pairs(lines: Sequence[str], weights: str | None) -> dict[str, str]:
    """The line of late 2024; its peak of torch holds the weights."""
    pairs = last(PAIRS, lines)
    if pairs is None:
        return {}
    peak = {} if weights is None else {"activation_peak": gib(round(float(pairs[2]) - float(weights.split()[0]), 2))}
    return peak | {"non_torch": gib(pairs[3]), "kv_cache": gib(pairs[4])}


def _measured(lines: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    if weights := every(WEIGHTS, lines):
        found["weights"] = gib(max(float(line[1]) for line in weights))  # workers may differ: the fullest decides
    for pattern, components in SPLITS:
        if (split := last(pattern, lines)) is not None:
            found |= {component: gib(number) for component, number in zip(components, split.groups(), strict=False)}
    found |= _pairs(lines, found.get("weights"))
    if cache := every(CACHE, lines):
        found["kv_cache"] = gib(min(float(line[1]) for line in cache))
    for component, pattern in (("cuda_graphs_estimated", GRAPHS_ESTIMATED), ("cuda_graphs", GRAPHS), ("beside_cache", BESIDE)):
        if (line := last(pattern, lines)) is not None:
            found[component] = gib(line[1])
    for component, pattern, unit in (
        ("kv_tokens", CACHE_TOKENS, "tokens"),
        ("kv_blocks", BLOCKS, "blocks"),
        ("max_concurrency", CONCURRENCY, "x"),
    ):
        if (line := last(pattern, lines)) is not None:
            found[component] = f"{line[line.re.groups].replace(',', '')} {unit}"
    return found
